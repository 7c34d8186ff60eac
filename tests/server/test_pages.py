"""The pages as a person sees them: signed in, within what is theirs, escaped, audited, on a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_CODES, SOURCE_EXTENSION
from fhir_bridge.server import Settings, create_app
from fhir_bridge.storage import Store
from fhir_bridge.storage.results import NewResult
from tests.server.conftest import (
    PASSWORD,
    Hospital,
    bare_plugins,
    furnish,
    observation,
    patient,
    running,
)
from tests.server.test_pages_ecg import component, recording

ATTACK = "<script>alert(1)</script>"
AIAST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}
LOINC = "http://loinc.org"


def of(identity: str) -> dict[str, str]:
    return {"reference": f"Patient/{identity}"}


def troponin(value: int, status: str, time: str) -> dict[str, Any]:
    source = {"url": SOURCE_EXTENSION, "extension": [{"url": "time", "valueDateTime": time}]}
    return observation("anna-troponin", "anna", code="67151-1") | {
        "meta": {"extension": [source]},
        "status": status,
        "code": {"coding": [{"system": LOINC, "code": "67151-1"}], "text": "Troponin T"},
        "valueQuantity": {"value": value, "unit": "ng/L"},
    }


def implication(identity: str, subject: str, variant: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/workflow-relatedArtifact",
                "valueRelatedArtifact": {"type": "citation", "display": "ClinVar"},
            }
        ],
        "code": {"text": "Diagnostic implication"},
        "subject": of(subject),
        "derivedFrom": [{"reference": f"Observation/{variant}"}],
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": "53037-8"}]},
                "valueCodeableConcept": {
                    "coding": [{"system": LOINC, "code": "LA6668-3", "display": "Pathogenic"}]
                },
            },
            {
                "code": {"coding": [{"system": LOINC, "code": "93044-6"}]},
                "valueCodeableConcept": {
                    "coding": [{"system": "urn:evidence", "code": "3-star"}],
                    "text": "reviewed by expert panel",
                },
            },
        ],
    }


def variant(identity: str, subject: str, gene: str, change: str) -> dict[str, Any]:
    parts = {"48018-6": gene, "48004-6": change, "53034-5": "Heterozygous"}
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "69548-6"}]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "GE"}]}],
        "subject": of(subject),
        "effectiveDateTime": "2026-03-02",
        "valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA9633-4"}]},
        "component": [
            {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueCodeableConcept": {"text": text}}
            for code, text in parts.items()
        ],
    }


def report(identity: str, subject: str) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "51969-4"}]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "GE"}]}],
        "subject": of(subject),
        "effectiveDateTime": "2026-03-02",
    }


REFUSAL = {
    "resourceType": "Observation",
    "id": "anna-score2",
    "meta": {"security": [AIAST]},
    "status": "preliminary",
    "code": {"coding": [{"system": PREDICTION_CODES, "code": "score2"}], "text": "SCORE2 10-year risk"},
    "subject": of("anna"),
    "effectiveDateTime": "2026-03-02",
    "issued": "2026-03-05T10:00:00.000Z",
    "dataAbsentReason": {
        "text": "familial hypercholesterolaemia: pathogenic LDLR variant, Observation/anna-v/_history/1"
    },
    "derivedFrom": [{"reference": "Observation/anna-v/_history/1", "display": "LDLR variant: c.1775G>A"}],
    "component": [
        {
            "code": {"coding": [{"system": PREDICTION_CODES, "code": "deciding-modality"}]},
            "valueCodeableConcept": {
                "coding": [{"system": PREDICTION_CODES, "code": "genomics"}],
                "text": "Genomics",
            },
        }
    ],
}

HOSTILE: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "mallory",
        "identifier": [{"system": "urn:oid:2.25.1", "value": f'"{ATTACK}'}],
        "name": [{"family": ATTACK, "given": ['"><img src=x onerror=alert(2)>']}],
        "gender": "unknown",
        "birthDate": "1970-01-01",
    },
    observation("m-lab", "mallory")
    | {"code": {"coding": [{"system": "urn:x", "code": ATTACK}], "text": ATTACK}, "note": [{"text": ATTACK}]},
    {
        "resourceType": "Condition",
        "id": "m-condition",
        "subject": of("mallory"),
        "code": {"text": f"'\"{ATTACK}"},
        "onsetDateTime": "2020-01-01",
    },
    {
        "resourceType": "ImagingStudy",
        "id": "m-study",
        "status": "available",
        "subject": of("mallory"),
        "started": "2026-01-01",
        "description": ATTACK,
        "modality": [{"code": ATTACK}],
    },
    variant("m-variant", "mallory", ATTACK, ATTACK),
    implication("m-implication", "mallory", "m-variant"),
    report("m-report", "mallory") | {"conclusion": ATTACK},
    REFUSAL
    | {
        "id": "m-score2",
        "subject": of("mallory"),
        "dataAbsentReason": {"text": ATTACK},
        "note": [{"text": ATTACK}],
    },
    recording(component("II", "1 2 3"))
    | {"id": "m-ecg", "subject": of("mallory"), "note": [{"text": ATTACK}]},
]

RECORDS: list[dict[str, Any]] = [
    recording(component("II", "0 100 E 50")) | {"id": "anna-ecg", "subject": of("anna")},
    variant("anna-v", "anna", "LDLR", "NM_000527.5:c.1775G>A"),
    implication("anna-i", "anna", "anna-v"),
    report("anna-report", "anna"),
    observation("anna-local", "anna")
    | {"code": {"coding": [{"system": "urn:lab", "code": "GALX"}], "text": "Galectin-3"}},
    {
        "resourceType": "Condition",
        "id": "anna-syncope",
        "subject": of("anna"),
        "code": {"text": "Syncope"},
        "verificationStatus": {"coding": [{"code": "refuted"}]},
    },
    {
        "resourceType": "Consent",
        "id": "anna-consent",
        "status": "active",
        "scope": {"text": "privacy"},
        "category": [{"text": "consent"}],
        "patient": of("anna"),
        "provision": {"type": "deny", "purpose": [{"code": "HRESCH"}]},
    },
    *HOSTILE,
    patient("old", "Olden"),
    observation("old-lab", "old"),
    patient("heir", "Heir"),
]


@pytest.fixture(scope="module")
def clinic(database_url: str) -> Iterator[Hospital]:
    """The application with its pages, and records worth looking at."""
    app = create_app(Settings(database_url=database_url), plugins=bare_plugins())
    with running(app) as http:
        served = Hospital(http)
        served.run(furnish, served.services)

        async def fill() -> None:
            store: Store = served.services.store
            for record in RECORDS:
                await store.update(record["resourceType"], record["id"], record, EVERYTHING)
            for value, status, time in (
                (89, "preliminary", "2026-03-05T09:00:00+01:00"),
                (87, "final", "2026-03-05T10:00:00+01:00"),
                (29, "corrected", "2026-03-05T14:00:00+01:00"),
            ):
                await store.update("Observation", "anna-troponin", troponin(value, status, time), EVERYTHING)
            await store.results.write([NewResult("anna", "score2", 0, (REFUSAL,), (), ())])
            await store.link_patients("heir", "old")
            await served.services.accounts.add_user("lost", PASSWORD, "patient", patient="nobody")

        served.run(fill)
        yield served


def page(clinic: Hospital, path: str, user: str = "clara", status: int = 200) -> str:
    clinic.sign_in(user)
    response = clinic.http.get(path, follow_redirects=False)
    assert response.status_code == status, response.text
    return response.text


def part(html: str, identity: str) -> str:
    """One section of a page."""
    found = re.search(rf'<section id="{identity}".*?</section>', html, re.DOTALL)
    assert found, f"no section {identity}"
    return found.group(0)


def plain(html: str) -> str:
    """The text between tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


class TestAccess:
    @pytest.mark.parametrize("path", ["/", "/patients/anna", "/patients/nobody"])
    def test_nobody_sees_a_page_without_signing_in(self, clinic: Hospital, path: str) -> None:
        clinic.http.cookies.clear()
        response = clinic.http.get(path, follow_redirects=False)
        assert response.status_code == 303
        assert response.headers["location"].startswith("/login?next=")
        assert "Ada" not in response.text

    def test_a_clinician_sees_all_patients_and_a_patient_the_own_record_alone(self, clinic: Hospital) -> None:
        assert {"Ada Alpha", "Ada Beta"} <= set(re.findall(r"Ada \w+", page(clinic, "/")))
        assert set(re.findall(r"Ada \w+", page(clinic, "/", "anna"))) == {"Ada Alpha"}
        assert "Ada Alpha" in page(clinic, "/patients/anna", "anna")

    def test_another_persons_page_is_not_there_in_the_same_words_as_one_that_does_not_exist(
        self, clinic: Hospital
    ) -> None:
        others = page(clinic, "/patients/bert", "anna", 404)
        nobodys = page(clinic, "/patients/no-such-patient", "anna", 404)
        tokens = r'name="csrf" value="[^"]+"'
        assert re.sub(tokens, "", others) == re.sub(tokens, "", nobodys)
        assert "Beta" not in others

    def test_an_account_without_a_record_sees_an_empty_list(self, clinic: Hospital) -> None:
        assert "no patient that you may see" in page(clinic, "/", "lost")

    def test_a_patient_sees_predictions_but_no_apps_to_open(self, clinic: Hospital) -> None:
        html = page(clinic, "/patients/anna", "anna")
        assert "familial hypercholesterolaemia" in html
        assert 'id="apps"' not in html
        assert 'id="apps"' in page(clinic, "/patients/anna")

    @pytest.mark.parametrize("path", ["/?page=forged", "/?page=%00", "/?name=%00", "/patients/%00"])
    def test_a_forged_address_is_refused_without_a_crash(self, clinic: Hospital, path: str) -> None:
        clinic.sign_in("clara")
        assert clinic.http.get(path).status_code in (400, 404)

    def test_no_script_and_no_inline_style_is_allowed_and_none_is_needed(self, clinic: Hospital) -> None:
        clinic.sign_in("clara")
        for path in ("/", "/patients/anna", "/patients/none"):
            response = clinic.http.get(path)
            policy = response.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert not re.search(r"<script|<style|<[^>]*\s(style|on\w+)=", response.text)
            assert response.headers["cache-control"] == "no-store"

    def test_the_style_is_served(self, clinic: Hospital) -> None:
        response = clinic.http.get("/pages/pages.css")
        assert response.headers["content-type"].startswith("text/css")
        assert "@media print" in response.text


class TestAudit:
    def events(self, clinic: Hospital, subtype: str) -> int:
        async def count() -> int:
            found = await clinic.services.store.search(
                "AuditEvent", [("subtype", subtype), ("patient", "anna")], EVERYTHING, count=1000
            )
            return len(found.entries)

        counted: int = clinic.run(count)
        return counted

    def test_each_look_at_a_patients_page_leaves_an_event(self, clinic: Hospital) -> None:
        before = self.events(clinic, "read")
        page(clinic, "/patients/anna")
        page(clinic, "/patients/anna", "anna")
        assert self.events(clinic, "read") == before + 2

    def test_a_list_leaves_an_event_of_each_patient_on_it(self, clinic: Hospital) -> None:
        before = self.events(clinic, "search-type")
        page(clinic, "/")
        assert self.events(clinic, "search-type") == before + 1


class TestEscaping:
    def test_what_a_record_holds_is_text_never_markup(self, clinic: Hospital) -> None:
        for path in ("/", "/patients/mallory"):
            html = page(clinic, path)
            assert "<script" not in html.lower()
            assert "<img" not in html
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html

    def test_no_text_breaks_out_of_an_attribute(self, clinic: Hospital) -> None:
        html = page(clinic, "/patients/mallory")
        assert not re.search(r"<[a-z][^<>]*\bonerror\b", html)
        assert not re.search(r'="[^"]*<', html)

    def test_what_is_asked_for_is_escaped_too(self, clinic: Hospital) -> None:
        html = page(clinic, f"/?name={ATTACK}")
        assert "<script" not in html
        html = page(clinic, f"/patients/mallory?ecg={ATTACK}")
        assert "<script" not in html


class TestPatient:
    def test_a_corrected_result_stands_beside_all_that_it_replaces(self, clinic: Hospital) -> None:
        results = part(page(clinic, "/patients/anna"), "results")
        row = next(row for row in re.findall(r"<tr.*?</tr>", results, re.DOTALL) if "Troponin T" in row)
        assert 'class="corrected"' in row
        assert re.findall(r"<del>(.*?)</del>", row) == ["87 ng/L", "89 ng/L"]
        text = plain(row)
        assert "29 ng/L" in text
        assert "final, 2026-03-05 10:00" in text
        assert "preliminary, 2026-03-05 09:00" in text

    def test_names_stand_in_the_readers_language_and_what_the_source_said_beside_them(
        self, clinic: Hospital
    ) -> None:
        clinic.sign_in("clara")
        page = clinic.http.get("/patients/anna?language=fr").text
        assert "Troponine T ultrasensible" in page
        assert '<small title="as the source names it">Troponin T</small>' in page
        liked = clinic.http.get(
            "/patients/anna", headers={"Accept-Language": "it-IT, it;q=0.9, en;q=0.5"}
        ).text
        assert "Troponina T ad alta sensibilit" in liked
        assert "Troponine T ultrasensible" not in clinic.http.get("/patients/anna?language=en").text
        assert clinic.http.get("/patients/anna?language=%3Cscript%3E").status_code == 200

    def test_a_supplement_that_was_written_over_rest_names_results_at_once(self, clinic: Hospital) -> None:
        supplement = {
            "resourceType": "CodeSystem",
            "id": "loinc-finnish",
            "url": "https://hospital.example.org/fhir/CodeSystem/loinc-finnish",
            "status": "active",
            "content": "supplement",
            "supplements": LOINC,
            "concept": [{"code": "67151-1", "designation": [{"language": "fi", "value": "Troponiini T"}]}],
        }
        assert "Troponiini T" not in page(clinic, "/patients/anna?language=fi")
        clinic.run(clinic.services.store.update, "CodeSystem", "loinc-finnish", supplement, EVERYTHING)
        try:
            assert "Troponiini T" in page(clinic, "/patients/anna?language=fi")
        finally:
            clinic.run(clinic.services.store.delete, "CodeSystem", "loinc-finnish", EVERYTHING)
        assert "Troponiini T" not in page(clinic, "/patients/anna?language=fi")

    def test_a_code_that_was_not_mapped_is_marked(self, clinic: Hospital) -> None:
        results = part(page(clinic, "/patients/anna"), "results")
        assert re.search(r"Galectin-3 <span[^>]*>local code GALX</span>", results)

    def test_a_refusal_says_why_what_decided_and_links_to_its_input(self, clinic: Hospital) -> None:
        found = part(page(clinic, "/patients/anna"), "predictions")
        text = plain(found)
        assert "No result: familial hypercholesterolaemia: pathogenic LDLR variant" in text
        assert "Decided by Genomics" in text
        assert "no person has reviewed it" in text
        assert '<a href="#Observation-anna-v">LDLR variant: c.1775G&gt;A</a>' in found
        assert "2026-03-02" in text

    def test_a_reportable_variant_says_whose_classification_it_is(self, clinic: Hospital) -> None:
        text = plain(part(page(clinic, "/patients/anna"), "genome"))
        for expected in (
            "LDLR",
            "Heterozygous",
            "NM_000527.5:c.1775G",
            "Pathogenic",
            "ClinVar",
            "expert panel",
        ):
            assert expected in text
        assert "does not say which genes" in text

    def test_a_patient_without_a_genome_was_not_studied(self, clinic: Hospital) -> None:
        text = plain(part(page(clinic, "/patients/bert"), "genome"))
        assert "Not studied." in text

    def test_the_ecg_is_drawn_and_a_lost_sample_leaves_a_gap(self, clinic: Hospital) -> None:
        html = part(page(clinic, "/patients/anna"), "ecg")
        assert html.count("<polyline") == 2
        assert "No ECG in this record." in part(page(clinic, "/patients/bert"), "ecg")

    def test_a_refuted_condition_stands_under_absent(self, clinic: Hospital) -> None:
        html = part(page(clinic, "/patients/anna"), "history")
        assert html.index("Looked for and absent") < html.index("Syncope")

    def test_a_refused_use_is_said(self, clinic: Hospital) -> None:
        assert "refuses use for research" in page(clinic, "/patients/anna")

    def test_what_is_not_shown_is_counted(self, clinic: Hospital) -> None:
        assert "Consent 1" in plain(part(page(clinic, "/patients/anna"), "history"))

    def test_a_merged_record_is_shown_with_the_one_that_replaces_it(self, clinic: Hospital) -> None:
        heir = page(clinic, "/patients/heir")
        assert "Holds what was filed under MRN-old" in heir
        assert "5.4 mmol/L" in part(heir, "results")
        old = page(clinic, "/patients/old")
        assert '<a href="/patients/heir">' in old
        assert "5.4 mmol/L" in part(old, "results")

    def test_every_link_within_the_page_leads_somewhere(self, clinic: Hospital) -> None:
        for identity in ("anna", "mallory", "heir"):
            html = page(clinic, f"/patients/{identity}")
            targets = set(re.findall(r' id="([^"]+)"', html))
            assert len(targets) == len(re.findall(r' id="([^"]+)"', html)), "an id occurs twice"
            assert set(re.findall(r'href="#([^"]+)"', html)) <= targets

    def test_the_number_of_queries_does_not_grow_with_the_number_of_results(
        self, clinic: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fill(first: int, last: int) -> None:
            store: Store = clinic.services.store
            await store.update("Patient", "many", patient("many", "Many"), EVERYTHING)
            results = [observation(f"many-{number}", "many") for number in range(first, last)]
            await store.load(results, adapter="test")

        asked: list[str] = []
        connection = Store.connection

        def counted(self: Store) -> Any:
            asked.append("connection")
            return connection(self)

        def look() -> int:
            asked.clear()
            html = page(clinic, "/patients/many")
            assert "Ada Many" in html
            return len(asked)

        clinic.run(fill, 0, 2)
        monkeypatch.setattr(Store, "connection", counted)
        few = look()
        monkeypatch.setattr(Store, "connection", connection)
        clinic.run(fill, 2, 400)
        monkeypatch.setattr(Store, "connection", counted)
        assert look() == few
        assert "100 older results are not shown" in page(clinic, "/patients/many")


class TestCohort:
    def row(self, html: str, name: str) -> str:
        rows = [plain(row) for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL)]
        return next(row for row in rows if name in row)

    def test_a_row_says_what_the_record_holds(self, clinic: Hospital) -> None:
        html = page(clinic, "/")
        anna = self.row(html, "Ada Alpha")
        assert "1961-04-05" in anna
        assert "pathogenic" in anna
        assert "SCORE2 declined" in anna
        assert "not studied" in self.row(html, "Ada Beta")

    def test_a_merged_record_does_not_stand_by_itself(self, clinic: Hospital) -> None:
        html = page(clinic, "/")
        assert "Ada Heir" in html
        assert "Ada Olden" not in html

    def test_patients_are_found_by_the_beginning_of_a_name(self, clinic: Hospital) -> None:
        html = page(clinic, "/?name=alp")
        assert "Ada Alpha" in html
        assert "Ada Beta" not in html
        assert "No patient" in page(clinic, "/?name=zz,yy")

    def test_a_long_list_goes_on_on_a_next_page(
        self, clinic: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fhir_bridge.server.pages.cohort.PAGE", 2)
        seen: list[str] = []
        path: str | None = "/"
        while path:
            html = page(clinic, path)
            seen += re.findall(r'<a href="/patients/([^"]+)">', html)
            following = re.search(r'<a href="(/\?page=[^"]+)" rel="next">', html)
            path = following.group(1).replace("&amp;", "&") if following else None
        assert len(seen) == len(set(seen))
        assert {"anna", "bert", "mallory", "heir"} <= set(seen)
