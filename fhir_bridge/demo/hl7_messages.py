"""The cohort's HL7 v2 messages: admissions, an update, a merge, a corrected troponin, a culture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from fhir_bridge.demo.ehr_extracts import LAB_SCHEME
from fhir_bridge.demo.people import AUTHORITY, AUTHORITY_SYSTEM, Person

__all__ = ["CULTURE_PERSON", "TROPONIN_PERSON", "write"]

TROPONIN_PERSON: Final = 14
"""Whose troponin is corrected (position in the cohort)."""

CULTURE_PERSON: Final = 20
"""Whose blood culture grows."""

_OID: Final = AUTHORITY_SYSTEM.removeprefix("urn:oid:")


def write(folder: Path, people: Sequence[Person]) -> list[Path]:
    """Write the message files and return their paths. The same people give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "adt.hl7": [*_admissions(people), *_updates(people)],
        "adt-merge.hl7": list(_merges(people)),
        "oru-troponin.hl7": list(_troponin(people[TROPONIN_PERSON], TROPONIN_PERSON)),
        "oru-culture.hl7": [_culture(people[CULTURE_PERSON], CULTURE_PERSON)],
    }
    written = []
    for name, messages in files.items():
        path = folder / name
        path.write_bytes("".join(messages).encode())
        written.append(path)
    return written


def _time(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S")


def _message(*segments: str) -> str:
    return "".join(f"{segment}\r" for segment in segments)


def _msh(application: str, event: str, control_id: str, sent: datetime) -> str:
    trigger = event.split("^")[1]
    structure = {"A04": "ADT_A01", "A08": "ADT_A01", "A28": "ADT_A05", "A40": "ADT_A39"}.get(
        trigger, event.replace("^", "_")
    )
    return (
        f"MSH|^~\\&|{application}|{AUTHORITY}|FHIR-BRIDGE|{AUTHORITY}|{_time(sent)}||{event}^{structure}|{control_id}"
        "|T|2.5.1||||||UNICODE UTF-8"
    )


def _cx(value: str) -> str:
    return f"{value}^^^{AUTHORITY}&{_OID}&ISO^MR"


def _pid(person: Person, *, mrn: str | None = None, phone: str | None = None) -> str:
    sex = "M" if person.sex == "male" else "F"
    return (
        f"PID|1||{_cx(mrn or person.mrn)}||{person.family}^{person.given}^^^^^L||{person.birth_date:%Y%m%d}|{sex}|||"
        f"{person.line}^^{person.city}^^{person.postal_code}^^H||{phone or person.phone}^PRN^PH"
    )


def _pv1(number: int, admitted: datetime | None = None) -> str:
    when = _time(admitted) if admitted else ""
    visit = f"V26-{7000 + number}^^^{AUTHORITY}&{_OID}&ISO^VN"
    doctor = "4711^Clinician^Demo^^^Dr."
    empty = "|" * 24
    return f"PV1|1|O|KARD^01^1||||{doctor}|||CAR^Cardiac Service^HL70069|||||||||{visit}{empty}|{when}"


def _admissions(people: Sequence[Person]) -> Iterator[str]:
    for number, person in enumerate(people):
        sent = person.visit - timedelta(minutes=10)
        event = "A01" if number in (TROPONIN_PERSON, CULTURE_PERSON) else "A04"
        yield _message(
            _msh("SHC-KIS", f"ADT^{event}", f"ADT{number:05}", sent),
            f"EVN|{event}|{_time(sent)}",
            _pid(person),
            _pv1(number, person.visit),
        )


def _updates(people: Sequence[Person]) -> Iterator[str]:
    """An hour later one person has a new telephone number."""
    person = people[0]
    sent = person.visit + timedelta(hours=1)
    yield _message(
        _msh("SHC-KIS", "ADT^A08", "ADT90000", sent),
        f"EVN|A08|{_time(sent)}",
        _pid(person, phone="+39 011 555 0000"),
        _pv1(0, person.visit),
    )


def _merges(people: Sequence[Person]) -> Iterator[str]:
    """A record that was made twice, a result under the second, and the message that joins the two."""
    for number, person in enumerate(people):
        if person.previous_mrn is None:
            continue
        result = person.visit - timedelta(days=400)
        yield _message(
            _msh("SHC-KIS", "ADT^A28", f"DUP{number:05}", result),
            f"EVN|A28|{_time(result)}",
            _pid(person, mrn=person.previous_mrn),
            "PV1|1|N",
        )
        drawn = result + timedelta(hours=1)
        yield _message(
            _msh("SHC-LAB", "ORU^R01", f"DUPL{number:04}", drawn),
            _pid(person, mrn=person.previous_mrn),
            f"ORC|RE|P25-{number}^SHC-KIS|M25-{number}^SHC-LAB",
            f"OBR|1|P25-{number}^SHC-KIS|M25-{number}^SHC-LAB|K^Kalium^{LAB_SCHEME}|||{_time(drawn)}"
            f"|||||||||||||||{_time(drawn)}||LAB|F",
            f"OBX|1|NM|K^Kalium^{LAB_SCHEME}||{person.laboratory['potassium']}|mmol/l|3.5-5.1|N|||F|||{_time(drawn)}",
        )
        merged = person.visit + timedelta(hours=4)
        yield _message(
            _msh("SHC-KIS", "ADT^A40", f"MRG{number:05}", merged),
            f"EVN|A40|{_time(merged)}",
            _pid(person),
            f"MRG|{_cx(person.previous_mrn)}",
        )


def _troponin(person: Person, number: int) -> Iterator[str]:
    """Preliminary, final, then corrected: the analyser was recalibrated."""
    taken = person.visit + timedelta(minutes=30)
    right = int(person.laboratory["troponin T"])
    for position, (status, value, hours) in enumerate(
        (("P", right + 60, 1), ("F", right + 58, 2), ("C", right, 6))
    ):
        sent = taken + timedelta(hours=hours)
        comment = "NTE|1|L|Corrected: analyser recalibrated, earlier value withdrawn" if status == "C" else ""
        flag = "H" if value >= 14 else "N"
        segments = [
            _msh("SHC-LAB", "ORU^R01", f"TNT{number:03}{position + 1}", sent),
            _pid(person),
            _pv1(number, person.visit),
            f"ORC|RE|P26-{number}^SHC-KIS|T26-{number}^SHC-LAB",
            f"OBR|1|P26-{number}^SHC-KIS|T26-{number}^SHC-LAB|HSTNTP^Troponin-Verlauf^{LAB_SCHEME}|||{_time(taken)}"
            f"|||||||||||||||{_time(sent)}||LAB|{status}",
            f"OBX|1|NM|HSTNT^Troponin T hochsensitiv^{LAB_SCHEME}||{value}|ng/l|< 14|{flag}|||{status}|||"
            f"{_time(taken)}",
        ]
        yield _message(*segments, *([comment] if comment else []))


_ORGANISM: Final = "600-7^Bacteria identified in Blood by Culture^LN"
_REMARK: Final = "11475-1^Microorganism identified in Specimen by Culture^LN"
_SUSCEPTIBILITIES: Final = (
    ("18864-9", "Ampicillin [Susceptibility]", "R", ">", "16"),
    ("18906-8", "Ciprofloxacin [Susceptibility]", "S", "<=", "0.25"),
    ("18928-2", "Gentamicin [Susceptibility]", "S", "<=", "1"),
    ("18943-1", "Meropenem [Susceptibility]", "S", "<=", "0.25"),
)


def _culture(person: Person, number: int) -> str:
    taken = person.visit + timedelta(minutes=45)
    sent = taken + timedelta(days=2)
    placer, filler = f"P26-{number}B^SHC-KIS", f"B26-{number}^SHC-LAB"
    child = f"B26-{number}-S^SHC-LAB"
    parent_result = f"{_ORGANISM.replace('^', '&')}^1^Escherichia coli"
    parent_order = "^".join(part.replace("^", "&") for part in (placer, filler))
    lines = ("Two of two aerobic bottles positive after 14 h.", "", "Reported by telephone to the ward.")
    return _message(
        _msh("SHC-LAB", "ORU^R01", f"BKU{number:05}", sent),
        _pid(person),
        _pv1(number, person.visit),
        f"ORC|RE|{placer}|{filler}",
        f"OBR|1|{placer}|{filler}|BK^Blutkultur^{LAB_SCHEME}|||{_time(taken)}|||||||||||||||{_time(sent)}||MB|F",
        f"OBX|1|CWE|{_ORGANISM}|1|112283007^Escherichia coli^SCT||||||F|||{_time(taken)}",
        *(
            f"OBX|{position}|TX|{_REMARK}||{line}||||||F|||{_time(taken)}"
            for position, line in enumerate(lines, 2)
        ),
        f"SPM|1|^{filler.replace('^', '&')}||119297000^Blood specimen^SCT|||||||||||||{_time(taken)}",
        f"ORC|RE|{placer}|{child}",
        f"OBR|2|{placer}|{child}|29576-6^Bacterial susceptibility panel^LN|||{_time(taken)}|||||||||||||||{_time(sent)}"
        f"||MB|F|{parent_result}|||{parent_order}",
        *(
            f"OBX|{position}|SN|{code}^{display}^LN|1|{sign}^{value}|ug/mL||{flag}|||F|||{_time(taken)}"
            for position, (code, display, flag, sign, value) in enumerate(_SUSCEPTIBILITIES, 1)
        ),
    )
