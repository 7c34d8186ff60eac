"""A table is the same table whatever format it is written in."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from fhir_bridge.adapters.ehr.csv import CsvAdapter, Dialect, read_table
from fhir_bridge.adapters.ehr.csv.binary import CellText
from fhir_bridge.cli.main import app
from tests.adapters.ehr.conftest import convert

Write = Callable[..., Path]
COLUMNS = ["START", "STOP", "PATIENT", "ENCOUNTER", "CODE", "DESCRIPTION"]
ROWS = [
    ["2023-01-27", "2023-02-09", "p1", "e1", "195662009", "Acute viral pharyngitis"],
    ["2023-03-01", "", "p2", "e2", "10509002", "Acute bronchitis"],
]


def as_csv(path: Path, delimiter: str = ",") -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([COLUMNS, *ROWS])
    path.write_text(text.getvalue())
    return path


def as_parquet(path: Path) -> Path:
    columns = list(zip(*ROWS, strict=True))
    days = [[date.fromisoformat(text) if text else None for text in column] for column in columns[:2]]
    codes = pa.array([int(code) for code in columns[4]])
    arrays = [*map(pa.array, days), *map(pa.array, columns[2:4]), codes, pa.array(columns[5])]
    parquet.write_table(pa.table(dict(zip(COLUMNS, arrays, strict=True))), path)
    return path


def as_excel(path: Path, *, sheets: int = 1) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(COLUMNS)
    for start, stop, *rest in ROWS:
        sheet.append([datetime.fromisoformat(start), datetime.fromisoformat(stop) if stop else None, *rest])
    for number in range(1, sheets):
        book.create_sheet(f"more {number}").append(["x"])
    book.save(path)
    return path


def test_conditions_are_the_same_from_csv_tsv_parquet_and_excel(tmp_path: Path) -> None:
    files = [
        as_csv(tmp_path / "conditions.csv"),
        as_csv(tmp_path / "conditions.tsv", "\t"),
        as_parquet(tmp_path / "conditions.parquet"),
        as_excel(tmp_path / "conditions.xlsx"),
    ]
    assert CsvAdapter().assign(files) == {"ehr/synthea-conditions": files}
    first, *others = (convert("ehr/synthea-conditions", [file]).of("Condition") for file in files)
    assert [resource["onsetDateTime"] for resource in first] == ["2023-01-27", "2023-03-01"]
    for other in others:
        assert other == first


def test_numbers_and_dates_of_a_workbook_are_written_in_the_marks_of_the_mapping(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["a", "b", "c", "d", "e"])
    sheet.append([37.5, 37, datetime(2026, 3, 1, 10, 20), True, 0.1 + 0.2])
    book.save(tmp_path / "t.xlsx")
    dialect = Dialect.of({"decimal": ",", "date": "dd.MM.yyyy HH:mm"})
    (row,) = read_table(tmp_path / "t.xlsx", dialect)
    assert [row.cell(name) for name in "abcde"] == ["37,5", "37", "01.03.2026 10:20", "true", "0,3"]


def test_types_of_parquet_are_written_as_texts(tmp_path: Path) -> None:
    table = pa.table(
        {
            "amount": pa.array([Decimal("1.50")]),
            "when": pa.array([datetime(2026, 3, 1, 10, 20)], pa.timestamp("ns", "UTC")),
            "nothing": pa.array([float("nan")]),
            "kind": pa.array(["x"]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    (row,) = read_table(tmp_path / "t.parquet", Dialect())
    assert [row.cell(name) for name in table.column_names] == [
        "1.50",
        "2026-03-01T10:20:00+00:00",
        None,
        "x",
    ]


@pytest.mark.parametrize("suffix", ["parquet", "xlsx"])
def test_file_that_is_cut_off_is_refused_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"conditions.{suffix}"
    (as_parquet if suffix == "parquet" else as_excel)(path)
    path.write_bytes(path.read_bytes()[:-200])
    (row,) = read_table(path, Dialect())
    assert (row.outcome, row.issues[0].code, row.locator) == ("rejected", "FB-CSV-001", path.name)


def test_other_sheets_are_reported_and_can_be_named(tmp_path: Path) -> None:
    path = as_excel(tmp_path / "conditions.xlsx", sheets=2)
    converted = convert("ehr/synthea-conditions", [path])
    assert len(converted.of("Condition")) == 2
    assert "FB-CSV-013" in converted.codes()
    (row,) = read_table(path, Dialect.of({"sheet": "nowhere"}))
    assert row.issues[0].code == "FB-CSV-001"
    assert '"more 1"' in row.issues[0].message
    assert not list(read_table(path, Dialect.of({"sheet": "more 1"})))


def test_report_is_written_where_nobody_reads_the_messages(tmp_path: Path) -> None:
    as_csv(tmp_path / "conditions.csv")
    reader, writer = os.pipe()
    os.close(reader)  # as `2>&1 | head -0` does
    done = subprocess.run(
        [sys.executable, "-m", "fhir_bridge.cli", "convert", "conditions.csv", "-a", "csv", "-o", "out"],
        cwd=tmp_path,
        stdout=writer,
        stderr=writer,
        check=False,
    )
    os.close(writer)
    assert done.returncode in (0, 1)
    assert orjson.loads((tmp_path / "out" / "report.json").read_bytes())["records"]["converted"] == 2


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n'])
def test_line_that_states_the_delimiter_is_no_header(tmp_path: Path, first: str) -> None:
    path = as_csv(tmp_path / "conditions.csv", ";")
    plain = convert("ehr/synthea-conditions", [path])
    path.write_text(first + path.read_text())
    stated = convert("ehr/synthea-conditions", [path])
    assert stated.of("Condition") == plain.of("Condition")
    assert [place for place, _ in stated.outcomes] == ["conditions.csv:3", "conditions.csv:4"]


@pytest.mark.parametrize(
    ("layout", "value", "text"),
    [
        ("dd.MM.yyyy HH:mm", datetime(2026, 3, 1, 10, 20), "01.03.2026 10:20"),
        ("dd.MM.yyyy HH:mm", datetime(2026, 3, 1, 10, 20, 30), "2026-03-01T10:20:30"),
        ("dd.MM.yyyy HH:mm:ss", datetime(2026, 3, 1, 10, 20, 30), "01.03.2026 10:20:30"),
        ("dd.MM.yyyy HH:mm:ss", datetime(2026, 3, 1, 10, 20, 30, 500_000), "2026-03-01T10:20:30.500000"),
        ("dd.MM.yyyy HH:mm", datetime(2026, 3, 1, 10, 20, tzinfo=UTC), "2026-03-01T10:20:00+00:00"),
        ("dd.MM.yyyy HH:mm", datetime(2026, 3, 1), "2026-03-01"),
        ("dd.MM.yyyy HH:mm", date(2026, 3, 1), "2026-03-01"),
        ("dd.MM.yyyy", date(2026, 3, 1), "01.03.2026"),
        ("dd.MM.yyyy", datetime(2026, 3, 1, 10, 20), "2026-03-01T10:20:00"),
        ("yyyy-dd-MM", datetime(2026, 3, 1), "2026-01-03"),
        ("dd.MM.yy", date(1950, 3, 1), "1950-03-01"),
        ("d.M.yyyy", date(2026, 3, 1), "2026-03-01"),
        ("dd MMM yyyy", date(2026, 3, 1), "2026-03-01"),
        ("yyyy-MM-dd'T'HH:mm", datetime(2026, 3, 1, 10, 20), "2026-03-01T10:20:00"),
    ],
)
def test_typed_time_is_written_in_the_form_of_the_mapping_only_where_that_says_all_of_it(
    layout: str, value: date, text: str
) -> None:
    assert CellText(Dialect.of({"date": layout}))(value) == text


def test_times_of_parquet_and_excel_keep_zone_seconds_and_days_whatever_form_the_mapping_states(
    tmp_path: Path,
) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "mapping: typed\nversion: 1.0.0\ntitle: T\n"
        'source: {adapter: csv, file: "typed.*", columns: [id, at], date: "dd.MM.yyyy HH:mm"}\n'
        "rules:\n- rule: result\n  as: Observation\n  key: [row.id]\n  time: row.at\n  status: final\n"
        '  code: {text: "=row.id"}\n  effectiveDateTime: "=datetime(row.at)"\n'
    )
    site = tmp_path / "site.yaml"
    site.write_text("site: test\nzone: Europe/Berlin\ndemo_key: true\n")
    parquet_file = tmp_path / "typed.parquet"
    times = pa.array([datetime(2026, 3, 11, 6, 0, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    parquet.write_table(pa.table({"id": ["a"], "at": times}), parquet_file)
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (
        ("id", "at"),
        ("b", date(2026, 3, 12)),
        ("c", datetime(2026, 3, 12, 9, 5, 30)),
        ("d", datetime(2026, 3, 12, 9, 5)),
        ("e", "12.03.2026 09:06"),
    ):
        sheet.append(row)
    workbook.save(tmp_path / "typed.xlsx")
    shown: dict[str, str] = {}
    for name in ("typed.parquet", "typed.xlsx"):
        out = tmp_path / "out"
        arguments = ["--adapter", "csv", "--mapping", str(mapping), "--site", str(site), "--out", str(out)]
        result = CliRunner().invoke(app, ["convert", str(tmp_path / name), *arguments, "--force"])
        assert result.exit_code == 0, result.output
        for line in (out / "Observation.ndjson").read_text().splitlines():
            resource = json.loads(line)
            shown[resource["code"]["text"]] = resource["effectiveDateTime"]
    assert shown == {
        "a": "2026-03-11T06:00:00+00:00",
        "b": "2026-03-12",
        "c": "2026-03-12T09:05:30+01:00",
        "d": "2026-03-12T09:05:00+01:00",
        "e": "2026-03-12T09:06:00+01:00",
    }


def test_numbers_of_32_bits_keep_their_own_digits(tmp_path: Path) -> None:
    values = [0.1, 5.4, 1e-7, 16777216.0, None]
    table = pa.table({"value": pa.array(values, pa.float32())})
    parquet.write_table(table, tmp_path / "t.parquet")
    cells = [row.cell("value") for row in read_table(tmp_path / "t.parquet", Dialect())]
    assert cells == ["0.1", "5.4", "0.0000001", "16777216", None]


def test_a_formula_without_a_value_is_reported_with_its_row(tmp_path: Path) -> None:
    """openpyxl writes formulas and works none out."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for cells in (["patient", "value", "share"], ["p1", "=2+2", 0.425], ["p2", 5, 0.5], ["=A2", "=B2", None]):
        sheet.append(cells)
    sheet["C2"].number_format = "0.0%"
    book.save(tmp_path / "t.xlsx")
    first, second, third, shares = read_table(tmp_path / "t.xlsx", Dialect())
    assert [first.cell("patient"), first.cell("value"), second.cell("value")] == ["p1", None, "5"]
    assert [(issue.code, issue.severity, issue.source) for issue in first.issues] == [
        ("FB-CSV-015", "error", "t.xlsx:2")
    ]
    assert '"value"' in first.issues[0].message
    assert not second.issues
    assert '"patient", "value"' in third.issues[0].message
    assert [(issue.code, issue.severity) for issue in shares.issues] == [("FB-CSV-016", "warning")]
    assert '"share"' in shares.issues[0].message


def test_a_number_whose_last_digits_are_gone_is_no_identifier(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for cells in (
        ["patient", "value"],
        [1.234567890123457e18, 3.1],
        [123456789012345, 3.2],
        ["1234567890123456789", 3.3],
    ):
        sheet.append(cells)
    book.save(tmp_path / "t.xlsx")
    rows = list(read_table(tmp_path / "t.xlsx", Dialect()))
    assert [row.cell("patient") for row in rows] == [None, "123456789012345", "1234567890123456789"]
    assert [[issue.code for issue in row.issues] for row in rows] == [["FB-CSV-017"], [], []]
    assert '"patient"' in rows[0].issues[0].message
