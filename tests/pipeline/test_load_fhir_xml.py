"""`load` of FHIR in XML: resources and transactions are taken as their JSON is; other XML is left alone."""

from __future__ import annotations

from pathlib import Path

from fhir_bridge.fhir.xml import dumps
from tests.pipeline.test_load_fhir import MOTHER, TRANSACTION, load, stored


def test_resources_and_transactions_in_xml_are_loaded_as_their_json(
    tmp_path: Path, fresh_database_url: str
) -> None:
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    folder = tmp_path / "fhir"
    folder.mkdir()
    (folder / "p.xml").write_bytes(dumps({"resourceType": "Patient", "id": "p", "birthDate": "1970-01-01"}))
    (folder / "t.xml").write_bytes(dumps(TRANSACTION))
    (folder / "cda.xml").write_text('<ClinicalDocument xmlns="urn:hl7-org:v3"/>')
    (folder / "wrong.xml").write_text('<Patient xmlns="http://hl7.org/fhir">\n<gendre value="x"/></Patient>')
    result = load(tmp_path, fresh_database_url)
    assert {item["id"] for item in stored(fresh_database_url, "Patient")} == {"p", MOTHER}
    (observation,) = stored(fresh_database_url, "Observation")
    assert observation["subject"]["reference"] == f"Patient/{MOTHER}"
    assert result.report["records"]["rejected"] == 1
    (issue,) = result.report["issues"]
    assert "wrong.xml: line 2, column 1, Patient: Patient has no element <gendre>" in issue["message"]
