"""`fhir-bridge view`: exit codes, what it says, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from fhir_bridge.cli.main import app
from tests.command import run_command

VIEW = {
    "resourceType": "ViewDefinition",
    "name": "people",
    "status": "active",
    "resource": "Patient",
    "select": [{"column": [{"name": "id", "path": "id"}, {"name": "born", "path": "birthDate"}]}],
}
GOOD = b'{"resourceType":"Patient","id":"a","birthDate":"1970-06"}\n'
BAD = b'{"resourceType":"Patient","id":"b","birthDate":7}\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "people.json").write_bytes(orjson.dumps(VIEW))
    (tmp_path / "good.ndjson").write_bytes(GOOD)
    (tmp_path / "mixed.ndjson").write_bytes(GOOD + BAD + b"{\n" + b'{"resourceType":"Group"}\n')
    return tmp_path


def view(*words: Any) -> Result:
    return CliRunner().invoke(app, ["view", *map(str, words)])


def refusal(*words: Any) -> tuple[int, str]:
    done = run_command("view", *words)
    return done.returncode, done.stderr


def test_a_table_goes_to_standard_output_and_words_go_beside_it(files: Path) -> None:
    done = view("run", files / "people.json", files / "good.ndjson")
    assert done.exit_code == 0
    assert done.stdout_bytes == b"id,born\r\na,1970-06\r\n"
    assert "1 row from 1 resource; 0 of other types passed over, 0 rejected" in " ".join(done.stderr.split())


def test_a_rejected_record_is_named_and_ends_with_1(files: Path) -> None:
    done = view(
        "run",
        files / "people.json",
        files / "mixed.ndjson",
        "--out",
        files / "t.csv",
        "--rejects",
        files / "r.ndjson",
    )
    assert done.exit_code == 1
    assert (files / "t.csv").read_bytes() == b"id,born\r\na,1970-06\r\n"
    text = " ".join(done.stderr.split())
    assert (
        "mixed.ndjson:2: ViewDefinition.select[0].column[1]: column born: expected date, found a number"
        in text
    )
    assert "1 row from 1 resource; 1 of other types passed over, 2 rejected" in text
    rejects = [orjson.loads(line) for line in (files / "r.ndjson").read_bytes().splitlines()]
    assert [(r["locator"], r["issues"][0]["code"]) for r in rejects] == [
        ("mixed.ndjson:2", "FB-VIEW-031"),
        ("mixed.ndjson:3", "FB-VIEW-034"),
    ]


def test_standard_input_is_ndjson(files: Path) -> None:
    done = CliRunner().invoke(
        app, ["view", "run", str(files / "people.json"), "-", "--to", "ndjson"], input=GOOD
    )
    assert done.stdout == '{"id":"a","born":"1970-06"}\n'


def test_parquet(files: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done = view(
        "run",
        files / "people.json",
        files / "good.ndjson",
        "--to",
        "parquet",
        "-o",
        files / "t.parquet",
        "--types",
        "native",
    )
    assert done.exit_code == 0
    assert "without an exact native form are null, 1 times (FB-VIEW-040)" in " ".join(done.stderr.split())
    assert parquet.read_table(files / "t.parquet").to_pylist() == [{"id": "a", "born": None}]


def test_show_says_columns_and_types(files: Path) -> None:
    text = " ".join(view("show", files / "people.json").stdout.split())
    assert "a view over Patient" in text
    for word in ("id (inferred)", "date (inferred)", "birthDate"):
        assert word in text


def test_check_says_all_that_is_wrong(files: Path) -> None:
    assert view("check", files / "people.json").exit_code == 0
    broken = {
        **VIEW,
        "resource": "Patient",
        "select": [{"column": [{"name": "a b", "path": "id"}, {"name": "c"}]}],
    }
    (files / "broken.json").write_bytes(orjson.dumps(broken))
    done = view("check", files / "broken.json")
    assert done.exit_code == 1
    for location in ("ViewDefinition.select[0].column[0].name", "ViewDefinition.select[0].column[1]"):
        assert location in done.stdout


def test_list_names_the_shipped_views() -> None:
    assert "patient_demographics" in view("list").stdout


class TestWrongUse:
    def test_a_view_that_is_not_there(self, files: Path) -> None:
        code, text = refusal("run", files / "nothing.json", files)
        assert code == 2
        assert "is no file and no shipped view (conditions," in text

    def test_a_view_that_is_wrong(self, files: Path) -> None:
        (files / "broken.json").write_text("{}")
        code, text = refusal("run", files / "broken.json", files)
        assert code == 2
        assert "ViewDefinition: `resource` is missing (FB-VIEW-002)" in text

    @pytest.mark.parametrize("sources", [[], ["good.ndjson", "--stored"]], ids=str)
    def test_files_or_the_store(self, files: Path, sources: list[str]) -> None:
        words = [files / word if word.endswith("json") else word for word in sources]
        code, text = refusal("run", files / "people.json", *words)
        assert code == 2
        assert "say what to read" in text

    def test_a_source_that_is_not_there(self, files: Path) -> None:
        code, text = refusal("run", files / "people.json", files / "nothing", "--out", files / "t.csv")
        assert code == 2
        assert "does not exist" in text
        assert not (files / "t.csv").exists()

    def test_parquet_wants_a_file(self, files: Path) -> None:
        assert "name a file with --out" in refusal("run", files / "people.json", files, "--to", "parquet")[1]

    @pytest.mark.parametrize("option", ["--out", "--rejects"])
    def test_what_is_read_is_not_written_over(self, files: Path, option: str) -> None:
        code, text = refusal(
            "run", files / "people.json", files / "good.ndjson", option, files / "good.ndjson"
        )
        assert code == 2
        assert "written over" in text
        assert (files / "good.ndjson").read_bytes() == GOOD

    def test_a_folder_that_is_not_there(self, files: Path) -> None:
        code, text = refusal(
            "run", files / "people.json", files / "good.ndjson", "--out", files / "no" / "t.csv"
        )
        assert code == 2
        assert "does not exist" in text

    def test_a_database_that_can_not_be_reached(self, files: Path) -> None:
        url = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
        code, text = refusal("run", files / "people.json", "--database", url)
        assert code == 3
        assert "database" in text


def test_a_reader_that_goes_away_is_no_traceback(files: Path) -> None:
    (files / "many.ndjson").write_bytes(GOOD * 50_000)
    command = f"{sys.executable} -m fhir_bridge.cli view run {files / 'people.json'} {files / 'many.ndjson'} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "id,born\n"
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
