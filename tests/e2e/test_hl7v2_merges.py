"""Numbers of patients whose records are merged (A40): MRG-1 and PID-3 name some, and list none."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.e2e.test_hl7v2_events import Store, each_order, message, pid, store

__all__ = ["store"]

OLD = message("ADT^A04", "1", "20260301080000", pid("1", more="~9^^^NHS^NH"))
HEIR = message("ADT^A04", "2", "20260301080500", pid("2", more="~8^^^NHS^NH"))
MERGE = message("ADT^A40^ADT_A39", "3", "20260302090000", pid("2"), "MRG|1^^^KIS^PI")


def numbers(patients: list[dict[str, Any]]) -> list[tuple[bool | None, dict[str, str | None]]]:
    """By patient whether it is active, and its numbers with their use."""
    return sorted(
        (
            (each.get("active"), {item["value"]: item.get("use") for item in each["identifier"]})
            for each in patients
        ),
        key=lambda each: sorted(each[1]),
    )


def test_a_merge_takes_no_other_number_away(store: Store) -> None:
    end = each_order(store, [OLD, HEIR, MERGE])
    assert numbers(end["Patient"]) == [(False, {"1": "old", "9": None}), (True, {"2": None, "8": None})]


def test_what_lists_the_numbers_after_a_merge_counts(store: Store) -> None:
    later = message("ADT^A08", "4", "20260303080000", pid("2", more="~7^^^NHS^NH"))
    end = each_order(store, [OLD, HEIR, MERGE, later])
    assert numbers(end["Patient"]) == [(False, {"1": "old", "9": None}), (True, {"2": None, "7": None})]


def test_lists_of_numbers_before_a_merge_replace_each_other(store: Store) -> None:
    corrected = message("ADT^A08", "4", "20260301120000", pid("1", more="~99^^^NHS^NH"))
    alone = message("ADT^A04", "0", "20260301070000", pid("1"))
    end = each_order(store, [alone, OLD, HEIR, corrected, MERGE])
    assert numbers(end["Patient"]) == [(False, {"1": "old", "99": None}), (True, {"2": None, "8": None})]
    end = each_order(store, [OLD, HEIR, alone, MERGE])
    assert numbers(end["Patient"]) == [(False, {"1": "old", "9": None}), (True, {"2": None, "8": None})]
    lonely = [message("ADT^A08", "5", "20260301120000", pid("1")), OLD, HEIR, MERGE]
    end = each_order(store, lonely)
    assert numbers(end["Patient"]) == [(False, {"1": "old"}), (True, {"2": None, "8": None})]


def test_a_number_that_a_result_knows_stays_through_a_merge(store: Store) -> None:
    result = message(
        "ORU^R01", "r", "20260301100000", pid("2", more="~L5^^^LAB^PI"),
        "OBR|1||F1^LIS|X^X^L", "OBX|1|NM|X^X^L||1|g/L|||||F",
    )  # fmt: skip
    end = each_order(store, [OLD, HEIR, result, MERGE])
    assert numbers(end["Patient"]) == [
        (False, {"1": "old", "9": None}),
        (True, {"2": None, "8": None, "L5": None}),
    ]


def test_a_merge_by_a_further_number_of_a_record_is_reported_until_it_is_made(store: Store) -> None:
    by_further = message("ADT^A40^ADT_A39", "3", "20260302090000", pid("2"), "MRG|9^^^NHS^NH")
    by_first = message("ADT^A40^ADT_A39", "4", "20260303090000", pid("2"), "MRG|1^^^KIS^PI")
    store.load(OLD, HEIR, by_further, by_further)
    (issue,) = store.issues("FB-RUN-053")
    end = store.end()["Patient"]
    merged = next(each for each in end if each.get("link") and each["link"][0]["type"] == "replaced-by")
    other = next(each for each in end if {"1", "9"} <= {item["value"] for item in each["identifier"]})
    assert f"Patient/{merged['id']} " in issue
    assert f"Patient/{other['id']} " in issue
    assert other.get("active", True)
    assert len(entries(store)) == 1
    store.load(by_first)
    assert entries(store) == []


def test_such_a_merge_is_reported_when_the_record_comes_later_and_not_of_other_patients(store: Store) -> None:
    by_further = message("ADT^A40^ADT_A39", "3", "20260302090000", pid("2"), "MRG|9^^^NHS^NH")
    store.load(by_further, HEIR, MERGE)
    assert store.issues("FB-RUN-053") == []
    store.load(message("ADT^A04", "5", "20260304080000", pid("5", more="~9^^^NHS^NH")))
    assert len(store.issues("FB-RUN-053")) == 1


def entries(store: Store) -> list[str]:
    with psycopg.connect(store.url) as connection:
        rows = connection.execute(
            "SELECT locator FROM inbox WHERE code = 'FB-RUN-053' AND state = 'open'"
        ).fetchall()
    return [row[0] for row in rows]
