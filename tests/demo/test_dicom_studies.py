"""The cohort's imaging states the facts of its people, and is the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from fhir_bridge.adapters.imaging import StudyRecord, read_studies
from fhir_bridge.demo.people import AUTHORITY, Person, people

pytest.importorskip(
    "highdicom", reason="the echo report is made with highdicom (pip install 'fhir-bridge[demo]')"
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fhir_bridge.demo.dicom_studies import write

    folder = tmp_path_factory.mktemp("cohort")
    write(folder, people())
    return folder


@pytest.fixture(scope="module")
def studies(cohort: Path) -> dict[tuple[str, str], StudyRecord]:
    records = {}
    for record in read_studies([cohort]):
        assert isinstance(record, StudyRecord), record.issues
        mrn, kind, _ = record.study.first.split("/")
        records[mrn, kind] = record
    return records


def test_writing_twice_gives_the_same_bytes(cohort: Path, tmp_path: Path) -> None:
    from fhir_bridge.demo.dicom_studies import write

    person = next(person for person in people() if "echo" in person.studies)
    for path in write(tmp_path, [person]):
        assert path.read_bytes() == (cohort / path.relative_to(tmp_path)).read_bytes()


def test_everyone_has_the_studies_of_their_facts(studies: dict[tuple[str, str], StudyRecord]) -> None:
    assert set(studies) == {(person.mrn, kind) for person in people() for kind in person.studies}
    # The machine of the ECG's donor wrote a PP interval of 0 ms.
    assert {issue.code for record in studies.values() for issue in record.issues} <= {"FB-DCM-033"}


def test_nothing_of_the_donor_of_the_pixels_is_left(cohort: Path) -> None:
    for path in cohort.rglob("*.dcm"):
        text = str(pydicom.dcmread(path, stop_before_pixels=True))
        for trace in (
            "CompressedSamples",
            "1CT1",
            "4MR1",
            "642341",
            "Galliera",
            "Anonymous",
            "JFK",
            "TOSHIBA ",
        ):
            assert trace not in text, (path, trace)
        assert not [element for element in pydicom.dcmread(path) if element.tag.is_private], path


def test_each_study_says_that_it_is_illustrative(studies: dict[tuple[str, str], StudyRecord]) -> None:
    assert all("ILLUSTRATIVE" in record.study.get("StudyDescription") for record in studies.values())


def test_one_study_names_no_issuer(studies: dict[tuple[str, str], StudyRecord]) -> None:
    by_mrn = {person.mrn: person for person in people()}
    for (mrn, _), record in studies.items():
        expected = (AUTHORITY,) if by_mrn[mrn].issuer_stated else ()
        assert record.study.patient.authority == expected
    assert sum(not person.issuer_stated and bool(person.studies) for person in people()) == 1


def test_the_echo_report_states_the_facts(studies: dict[tuple[str, str], StudyRecord]) -> None:
    with_echo: list[Person] = [person for person in people() if person.echo is not None]
    assert with_echo
    for person in with_echo:
        assert person.echo is not None
        (document,) = studies[person.mrn, "echo"].study.documents
        results = {
            (each.code.value, each.finding_site.value, each.derivation and each.derivation.value): (
                each.value,
                each.unit_code,
                each.copies,
            )
            for each in document.measurements
        }
        assert results == {
            ("18154-5", "87878005", None): (person.echo.maximal_wall_thickness, "mm", 2),
            ("122445", "87878005", "56851009"): (person.echo.maximal_wall_thickness, "mm", 1),
            ("18043-0", "87878005", None): (person.echo.lvef, "%", 2),
            ("29469-4", "82471001", None): (person.echo.left_atrial_diameter, "mm", 1),
            ("20247-3", "13418002", None): (person.echo.lvot_gradient, "mm[Hg]", 1),
        }


def test_the_ecg_is_every_second_sample_of_the_real_one(
    cohort: Path, studies: dict[tuple[str, str], StudyRecord]
) -> None:
    source = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "waveform_ecg.dcm")
    record = next(record for (_, kind), record in studies.items() if kind == "ecg")
    (waveform,) = record.study.recordings[0].waveforms
    stored = memoryview(source.WaveformSequence[0].WaveformData).cast("h")
    for lead in waveform.leads:
        assert list(lead.samples) == list(stored[lead.position :: 12])[::2]
