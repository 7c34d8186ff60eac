"""The views that come with the project: in order, documented, and of use on what the mappings make."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import loads_exact
from fhir_bridge.fhir.views import check_view, compile_view
from fhir_bridge.pipeline.views import file_records, open_sink, run_view, shipped_views

EXPECTED = {
    "conditions",
    "imaging_studies",
    "observation_values",
    "patient_demographics",
    "predictions",
    "variants",
}
MAPPINGS = Path(__file__).parents[2] / "mappings"


def table(name: str, folder: Path) -> list[dict[str, Any]]:
    view = compile_view(shipped_views()[name].read_bytes())
    stream = io.BytesIO()
    with open_sink("ndjson", view.columns, None, stream=stream) as sink:
        done = run_view(view, file_records([str(folder)], view.resource, exact=view.exact), sink)
    assert done.account.rejected == 0
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_these_ship() -> None:
    assert set(shipped_views()) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_view_is_in_order_named_and_documented(name: str, repository: Path) -> None:
    content = shipped_views()[name].read_bytes()
    assert check_view(content) == []
    view = compile_view(content)
    assert view.definition.name == name
    assert view.definition.description
    assert view.definition.url.startswith("https://fhir-bridge.org/fhir/ViewDefinition/")
    assert all(column.description and column.declared for column in view.columns)
    assert f"`{name}`" in (repository / "docs" / "views.md").read_text()
    assert loads_exact(content)["fhirVersion"] == ["4.0.1"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the mappings' examples expect, as NDJSON."""
    folder = tmp_path_factory.mktemp("examples")
    lines = []
    for file in sorted(
        [*MAPPINGS.rglob("examples/**/expected.ndjson"), *MAPPINGS.rglob("examples/**/*.json")]
    ):
        lines += (
            file.read_bytes().splitlines()
            if file.suffix == ".ndjson"
            else [file.read_bytes().replace(b"\n", b" ")]
        )
    (folder / "all.ndjson").write_bytes(b"\n".join(line for line in lines if b'"resourceType"' in line))
    return folder


@pytest.mark.parametrize(
    ("name", "filled"),
    [
        ("patient_demographics", "key family given gender birth_date identifiers"),
        ("observation_values", "key patient_key status effective code_system code value unit_code"),
        ("conditions", "key patient_key verification_status code_system code onset"),
        (
            "variants",
            "key patient_key gene gene_id c_hgvs g_hgvs start end ref_allele alt_allele allelic_state chromosome",
        ),
        ("imaging_studies", "key patient_key study_uid started series_uid modality series_instance_count"),
    ],
)
def test_a_view_of_what_the_mappings_make(examples: Path, name: str, filled: str) -> None:
    rows = table(name, examples)
    assert rows
    assert {column for row in rows for column, value in row.items() if value not in (None, [])} >= set(
        filled.split()
    )


def test_components_have_rows_of_their_own(tmp_path: Path) -> None:
    pressure = {
        "resourceType": "Observation",
        "id": "bp",
        "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/p"},
        "component": [
            {"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value, "code": "mm[Hg]"}}
            for code, value in (("8480-6", 120), ("8462-4", 80))
        ],
    }
    (tmp_path / "x.ndjson").write_text(json.dumps(pressure))
    shown = [(row["component"], row["code"], row["value"]) for row in table("observation_values", tmp_path)]
    assert shown == [(None, "85354-9", None), (0, "8480-6", 120), (1, "8462-4", 80)]
