"""`mapping coverage`: rules, branches, ConceptMap rows and source leaves, over examples and over a corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.command import run_command


def covered(*arguments: object) -> dict[str, Any]:
    done = run_command("mapping", "coverage", *arguments, "--format", "json")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def branches(result: dict[str, Any]) -> dict[str, int]:
    return {each["text"]: each["count"] for each in result["branches"]}


def test_branches_and_leaves_of_golden_examples(mapping: Path) -> None:
    result = covered(mapping)
    assert [(each["rule"], each["count"]) for each in result["rules"]] == [("walk", 3)]
    assert branches(result) == {
        "when row.Nr != '9'": 3,
        "when not (row.Nr != '9')": 0,
        "match row.Einheit: m": 1,
        "match row.Einheit: empty": 1,
        "match row.Einheit: else": 1,
    }
    assert result["leaves"]["row.Rest"] == {"values": 2, "read": 0, "written": 0, "example": "walks.csv:2"}
    assert result["leaves"]["row.Datum"]["written"] == 2
    assert result["totals"]["branches"] == {"covered": 4, "total": 5, "percent": 80.0}
    assert result["totals"]["leaves"]["percent"] == 80.0


def test_a_threshold_that_is_missed_is_exit_1(mapping: Path) -> None:
    assert (
        run_command("mapping", "coverage", mapping, "--fail-under", "rules=100,branches=80").returncode == 0
    )
    done = run_command("mapping", "coverage", mapping, "--fail-under", "rules=100,branches=80.1,leaves=90")
    assert done.returncode == 1
    assert "walks: branches 80.0 % is below 80.1 %" in done.stderr
    assert "walks: leaves 80.0 % is below 90 %" in done.stderr
    assert run_command("mapping", "coverage", mapping, "--fail-under", "lines=3").returncode == 2


def test_the_rows_of_a_concept_map_that_are_used(mapping: Path, tmp_path: Path) -> None:
    folder = tmp_path / "terminology"
    folder.mkdir()
    element = [{"code": c, "target": [{"code": "final", "equivalence": "equal"}]} for c in ("m", "km", "mi")]
    concept_map = {
        "resourceType": "ConceptMap", "url": "urn:x:status", "name": "walk-status", "status": "active",
        "group": [{"source": "urn:x", "target": "http://hl7.org/fhir/observation-status", "element": element}],
    }  # fmt: skip
    (folder / "map.json").write_text(json.dumps(concept_map))
    text = mapping.read_text().replace(
        "status: final", "status: =translate(row.Einheit, 'walk-status', else='unknown')"
    )
    mapping.write_text(text)
    site = mapping.parent / "examples/three/site.yaml"
    site.write_text(f"zone: Europe/Rome\ndemo_key: true\nterminology: [{folder}]\n")
    assert covered(mapping)["rows"]["walk-status"] == {"total": 3, "unused": ["mi"]}


def test_a_corpus_of_messages(message: Path, site: Path) -> None:
    result = covered("ehr/hl7v2", "--corpus", message, "--site", site)
    assert {each["rule"] for each in result["rules"] if each["count"]} == {
        "patient",
        "order",
        "result",
        "report",
    }
    assert result["leaves"]["MSH-11"]["read"] == 0
    assert result["leaves"]["OBX-5"] == {"values": 2, "read": 2, "written": 2}


def test_a_page_and_all_of_a_long_list(mapping: Path, table: Path, site: Path, tmp_path: Path) -> None:
    out = tmp_path / "coverage.html"
    arguments = (mapping, "--corpus", table, "--site", site)
    assert run_command("mapping", "coverage", *arguments, "--format", "html", "-o", out).returncode == 0
    assert "row.Rest" in out.read_text(encoding="utf-8")
    assert (
        "rule walk: when not (row.Nr != '9')"
        in run_command("mapping", "coverage", *arguments, "--all").stdout
    )
