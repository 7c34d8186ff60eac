"""Tables: dialects, physical lines, what can't be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.csv import CsvAdapter, Dialect, DialectError
from fhir_bridge.adapters.ehr.csv.lines import rows
from fhir_bridge.mapping import Reject

Write = Callable[..., Path]
Reading = Callable[..., Any]


def read(path: Path, reading: Reading, **options: Any) -> list[Any]:
    return list(CsvAdapter().read([path], reading(**options)))


def codes(record: Any) -> list[str]:
    return [issue.code for issue in record.issues]


def test_rows_with_their_physical_lines(write: Write, reading: Reading) -> None:
    path = write("lab.csv", 'code,text\r\nA,"one\r\ntwo"\r\n\r\nB,three\r\n')
    records = read(path, reading)
    assert [record.locator for record in records] == ["lab.csv:2", "lab.csv:5"]
    assert records[0].cell("text") == "one\r\ntwo"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_from_the_header(delimiter: str, write: Write, reading: Reading) -> None:
    text = delimiter.join(["a", '"b,;|"', "c"]) + "\n" + delimiter.join("123")
    (record,) = read(write("t.csv", text), reading)
    assert record.cell("c") == "3"


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("utf-8", {}),
        ("utf-8-sig", {}),
        ("utf-16", {}),
        ("cp1252", {"encoding": "cp1252"}),
        ("latin-1", {"encoding": "latin-1"}),
    ],
)
def test_encodings(encoding: str, options: dict[str, Any], write: Write, reading: Reading) -> None:
    (record,) = read(write("t.csv", "Größe;Ort\n180;Zürich\n".encode(encoding)), reading, **options)
    assert (record.cell("Größe"), record.cell("Ort")) == ("180", "Zürich")


def test_bytes_of_another_encoding_cost_their_row_only(write: Write, reading: Reading) -> None:
    path = write("t.csv", b"name,town\nAda,Z\xfcrich\nBob,Bern\n")
    records = read(path, reading)
    assert [(r.locator, r.outcome, codes(r)) for r in records] == [
        ("t.csv:2", "rejected", ["FB-CSV-005"]),
        ("t.csv:3", "read", []),
    ]
    assert '"town"' in records[0].issues[0].message


def test_missing_tokens_and_blanks_are_nothing(write: Write, reading: Reading) -> None:
    (record,) = read(write("t.csv", "a;b;c;d\n n.b. ;-;  ;0\n"), reading, missing=["-", "n.b."])
    assert [record.cell(name) for name in "abcd"] == [None, None, None, "0"]


def test_cells_reach_the_mapping_as_written(write: Write, reading: Reading) -> None:
    (record,) = read(write("t.csv", "id;value\n1.234;37,0\n"), reading, decimal=",", group=".")
    assert (record.cell("id"), record.cell("value")) == ("1.234", "37,0")


def test_ragged_rows_are_rejected_but_trailing_delimiters_hold_nothing(
    write: Write, reading: Reading
) -> None:
    records = read(write("t.csv", "a,b\n1\n1,2,3\n1,2,,\n1,2\n"), reading)
    assert [(r.outcome, codes(r)) for r in records] == [
        ("rejected", ["FB-CSV-004"]),
        ("rejected", ["FB-CSV-004"]),
        ("read", []),
        ("read", []),
    ]
    assert records[0].issues[0].message == "the row has 1 cells, the header 2"


def test_open_quote_costs_its_own_line(write: Write, reading: Reading) -> None:
    records = read(write("t.csv", 'a,b\n1,"open\n2,x\n3,y\n'), reading)
    assert [(r.locator, r.outcome) for r in records] == [
        ("t.csv:2", "rejected"),
        ("t.csv:3", "read"),
        ("t.csv:4", "read"),
    ]
    assert codes(records[0]) == ["FB-CSV-006"]


def test_open_quote_far_from_the_end_costs_its_own_line(write: Write, reading: Reading) -> None:
    text = 'a,b\n1,"open\n' + "".join(f"{n},x\n" for n in range(500))
    records = read(write("t.csv", text), reading, max_row_lines=50)
    assert [r.outcome for r in records].count("read") == 500
    assert records[-1].locator == "t.csv:502"


def test_text_after_a_closing_quote_is_not_guessed_at(write: Write, reading: Reading) -> None:
    records = read(write("t.csv", 'a,b\n1,"x"y\n2,z\n'), reading)
    assert [(r.outcome, codes(r)) for r in records] == [("rejected", ["FB-CSV-006"]), ("read", [])]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FB-CSV-001"),
        (b"\n\n", "FB-CSV-001"),
        (b"a,b,a\n1,2,3\n", "FB-CSV-002"),
        ("größe\n1\n".encode("latin-1"), "FB-CSV-001"),
        ("a,b\n1,2\n".encode("utf-16-le"), "FB-CSV-001"),
        (b'a,"b\n1,2\n', "FB-CSV-001"),
    ],
)
def test_file_without_readable_header_is_refused_whole(
    content: bytes, code: str, write: Write, reading: Reading
) -> None:
    (record,) = read(write("t.csv", content), reading)
    assert (record.outcome, codes(record)) == ("rejected", [code])


def test_file_that_is_not_there_is_named(write: Write, reading: Reading) -> None:
    (record,) = read(write("t.csv", "").parent / "absent.csv", reading)
    assert codes(record) == ["FB-CSV-010"]


def test_column_that_the_mapping_names_and_the_file_lacks(write: Write, reading: Reading) -> None:
    path = write("t.csv", "PatNr;Temp C\n1;37,0\n")
    (refused,) = read(path, reading, columns=["PatNr", "Temp °C"])
    assert codes(refused) == ["FB-CSV-003"]
    assert '"Temp °C" (did you mean "Temp C"?); it has PatNr, Temp C' in refused.issues[0].message
    (record,) = read(path, reading, optional=["Puls"])
    assert record.cell("Puls") is None
    with pytest.raises(Reject) as rejected:
        record.cell("PatNR")
    assert 'did you mean "PatNr"' in rejected.value.issue.message


def test_header_further_down_none_at_all_and_comments(write: Write, reading: Reading) -> None:
    (record,) = read(write("a.csv", "Export of 1 May\n\na,b\n1,2\n"), reading, header=3)
    assert (record.locator, record.cell("b")) == ("a.csv:4", "2")
    (record,) = read(write("b.csv", "1,2\n"), reading, names=["a", "b"])
    assert (record.locator, record.cell("b")) == ("b.csv:1", "2")
    (record,) = read(write("c.csv", 'a,b\n# "note\n1,2\n'), reading, comment="#")
    assert record.locator == "c.csv:3"


def test_wrong_options_are_named(write: Write, reading: Reading) -> None:
    (record,) = read(write("t.csv", "a\n1\n"), reading, delimeter=";")
    assert codes(record) == ["FB-CSV-009"]
    assert 'did you mean "delimiter"' in record.issues[0].message
    for options, text in (
        ({"encoding": "klingon"}, "no encoding"),
        ({"delimiter": ";;"}, "one character"),
        ({"decimal": ",", "group": ","}, "same character"),
        ({"header": "first"}, "whole number"),
        ({"header": -1}, "from 1"),
    ):
        with pytest.raises(DialectError, match=text):
            Dialect.of(options)


def test_each_table_goes_to_the_mapping_that_fits_it(write: Write, reading: Reading) -> None:
    patients = write(
        "patients.csv", "Id,BIRTHDATE,DEATHDATE,SSN,FIRST,LAST,RACE,ETHNICITY,GENDER,ADDRESS,CITY\n"
    )
    german = write("patienten.csv", "PatNr;Aussteller;Nachname;Vorname;Geburtsdatum;Geschlecht\n")
    other = write("costs.csv", "a,b\n1,2\n3,4\n")
    near = write("smoking.csv", "PatNr;Aussteller;Datum;Raucherstatus\n")
    assigned = CsvAdapter().assign([patients, german, other, near])
    assert assigned == {
        "ehr/synthea-patients": [patients],
        "ehr/csv-patients": [german],
        "ehr/csv-unknown": [other, near],
    }
    skipped, refused = CsvAdapter().read([other, near], reading(unassigned=True))
    assert (skipped.outcome, skipped.records, codes(skipped)) == ("skipped", 2, ["FB-CSV-007"])
    assert (refused.outcome, codes(refused)) == ("rejected", ["FB-CSV-008"])
    assert '"Rauchstatus" (did you mean "Raucherstatus"?)' in refused.issues[0].message


CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=8)


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab,\"\r\n' ;"), max_size=60))
def test_any_text_is_parted_without_error(text: str) -> None:
    lines = text.splitlines(keepends=True)
    numbers = [row.line for row in rows(lines, delimiter=",", quote='"', limit=3)]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= len(lines) for number in numbers)


@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=5))
def test_what_csv_writes_is_read_back(table: list[list[str]]) -> None:
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(table)
    text.seek(0)
    assert [row.cells for row in rows(text, delimiter=",", quote='"', limit=1000)] == table


@pytest.mark.parametrize(
    ("content", "options", "code", "count"),
    [
        ("a,b,a\n1,2,3\n4,5,6\n7,8,9\n", {}, "FB-CSV-002", 3),
        ('a,"b\n1,2\n3,4\n', {}, "FB-CSV-001", 2),
        ("a,b\n1,2\n\n3,4\n", {"columns": ["c"]}, "FB-CSV-003", 2),
        ('a,b\n"1\n1",2\n3,4\n', {"columns": ["c"]}, "FB-CSV-003", 2),
        ("a,b\n1,2\n3,4\n", {"delimeter": ";"}, "FB-CSV-009", 2),
        ("# x\na,b\n1,2\n# y\n3,4\n", {"columns": ["c"], "comment": "#"}, "FB-CSV-003", 2),
        ("1,2\n3,4\n", {"names": ["a", "b"], "columns": ["c"]}, "FB-CSV-003", 2),
        ("a,b\n1,2\n3,4\n".encode("utf-16"), {"columns": ["c"]}, "FB-CSV-003", 2),
        (b"\xffa,b\n1,2\n3,4\n", {}, "FB-CSV-001", 2),
        ("", {}, "FB-CSV-001", 1),
        ("a,b\n", {"columns": ["c"]}, "FB-CSV-003", 1),
    ],
)
def test_a_refused_table_counts_all_its_rows(
    content: str | bytes, options: dict[str, Any], code: str, count: int, write: Write, reading: Reading
) -> None:
    (record,) = read(write("t.csv", content), reading, **options)
    assert (record.outcome, codes(record), record.records) == ("rejected", [code], count)


def test_rows_that_cannot_be_reached_are_counted(write: Write, reading: Reading) -> None:
    text = "a,b\n" + "".join(f"{n},{n}\n" for n in range(20_000))
    content = bytearray(text.encode("utf-16-le"))
    content[100_000:100_002] = b"\x00\xd8"  # half a pair of surrogates
    records = read(write("t.csv", b"\xff\xfe" + bytes(content)), reading)
    assert codes(records[-1]) == ["FB-CSV-005"]
    assert sum(record.records for record in records) == 20_000


def test_a_table_that_fits_no_mapping_by_its_columns_counts_its_rows(write: Write, reading: Reading) -> None:
    near = write("smoking.csv", "PatNr;Aussteller;Datum;Raucherstatus\n" + "1;2;3;4\n" * 5)
    (record,) = CsvAdapter().read([near], reading(unassigned=True))
    assert (record.outcome, record.records, codes(record)) == ("rejected", 5, ["FB-CSV-008"])


class TestColumnsThatNoRuleReads:
    """Reported once a table, with the number of values that they hold."""

    TABLE = "PatNr,Wert,Kommentar,Leer,Ort\n1,5,hämolytisch,,Basel\n2,6,-,,\n3,7,lipämisch,,\n"

    @staticmethod
    def messages(path: Path, names: set[str], **options: Any) -> list[str]:
        context = SimpleNamespace(
            options=options, site=None, selectors=frozenset(("row", f"row.{name}") for name in names)
        )
        *rows_, last = CsvAdapter().read([path], context)  # type: ignore[arg-type]
        assert len(rows_) == 3
        assert (last.records, last.outcome) == (0, "skipped")
        assert {issue.code for issue in last.issues} <= {"FB-CSV-011", "FB-CSV-012"}
        return [issue.message for issue in last.issues]

    def test_each_with_its_values(self, write: Write) -> None:
        assert self.messages(write("t.csv", self.TABLE), {"PatNr", "`Wert`"}, missing=["-"]) == [
            'no rule reads the column "Kommentar" (values: 2)',
            'no rule reads the column "Ort" (values: 1)',
        ]

    def test_but_those_that_the_mapping_ignores(self, write: Write) -> None:
        messages = self.messages(
            write("t.csv", self.TABLE), {"PatNr", "Wert"}, ignore=["Ort"], together=["PatNr"]
        )
        assert messages == [
            'no rule reads the column "Kommentar" (values: 3)',
            'the mapping leaves out the column "Ort" (values: 1)',
        ]

    def test_none_where_every_column_is_read_or_empty(self, write: Write) -> None:
        context = SimpleNamespace(options={}, site=None, selectors=frozenset({("row", "row.a")}))
        assert len(list(CsvAdapter().read([write("t.csv", "a,b\n1,\n")], context))) == 1  # type: ignore[arg-type]
