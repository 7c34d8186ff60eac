"""One malformed attribute costs at most itself, is reported with file and name, and never the ImagingStudy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import dictionary_VM

from fhir_bridge.adapters.imaging.attributes import INSTANCE, SERIES, STUDY
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import Converted, convert
from tests.adapters.imaging.raw_files import Raw, everything, tag, write

IDENTIFYING = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"}
ATTRIBUTES = sorted({*STUDY, *SERIES, *INSTANCE} - IDENTIFYING)
SITE = Site(demo_key=True, parameters={"wado_rs": "https://pacs.fhir-bridge.org/dicom-web"})

MALFORMED: dict[str, Raw] = {
    "backslash": ("LO", b"A\\B "),
    "trailing backslash": ("LO", b"AB\\ "),
    "only backslashes": ("LO", b"\\\\"),
    "three values": ("IS", b"1\\2\\3 "),
    "times": ("TM", b"101112\\131415 "),
    "NUL within": ("LO", b"AB\0CD "),
    "only NULs": ("LO", b"\0\0\0\0"),
    "control characters": ("SH", b"A\x01\x02\x1bB "),
    "not ASCII": ("CS", b"\xc4\xd6\xdc\xff"),
    "not decodable": ("LO", b"\xff\xfe\xfd\xfc"),
    "absurdly long": ("LO", b"X" * 65000),
    "longer than a FHIR string": ("UT", b"X" * (1 << 20) + b"XX"),
    "number as text": ("LO", b"seven "),
    "a fraction": ("DS", b"1.5 "),
    "a negative number": ("IS", b"-7"),
    "a huge number": ("IS", b"99999999999999999999"),
    "binary number": ("US", b"\x07\x00"),
    "binary of a wrong length": ("UL", b"\x07\x00\x01"),
    "not a number": ("FD", b"\x00\x00\x00\x00\x00\x00\xf8\x7f"),
    "a date that does not exist": ("DA", b"20269999"),
    "a UID that is none": ("UI", b"1..2.x"),
    "unknown VR": ("UN", b"\x00\x01\x02\x03"),
    "bytes": ("OB", b"\xfe\xff\x00\xe0\xff\xff\xff\xff"),
    "a VR that does not exist": ("ZZ", b"ABCD"),
    "an empty sequence": ("SQ", []),
    "a sequence of an empty item": ("SQ", [{}]),
    "a sequence that is none": ("SQ", b"not items at all"),
    "a short sequence that is none": ("SQ", b"NaN "),
    "a sequence cut short": ("SQ", b"\xfe\xff\x00\xe0\xff\x00\x00\x00\x08\x00\x00\x01SH\x08\x00A"),
    "spaces": ("LO", b"    "),
    "empty": ("LO", b""),
}
NOTHING = {"only NULs", "an empty sequence", "a sequence of an empty item", "spaces", "empty"}
"""What says nothing, and is no more to be reported than an absent attribute."""


def leaves(converted: Converted) -> set[tuple[str, str]]:
    """Every value of the outputs with its path."""

    def walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for key, each in value.items():
                yield from walk(each, f"{path}.{key}")
        elif isinstance(value, list):
            for each in value:
                yield from walk(each, path)
        else:
            yield path, str(value)

    results: set[tuple[str, str]] = set()
    for resource in converted.resources:
        results |= set(walk(resource, resource["resourceType"]))
    return results


class Checked:
    """Validates each content once: most mutations leave most resources as they are."""

    def __init__(self) -> None:
        self._validator = Validator.of()
        self._seen: set[bytes] = set()

    def errors(self, converted: Converted) -> list[Issue]:
        issues: list[Issue] = []
        for resource in converted.resources:
            content = dumps(resource)
            if content not in self._seen:
                self._seen.add(content)
                issues += self._validator.validate(resource)
        return [issue for issue in issues if issue.severity in ("error", "fatal")]


@pytest.fixture(scope="module")
def checked() -> Checked:
    return Checked()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """What is said where nothing is malformed."""
    converted = convert([write(tmp_path_factory.mktemp("whole") / "a.dcm", everything())], SITE)
    assert converted.issues == []
    return leaves(converted)


@pytest.mark.parametrize("keyword", ATTRIBUTES)
def test_a_malformed_attribute_costs_at_most_itself_and_is_reported(
    keyword: str, tmp_path: Path, whole: set[tuple[str, str]], checked: Checked
) -> None:
    path = tmp_path / "malformed.dcm"
    without = convert([write(path, everything(**{keyword: None}))], SITE)
    less = leaves(without)
    for kind, value in MALFORMED.items():
        write(path, everything() | {tag(keyword): value})
        converted = convert([path], SITE)
        text = leaves(converted)
        where = (keyword, kind, converted.issues)
        assert converted.outcomes in (["converted"], ["partial"]), where
        (study,) = converted.of("ImagingStudy")
        assert study["numberOfInstances"] == 1, where
        assert whole & less <= text, (*where, (whole & less) - text)
        wrong = checked.errors(converted)
        assert not wrong, (*where, wrong)
        named = [
            issue
            for issue in converted.issues
            if issue.source == "malformed.dcm" and keyword in issue.message
        ]
        unmapped = [issue for issue in converted.issues if issue.code == "FB-MAP-107"]
        several = kind == "only backslashes" and dictionary_VM(tag(keyword)) != "1"
        if text == less != whole and kind not in NOTHING and not several:
            assert named or (keyword == "PatientSex" and unmapped), where


@pytest.mark.parametrize("kind", sorted(MALFORMED))
def test_a_malformed_character_set_costs_what_is_not_ascii_and_is_reported(
    kind: str, tmp_path: Path, whole: set[tuple[str, str]]
) -> None:
    values = everything() | {tag("SpecificCharacterSet"): MALFORMED[kind]}
    values[tag("StudyDescription")] = ("LO", "Schädel ".encode("latin-1"))
    converted = convert([write(tmp_path / "a.dcm", values)], SITE)
    assert converted.outcomes == ["converted"], converted.issues
    unaffected = {each for each in whole if each[0] != "ImagingStudy.description"}
    assert unaffected <= leaves(converted)
    if kind not in NOTHING and kind != "only backslashes":
        messages = [issue.message for issue in converted.issues if issue.code == "FB-DCM-014"]
        assert any("SpecificCharacterSet" in message for message in messages)
        assert any("StudyDescription" in message for message in messages)
        assert converted.of("ImagingStudy")[0]["description"] == "Sch\ufffddel"


@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID"])
@pytest.mark.parametrize("sign", [b"\t", b"\n", b"\x01"])
def test_a_number_with_control_characters_identifies_nobody(
    tmp_path: Path, keyword: str, sign: bytes
) -> None:
    values = everything()
    values[tag(keyword)] = ("LO", b"P" + sign + b"17 ")
    converted = convert([write(tmp_path / "a.dcm", values)], SITE)
    assert [issue.code for issue in converted.issues] == ["FB-DCM-023"]
    assert not any(sign.decode() in text for _, text in leaves(converted))
