"""Files of messages: framing, character sets, line ends, what can't be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.dtm import timestamp
from fhir_bridge.adapters.ehr.hl7v2 import Hl7v2Adapter, framing, read_message
from fhir_bridge.adapters.ehr.hl7v2.groups import SPECIMEN

ADT = "MSH|^~\\&|KIS|HOSP|||20260101120000+0100||ADT^A01|{id}|P|2.5.1\rPID|1||77^^^HOSP^MR||Keller^Ada\r"
Write = Callable[..., Path]
Reading = Callable[..., Any]


def read(path: Path, reading: Reading, **options: Any) -> list[Any]:
    return list(Hl7v2Adapter().read([path], reading(**options)))


def codes(record: Any) -> list[str]:
    return [issue.code for issue in record.issues]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n"])
def test_any_line_end_parts_segments(end: str, write: Write, reading: Reading) -> None:
    (record,) = read(write("a.hl7", ADT.format(id=1).replace("\r", end)), reading)
    assert [segment.name for segment in record.segments] == ["MSH", "PID"]
    assert not record.issues


def test_locator_counts_messages_and_names_the_control_id(write: Write, reading: Reading) -> None:
    records = read(write("adt.hl7", ADT.format(id="A-1") + ADT.format(id="") + ADT.format(id="A-3")), reading)
    assert [record.locator for record in records] == ["adt.hl7#1 (A-1)", "adt.hl7#2", "adt.hl7#3 (A-3)"]


def test_batches_and_frames(write: Write, reading: Reading) -> None:
    batch = "FHS|^~\\&|KIS\rBHS|^~\\&|KIS\r" + ADT.format(id=1) + ADT.format(id=2) + "BTS|2\rFTS|1\r"
    assert [r.control_id for r in read(write("b.hl7", batch), reading)] == ["1", "2"]
    framed = "".join(f"\x0b{ADT.format(id=n)}\x1c\r" for n in (1, 2))
    records = read(write("f.mllp", framed), reading)
    assert [r.control_id for r in records] == ["1", "2"]
    assert all(r.outcome == "read" and not r.issues for r in records)


def test_batch_cut_short_is_reported(write: Write, reading: Reading) -> None:
    records = read(write("b.hl7", "BHS|^~\\&|KIS\r" + ADT.format(id=1) + "BTS|3\r"), reading)
    assert codes(records[-1]) == ["FB-HL7-011"]
    assert records[-1].records == 0


@pytest.mark.parametrize("stated", [200, 199])
@pytest.mark.parametrize("jobs", [2, 3])
def test_pieces_of_a_file_have_the_records_of_the_whole(
    jobs: int, stated: int, write: Write, reading: Reading
) -> None:
    long = "OBX|1|TX|N||" + "x" * 50_000 + "\r"  # pieces are of large files
    content = "BHS|^~\\&|KIS\r" + "".join(ADT.format(id=n) + long for n in range(199)) + "\x1cnothing\r"
    path, context = write("b.hl7", "\ufeff" + content + f"BTS|{stated}\r"), reading()
    adapter = Hl7v2Adapter()
    pieces = adapter.pieces(path, jobs, {})
    assert len(pieces) == jobs
    records, states = [], []
    for piece in pieces:
        state: dict[str, Any] = {}
        records += adapter.read_piece(path, piece, context, state)
        states.append(state)
    records += adapter.read_end(path, pieces[0], context, states)
    whole = read(path, reading)
    assert len(whole) == (200 if stated == 200 else 201)
    for one, other in zip(records, whole, strict=True):
        assert (one.locator, one.key, one.outcome, one.offset) == (
            other.locator, other.key, other.outcome, other.offset,
        )  # fmt: skip
        assert [str(issue) for issue in one.issues] == [str(issue) for issue in other.issues]


def test_byte_order_marks(write: Write, reading: Reading) -> None:
    umlaut = ADT.format(id=1).replace("Keller", "Müller")
    for content in (umlaut.encode("utf-8-sig"), umlaut.encode("utf-16")):
        (record,) = read(write("a.hl7", content), reading)
        assert str(record.segments[1].field(5)) == "Müller"
    twice = umlaut.encode("utf-8-sig") * 2
    assert len(read(write("b.hl7", twice), reading)) == 2


@pytest.mark.parametrize(
    ("stated", "encoding"),
    [
        ("8859/1", "latin-1"),
        ("8859/15", "iso8859-15"),
        ("UNICODE UTF-8", "utf-8"),
        ("GB 18030-2000", "gb18030"),
    ],
)
def test_stated_character_set(stated: str, encoding: str, write: Write, reading: Reading) -> None:
    text = f"MSH|^~\\&|KIS|HOSP|||2026||ADT^A01|1|P|2.5.1||||||{stated}\rPID|1||7||Grün\r"
    (record,) = read(write("a.hl7", text.encode(encoding)), reading)
    assert str(record.segments[1].field(5)) == "Grün"
    assert not record.issues


def test_wrong_or_unknown_character_set_rejects_the_message_alone(write: Write, reading: Reading) -> None:
    wrong = "MSH|^~\\&|KIS|HOSP|||2026||ADT^A01|1|P|2.5.1||||||UNICODE UTF-8\rPID|1||7||Grün\r".encode(
        "latin-1"
    )
    unknown = "MSH|^~\\&|KIS|HOSP|||2026||ADT^A01|2|P|2.5.1||||||KLINGON\rPID|1||7||Grün\r".encode("latin-1")
    records = read(write("a.hl7", wrong + unknown + ADT.format(id=3).encode()), reading)
    assert [(r.outcome, codes(r)) for r in records] == [
        ("rejected", ["FB-HL7-003"]),
        ("rejected", ["FB-HL7-004"]),
        ("read", []),
    ]
    assert read(write("b.hl7", wrong), reading, encoding="latin-1")[0].outcome == "read"


def test_silent_windows_1252_is_read_and_reported(write: Write, reading: Reading) -> None:
    raw = ADT.format(id=1).replace("Keller", "Dvořák").encode("cp1250")
    (record,) = read(write("a.hl7", raw), reading)
    assert codes(record) == ["FB-HL7-005"]


NAMED = "MSH|^~\\&|A|B|||20260101||ADT^A01|1|P|2.5.1||||||{}\rPID|1||1^^^B^MR||Müller^Łucja\r"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("stated", ["", "UNICODE UTF-16"])
def test_message_whose_bytes_hold_zeros_between_letters_is_refused(encoding: str, stated: str) -> None:
    message = read_message(NAMED.format(stated).encode(encoding), "m")
    assert (message.outcome, codes(message)) == ("rejected", ["FB-HL7-003"])


@pytest.mark.parametrize(
    ("stated", "encoding", "found"),
    [
        ("8859/1", "utf-8", ["FB-HL7-024"]),
        ("8859/2", "utf-8", ["FB-HL7-024"]),
        ("8859/2", "iso8859-2", []),
        ("UNICODE UTF-8", "utf-8", []),
        ("ASCII", "utf-8", []),
        ("", "utf-8", []),
    ],
)
def test_utf_8_under_another_name_is_reported(stated: str, encoding: str, found: list[str]) -> None:
    message = read_message(NAMED.format(stated).encode(encoding), "m")
    assert (message.outcome, codes(message)) == ("read", found)
    assert not codes(read_message(NAMED.format(stated).encode(encoding), "m", {"encoding": encoding}))


def test_zero_bytes_within_a_message_are_reported_and_at_its_end_are_not() -> None:
    plain = NAMED.format("").encode()
    assert codes(read_message(plain.replace("ü".encode(), b"\0"), "m")) == ["FB-HL7-025"]
    assert not codes(read_message(plain + b"\0\0\r\0", "m"))


@pytest.mark.parametrize(
    ("sent", "read_as", "said"),
    [
        ("A\x01B\x1bC", "ABC", "1 of U+0001, 1 of U+001B"),
        ("A\ufffeB", "AB", "1 of U+FFFE"),
        (r"A\X00\B", "AB", "1 of U+0000"),
        (r"A\X41011B\B", "AAB", "1 of U+0001, 1 of U+001B"),
        (r"A\X0D0A\B\X09\C", "A\nB\tC", ""),
        (r"A\T\B\X41\\X42\C", "A&BABC", ""),
    ],
)
def test_characters_that_no_text_holds_are_left_out_and_reported(sent: str, read_as: str, said: str) -> None:
    message = read_message(NAMED.format("UNICODE UTF-8").replace("Müller", sent).encode(), "m")
    assert str(message.segments[-1].part(5, 1)) == read_as
    assert [issue.message.rpartition(": ")[2] for issue in message.issues] == ([said] if said else [])


def test_a_control_character_may_be_a_delimiter() -> None:
    text = NAMED.format("").replace("^", "\x04")
    message = read_message(text.encode(), "m")
    assert not codes(message)
    assert message.segments[-1].part(5, 2) is not None


@pytest.mark.parametrize("sent", ["99991231235959+0000", "00010101000000+0000", "99991231235959-1200"])
def test_offset_of_a_message_at_the_end_of_the_calendar_is_its_own(sent: str) -> None:
    raw = NAMED.format("").replace("|20260101|", f"|{sent}|").encode()
    for zone in ("Europe/Berlin", "America/New_York", "Asia/Tokyo"):
        message = read_message(raw, "m", zone=ZoneInfo(zone))
        assert message.zone is None or message.zone == message.time.tzinfo


def test_bare_line_break_in_a_field_joins_and_is_reported(write: Write, reading: Reading) -> None:
    text = ADT.format(id=1) + "OBX|1|TX|1^Report||first\nsecond line\rOBX|2|TX|2^Other||x\r"
    (record,) = read(write("a.hl7", text), reading)
    assert str(record.segments[2].field(5)) == "first\nsecond line"
    assert len(record.segments) == 4
    assert codes(record) == ["FB-HL7-006"]


def test_what_is_no_message_is_named(write: Write, reading: Reading) -> None:
    assert codes(read(write("empty.hl7", ""), reading)[0]) == ["FB-HL7-001"]
    assert codes(read(write("text.hl7", "Dear colleague,"), reading)[0]) == ["FB-HL7-001"]
    junk = read(write("junk.hl7", "garbage\r" + ADT.format(id=1)), reading)
    assert [r.outcome for r in junk] == ["rejected", "read"]
    assert codes(read(write("msh.hl7", "MSH||||\r"), reading)[0]) == ["FB-HL7-002"]
    spaced = read(write("spaced.hl7", ADT.format(id=1).strip().replace("\r", " ")), reading)
    assert "must end with a carriage return" in spaced[0].issues[0].message
    missing = Path(write("x.hl7", "").parent / "absent.hl7")
    assert codes(read(missing, reading)[0]) == ["FB-HL7-009"]


def test_oversize_message_is_refused_and_the_next_is_read(
    write: Write, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "CHUNK", 4096)
    big = ADT.format(id=1) + "OBX|1|ED|1^Scan||" + "A" * (2 << 20) + "\r"
    records = read(write("a.hl7", big + ADT.format(id=2)), reading, max_message_mb=1)
    assert [(r.outcome, r.control_id) for r in records] == [("rejected", None), ("read", "2")]
    assert codes(records[0]) == ["FB-HL7-010"]


def test_messages_that_straddle_chunks(
    write: Write, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.hl7", "".join(ADT.format(id=n) for n in range(40)))
    for size in (1, 2, 3, 7, 64, 101):
        monkeypatch.setattr(framing, "CHUNK", size)
        assert [r.control_id for r in read(path, reading)] == [str(n) for n in range(40)], size


def test_required_segments_and_covered_types(write: Write, reading: Reading) -> None:
    master = "MSH|^~\\&|A|B|||2026||MFN^M02|1|P|2.3\rMFI|PRA\r"
    (record,) = read(write("m.hl7", master), reading, require=["PID"])
    assert (record.outcome, codes(record)) == ("skipped", ["FB-HL7-007"])
    nobody = "MSH|^~\\&|A|B|||2026||ADT^A08|1|P|2.3\rEVN|A08|2026\r"
    (record,) = read(write("n.hl7", nobody), reading, require=["PID"], covers=["ADT"])
    assert (record.outcome, codes(record)) == ("skipped", ["FB-HL7-023"])
    order = ADT.format(id=1).replace("ADT^A01", "ORM^O01")
    (record,) = read(write("o.hl7", order), reading, require=["PID"], covers=["ADT", "ORU"])
    assert (record.outcome, codes(record)) == ("read", ["FB-HL7-008"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260101120000+0100", datetime(2026, 1, 1, 11, tzinfo=UTC)),
        ("202601011205", datetime(2026, 1, 1, 12, 5)),
        ("20260101120000.1234-0000", datetime(2026, 1, 1, 12, 0, 0, 123400, UTC)),
        ("2026", datetime(2026, 1, 1)),
        ("20260230", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_time_of_a_message(text: str | None, expected: datetime | None) -> None:
    assert timestamp(text) == expected


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(raw: bytes) -> None:
    record = read_message(b"MSH|^~\\&|" + raw, "fuzz#1")
    assert record.outcome in ("read", "rejected")
    for scope in ("message", "PATIENT_RESULT", "OBSERVATION", "SPECIMEN", "AL1"):
        for group in record.scope(scope):
            for segment in group.segments:
                for number in range(len(segment.fields)):
                    segment.field(number)
                    segment.part(number, 2)
                    segment.at(number, 2, 1, 2)


PIECE = st.text(st.sampled_from('AB1|^~\\&\r\n"TFX.^ '), max_size=12)
LINE = st.builds(
    lambda name, body: f"{name}|{body}\r",
    st.sampled_from(["PID", "OBR", "ORC", "OBX", "NTE", "SPM", "PV1", "ZZZ", "xx"]),
    PIECE,
)


@settings(max_examples=200)
@given(st.lists(LINE, max_size=12))
def test_every_segment_but_a_comment_on_nothing_is_in_a_group(lines: list[str]) -> None:
    record = read_message(("MSH|^~\\&|A\r" + "".join(lines)).encode(), "fuzz#1")
    placed: list[int] = []
    specimens: set[int] = set()  # one that is before its orders is in the group of each

    def collect(group: Any) -> None:
        placed.extend(map(id, group.segments))
        for scope, inner in group.groups.items():
            for item in inner:
                if scope != SPECIMEN or id(item.segments) not in specimens:
                    collect(item)
                if scope == SPECIMEN:
                    specimens.add(id(item.segments))

    for inner in record.tree.groups.values():
        for item in inner:
            collect(item)
    segments = {id(segment): segment.name for segment in record.segments if segment.name != "MSH"}
    assert set(placed) <= set(segments)
    assert {segments[key] for key in set(segments) - set(placed)} <= {"NTE"}
    if (
        "MRG" not in segments.values() and "PV1" not in segments.values()
    ):  # a further visit is of the same patient
        assert len(placed) == len(set(placed))


@pytest.mark.shared
def test_every_real_file_is_read(shared: Path, reading: Reading) -> None:
    paths = sorted((shared / "data" / "hl7v2").rglob("*.hl7"))
    records = [record for path in paths for record in read(path, reading)]
    assert len(paths) > 200
    assert len(records) >= len(paths)
    refused = {record.locator: codes(record) for record in records if record.outcome != "read"}
    assert refused == {"adt-example.hl7#1": ["FB-HL7-002"]}, "its segments are divided by spaces"
    assert all(record.kind for record in records if record.outcome == "read")
