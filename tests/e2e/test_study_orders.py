"""A study, its order and its report are joined by their numbers, whichever comes first."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

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
        site.write_text(SITE)
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


SEQUENCES = list(itertools.permutations(("order", "report", "images")))


def test_all_orders_of_arrival_end_the_same(hospital: Hospital) -> None:
    """Six patients, to each of whom the three come in another order."""
    for step in range(3):
        messages, images = [], []
        for number, sequence in enumerate(SEQUENCES):
            what = sequence[step]
            if what == "images":
                more = {"AccessionNumber": f"A{number}1", "IssuerOfPatientID": "HOSP"}
                images += [
                    instance(slice_, study=1 + number, patient=f"10{number}", **more) for slice_ in (1, 2)
                ]
            else:
                make = order if what == "order" else report
                text = make(placer=f"P{number}1^HIS", filler=f"A{number}1^RIS")
                text = text.replace("|100^^^HOSP", f"|10{number}^^^HOSP")
                messages.append(text.replace("|O1|", f"|O{number}|").replace("|R1|", f"|R{number}|"))
        if messages:
            hospital.send(*messages)
        if images:
            hospital.load(*images)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for each in hospital.all().values():
        if each["resourceType"] in ("ImagingStudy", "ServiceRequest", "DiagnosticReport"):
            kind = each["resourceType"]
            found.setdefault(each["subject"]["reference"], {})[kind] = each
    assert len(found) == len(SEQUENCES)
    shapes = set()
    for ours in found.values():
        study, request, result = (
            ours[kind] for kind in ("ImagingStudy", "ServiceRequest", "DiagnosticReport")
        )
        assert literal(study, "basedOn") == [f"ServiceRequest/{request['id']}"]
        assert literal(result, "imagingStudy") == [f"ImagingStudy/{study['id']}"]
        assert literal(result, "basedOn") == [f"ServiceRequest/{request['id']}"]
        shapes.add(tuple(json.dumps(sorted(each), default=str) for each in (study, request, result)))
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
