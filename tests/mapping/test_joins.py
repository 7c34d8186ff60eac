"""Tables beside the records: a cell by its key, checked when a mapping is loaded, part of what runs are compared by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.mapping import MappingErrors, load_mapping
from fhir_bridge.pipeline import ConversionContext, RunRequest
from fhir_bridge.plugins import adapters

MAPPING = """mapping: walks
version: 1.0.0
source:
  adapter: csv
  join:
    patients: {file: tables/patients.csv, key: id, delimiter: ";"}
rules:
- rule: walk
  as: Observation
  key: [row.patient, row.date]
  status: final
  code: {text: walk}
  subject: {display: "=joined('patients', row.patient, 'name')"}
  effectiveDateTime: =datetime(row.date)
"""
PATIENTS = "id;name;born\n1;Keller;1960\n2;Meier;1970\n2;Meier;1971\n3;;1980\n1;Keller;1960\n"
WALKS = "patient,date\n1,2026-01-01\n2,2026-01-02\n3,2026-01-03\n4,2026-01-04\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "walks" / "tables").mkdir(parents=True)
    (tmp_path / "walks" / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "walks" / "tables" / "patients.csv").write_text(PATIENTS)
    (tmp_path / "walks.csv").write_text(WALKS)
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    return tmp_path


def convert(folder: Path, *options: str) -> tuple[int, dict[str, str | None], list[dict[str, Any]]]:
    """Exit code, whom each walk is of, and the issues, by the command line."""
    out = folder / f"out{len(list(folder.glob('out*')))}"
    arguments = [
        "convert", folder / "walks.csv", "--adapter", "csv", "--mapping", folder / "walks" / "mapping.yaml",
        "--site", folder / "site.yaml", "--out", out, *options,
    ]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = (out / "Observation.ndjson").read_text().splitlines()
    found = {r["effectiveDateTime"][-2:]: r.get("subject", {}).get("display") for r in map(json.loads, lines)}
    return result.exit_code, found, json.loads((out / "report.json").read_text())["issues"]


def test_a_cell_is_read_by_its_key_and_what_is_not_there_is_reported(folder: Path) -> None:
    code, walks, issues = convert(folder)
    assert walks == {"01": "Keller", "02": None, "03": None, "04": None}
    messages = [issue["message"].partition(";")[0] for issue in issues if issue["code"] == "FB-MAP-213"]
    assert sorted(message.rpartition('"patients" ')[2] for message in messages) == [
        "has no row for the key",
        "has several rows for the key",
    ]
    assert code == 0


def test_another_file_is_named_for_a_run_and_two_workers_read_it(folder: Path) -> None:
    (folder / "other.csv").write_text("id;name\n4;Weber\n")
    _, walks, _ = convert(folder, "--set", f"join.patients={folder / 'other.csv'}", "--jobs", "2")
    assert walks["04"] == "Weber"


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("joined('patients'", "joined('pateints'",
         'mapping.yaml:13:31: no table "pateints" is joined (did you mean "patients"?)'),
        ("'name')", "'nam')", 'mapping.yaml:13:56: the joined table has no column "nam" (did you mean "name"?)'),
        ("'name')", "'name', else='flg')", "mapping.yaml:13:69: joined has no else='flg' (one of flag, drop, reject)"),
    ],
)  # fmt: skip
def test_tables_and_columns_are_checked_when_the_mapping_is_loaded(
    folder: Path, right: str, wrong: str, message: str
) -> None:
    file = folder / "walks" / "mapping.yaml"
    file.write_text(MAPPING.replace(right, wrong))
    with pytest.raises(MappingErrors) as raised:
        load_mapping(file, adapters=adapters())
    assert [str(error).rpartition("/")[2] for error in raised.value.errors] == [message]


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ("", "", "can't be read: No such file"),
        ("number;name\n1;Keller\n", "", 'has no column "id"'),
        (PATIENTS, ", max_rows: 3", "has more than 3 rows"),
        ("id;name\n1;Keller;too;many\n", "", "the row has 4 cells"),
        (PATIENTS, ", delimeter: x", 'delimeter is no option of csv (did you mean "delimiter"?)'),
    ],
)
def test_a_table_that_can_not_be_used_ends_the_run_before_it_begins(
    folder: Path, table: str, options: str, message: str
) -> None:
    file = folder / "walks" / "tables" / "patients.csv"
    file.write_text(table) if table else file.unlink()
    mapping = folder / "walks" / "mapping.yaml"
    mapping.write_text(MAPPING.replace('delimiter: ";"', f'delimiter: ";"{options}'))
    with pytest.raises(
        MappingErrors, match=message.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")
    ):
        convert(folder)
    assert not list(folder.glob("out*"))


def test_its_content_is_part_of_what_a_run_is_compared_by(folder: Path) -> None:
    mapping = str(folder / "walks" / "mapping.yaml")
    before = ConversionContext.of(RunRequest("csv")).digest(mapping)
    (folder / "walks" / "tables" / "patients.csv").write_text(PATIENTS + "4;Weber;1990\n")
    after = ConversionContext.of(RunRequest("csv"))
    assert after.digest(mapping) != before
    (folder / "other.csv").write_text("id;name\n4;Weber\n")
    other = RunRequest("csv", options={"join.patients": str(folder / "other.csv")})
    assert ConversionContext.of(other).digest(mapping) != after.digest(mapping)


def test_a_changed_table_is_read_again_in_the_same_process(folder: Path) -> None:
    assert convert(folder)[1]["04"] is None
    (folder / "walks" / "tables" / "patients.csv").write_text(PATIENTS + "4;Weber;1990\n")
    assert convert(folder)[1]["04"] == "Weber"


def test_a_site_that_extends_a_mapping_joins_its_own_table(folder: Path) -> None:
    (folder / "site").mkdir()
    (folder / "site" / "names.csv").write_text("nr,name\n1,Muster\n")
    (folder / "site" / "mapping.yaml").write_text(
        "mapping: s\nversion: 1\nextends: ../walks\nsource: {join: {names+: {file: names.csv, key: nr}}}\n"
        "override: {walk: {subject: {display: \"=joined('names', row.patient, 'name', else='drop')\"}}}\n"
    )
    (folder / "walks.csv").write_text(WALKS)
    arguments = ["convert", folder / "walks.csv", "--adapter", "csv", "--mapping", folder / "site" / "mapping.yaml",
                 "--site", folder / "site.yaml", "--out", folder / "fhir"]  # fmt: skip
    assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0
    assert "Muster" in (folder / "fhir" / "Observation.ndjson").read_text()
