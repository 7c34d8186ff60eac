"""Documents (MDM) that are replaced or withdrawn, through `load`: what their texts state goes with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_hl7v2_events import SITE, End, Store, each_order, message, pid


@pytest.fixture
def store(tmp_path: Path, bridge: Callable[..., Any], fresh_database_url: str) -> Store:
    (tmp_path / "site.yaml").write_text(SITE)
    return Store(tmp_path, bridge, fresh_database_url)


def mdm(event: str, control: str, hour: str, number: str, text: str, replaces: str = "") -> str:
    time = f"20260315{hour}0000"
    txa = f"TXA|1|AB^Arztbrief|TX|{time}|||{time}|||||{number}^KIS|{replaces}||||LA"
    obx = [f"OBX|1|TX|AB^Arztbrief^L||{text}||||||F"] if text else []
    return message(f"MDM^{event}", control, time, pid("1"), txa, *obx)


def facts(end: End) -> dict[str, list[str]]:
    """What texts state, by status."""
    found: dict[str, list[str]] = {}
    for item in end.get("Observation", ()):
        if any(each["url"].endswith("text-span") for each in item.get("extension", ())):
            value = item.get("valueQuantity", {}).get("value") or item["valueCodeableConcept"].get("text")
            value = value or item["valueCodeableConcept"]["coding"][0]["display"]
            found.setdefault(item["status"], []).append(str(value))
    return {status: sorted(values) for status, values in found.items()}


def statuses(end: End) -> dict[str, str]:
    return {item["masterIdentifier"]["value"]: item["status"] for item in end["DocumentReference"]}


LETTER = mdm("T02", "1", "09", "D1", "EF 45 %. NYHA II.")


def test_a_replaced_letter_and_what_it_states_count_no_more(store: Store) -> None:
    end = each_order(store, [LETTER, mdm("T10", "2", "10", "D2", "EF 40 %. NYHA III.", "D1^KIS")])
    assert statuses(end) == {"D1": "superseded", "D2": "current"}
    assert facts(end) == {
        "entered-in-error": ["45", "NYHA class II"],
        "preliminary": ["40", "NYHA class III"],
    }


@pytest.mark.parametrize("text", ["Nichtraucher.", ""])
def test_what_a_cancelled_letter_states_is_in_error(store: Store, text: str) -> None:
    """Whether the cancellation repeats the text or not; another letter's facts stay."""
    end = each_order(
        store, [mdm("T02", "1", "09", "D3", "Nichtraucher."), mdm("T11", "2", "10", "D3", text), LETTER]
    )
    assert statuses(end) == {"D1": "current", "D3": "entered-in-error"}
    assert facts(end) == {"entered-in-error": ["Non-smoker"], "preliminary": ["45", "NYHA class II"]}


def test_what_a_letter_states_is_in_error_when_letter_and_cancellation_come_in_one_file(store: Store) -> None:
    end = store.load(LETTER + mdm("T11", "2", "10", "D1", "")).end()
    assert set(facts(end)) == {"entered-in-error"}
    again = store.load(LETTER).end()
    assert facts(again) == facts(end)
