"""What identifies a source record, and which of two is the later one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.csv import CsvAdapter
from fhir_bridge.adapters.ehr.dtm import timestamp
from fhir_bridge.adapters.ehr.hl7v2 import read_message
from fhir_bridge.mapping import Record

Write = Callable[..., Path]
Reading = Callable[..., Any]
ROME = ZoneInfo("Europe/Rome")

TIMES = st.sampled_from(
    ["", "2026", "202603", "20260301", "2026030112", "202603011200", "20260301120000", "20260301120000.5",
     "20260301120000+0100", "20260301110000+0000", "20260301110000.0001-0000", "yesterday", "00010101000000+1400"]
)  # fmt: skip
TOKENS = st.one_of(
    st.just(""),
    st.text("0123456789", max_size=12),
    st.text("09aAzZ-_. ü€", max_size=6).map(str.strip),
    st.sampled_from(["9", "10", "010", "MSG9", "MSG10", "9a", "²"]),
)


def message(sent: str, number: str, control_id: str) -> bytes:
    return f"MSH|^~\\&|LIS|HOSP|||{sent}||ORU^R01|{control_id}|P|2.5.1|{number}\rPID|1||7".encode()


def rule(sent: str, number: str, control_id: str, zone: ZoneInfo | None) -> Any:
    """MSH-7, then MSH-13, then MSH-10: missing first, digits by value, then text."""

    def part(text: str) -> tuple[int, int, bytes]:
        if not text:
            return (0, 0, b"")
        digits = text.isascii() and text.isdigit()
        return (1, int(text), b"") if digits else (2, 0, text.encode())

    time = timestamp(sent)
    if time is None:
        return ((0, datetime.min.replace(tzinfo=UTC)), part(number), part(control_id))
    moment = time if time.tzinfo else time.replace(tzinfo=zone or UTC)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        moment = time.replace(tzinfo=UTC)
    return ((1, moment), part(number), part(control_id))


@given(st.tuples(TIMES, TOKENS, TOKENS), st.tuples(TIMES, TOKENS, TOKENS), st.sampled_from([None, ROME]))
def test_messages_of_one_business_time_follow_msh_7_then_msh_13_then_msh_10(
    one: tuple[str, str, str], other: tuple[str, str, str], zone: ZoneInfo | None
) -> None:
    first, second = (
        read_message(message(*item), "m#1", zone=zone).sequence.encode() for item in (one, other)
    )
    wanted = rule(*one, zone), rule(*other, zone)
    assert (first < second, first == second) == (wanted[0] < wanted[1], wanted[0] == wanted[1])


def test_the_message_sent_later_and_the_greater_number_win() -> None:
    ordered = [
        ("", "9", "9"),
        ("20260301120000", "", ""),
        ("20260301120000", "", "9"),
        ("20260301120000", "", "10"),
        ("20260301120000", "", "MSG10"),
        ("20260301120000", "", "MSG9"),
        ("20260301120000", "9", "1"),
        ("20260301120000", "10", "1"),
        ("20260301120001", "1", "1"),
    ]
    results = [read_message(message(*item), "m#1").sequence.encode() for item in ordered]
    assert results == sorted(results)
    assert len(set(results)) == len(results)


def test_an_offset_counts_before_the_zone_of_the_site() -> None:
    local, stated = (
        read_message(message(sent, "", ""), "m#1", zone=ROME)
        for sent in ("20260701120000", "20260701100000+0000")
    )
    assert local.sequence == stated.sequence


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r", "\n\n"])
def test_a_message_sent_again_has_the_same_key_whatever_ends_its_segments(end: str) -> None:
    raw = message("20260301120000", "1", "1")
    again = raw.replace(b"\r", end.encode()) + end.encode()
    keys = {read_message(item, location).key for item, location in ((raw, "a.hl7#1"), (again, "b.hl7#7"))}
    assert len(keys) == 1
    assert len(keys.pop()) == 32


def test_any_other_content_is_another_record() -> None:
    keys = [
        read_message(message("20260301120000", "1", control_id), "m#1").key for control_id in ("1", "2", "")
    ]
    assert len(set(keys)) == 3


def test_a_message_that_cannot_be_decoded_has_a_key_too() -> None:
    raw = b"MSH|^~\\&|A|B|||2026||ADT^A01|1|P|2.5.1||||||UNICODE UTF-8\rPID|1||7||Gr\xfcn"
    refused, again = read_message(raw, "a#1"), read_message(raw.replace(b"\r", b"\r\n") + b"\r\n", "a#2")
    assert refused.outcome == "rejected"
    assert refused.key == again.key != ""


def keys(path: Path, reading: Reading, **options: Any) -> list[str]:
    return [row.key for row in CsvAdapter().read([path], reading(system="lab", **options))]


def test_a_row_has_one_key_whatever_the_order_of_columns_and_the_dialect(
    write: Write, reading: Reading
) -> None:
    plain = keys(write("a.csv", "PatNr,Wert,Kommentar\n7,5,-\n"), reading, missing=["-"])
    turned = keys(write("b.csv", '\ufeffWert;Leer;PatNr\n"5";; 7 \n'), reading, delimiter=";")
    assert plain == turned
    assert keys(write("c.csv", "PatNr,Wert\n7,6\n"), reading) != plain
    assert keys(write("d.csv", "Wert,PatNr\n7,5\n"), reading) != plain


def test_rows_of_tables_of_two_names_differ_and_a_row_that_cannot_be_parted_has_a_key(
    write: Write, reading: Reading
) -> None:
    item, other = (
        next(iter(CsvAdapter().read([write(name, "a\n1\n")], reading()))) for name in ("x.csv", "y.csv")
    )
    assert item.key != other.key
    (refused,) = CsvAdapter().read([write("z.csv", "a,b\n1\n")], reading())
    assert (refused.outcome, refused.key != "") == ("rejected", True)


def test_other_records_have_neither_key_nor_sequence_unless_they_say_so() -> None:
    record = Record("a", source="b")
    assert (record.key, record.sequence) == ("", "")
