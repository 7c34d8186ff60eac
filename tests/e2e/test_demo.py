"""The main job end to end: what `make demo` serves, read over HTTP as an outside system and a person would."""

from __future__ import annotations

import asyncio
import html
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_bridge.demo.access import Access, give_access
from fhir_bridge.demo.cohort import clinician_id, patient_id
from fhir_bridge.demo.hl7_messages import CULTURE_PERSON, TROPONIN_PERSON
from fhir_bridge.demo.people import AUTHORITY_SYSTEM, Person, people
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.storage import Store
from tests.e2e.conftest import Prepared, Service
from tests.patience import PATIENCE

PEOPLE = people()
VARIANT = "http://loinc.org|69548-6"


def the(condition: Callable[[Person], bool]) -> Person:
    """The one person of the cohort who …"""
    (found,) = (person for person in PEOPLE if condition(person))
    return found


LDLR = the(lambda person: ("LDLR", "c.1775G>A", "heterozygous") in person.variants)
TTR = the(lambda person: any(gene == "TTR" for gene, _, _ in person.variants))
MERGED = the(lambda person: person.previous_mrn is not None)


@pytest.fixture(scope="module")
def signed_on(service: Service) -> Service:
    service.sign_on()
    return service


def ref(person: Person) -> str:
    return f"Patient/{patient_id(person.mrn)}"


def predictions(service: Service, code: str, person: Person | None = None) -> list[dict[str, Any]]:
    of = f"&patient={patient_id(person.mrn)}" if person else ""
    return service.search(f"Observation?code={PREDICTION_CODES}|{code}{of}&_count=100")


class TestWhoMayRead:
    @pytest.mark.parametrize("path", ["Patient", "ImagingStudy?patient=x", "Observation/1", "Nonsense", ""])
    def test_without_a_token_nothing_is_read(self, service: Service, path: str) -> None:
        answer = httpx.get(f"{service.base}/fhir/{path}", timeout=PATIENCE)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["resourceType"] == "OperationOutcome"

    def test_without_a_token_nothing_is_written(self, service: Service) -> None:
        answer = httpx.post(
            f"{service.base}/fhir/Patient", json={"resourceType": "Patient"}, timeout=PATIENCE
        )
        assert answer.status_code == 401

    def test_a_made_up_token_is_none(self, service: Service) -> None:
        answer = httpx.get(
            f"{service.base}/fhir/Patient", headers={"Authorization": "Bearer guess"}, timeout=PATIENCE
        )
        assert answer.status_code == 401

    def test_a_token_reads_what_its_scope_says_and_writes_nothing(self, service: Service) -> None:
        token = service.token("system/Patient.rs").json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{service.base}/fhir/Patient", headers=bearer, timeout=PATIENCE).status_code == 200
        assert (
            httpx.get(f"{service.base}/fhir/Observation", headers=bearer, timeout=PATIENCE).status_code == 403
        )
        body = {"resourceType": "Patient"}
        assert (
            httpx.post(
                f"{service.base}/fhir/Patient", headers=bearer, json=body, timeout=PATIENCE
            ).status_code
            == 403
        )

    def test_the_printed_addresses_are_read_with_the_printed_token(
        self, service: Service, demo_url: str
    ) -> None:
        async def give() -> Access:
            async with await Store.open(demo_url, max_size=1) as store:
                return await give_access(store, service.base, "clinician")

        access = asyncio.run(give())
        bearer = {"Authorization": f"Bearer {access.token}"}
        assert [path.partition("?")[0] for path in access.paths][:3] == [
            "Patient",
            "ImagingStudy",
            "Observation",
        ]
        for path in access.paths:
            assert f'"{service.base}/fhir/{path}"' in " ".join(access.commands(f"{service.base}/fhir"))
            answer = httpx.get(f"{service.base}/fhir/{path}", headers=bearer, timeout=PATIENCE)
            assert answer.status_code == 200, answer.text
            assert answer.json()["entry"], path
        body = {"resourceType": "Patient"}
        assert (
            httpx.post(
                f"{service.base}/fhir/Patient", headers=bearer, json=body, timeout=PATIENCE
            ).status_code
            == 403
        )

    @pytest.mark.parametrize("page", ["/", f"/patients/{patient_id(PEOPLE[0].mrn)}"])
    def test_the_pages_ask_for_a_sign_in(self, service: Service, page: str) -> None:
        answer = httpx.get(service.base + page, timeout=PATIENCE)
        assert answer.status_code in (302, 303)
        assert "/login" in answer.headers["location"]
        assert PEOPLE[0].family not in answer.text


class TestThePages:
    @pytest.fixture
    def browser(self, service: Service) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=service.base, follow_redirects=True, timeout=PATIENCE) as client:
            yield client

    def sign_in(self, browser: httpx.Client, prepared: Prepared, role: str) -> httpx.Response:
        (login,) = (login for login in prepared.demonstration.logins if login.role == role)
        page = browser.get("/login")
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf
        form = {"csrf": csrf[1], "next": "/", "username": login.username, "password": login.password}
        return browser.post("/login", data=form)

    def test_the_clinician_sees_the_cohort_and_a_patient(
        self, browser: httpx.Client, prepared: Prepared
    ) -> None:
        cohort = html.unescape(self.sign_in(browser, prepared, "clinician").text)
        assert [person.family for person in PEOPLE if person.family not in cohort] == []
        first = browser.get(f"/patients/{patient_id(PEOPLE[0].mrn)}")
        assert "Synthetic reference of the demonstration, made-up-A (n=10000), synthetic" in first.text
        page = browser.get(f"/patients/{patient_id(TTR.mrn)}")
        assert page.status_code == 200
        text = html.unescape(page.text)
        for said in ("TTR", "p.Val142Ile", "amyloidosis", "<svg", "25 mm/s"):
            assert said in text, said

    def test_the_patient_sees_the_own_record_alone(self, browser: httpx.Client, prepared: Prepared) -> None:
        page = html.unescape(self.sign_in(browser, prepared, "patient").text)
        assert PEOPLE[0].family in page
        assert [person.family for person in PEOPLE[1:] if person.family in page] == []
        assert browser.get(f"/patients/{patient_id(PEOPLE[1].mrn)}").status_code in (403, 404)

    def test_the_link_signs_in_once(
        self, browser: httpx.Client, prepared: Prepared, service: Service
    ) -> None:
        assert PEOPLE[3].family in browser.get(prepared.demonstration.link).text
        with httpx.Client(base_url=service.base, follow_redirects=True, timeout=PATIENCE) as another:
            assert PEOPLE[3].family not in another.get(prepared.demonstration.link).text


class TestTheCohort:
    def test_everybody_is_there_once_and_the_old_record_too(self, signed_on: Service) -> None:
        patients = {patient["id"]: patient for patient in signed_on.search("Patient?_count=7")}
        old = patient_id(str(MERGED.previous_mrn))
        assert set(patients) == {patient_id(person.mrn) for person in PEOPLE} | {old}
        for person in PEOPLE:
            patient = patients[patient_id(person.mrn)]
            assert patient["name"][0]["family"] == person.family
            assert (patient["gender"], patient["birthDate"]) == (person.sex, str(person.birth_date))
            assert {"system": AUTHORITY_SYSTEM, "value": person.mrn}.items() <= patient["identifier"][
                0
            ].items()

    def test_three_modalities_stand_on_one_patient(self, signed_on: Service) -> None:
        assert {"ecg", "echo", "mr"} <= set(TTR.studies)
        of = f"patient={patient_id(TTR.mrn)}"
        for search in (
            f"Observation?{of}&code=http://loinc.org|14647-2",  # total cholesterol, of the extracts
            f"Encounter?{of}",  # of the messages
            f"ImagingStudy?{of}",
            f"Observation?{of}&code=urn:oid:2.16.840.1.113883.6.24|131328",  # the ECG
            f"Observation?{of}&code=18043-0",  # LVEF, of the echo's structured report
            f"Observation?{of}&code={VARIANT}",
            f"DiagnosticReport?{of}&code=http://loinc.org|51969-4",  # the genomic report
        ):
            found = signed_on.search(search)
            assert found, search
            for resource in found:
                assert (resource.get("subject") or resource["patient"])["reference"] == ref(TTR)

    def test_every_study_stands_under_its_patient(self, signed_on: Service) -> None:
        for person in PEOPLE:
            found = signed_on.search(f"ImagingStudy?patient={patient_id(person.mrn)}")
            assert len(found) == (len(person.studies) if person.issuer_stated else 0), person.mrn

    def test_carriers_and_nobody_else_have_reportable_variants(self, signed_on: Service) -> None:
        found = Counter(
            observation["subject"]["reference"]
            for observation in signed_on.search(f"Observation?code={VARIANT}")
        )
        carriers = {ref(person) for person in PEOPLE if person.variants and person.sample_linked}
        assert carriers <= set(found)
        assert set(found) <= {ref(person) for person in PEOPLE if person.sample and person.sample_linked}

    def test_echo_measurements_are_those_of_the_report(self, signed_on: Service) -> None:
        for person in (person for person in PEOPLE if person.echo is not None):
            (lvef,) = signed_on.search(f"Observation?patient={patient_id(person.mrn)}&code=18043-0")
            assert person.echo
            assert lvef["valueQuantity"]["value"] == person.echo.lvef
            assert lvef["valueQuantity"]["code"] == "%"

    def test_a_local_code_without_a_map_is_kept_and_reported(
        self, signed_on: Service, prepared: Prepared
    ) -> None:
        (kept,) = signed_on.search(
            "Observation?code=https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo|GALX"
        )
        assert kept["valueQuantity"]["value"] == 14.2
        unmapped = {code for _, code, _ in prepared.demonstration.accounts["csv"].unmapped}
        assert {"GALX", "HAEM", "XSTS"} <= unmapped


class TestThePredictions:
    def test_twelve_get_score2_and_they_are_those_it_is_meant_for(self, signed_on: Service) -> None:
        results = predictions(signed_on, "score2") + predictions(signed_on, "score2-op")
        assert len(results) == len(PEOPLE)
        given = {item["subject"]["reference"] for item in results if "valueQuantity" in item}
        assert len(given) == 12
        assert given == {ref(person) for person in PEOPLE if person.score2_eligible}

    def test_ldlr_refuses_score2_and_the_reason_names_the_variant(self, signed_on: Service) -> None:
        (refusal,) = predictions(signed_on, "score2", LDLR)
        self.check_refusal(
            signed_on, refusal, LDLR, r"familial hypercholesterolaemia: pathogenic LDLR variant"
        )

    def test_ttr_refuses_hcm_risk_scd(self, signed_on: Service) -> None:
        (refusal,) = predictions(signed_on, "hcm-risk-scd", TTR)
        self.check_refusal(signed_on, refusal, TTR, r"amyloidosis: pathogenic TTR variant p\.Val142Ile")

    def check_refusal(self, service: Service, refusal: dict[str, Any], person: Person, reason: str) -> None:
        assert "valueQuantity" not in refusal
        said = refusal["dataAbsentReason"]["text"]
        named = re.fullmatch(rf"{reason}.*, (Observation/\S+/_history/\d+)", said)
        assert named, said
        variant = service.get(f"/fhir/{named[1]}")
        assert variant["subject"]["reference"] == ref(person)
        assert any(coding["code"] == "69548-6" for coding in variant["code"]["coding"])
        assert named[1] in {item["reference"] for item in refusal["derivedFrom"]}
        decided = [
            node["valueCodeableConcept"]["coding"][0]["code"]
            for node in refusal["component"]
            if node["code"]["coding"][0]["code"] == "deciding-modality"
        ]
        assert decided == ["genomics"]

    def test_hcm_risk_scd_is_given_to_those_with_the_disease(self, signed_on: Service) -> None:
        given = [item for item in predictions(signed_on, "hcm-risk-scd") if "valueQuantity" in item]
        obstructive = {ref(p) for p in PEOPLE if any(finding.code == "I42.1" for finding in p.findings)}
        assert {item["subject"]["reference"] for item in given} == obstructive

    def test_an_ecg_and_all_modalities_together_reach_demonstration_models_that_say_so(
        self, signed_on: Service
    ) -> None:
        for name, code, inputs, fewest in (
            ("demo-ecg-rhythm", "demo-irregular-rhythm", {"11524-6"}, 10),
            ("demo-multimodal-risk", "demo-multimodal-risk", {"11524-6", "8480-6", "10230-1"}, 4),
        ):
            system = f"urn:fhir-bridge:predictor:{name}"
            results = signed_on.search(f"Observation?code={system}|{code}&_count=100")
            given = [item for item in results if "valueQuantity" in item]
            assert len(given) >= fewest
            assert all(item["method"]["text"].startswith("Demonstration") for item in given)
            sources = [signed_on.get(f"/fhir/{source['reference']}") for source in given[0]["derivedFrom"]]
            nodes = [node for source in sources for node in (source, *source.get("component", ()))]
            codes = {coding["code"] for node in nodes for coding in node["code"].get("coding", ())}
            assert inputs <= codes

    def test_a_polygenic_score_has_its_percentile_in_a_synthetic_reference_and_reaches_the_multimodal_model(
        self, signed_on: Service
    ) -> None:
        results = predictions(signed_on, "cad-polygenic")
        given = {item["subject"]["reference"]: item for item in results if "valueQuantity" in item}
        shown = given[ref(PEOPLE[0])]
        assert any("The reference population is synthetic" in note["text"] for note in shown["note"])
        # The reference has nobody like one of them: a refusal, not a percentile.
        refused = [str(item.get("dataAbsentReason")) for item in results if "valueQuantity" not in item]
        assert sum("no reference distribution" in text for text in refused) == 1
        system = "urn:fhir-bridge:predictor:demo-multimodal-risk"
        several = signed_on.search(f"Observation?code={system}|demo-multimodal-risk&_count=100")
        used = [item for item in several if "valueQuantity" in item and item["subject"]["reference"] in given]
        assert len(used) >= 4
        for item in used:
            labels = [source["display"] for source in item["derivedFrom"]]
            assert any(label.startswith("polygenic score: ") for label in labels)
            assert "genomics" in next(
                n["text"] for n in item["note"] if n["text"].startswith("By kind of record")
            )

    def test_a_result_says_what_made_it_from_what(self, signed_on: Service) -> None:
        result = predictions(signed_on, "score2", PEOPLE[0])[0]
        assert any(label["code"] == "AIAST" for label in result["meta"]["security"])
        assert result["status"] == "preliminary"
        model = signed_on.get(f"/fhir/{result['device']['reference']}")
        assert model["resourceType"] == "Device"
        for source in result["derivedFrom"]:
            assert "/_history/" in source["reference"]
            assert signed_on.get(f"/fhir/{source['reference']}")["subject"]["reference"] == ref(PEOPLE[0])
        (provenance,) = signed_on.search(f"Provenance?target=Observation/{result['id']}")
        agents = {agent["who"]["reference"] for agent in provenance["agent"]}
        assert result["device"]["reference"] in agents

    def test_another_system_may_not_write_a_prediction(self, signed_on: Service) -> None:
        result = predictions(signed_on, "score2", PEOPLE[0])[0]
        answer = signed_on.http.put(f"/fhir/Observation/{result['id']}", json=result)
        assert answer.status_code == 403


class TestWhatIsHeld:
    def test_every_record_is_accounted_for(self, prepared: Prepared) -> None:
        for name, account in prepared.demonstration.accounts.items():
            assert account.balanced, name
            assert account.read > 0, name

    def test_the_missing_issuer_is_held_and_listed(self, prepared: Prepared, signed_on: Service) -> None:
        person = the(lambda person: not person.issuer_stated)
        for adapter, place in (("csv", "laboratory.csv:"), ("dicom", "study 2.25.")):
            account = prepared.demonstration.accounts[adapter]
            assert account.rejected == 1
            ((where, _),) = (found for (_, code, _), found in account.issues.items() if code == "FB-ID-001")
            assert place in where
        assert signed_on.search(f"ImagingStudy?patient={patient_id(person.mrn)}") == []

    def test_the_unlinked_sample_is_held_and_listed(self, prepared: Prepared, signed_on: Service) -> None:
        person = the(lambda person: not person.sample_linked)
        issues = prepared.demonstration.accounts["vcf"].issues
        held = [message for (_, code, message) in issues if code == "FB-ID-003"]
        assert held
        assert all(str(person.sample) in message for message in held)
        assert signed_on.search(f"Observation?patient={patient_id(person.mrn)}&code={VARIANT}") == []

    def test_who_opted_out_of_research_has_a_consent_that_says_so(self, signed_on: Service) -> None:
        person = the(lambda person: person.research_opt_out)
        (consent,) = signed_on.search(f"Consent?patient={patient_id(person.mrn)}")
        assert consent["status"] == "active"
        assert consent["provision"]["type"] == "deny"
        assert consent["provision"]["purpose"][0]["code"] == "HRESCH"
        assert signed_on.search("Consent") == [consent]

    def test_the_clinician_is_a_practitioner(self, signed_on: Service) -> None:
        assert signed_on.get(f"/fhir/Practitioner/{clinician_id()}")["active"] is True


class TestTheMessages:
    def test_a_corrected_troponin_is_current_and_history_holds_the_earlier(self, signed_on: Service) -> None:
        person = PEOPLE[TROPONIN_PERSON]
        right = int(person.laboratory["troponin T"])
        found = signed_on.search(f"Observation?patient={patient_id(person.mrn)}&code=67151-1")
        (current,) = (item for item in found if "hl7v2" in item["meta"]["source"])
        assert (current["status"], current["valueQuantity"]["value"]) == ("corrected", right)
        assert "recalibrated" in current["note"][0]["text"]
        versions = signed_on.get(f"/fhir/Observation/{current['id']}/_history")["entry"]
        seen = [(e["resource"]["status"], e["resource"]["valueQuantity"]["value"]) for e in versions]
        assert seen == [("corrected", right), ("final", right + 58), ("preliminary", right + 60)]

    def test_susceptibilities_refer_to_their_organism(self, signed_on: Service) -> None:
        of = f"patient={patient_id(PEOPLE[CULTURE_PERSON].mrn)}"
        (organism,) = signed_on.search(f"Observation?{of}&code=600-7")
        assert organism["valueCodeableConcept"]["coding"][0]["code"] == "112283007"
        for code in ("18864-9", "18906-8", "18928-2", "18943-1"):
            (tested,) = signed_on.search(f"Observation?{of}&code={code}")
            assert tested["derivedFrom"] == [{"reference": f"Observation/{organism['id']}"}]
            assert tested["interpretation"][0]["coding"][0]["code"] in ("R", "S")

    def test_what_the_old_number_has_is_found_under_the_surviving_patient(
        self, signed_on: Service, demo_url: str, prepared: Prepared, bridge: Any, tmp_path: Path
    ) -> None:
        """A result that arrives late, under the number that A40 merged away."""
        old = patient_id(str(MERGED.previous_mrn))
        (before,) = signed_on.search(f"Patient?identifier={AUTHORITY_SYSTEM}|{MERGED.previous_mrn}")
        assert before["active"] is False
        assert before["link"][0] == {"type": "replaced-by", "other": {"reference": ref(MERGED)}}
        (message,) = (prepared.folder / "hl7v2" / "oru-culture.hl7").read_text().split("MSH|")[1:]
        message = "MSH|" + message.replace(f"|{PEOPLE[CULTURE_PERSON].mrn}^", f"|{MERGED.previous_mrn}^")
        late = tmp_path / "late.hl7"
        late.write_text(re.sub(r"([PB])26-20", r"\g<1>26-99", message).replace("V26-7020", "V26-7099"))
        loaded = bridge("load", late, "-a", "hl7v2", "--site", prepared.site, database=demo_url)
        assert loaded.exit_code == 0, loaded.output
        (found,) = signed_on.search(f"Observation?patient={patient_id(MERGED.mrn)}&code=600-7")
        assert found["subject"]["reference"] == f"Patient/{old}"
