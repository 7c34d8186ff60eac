"""A document that replaces an older one: the older is superseded, and what it alone states counts no longer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.pipeline import RunRequest, load_sources
from tests.adapters.ehr.test_ccda_values import EXAMPLE, document, results

STATED = '<effectiveTime value="20260311"/><value xsi:type="PQ" value="{value}" unit="mg/dL"/>'
SITE = "site: test\nzone: Europe/Berlin\ndemo_key: true\nidentity: {unlinked: source}\n"


class Clinic:
    """Versions of a document, and the store that they are loaded into."""

    def __init__(self, folder: Path, url: str, repository: Path) -> None:
        self.folder, self.url, self.repository = folder, url, repository
        (folder / "site.yaml").write_text(SITE)

    def version(
        self,
        number: int,
        values: tuple[str, ...],
        *,
        replaces: int | None = None,
        narrative: str = "x",
        patient: str = "P-1",
        of: str = "set-1",
    ) -> Path:
        """A version of a document, with a result a value."""
        content = document(self.repository, results(*(STATED.replace("{value}", one) for one in values)))
        text = content.decode().replace("<text>x</text>", f"<text>{narrative}</text>")
        text = text.replace('extension="D-3"', f'extension="{patient}-{of}-{number}"')
        text = text.replace('extension="set-1"', f'extension="{of}"').replace('"P-1"', f'"{patient}"')
        text = text.replace('value="20260301100000+0100"', f'value="2026030{number}100000+0100"', 1)
        text = text.replace('<versionNumber value="2"/>', f'<versionNumber value="{number}"/>')
        text = text.replace('root="2.25.99"', f'root="2.25.99{len(patient)}{len(of)}"')
        for index in range(1, 4):  # results of one document are those of its versions
            text = text.replace(f'root="2.25.{index}"', f'root="2.25.{index}{len(patient)}{len(of)}"')
        if replaces is not None:
            related = (
                f'<relatedDocument typeCode="RPLC"><parentDocument><id root="2.25.1001.9"'
                f' extension="{patient}-{of}-{replaces}"/><setId root="2.25.1001.8" extension="{of}"/>'
                f'<versionNumber value="{replaces}"/></parentDocument></relatedDocument>'
            )
            text = text.replace("<component><structuredBody>", f"{related}<component><structuredBody>")
        path = self.folder / f"{patient}-{of}-{number}.xml"
        path.write_text(text)
        return path

    def load(self, *paths: Path) -> list[str]:
        request = RunRequest("ccda", site=self.folder / "site.yaml")
        codes: list[str] = []
        for path in paths:
            report = load_sources(request, [str(path)], self.url).report
            assert report["records"]["rejected"] == 0
            codes += [issue["code"] for issue in report["issues"]]
        return codes

    def resources(self, kind: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT resource_text(bytes) FROM resource WHERE type = %s AND NOT deleted", (kind,)
            ).fetchall()
        return [one for row in rows if (one := json.loads(row[0])).get("status") != "entered-in-error"]

    def values(self) -> list[float]:
        return sorted(
            one["valueQuantity"]["value"] for one in self.resources("Observation") if "valueQuantity" in one
        )

    def documents(self) -> dict[str, str]:
        return {
            one["masterIdentifier"]["value"]: one["status"] for one in self.resources("DocumentReference")
        }


@pytest.fixture
def clinic(tmp_path: Path, fresh_database_url: str, repository: Path) -> Clinic:
    return Clinic(tmp_path, fresh_database_url, repository)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_newest_of_versions_that_replace_each_other_counts_in_any_order(
    clinic: Clinic, order: tuple[int, ...]
) -> None:
    versions = [
        clinic.version(1, ("1", "2", "3")),
        clinic.version(2, ("1", "2.5"), replaces=1, narrative="LVEF 35 %"),
        clinic.version(3, ("1",), replaces=2),
    ]
    clinic.load(*(versions[index] for index in order))
    for again in (None, versions[0], versions[1], versions[2]):
        if again is not None:
            clinic.load(again)
        assert clinic.values() == [1]
        assert clinic.documents() == {
            "P-1-set-1-1": "superseded",
            "P-1-set-1-2": "superseded",
            "P-1-set-1-3": "current",
        }
    assert len(clinic.resources("Patient")) == 1


def test_what_the_narrative_of_a_replaced_document_states_counts_no_longer(clinic: Clinic) -> None:
    first = clinic.version(1, ("1",), narrative="LVEF 35 %")
    clinic.load(first)
    assert clinic.values() == [1, 35]
    clinic.load(clinic.version(2, ("1",), narrative="LVEF 55 %", replaces=1))
    assert clinic.values() == [1, 55]
    clinic.load(first)
    assert clinic.values() == [1, 55]


def test_documents_of_a_set_stay_where_none_says_that_it_replaces_another(clinic: Clinic) -> None:
    clinic.load(clinic.version(1, ("1", "2")), clinic.version(2, ("1",)))
    assert clinic.values() == [1, 2]
    assert set(clinic.documents().values()) == {"current"}


def test_replacement_takes_nothing_of_other_patients_and_documents(clinic: Clinic) -> None:
    clinic.load(
        clinic.version(1, ("1", "2")),
        clinic.version(1, ("4", "5"), of="set-22"),
        clinic.version(1, ("6", "7"), patient="P-222"),
        clinic.version(2, ("1",), replaces=1),
    )
    assert clinic.values() == [1, 4, 5, 6, 7]
    assert sorted(clinic.documents().values()) == ["current", "current", "current", "superseded"]


def test_version_without_any_statement_takes_back_those_of_the_older(clinic: Clinic) -> None:
    first = clinic.version(1, ("1", "2"))
    clinic.load(first, clinic.version(2, (), replaces=1), first)
    assert clinic.values() == []


def test_document_without_structure_is_superseded_too(clinic: Clinic) -> None:
    text = (clinic.repository / EXAMPLE).read_text()
    first, second = clinic.folder / "first.xml", clinic.folder / "second.xml"
    first.write_text(text)
    second.write_text(
        text.replace('extension="D-3"', 'extension="D-4"')
        .replace('value="20260301100000+0100"', 'value="20260302100000+0100"', 1)
        .replace(
            "<component>",
            '<relatedDocument typeCode="RPLC"><parentDocument><id root="2.25.1001.9" extension="D-3"/>'
            "</parentDocument></relatedDocument><component>",
            1,
        )
    )
    clinic.load(first, second)
    assert clinic.documents() == {"D-3": "superseded", "D-4": "current"}
