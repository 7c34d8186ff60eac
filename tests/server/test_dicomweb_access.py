"""DICOMweb within a caller's access: nobody finds, fetches or stores more over it than over the FHIR API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_bridge.server import Settings, create_app
from tests.dicom_files import file_bytes
from tests.e2e.test_composites import instance
from tests.server.conftest import Hospital, bare_plugins, furnish, running

STUDIES = {"anna": "1.2.3.1", "bert": "1.2.3.2"}
BODY = (
    b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file_bytes(instance(1, study=77)) + b"\r\n--b--\r\n"
)
STOW = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}


def study(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "id": f"study-{patient}",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDIES[patient]}"}],
        "status": "available",
        "subject": {"reference": f"Patient/{patient}"},
        "started": "2024-03-01",
        "numberOfSeries": 1,
        "numberOfInstances": 1,
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
        "series": [
            {
                "uid": f"{STUDIES[patient]}.1",
                "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
                "numberOfInstances": 1,
                "instance": [
                    {
                        "uid": f"{STUDIES[patient]}.1.1",
                        "sopClass": {
                            "system": "urn:ietf:rfc:3986",
                            "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2",
                        },
                    }
                ],
            }
        ],
    }


@pytest.fixture(scope="module")
def clinic(database_url: str) -> Iterator[Hospital]:
    app = create_app(Settings(database_url=database_url, dicomweb=True), plugins=bare_plugins())
    with running(app) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        token = served.token("user/*.cruds")
        for patient in STUDIES:
            resource = study(patient)
            answer = http.request("PUT", f"/fhir/ImagingStudy/{resource['id']}", json=resource, headers=token)
            assert answer.status_code in (200, 201), answer.text
        yield served


def test_browsers_of_registered_origins_alone_may_ask(clinic: Hospital) -> None:
    for path in ("/dicomweb/studies", "/dicomweb/studies/1.2.3.1/series"):
        answer = clinic.http.options(path, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 204
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def uids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted(each["0020000D"]["Value"][0] for each in answer.json())


def test_nothing_without_a_token(clinic: Hospital) -> None:
    for path in (
        "/dicomweb/studies",
        "/dicomweb/studies/1.2.3.1/series",
        "/dicomweb/studies/1.2.3.1/metadata",
    ):
        assert clinic.http.get(path).status_code == 401
    assert clinic.http.post("/dicomweb/studies", content=BODY, headers=STOW).status_code == 401


def test_a_search_shows_what_the_token_may_see(clinic: Hospital) -> None:
    everything = clinic.token("user/*.cruds")
    assert uids(clinic.http.get("/dicomweb/studies", headers=everything)) == ["1.2.3.1", "1.2.3.2"]
    anna = clinic.token("patient/*.rs", patient="anna")
    assert uids(clinic.http.get("/dicomweb/studies", headers=anna)) == ["1.2.3.1"]
    assert uids(clinic.http.get("/dicomweb/studies?PatientID=MRN-bert", headers=anna)) == []
    assert uids(clinic.http.get("/dicomweb/studies?offset=1", headers=anna)) == []
    own = clinic.http.get("/dicomweb/studies/1.2.3.1/instances", headers=anna)
    assert [each["00080018"]["Value"][0] for each in own.json()] == ["1.2.3.1.1.1"]


@pytest.mark.parametrize("below", ["", "/series", "/instances", "/metadata", "/series/1.2.3.2.1/instances"])
def test_another_patients_study_is_as_one_that_is_not_there(clinic: Hospital, below: str) -> None:
    anna = clinic.token("patient/*.rs", patient="anna")
    hidden = clinic.http.get(f"/dicomweb/studies/1.2.3.2{below}", headers=anna)
    absent = clinic.http.get(f"/dicomweb/studies/1.2.3.99{below}", headers=anna)
    assert (hidden.status_code, hidden.text) == (absent.status_code, absent.text)
    assert hidden.status_code == 404


def test_a_token_for_other_types_finds_no_study(clinic: Hospital) -> None:
    token = clinic.token("user/Observation.rs")
    assert clinic.http.get("/dicomweb/studies", headers=token).status_code == 403
    assert clinic.http.get("/dicomweb/studies/1.2.3.1/series", headers=token).status_code == 403


def test_a_name_is_shown_to_who_may_read_patients_alone(clinic: Hospital) -> None:
    (one,) = clinic.http.get(
        "/dicomweb/studies?StudyInstanceUID=1.2.3.1", headers=clinic.token("user/ImagingStudy.rs")
    ).json()
    assert one["00100010"] == {"vr": "PN"}
    assert one["00100020"] == {"vr": "LO"}


def test_storing_needs_a_token_that_may_write_everything(clinic: Hospital) -> None:
    for scope in ("user/*.rs", "user/ImagingStudy.cruds"):
        answer = clinic.http.post("/dicomweb/studies", content=BODY, headers={**STOW, **clinic.token(scope)})
        assert answer.status_code == 403
    answer = clinic.http.post(
        "/dicomweb/studies", content=BODY, headers={**STOW, **clinic.token("user/*.cruds")}
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"--b\r\n\r\n", 400),
        (b"nothing", 400),
        (BODY[:200], 400),
        (b"--b\r\n\r\nx\r\n--b--", 409),
    ],
)
def test_a_malformed_body_is_refused(clinic: Hospital, content: bytes, status: int) -> None:
    token = clinic.token("user/*.cruds")
    answer = clinic.http.post("/dicomweb/studies", content=content, headers={**STOW, **token})
    assert answer.status_code == status, answer.text
