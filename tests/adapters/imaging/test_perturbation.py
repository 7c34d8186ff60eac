"""Each attribute of an instance changes the output, or a report says that no rule represents it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.tag import Tag

from fhir_bridge.adapters.imaging.technical import is_technical
from tests.adapters.imaging.perturbed import perturb
from tests.perturbation import Tally, convert

SILENT = 0.01

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of what it finds in its own examples


def example(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert path
    return Path(path)


def written(dataset: Dataset, folder: Path) -> Path:
    target = folder / "one.dcm"
    dataset.save_as(target, enforce_file_format=False)
    return target


def reported(messages: list[str]) -> set[str]:
    return {
        message.removeprefix("no rule represents ") for message in messages if "no rule represents" in message
    }


def test_what_no_rule_asks_for_is_reported_by_keyword_and_creator(tmp_path: Path) -> None:
    dataset = dcmread(example("CT_small.dcm"))
    dataset.PatientComments = "allergic to contrast"
    dataset.MedicalAlerts = "pacemaker"
    dataset.ContrastBolusAgent = "Iohexol"
    messages = convert("imaging/dicom", [written(dataset, tmp_path)]).messages
    left = reported(messages)
    assert {"PatientComments", "MedicalAlerts", "ContrastBolusAgent", "PatientAge"} <= left
    assert any(text.startswith("private attributes of GEMS_IDEN_01 (") for text in left)
    (listed,) = [message for message in messages if message.startswith("left in the DICOM object: ")]
    assert {"Rows", "PixelSpacing", "ImagePositionPatient", "KVP"} <= set(
        listed.partition(": ")[2].split(", ")
    )
    assert (
        not {"PatientName", "PatientID", "StudyDate", "Modality", "Manufacturer", "StudyDescription"} & left
    )


def test_an_attribute_that_is_empty_is_not_reported(tmp_path: Path) -> None:
    dataset = dcmread(example("CT_small.dcm"))
    dataset.PatientComments = ""
    assert "PatientComments" not in reported(convert("imaging/dicom", [written(dataset, tmp_path)]).messages)


def test_the_instances_of_a_series_are_reported_together(tmp_path: Path) -> None:
    dataset = dcmread(example("CT_small.dcm"))
    dataset.PatientComments = "x"
    for number in range(3):
        dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(tmp_path / f"{number}.dcm", enforce_file_format=False)
    messages = convert("imaging/dicom", sorted(tmp_path.iterdir())).messages
    assert messages.count("no rule represents PatientComments") == 1


def test_each_attribute_changes_the_output_or_is_reported(tmp_path: Path) -> None:
    tally = Tally()
    for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "reportsi.dcm", "test-SR.dcm"):
        perturb(example(name), tmp_path, tally, every=3)
    assert tally.total > 150
    assert tally.share("silent") <= SILENT, tally.silent


def test_technical_attributes_say_nothing_of_the_patient() -> None:
    for tag in ((0x0010, 0x0010), (0x0010, 0x2000), (0x0010, 0x21B0), (0x0008, 0x1030), (0x0040, 0x0254)):
        assert not is_technical(Tag(*tag), "")
    assert not is_technical(Tag(0x0018, 0x0010), "ContrastBolusAgent")
    assert is_technical(Tag(0x6002, 0x3000), "OverlayData")
    assert is_technical(Tag(0x0020, 0x0032), "ImagePositionPatient")


@pytest.mark.shared
@pytest.mark.parametrize("most", [8, pytest.param(1_000, marks=pytest.mark.soak)])
def test_the_attributes_of_real_instances_change_the_output_or_are_reported(
    shared: Path, tmp_path: Path, most: int
) -> None:
    tally = Tally()
    for path in sorted(each for each in (shared / "data" / "dicom").rglob("*") if each.is_file()):
        if not sha256(path.name.encode()).digest()[1] % 3 and path.stat().st_size < 1 << 20:
            perturb(path, tmp_path, tally, every=40, start=3, most=most)
    print(tally)
    assert tally.total > 80
    # A manifest names each image twice, and its neighbour's UID is the other plausible one.
    tally.silent.pop("ContentSequence.ReferencedSOPSequence.ReferencedSOPInstanceUID", None)
    assert tally.silent.total() / tally.total <= 0.02, tally.silent
