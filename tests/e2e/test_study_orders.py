"""A study, its order and its report are joined by their numbers, whichever comes first."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydicom.dataset import Dataset

from tests.e2e.test_composites import ROOT, Archive, instance

SITE = """\
site: test
key_file: site.key
zone: Europe/Rome
identity:
  authorities:
    HOSP: urn:oid:2.999.1
    RIS: urn:oid:2.999.2
    HIS: urn:oid:2.999.3
"""
PERSON = "PID|1||100^^^HOSP^MR||Rossi^Anna||19600102|F\r"


def order(*, placer: str = "P1^HIS", filler: str = "A1^RIS", more: str = "", code: str = "71250") -> str:
    return (
        "MSH|^~\\&|HIS|HOSP|||20240229080000+0100||ORM^O01|O1|P|2.5.1\r"
        f"{PERSON}ORC|NW|{placer}|{filler}\rOBR|1|{placer}|{filler}|{code}^CT chest^C4|||||||||||||||||||||CT\r{more}"
    )


def report(*, placer: str = "P1^HIS", filler: str = "A1^RIS", more: str = "") -> str:
    return (
        "MSH|^~\\&|RIS|HOSP|||20240301120000+0100||ORU^R01|R1|P|2.5.1\r"
        f"{PERSON}OBR|1|{placer}|{filler}|71250^CT chest^C4|||20240301090000+0100|||||||||||||||"
        f"20240301120000+0100||CT|F\r{more}OBX|1|TX|IMP^Impression||No nodule.||||||F\r"
    )


class Hospital(Archive):
    site = SITE

    def send(self, *messages: str) -> dict[str, Any]:
        self._count += 1
        path = self._folder / f"messages-{self._count}.hl7"
        path.write_text("\r".join(messages), newline="")
        return self._load(path, "hl7v2")

    def images(self, **more: Any) -> dict[str, Any]:
        return self.load(*(instance(number, IssuerOfPatientID="HOSP", **more) for number in (1, 2)))

    def load(self, *instances: Any) -> dict[str, Any]:
        from tests.e2e.test_composites import save

        self._count += 1
        return self._load(save(self._folder / f"batch-{self._count}", instances), "dicom")

    def _load(self, path: Path, adapter: str) -> dict[str, Any]:
        site, account = self._folder / "site.yaml", self._folder / "report.json"
        site.write_text(self.site)
        (self._folder / "site.key").exists() or (self._folder / "site.key").write_text("ab" * 32)
        (self._folder / "site.key").chmod(0o600)
        done = self._bridge(
            "load", path, "-a", adapter, "--site", site, "--report", account, database=self._url
        )
        assert done.exit_code in (0, 1), done.output
        found: dict[str, Any] = json.loads(account.read_bytes())
        return found

    def one(self, kind: str) -> dict[str, Any]:
        (found,) = (each for each in self.all().values() if each["resourceType"] == kind)
        return found

    def inbox(self) -> list[tuple[str, str]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(
                "SELECT locator, state FROM inbox WHERE code = 'FB-RUN-042' ORDER BY key"
            ).fetchall()


@pytest.fixture
def hospital(bridge: Callable[..., Any], tmp_path: Path, fresh_database_url: str) -> Hospital:
    return Hospital(bridge, tmp_path, fresh_database_url)


def literal(resource: dict[str, Any], element: str) -> list[str]:
    return [each["reference"] for each in resource.get(element, ()) if "reference" in each]


def answering_report(study: int, patient: str, placer: str) -> Dataset:
    """A Basic Text SR of a study that answers a placer's order (Referenced Request Sequence); made up."""
    made = instance(9, study=study, patient=patient, IssuerOfPatientID="HOSP", Modality="SR")
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    made.SeriesInstanceUID = f"{ROOT}.{study}.9"
    made.AccessionNumber = f"A{patient}"
    made.ValueType, made.CompletionFlag, made.VerificationFlag = "CONTAINER", "COMPLETE", "VERIFIED"
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = "18748-4", "LN", "Imaging report"
    made.ConceptNameCodeSequence = [title]
    text = Dataset()
    text.RelationshipType, text.ValueType, text.TextValue = "CONTAINS", "TEXT", "No nodule."
    text.ConceptNameCodeSequence = [coded("121071", "DCM", "Finding")]
    made.ContentSequence = [text]
    request = Dataset()
    request.StudyInstanceUID, request.AccessionNumber = made.StudyInstanceUID, made.AccessionNumber
    request.PlacerOrderNumberImagingServiceRequest = placer
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "HIS"
    request.OrderPlacerIdentifierSequence = [issuer]
    made.ReferencedRequestSequence = [request]
    return made


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


KINDS = ("order", "report", "sr", "images")


def event(kind: str, number: int) -> str | list[Dataset]:
    """What comes of one patient: the order has the accession number in IPC-1 alone; each kind is corrected once."""
    patient, study = f"{7700 + number}", 1 + number
    placer, filler = f"P{patient}^HIS", f"F{patient}^RIS"
    if kind in ("sr", "images"):
        if kind == "sr":
            return [answering_report(study, patient, f"P{patient}")]
        more = {"AccessionNumber": f"A{patient}", "patient": patient, "IssuerOfPatientID": "HOSP"}
        return [instance(slice_, study=study, **more) for slice_ in (1, 2)]
    ipc = f"IPC|A{patient}^ACC|RP1|{ROOT}.0|SPS1\r"
    if kind == "wrong order":  # before it was corrected it had the accession number of another patient
        text = order(placer=placer, filler=filler, more=ipc.replace(f"|A{patient}", f"|A{patient}9"))
    elif kind == "order":
        text = order(placer=placer, filler=filler, more=ipc).replace("20240229080000", "20240229090000")
    elif kind == "early report":
        text = (
            report(placer=placer, filler=filler).replace("No nodule", "Pending").replace("||CT|F", "||CT|P")
        )
        text = text.replace("20240301120000", "20240301110000")
    else:
        text = report(placer=placer, filler=filler)
    text = text.replace("|100^^^HOSP", f"|{patient}^^^HOSP")
    return text.replace("|O1|", f"|{kind}{number}|").replace("|R1|", f"|{kind}{number}|")


def shape(resources: list[dict[str, Any]], study: str, patient: str) -> str:
    """What resources say, without the numbers in which one patient's differ from another's."""
    for each in resources:
        for extension in each["meta"].get("extension", ()):  # the sequence has the control ID of the message
            extension["extension"] = [part for part in extension["extension"] if part["url"] != "sequence"]
    text = json.dumps(
        sorted(resources, key=lambda each: [each["resourceType"], json.dumps(each.get("code"))]),
        sort_keys=True,
    )
    text = text.replace(study, "STUDY").replace(study[8:], "STUDY").replace(patient, "100")
    return re.sub(r"\b[0-9a-f]{32}\b", "id", text)


def test_every_permutation_with_corrections_and_re_sends_ends_the_same(hospital: Hospital) -> None:
    """24 patients, to each of whom the four come in another order; what was corrected comes before or after.

    The accession number stands in the order's IPC-1 alone and differs from OBR-3; the report's message repeats the
    order without it. Each patient has the same numbers as one before, under other digits, and none joins another's.
    """
    sequences: list[list[tuple[str, ...]]] = []
    for number, sequence in enumerate(itertools.permutations(KINDS)):
        wrong = [("wrong order", "early report")]
        steps = [(kind,) for kind in sequence]
        again = (*wrong[0], sequence[number % 4])
        sequences.append([*wrong, *steps, again] if number % 2 else [*steps, *wrong, again])
    for step in range(6):
        made = [event(kind, number) for number, each in enumerate(sequences) for kind in each[step]]
        if messages := [each for each in made if isinstance(each, str)]:
            hospital.send(*messages)
        if images := [each for some in made if isinstance(some, list) for each in some]:
            hospital.load(*images)
    found: dict[str, list[dict[str, Any]]] = {}
    for each in hospital.all().values():
        if each["resourceType"] in ("ImagingStudy", "ServiceRequest", "DiagnosticReport"):
            found.setdefault(each["subject"]["reference"], []).append(each)
    assert len(found) == len(sequences)
    shapes = set()
    for ours in found.values():
        (study,) = (each for each in ours if each["resourceType"] == "ImagingStudy")
        (request,) = (each for each in ours if each["resourceType"] == "ServiceRequest")
        reports = [each for each in ours if each["resourceType"] == "DiagnosticReport"]
        assert len(reports) == 2
        accession = study["identifier"][1]["value"]
        assert {each["value"] for each in request["identifier"]} >= {accession}
        assert literal(study, "basedOn") == [f"ServiceRequest/{request['id']}"]
        for each in reports:
            assert literal(each, "imagingStudy") == [f"ImagingStudy/{study['id']}"]
            assert literal(each, "basedOn") == [f"ServiceRequest/{request['id']}"]
        shapes.add(shape(ours, study["identifier"][0]["value"], accession[1:]))
    assert len(shapes) == 1


def test_a_study_uid_in_the_message_is_enough(hospital: Hospital) -> None:
    hospital.send(report(placer="P9^HIS", filler="F9^RIS", more=f"ZDS|{ROOT}.1^RIS^Application^DICOM\r"))
    hospital.images(AccessionNumber="another")
    assert literal(hospital.one("DiagnosticReport"), "imagingStudy") == [
        f"ImagingStudy/{hospital.study()['id']}"
    ]
    assert literal(hospital.study(), "basedOn") == [f"ServiceRequest/{hospital.one('ServiceRequest')['id']}"]


def test_later_instances_and_the_same_again_keep_the_join(hospital: Hospital) -> None:
    hospital.send(order())
    hospital.images()
    joined = hospital.study()["basedOn"]
    hospital.load(instance(3, IssuerOfPatientID="HOSP"))
    assert hospital.study()["basedOn"] == joined
    assert hospital.study()["numberOfInstances"] == 3
    before = hospital.all()
    hospital.images()
    hospital.send(order())
    assert hospital.all() == before


def test_another_patients_order_is_not_joined(hospital: Hospital) -> None:
    hospital.send(order().replace("100^^^HOSP", "200^^^HOSP"))
    hospital.images()
    assert not literal(hospital.study(), "basedOn")


def test_what_fits_several_orders_is_in_the_inbox_until_it_is_certain(hospital: Hospital) -> None:
    hospital.images()  # its accession number says nothing of who gave it
    hospital.send(order(placer="P1^HIS"), order(placer="P2^HIS", filler="A1^HIS").replace("|O1|", "|O2|"))
    assert not literal(hospital.study(), "basedOn")
    assert hospital.inbox() == [(f"ImagingStudy/{hospital.study()['id']}", "open")]
    ipc = f"IPC|A1^HOSPRIS|RP1|{ROOT}.1|SPS1\r"
    hospital.send(order(placer="P3^HIS", filler="F3^RIS", more=ipc).replace("|O1|", "|O3|"))
    assert hospital.inbox()[0][1] == "open"


def test_a_join_goes_with_the_numbers_that_made_it(hospital: Hospital) -> None:
    ipc = f"IPC|A1^ACC|RP1|{ROOT}.0|SPS1\r"
    hospital.images()
    hospital.send(order(filler="F1^RIS", more=ipc))
    joined = literal(hospital.study(), "basedOn")
    assert joined == [f"ServiceRequest/{hospital.one('ServiceRequest')['id']}"]
    second = order(placer="P2^HIS", filler="F2^RIS", more=ipc.replace("A1^ACC", "A1^ELSE"))
    hospital.send(second.replace("|O1|", "|O2|"))
    assert not literal(hospital.study(), "basedOn")  # nobody can say which
    hospital.load(instance(3, IssuerOfPatientID="HOSP"))
    assert hospital.inbox() == [(f"ImagingStudy/{hospital.study()['id']}", "open")]
    corrected = second.replace("A1^ELSE", "A2^ELSE").replace("20240229080000", "20240229090000")
    hospital.send(corrected.replace("|O1|", "|O3|"))
    assert literal(hospital.study(), "basedOn") == joined
    assert hospital.inbox()[0][1] != "open"


def test_a_site_names_the_field_of_the_accession_number(hospital: Hospital) -> None:
    hospital.site += "parameters:\n  accession_field: OBR-18\n  accession_authority: RIS\n"
    text = order(filler="F1^RIS").replace(
        "|71250^CT chest^C4" + "|" * 21, "|71250^CT chest^C4" + "|" * 14 + "A1" + "|" * 7
    )
    assert "|A1|" in text
    hospital.send(text)
    hospital.images()
    request = hospital.one("ServiceRequest")
    assert {"urn:oid:2.999.2"} == {each["system"] for each in request["identifier"] if each["value"] == "A1"}
    assert literal(hospital.study(), "basedOn") == [f"ServiceRequest/{request['id']}"]
