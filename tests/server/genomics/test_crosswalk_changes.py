"""The crosswalk may change while the server runs: what it says at the time of a question counts for kept files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import genome, serving_folder, site
from tests.server.genomics.test_reclassification import search


def alternates(http: Http, number: str) -> list[str]:
    (patient,) = search(http, f"Patient?identifier=urn:oid:2.25.7|{number}")
    answer = http.get(
        "/fhir/$find-subject-variants",
        params={
            "subject": patient["id"],
            "ranges": "NC_000001.11:900-1020",
            "includeVariants": "true",
        },
    )
    assert answer.status_code == 200, answer.text
    resources: list[dict[str, Any]] = [
        part["resource"]
        for parameter in answer.json()["parameter"]
        for part in parameter.get("part", ())
        if part["name"] == "variant"
    ]
    return sorted(
        component["valueString"]
        for resource in resources
        for component in resource["component"]
        if component["code"]["coding"][0]["code"] == "69551-0"
    )


def test_a_sample_that_the_crosswalk_names_later_is_found_without_a_restart(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("FHIR_BRIDGE_BLOB_DIR", str(tmp_path / "blobs"))
    site(tmp_path)

    def load(path: Path) -> None:
        done = run_command("load", path, "-a", "vcf", "--site", tmp_path / "site.yaml", "--keep-file")
        assert done.returncode == 0, done.stderr

    load(genome(tmp_path))
    with serving_folder(tmp_path, database_url) as http:
        assert alternates(http, "A1") == ["C", "G", "T"]
        with (tmp_path / "crosswalk.csv").open("a") as file:
            file.write("NA-CORA;urn:oid:2.25.7;C1\n")
        cora = genome(tmp_path, name="cora.vcf")
        cora.write_text(cora.read_text().replace("NA-ANNA", "NA-CORA").replace("NA-BERT", "NA-ANNA"))
        load(cora)
        assert alternates(http, "C1") == ["C", "G", "T"]
