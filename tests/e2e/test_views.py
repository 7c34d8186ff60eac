"""The shipped views over the demonstration's store, as a person runs them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.demo.people import people
from fhir_bridge.pipeline.views import shipped_views
from tests.e2e.conftest import Prepared

PEOPLE = people()


def table(name: str, url: str, folder: Path) -> list[dict[str, Any]]:
    out = folder / f"{name}.ndjson"
    done = CliRunner().invoke(
        app, ["view", "run", name, "--database", url, "--to", "ndjson", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def test_the_tables_join(demo_url: str, prepared: Prepared, tmp_path: Path) -> None:
    patients = {row["key"]: row for row in table("patient_demographics", demo_url, tmp_path)}
    assert len(patients) >= len(PEOPLE)
    for name in sorted(set(shipped_views()) - {"patient_demographics"}):
        rows = table(name, demo_url, tmp_path)
        assert rows, name
        assert {row["patient_key"] for row in rows} <= set(patients), name


def test_variants_have_their_genes(demo_url: str, tmp_path: Path) -> None:
    rows = table("variants", demo_url, tmp_path)
    assert {"LDLR", "TTR"} <= {row["gene"] for row in rows}
    assert all(row["g_hgvs"] and row["start"] <= row["end"] for row in rows)


def test_predictions_have_a_number_or_a_reason(demo_url: str, tmp_path: Path) -> None:
    rows = table("predictions", demo_url, tmp_path)
    assert all((row["value"] is None) != (row["refused"] is None) for row in rows)
    assert {row["status"] for row in rows} == {"preliminary"}
    assert any(row["derived_from"] for row in rows)


@pytest.mark.parametrize("name", sorted(shipped_views()))
def test_every_view_is_csv_and_parquet_too(name: str, demo_url: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for form in ("csv", "parquet"):
        out = str(tmp_path / form)
        done = CliRunner().invoke(
            app, ["view", "run", name, "--database", demo_url, "--to", form, "--out", out]
        )
        assert done.exit_code == 0, done.output
    with (tmp_path / "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    typed = parquet.read_table(tmp_path / "parquet").to_pylist()
    assert len(rows) == len(typed) > 0
    for row, native in zip(rows, typed, strict=True):
        assert row["key"] == native["key"]
        for written in set(native) - set(row):
            assert (native[written] or "") == row[written.removesuffix("_text")]
