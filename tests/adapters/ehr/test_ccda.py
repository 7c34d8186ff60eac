"""C-CDA documents: what becomes of entries, denials, gaps and narrative, and of files that are none or mean harm."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fhir_bridge.adapters.ehr.ccda import CcdaAdapter, read_document
from fhir_bridge.adapters.ehr.ccda.model import CcdaModel
from fhir_bridge.pipeline import RunRequest, convert
from fhir_bridge.plugins import OptionError, ReadContext
from tests.adapters.ehr.perturbed_documents import converted, perturb_document
from tests.perturbation import Outcome, Tally

EXAMPLES = Path("mappings/ehr/ccda/examples")
SILENT, REPORTED = 0.01, 0.10


@pytest.fixture(scope="module")
def summary(repository: Path) -> bytes:
    return (repository / EXAMPLES / "summary/document.xml").read_bytes()


@pytest.fixture(scope="module")
def summarized(summary: bytes) -> Outcome:
    return converted(summary)


@pytest.fixture(scope="module")
def denied(repository: Path) -> Outcome:
    return converted((repository / EXAMPLES / "negated-and-missing/document.xml").read_bytes())


def of_type(outcome: Outcome, kind: str) -> list[dict[str, Any]]:
    return [resource for resource in outcome.resources if resource["resourceType"] == kind]


def test_every_section_has_its_narrative_and_entries_that_are_there(summarized: Outcome) -> None:
    (composition,) = of_type(summarized, "Composition")
    ids = {f"{resource['resourceType']}/{resource['id']}" for resource in summarized.resources}
    assert len(composition["section"]) == 18
    for section in composition["section"]:
        assert section["text"]["div"].startswith('<div xmlns="http://www.w3.org/1999/xhtml">')
        assert section["entry"], section["title"]
        assert {entry["reference"] for entry in section["entry"]} <= ids


def test_a_statement_links_to_its_place_in_the_narrative(summarized: Outcome) -> None:
    (composition,) = of_type(summarized, "Composition")
    problem = of_type(summarized, "Condition")[0]
    assert problem["extension"][0]["valueUrl"] == f"Composition/{composition['id']}#prob1"
    assert 'id="prob1"' in composition["section"][0]["text"]["div"]


def test_an_author_is_one_practitioner_whatever_the_number_of_mentions(summarized: Outcome) -> None:
    names = [
        person["name"][0]["family"] for person in of_type(summarized, "Practitioner") if "name" in person
    ]
    assert sorted(names) == ["Poe", "Roe"]


def test_the_document_is_kept_as_it_came(summary: bytes, repository: Path) -> None:
    expected = (repository / EXAMPLES / "summary/expected.ndjson").read_text()
    assert base64.b64encode(summary).decode() in expected


def test_nothing_in_the_summary_is_left_unsaid(summarized: Outcome) -> None:
    assert [message for message in summarized.messages if "no rule represents" in message] == []


def test_what_is_denied_never_becomes_a_finding(denied: Outcome) -> None:
    (allergy,) = of_type(denied, "AllergyIntolerance")
    assert allergy["verificationStatus"]["coding"][0]["code"] == "refuted"
    by_code = {c["code"]["coding"][0]["code"]: c for c in of_type(denied, "Condition")}
    assert by_code["73211009"]["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert "clinicalStatus" not in by_code["73211009"]
    assert by_code["195967001"]["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert [m["status"] for m in of_type(denied, "MedicationStatement")] == ["not-taken"]
    (vaccination,) = of_type(denied, "Immunization")
    assert (vaccination["status"], vaccination["statusReason"]["coding"][0]["code"]) == ("not-done", "PATOBJ")


def test_a_missing_value_says_why(denied: Outcome) -> None:
    potassium = next(o for o in of_type(denied, "Observation") if o["code"]["coding"][0]["code"] == "2823-3")
    assert potassium["dataAbsentReason"]["coding"][0]["code"] == "not-asked"
    assert potassium["status"] == "registered"
    assert not any(key.startswith("value") for key in potassium)


def test_what_the_narrative_states_is_derived_and_no_measurement(summarized: Outcome) -> None:
    derived = [o for o in of_type(summarized, "Observation") if "derivedFrom" in o]
    assert [o["code"]["coding"][0]["code"] for o in derived] == ["10230-1", "72166-2", "10157-6"]
    assert {o["status"] for o in derived} == {"preliminary"}
    measured = [o for o in of_type(summarized, "Observation") if "derivedFrom" not in o]
    assert not any(o["code"]["coding"][0]["code"] == "10230-1" for o in measured)


STATED = b'<confidentialityCode code="R" codeSystem="2.16.840.1.113883.5.25"/>'


@pytest.mark.parametrize(
    ("document", "section", "label"),
    [
        ("R", None, "R"),
        ("V", None, "V"),
        ("N", None, None),
        ("N", "R", "R"),
        ("R", "V", "V"),
        ("HIV", None, "R"),
    ],
)
def test_who_may_not_see_a_document_may_not_see_what_it_says(
    summary: bytes, document: str, section: str | None, label: str | None
) -> None:
    changed = summary.replace(STATED, STATED.replace(b'"R"', b'"%s"' % document.encode()))
    for _ in range(2 if section else 0):  # more than one section may say so
        at = changed.index(b"</text>\n<entry", changed.rindex(b"<confidentialityCode")) + len(b"</text>")
        changed = changed[:at] + STATED.replace(b'"R"', b'"%s"' % str(section).encode()) + changed[at:]
    everywhere = {"Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "RelatedPerson"}
    labels = {
        tuple(one["code"] for one in resource.get("meta", {}).get("security", []))
        for resource in converted(changed).resources
        if resource["resourceType"] not in everywhere and not demographic(resource)
    }
    assert labels == {(label,) if label else ()}


def demographic(resource: dict[str, Any]) -> bool:
    """Race, ethnicity and the software that wrote the document: no statement of it."""
    codes = {coding.get("code") for coding in resource.get("code", {}).get("coding", [])}
    return bool(codes & {"32624-9", "69490-1"}) or (
        resource["resourceType"] == "Device" and "patient" not in resource
    )


def test_a_document_without_structure_keeps_its_text(repository: Path) -> None:
    outcome = converted((repository / EXAMPLES / "unstructured/document.xml").read_bytes())
    (document,) = of_type(outcome, "DocumentReference")
    assert base64.b64decode(document["content"][1]["attachment"]["data"]) == b"LVEF 45 %. NYHA II."


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY b%d "%s">' % (n, b"&a;" * 10) for n in range(9))
    + b']><ClinicalDocument xmlns="urn:hl7-org:v3">&b8;</ClinicalDocument>'
)
FETCH = (
    b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    b'<ClinicalDocument xmlns="urn:hl7-org:v3"><title>&e;</title></ClinicalDocument>'
)


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (BOMB, "FB-CDA-001", "document type declaration"),
        (FETCH, "FB-CDA-001", "document type declaration"),
        (b"<section xmlns='urn:hl7-org:v3'/>", "FB-CDA-002", "<section>"),
        (b"<ClinicalDocument/>", "FB-CDA-002", "no namespace"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'><id", "FB-CDA-001", "line 1"),
        (b"", "FB-CDA-001", "no element"),
        (b"MSH|^~\\&|", "FB-CDA-001", "line 1"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'>" + b"<a>" * 300, "FB-CDA-001", "deeper than 200"),
    ],
    ids=["bomb", "fetch", "section", "namespace", "cut", "empty", "message", "deep"],
)
def test_what_is_no_document_is_refused_with_the_reason(content: bytes, code: str, says: str) -> None:
    record = read_document(content, "x.xml")
    assert record.outcome == "rejected"
    assert [issue.code for issue in record.issues] == [code]
    assert says in record.issues[0].message


def test_a_document_above_the_limit_is_not_read(summary: bytes) -> None:
    record = read_document(summary + b" " * (1 << 20), "x.xml", {"max_document_mb": 1})
    assert (record.outcome, record.issues[0].code) == ("rejected", "FB-CDA-003")
    assert "1 MB" in record.issues[0].message


def test_a_large_document_is_read_where_there_is_memory_and_no_limit_is_endless(
    tmp_path: Path, summary: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:  # a hole: 2 GB that take no place
        file.write(summary)
        file.truncate(2 << 30)
    context = SimpleNamespace(options={"max_document_mb": 4096})
    (record,) = CcdaAdapter().read([path], cast("ReadContext", context))
    assert (record.outcome, record.issues[0].code) == ("rejected", "FB-CDA-003")
    assert re.search(
        r"the file has 2048 MB; .* 61440 MB of memory, of which \d+ MB are free", record.issues[0].message
    )
    with pytest.raises(OptionError, match="512 at most"):
        CcdaModel().with_options({"max_document_mb": 513})
    monkeypatch.setattr("fhir_bridge.adapters.ehr.ccda.limits.free_megabytes", lambda: 2000)
    large = summary + b" " * (70 << 20)
    assert "2000 MB are free" in read_document(large, "x.xml", {"max_document_mb": 512}).issues[0].message
    monkeypatch.setattr("fhir_bridge.adapters.ehr.ccda.limits.free_megabytes", lambda: None)
    assert read_document(large, "x.xml", {"max_document_mb": 512}).outcome == "read"


def test_a_document_about_two_patients_is_refused_and_one_named_twice_is_not(summary: bytes) -> None:
    begin, end = summary.index(b"<recordTarget>"), summary.index(b"</recordTarget>") + len(b"</recordTarget>")
    target = summary[begin:end]
    role = target.index(b"<id ")
    other = target[:role] + b'<id root="1.2.3.4" extension="other"/>' + target[target.index(b"<addr", role) :]
    assert read_document(summary[:end] + target + summary[end:], "d.xml").outcome == "read"
    refused = read_document(summary[:end] + other + summary[end:], "d.xml")
    assert refused.outcome == "rejected"
    assert [issue.code for issue in refused.issues] == ["FB-CDA-008"]


def test_a_document_that_names_no_patient_is_refused(summary: bytes) -> None:
    begin, end = summary.index(b"<recordTarget>"), summary.index(b"</recordTarget>") + len(b"</recordTarget>")
    refused = read_document(summary[:begin] + summary[end:], "d.xml")
    assert refused.outcome == "rejected"
    assert [issue.code for issue in refused.issues] == ["FB-CDA-008"]


def test_patients_without_a_number_are_those_of_their_documents_alone(summary: bytes) -> None:
    """Systems number documents under one root: that two share it does not make their patients one."""
    role = summary.index(b"<id ", summary.index(b"<recordTarget>"))
    unknown = summary[:role] + b'<id nullFlavor="UNK"/>' + summary[summary.index(b"<addr", role) :]
    unknown = re.sub(rb"<setId [^>]*/>", b"", unknown)
    start = unknown.index(b"<id ", unknown.index(b"<typeId"))
    stop = unknown.index(b"/>", start) + 2
    patients = [
        of_type(
            converted(unknown[:start] + b'<id root="1.2.3" extension="%d"/>' % number + unknown[stop:]),
            "Patient",
        )
        for number in (1, 2, 1)
    ]
    first, second, again = (one["id"] for (one,) in patients)
    assert first == again
    assert first != second


def test_lines_before_the_declaration_are_let_pass(summary: bytes) -> None:
    assert read_document(b"\r\n  " + summary, "d.xml").outcome == "read"


def test_a_document_cut_anywhere_is_refused_and_never_raises(summary: bytes) -> None:
    for at in range(100, len(summary) - 30, len(summary) // 40):
        assert read_document(summary[:at], "x.xml").outcome == "rejected"


def test_a_value_that_can_not_be_loses_only_itself(summary: bytes) -> None:
    before = converted(summary)
    outcome = converted(summary.replace(b'value="20260227080000+0100"', b'value="20261399"'))
    assert not outcome.rejected
    assert len(of_type(outcome, "Observation")) == len(of_type(before, "Observation"))
    assert any("no date or time that exists" in message for message in outcome.messages)


def test_sections_within_sections_are_in_the_composition(summary: bytes) -> None:
    inner = (
        b'<component><section><code code="8709-8" codeSystem="2.16.840.1.113883.6.1"/><title>Skin</title>'
        b"<text>Pale and cold</text>%s</section></component>"
    )
    nested = inner % (inner.replace(b"Skin", b"Hands") % b"")
    outcome = converted(summary.replace(b"</section>", nested + b"</section>", 1))
    (composition,) = of_type(outcome, "Composition")
    (outer,) = [section for section in composition["section"] if "section" in section]
    (skin,) = outer["section"]
    assert (skin["title"], skin["section"][0]["title"]) == ("Skin", "Hands")
    assert "Pale and cold" in skin["text"]["div"]
    assert skin["code"]["coding"][0]["code"] == "8709-8"


def test_uses_that_r4_has_no_code_for_are_kept_or_reported(summary: bytes) -> None:
    assert b'<name use="L">' in summary
    (patient,) = of_type(converted(summary.replace(b'<name use="L">', b'<name use="L SRCH">', 1)), "Patient")
    assert "SRCH" in str(patient["name"][0]["extension"])
    outcome = converted(summary.replace(b'<name use="L">', b'<name use="L XYZ">', 1))
    assert any("name/@use XYZ" in message for message in outcome.messages)


def test_the_system_of_a_code_that_is_missing_is_named(summary: bytes) -> None:
    missing = re.sub(
        rb"(<manufacturedMaterial>\s*)<code [^>]*/>",
        rb'\1<code nullFlavor="OTH" codeSystem="2.16.840.1.113883.6.88">'
        rb'<translation code="410942007" codeSystem="2.16.840.1.113883.6.96"/></code>',
        summary,
        count=1,
    )
    assert missing != summary
    assert any("manufacturedMaterial/code/@codeSystem" in message for message in converted(missing).messages)


def test_all_names_addresses_and_numbers_of_a_guardian_arrive_in_a_valid_patient(
    summary: bytes, tmp_path: Path
) -> None:
    guardian = (
        b'<guardian><id root="2.25.1001.30" extension="G-17"/>'
        b"<addr><city>Linz</city></addr><addr><city>Graz</city></addr>"
        b"<guardianPerson><name><given>Boris</given>"
        b'<given qualifier="CL">Bo</given><family>Keller</family></name></guardianPerson></guardian>'
    )
    document = tmp_path / "document.xml"
    document.write_bytes(re.sub(rb"(<ethnicGroupCode[^>]*/>)", rb"\1" + guardian, summary))
    (tmp_path / "site.yaml").write_text("site: test\ndemo_key: true\n")
    result = convert(RunRequest("ccda", site=tmp_path / "site.yaml"), [document], tmp_path / "out")
    assert "FB-RUN-020" not in str(result.account.issues), "the Patient is not withheld"
    (patient,) = map(json.loads, (tmp_path / "out/Patient.ndjson").read_text().splitlines())
    assert patient["contact"][0]["address"]["city"] == "Linz"
    told = str(patient)
    assert all(word in told for word in ("Boris", "Bo ", "Keller", "Linz", "Graz", "G-17"))


def test_of_several_addresses_of_a_place_the_one_that_lasts_is_its_address(summary: bytes) -> None:
    addresses = (
        b'<addr use="WP"><streetAddressLine>1 Altgasse</streetAddressLine><city>Linz</city>'
        b'<useablePeriod xsi:type="IVL_TS"><low value="20190101"/><high value="20201231"/></useablePeriod></addr>'
        b'<addr use="BAD"><city>Wels</city></addr>'
        b'<addr use="WP PST"><streetAddressLine>2 Neugasse</streetAddressLine><city>Graz</city>'
        b'<useablePeriod xsi:type="IVL_TS"><low value="20210101"/></useablePeriod></addr><addr nullFlavor="MSK"/>'
    )
    # Of an encompassing encounter, and of a participant of an entry.
    facility, count = re.subn(
        rb"(<healthCareFacility>.*?<location>.*?</name>).*?(</location>)",
        rb"\1" + addresses + rb"\2",
        summary,
        count=1,
        flags=re.DOTALL,
    )
    assert count == 1
    role = (
        b'<participant typeCode="LOC"><participantRole classCode="SDLOC"><code code="1117-1" '
        b'codeSystem="2.16.840.1.113883.6.259"/>' + addresses + b"</participantRole></participant>"
    )
    entry, count = re.subn(
        rb'(extension="p2"/>.*?</effectiveTime>)', rb"\1" + role, summary, count=1, flags=re.DOTALL
    )
    assert count == 1
    for document in (facility, entry):
        outcome = converted(document)
        places = [place for place in of_type(outcome, "Location") if "Neugasse" in str(place.get("address"))]
        assert len(places) == 1
        assert places[0]["address"] == {
            "use": "work",
            "type": "postal",
            "line": ["2 Neugasse"],
            "city": "Graz",
            "period": {"start": "2021-01-01"},
        }
        notes = [each["valueAnnotation"]["text"] for each in places[0]["extension"]]
        assert [note for note in notes if note.startswith("Address: ")] == [
            "Address: WP; 1 Altgasse; Linz; low: 20190101 high: 20201231",
            "Address: BAD; Wels",
            "Address: WP PST; 2 Neugasse; Graz; low: 20210101",
        ]
        # That a further one is withheld is in the account, or in what a statement says of its participant.
        told = [*outcome.messages, *map(str, of_type(outcome, "Condition"))]
        assert any(re.search("given as missing: .*addr|nullFlavor MSK", text) for text in told)


def test_a_document_with_two_numbers_is_the_one_of_the_first_and_the_other_is_named(summary: bytes) -> None:
    """Also where the patient has none, and the document's number stands in for it."""
    second = re.sub(
        rb"(<id [^>]*/>)(\s*<code)", rb'\1<id root="1.2.3.99" extension="second"/>\2', summary, count=1
    )
    unnumbered = re.sub(rb"(<patientRole>).*?(?=<addr)", rb"\1", second, count=1, flags=re.DOTALL)
    assert len({summary, second, unnumbered}) == 3
    for document in (second, unnumbered):
        outcome = converted(document)
        (composition,) = of_type(outcome, "Composition")
        assert composition["identifier"]["value"] == "D-1"
        assert "no rule represents ClinicalDocument/id/@extension" in outcome.messages


def test_a_visit_with_two_numbers_has_both(summary: bytes) -> None:
    second = re.sub(
        rb"(<encompassingEncounter>\s*<id [^>]*/>)",
        rb'\1<id root="1.2.3.98" extension="V-2"/>',
        summary,
        count=1,
    )
    assert second != summary
    numbers = [
        [number["value"] for number in visit.get("identifier", ())]
        for visit in of_type(converted(second), "Encounter")
    ]
    assert any("V-2" in of_visit and len(of_visit) == 2 for of_visit in numbers), numbers


def test_a_vaccine_by_the_former_oid_of_cvx_is_of_cvx(summary: bytes) -> None:
    outcome = converted(summary.replace(b"2.16.840.1.113883.12.292", b"2.16.840.1.113883.6.59"))
    (immunization,) = of_type(outcome, "Immunization")
    assert immunization["vaccineCode"]["coding"][0]["system"] == "http://hl7.org/fhir/sid/cvx"


def chosen(part: int, salt: str) -> Any:
    def choose(number: int) -> bool:
        return not int.from_bytes(sha256(f"{salt} {number}".encode()).digest()[:4], "big") % part

    return choose


def test_each_place_of_the_examples_changes_the_output_or_is_reported(repository: Path) -> None:
    tally = Tally()
    for path in sorted((repository / EXAMPLES).glob("*/document.xml")):
        perturb_document(path.read_bytes(), tally, chosen(8, path.parent.name))
    assert tally.total > 60
    assert tally.share("silent") <= SILENT, tally.silent
    assert tally.share("reported") <= REPORTED, tally.reported


@pytest.mark.shared
@pytest.mark.soak
def test_places_of_real_documents_change_the_output_or_are_reported(shared: Path) -> None:
    tally = Tally()
    for path in sorted((shared / "data/ccda/microsoft-fhir-converter").glob("*.ccda")):
        perturb_document(path.read_bytes(), tally, chosen(12, path.name))
    assert tally.total > 300
    assert tally.share("silent") <= SILENT, tally.silent
    assert tally.share("reported") <= REPORTED, tally.reported


@pytest.mark.shared
def test_real_documents_convert_and_name_what_is_missing(shared: Path) -> None:
    for path in sorted((shared / "data/ccda/microsoft-fhir-converter").glob("*.ccda")):
        outcome = converted(path.read_bytes())
        assert not outcome.rejected, path.name
        assert len(of_type(outcome, "Patient")) == 1
