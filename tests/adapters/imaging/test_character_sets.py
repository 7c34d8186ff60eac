"""Specific Character Set: the sets that real archives name, and what is not in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest

from fhir_bridge.adapters.imaging import FileRecord, read_studies
from fhir_bridge.adapters.imaging.character_sets import decoded, encodings_of
from tests.adapters.imaging.raw_files import everything, write


@pytest.mark.parametrize(
    ("names", "value", "expected"),
    [
        # PS3.5 K.3: the escape sequence is needed again after each delimiter.
        (
            ("", "ISO 2022 IR 58"),
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            "Zhang^XiaoDong=张^小东=",
        ),
        (("", "ISO 2022 IR 58"), b"\x1b$)A\xb5\xda\xd2\xbb\r\n\x1b$)A\xb5\xda", "第一\r\n第"),
        (("ISO_IR 203",), "Œuvre^Zoë €".encode("iso8859-15"), "Œuvre^Zoë €"),
        (
            ("ISO 2022 IR 6", "ISO 2022 IR 203"),
            b"Abc^\x1b-b" + "Œuvre€".encode("iso8859-15") + b"^x",
            "Abc^Œuvre€^x",
        ),
        # The second byte of these is 5C, a backslash, and 5E.
        (("GBK",), "乗俓僜^乗".encode("gbk"), "乗俓僜^乗"),
        (("GB18030",), "乗\U00020000^乛".encode("gb18030"), "乗\U00020000^乛"),
    ],
)
def test_text_is_what_its_character_set_says(names: tuple[str, ...], value: bytes, expected: str) -> None:
    encodings, known = encodings_of(names)
    assert known
    assert decoded(value, encodings) == expected


@pytest.mark.parametrize("name", ["GBK", "GB18030"])
def test_a_trail_byte_of_5c_divides_no_value(name: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.dcm",
        everything(SpecificCharacterSet=name) | {0x00100010: ("PN", "乗俓^僜".encode(name.lower()))},
    )
    (record,) = read_studies([path])
    assert record.study.get("PatientName").alphabetic == "乗俓^僜"  # type: ignore[union-attr]
    assert "FB-DCM-022" not in {issue.code for issue in record.issues}


def test_bytes_beyond_ascii_without_a_set_are_reported(tmp_path: Path) -> None:
    values = everything(SpecificCharacterSet=None) | {0x00100010: ("PN", "Jérôme".encode())}
    (record,) = read_studies([write(tmp_path / "a.dcm", values)])
    assert [issue.message for issue in record.issues if issue.code == "FB-DCM-014"] == [
        "PatientName is not in the character set that the file names"
    ]


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1", False),
        (b"Zhang^XiaoDong=\xd5\xc5^\xd0\xa1", True),  # as pydicom writes it: without escape sequences
        (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\xd0\xa1", True),
        (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5\x1b(B\xd0", True),
    ],
)
def test_bytes_beyond_ascii_where_no_set_is_in_force_are_reported(
    name: bytes, foreign: bool, tmp_path: Path
) -> None:
    values = everything(SpecificCharacterSet="\\ISO 2022 IR 58") | {0x00100010: ("PN", name)}
    (record,) = read_studies([write(tmp_path / "a.dcm", values)])
    reported = [issue.message for issue in record.issues if issue.code == "FB-DCM-014"]
    assert reported == ["PatientName is not in the character set that the file names"] * foreign


def names_of(dataset: pydicom.Dataset) -> list[str]:
    name = dataset.get("PatientName")
    return [each for each in (name.alphabetic, name.ideographic, name.phonetic) if each] if name else []


def test_the_names_of_all_bundled_files_are_those_that_pydicom_reads(bundled: Path) -> None:
    compared = 0
    for path in sorted((bundled / "charset_files").glob("*.dcm")):
        for record in read_studies([path]):
            if isinstance(record, FileRecord):
                assert "FB-DCM-006" in {issue.code for issue in record.issues}, path.name
                continue
            stated = names_of(pydicom.dcmread(path))
            name: Any = record.study.get("PatientName")
            if stated:
                assert [part for part in name if part] == stated, path.name
                compared += 1
    assert compared >= 15


@pytest.mark.shared
def test_the_names_of_all_shared_files_are_those_that_pydicom_reads(shared: Path) -> None:
    compared = 0
    for path in sorted((shared / "data" / "dicom").rglob("*.dcm")):
        for record in read_studies([path]):
            stated = names_of(pydicom.dcmread(path, force=True, stop_before_pixels=True))
            name: Any = record.study.get("PatientName")  # type: ignore[union-attr]
            if stated:
                assert [part for part in name if part] == [part.rstrip("^") for part in stated] or [
                    part for part in name if part
                ] == stated, path.name
                compared += 1
    assert compared > 30
