"""A study is the union of its instances over all loads: whatever the batches, their order, re-sends and file names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise, permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ImplicitVRLittleEndian

from fhir_bridge.adapters.imaging import DicomAdapter, FileRecord, StudyRecord, read_studies
from fhir_bridge.adapters.imaging.content import VERSION, ContentError
from fhir_bridge.adapters.imaging.functions import private
from fhir_bridge.adapters.imaging.parts import Part
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import Context, IdentityResolver, Site
from fhir_bridge.plugins import CompositeAdapter
from tests.adapters.imaging.conversion import UnitsOnly, mapping
from tests.adapters.imaging.documents import changed, ecg, echo_report, rejection
from tests.adapters.imaging.raw_files import BIG_ENDIAN, EXPLICIT, IMPLICIT, Raw, code, everything, tag, write

ADAPTER = DicomAdapter()
LONG_SAMPLES = (tag("WaveformSequence"), 0, tag("WaveformData"))
LONG_COUNT = (tag("WaveformSequence"), 0, tag("NumberOfWaveformSamples"))
SITE = Site(demo_key=True, zone="Europe/Rome")
RUN: Any = SimpleNamespace(options={}, site=SITE)


def output(record: StudyRecord) -> list[bytes]:
    """What the shipped mapping makes of a record, as bytes in order."""
    context = Context(SITE, UnitsOnly(), IdentityResolver(SITE, IdKey(DEMO_KEY)), "dicom")
    return [dumps(each.resource) for each in mapping().convert(record, context).outputs]


def studies(paths: Sequence[Path]) -> list[StudyRecord]:
    return [record for record in read_studies(paths) if isinstance(record, StudyRecord)]


class Parts:
    """The parts of one study that a store would hold: a set, of which the adapter chooses what counts."""

    def __init__(self) -> None:
        self.rows: set[Part] = set()

    def load(self, paths: Sequence[Path]) -> None:
        for record in studies(paths):
            self.rows.update(record.parts)

    def living(self) -> list[Any]:
        keys = {row.key for row in self.rows}
        chosen = (ADAPTER.choose([row for row in self.rows if row.key == key]) for key in keys)
        return [part for part in chosen if part is not None]

    def output(self) -> list[bytes]:
        living = self.living()
        return output(ADAPTER.compose(living, RUN)) if living else []


def test_the_adapter_and_its_records_are_composite(make: Any) -> None:
    (record,) = studies([make()])
    assert isinstance(ADAPTER, CompositeAdapter)
    assert (record.key, [part.key for part in record.parts]) == ("1.2.3.1", ["1.2.3.4.1"])


def test_every_bundled_study_is_composed_as_it_is_read(bundled: Path) -> None:
    for path in sorted(file for file in bundled.rglob("*") if file.is_file()):
        for record in studies([path]):
            composed = ADAPTER.compose(list(reversed(record.parts)), RUN)
            assert output(composed) == output(record), path.name


@pytest.mark.shared
def test_every_shared_study_is_composed_as_it_is_read(shared: Path) -> None:
    for record in studies([shared / "data" / "dicom"]):
        parts = Parts()
        parts.rows.update(record.parts)
        assert parts.output() == output(record), record.locator


def study_files(folder: Path) -> list[Path]:
    """A study in which order could matter: disagreements with ties, series without number, documents, two contents."""
    instances: dict[str, dict[int, Raw]] = {
        "report": echo_report(SOPInstanceUID="1.2.3.4.50", SeriesInstanceUID="1.2.3.50", SeriesNumber=None),
        "ecg": ecg(SOPInstanceUID="1.2.3.4.60", SeriesInstanceUID="1.2.3.60", SeriesNumber=None),
    }
    for number in range(1, 7):
        instances[f"image{number}"] = everything(
            SOPInstanceUID=f"1.2.3.4.{number}",
            SeriesInstanceUID=f"1.2.3.2{number % 2}",
            SeriesNumber="7" if number < 5 else None,
            InstanceNumber=None if number == 3 else str(10 - number // 2),
            StudyDescription="Heart" if number % 2 else "Chest",
            InstitutionName=f"Hospital {number % 3}",
            SeriesTime=f"03040{number}",
            ContentTime=f"03041{number}",
            KVP=str(100 + number),
            AnatomicRegionSequence=[code("80891009", "SCT", "Heart")] if number % 2 else None,
        )
    # Other contents of the first two images: an older one, and one of the same time.
    instances["older"] = {
        **instances["image1"],
        **everything_of(ContentTime="010000", StudyDescription="Older"),
    }
    instances["other"] = {**instances["image2"], **everything_of(StudyDescription="Other")}
    instances["note"] = rejection("1.2.3.4.4", "1.2.3.4.5", ContentDate="20260102", ContentTime="040000")
    # An image that comes back with a time after the note's.
    instances["again"] = {**instances["image4"], **everything_of(ContentTime="050000")}
    return [write(folder / f"{name}.dcm", values) for name, values in instances.items()]


def everything_of(**changes: Any) -> dict[int, Raw]:
    whole = everything()
    return {key: value for key, value in everything(**changes).items() if whole.get(key) != value}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return study_files(tmp_path_factory.mktemp("study"))


def splits(count: int) -> st.SearchStrategy[list[list[int]]]:
    """Batches of file numbers in which each is at least once, and some are sent again."""
    return st.tuples(
        st.permutations(range(count)),
        st.lists(st.integers(0, count - 1), max_size=4),
        st.sets(st.integers(1, count + 3)),
    ).map(lambda drawn: _cut([*drawn[0], *drawn[1]], sorted(drawn[2])))


def _cut(order: Sequence[int], locations: Iterable[int]) -> list[list[int]]:
    bounds = [0, *(location for location in locations if location < len(order)), len(order)]
    return [list(order[start:end]) for start, end in pairwise(bounds) if end > start]


def check_split(files: list[Path], batches: list[list[int]]) -> None:
    whole = Parts()
    whole.load(files)
    parts = Parts()
    for batch in batches:
        parts.load([files[number] for number in batch])
    assert parts.rows == whole.rows
    assert parts.output() == whole.output() == output(studies(files)[0])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(splits(12))
def test_any_split_into_batches_ends_as_one_load(files: list[Path], batches: list[list[int]]) -> None:
    check_split(files, batches)


@pytest.mark.soak
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(splits(12))
def test_two_hundred_splits_end_as_one_load(files: list[Path], batches: list[list[int]]) -> None:
    check_split(files, batches)


def test_five_then_ten_others_then_three_again_are_fifteen(make: Any) -> None:
    paths = [
        make(f"{number}.dcm", SOPInstanceUID=f"1.2.3.4.{number}", InstanceNumber=number)
        for number in range(15)
    ]
    parts = Parts()
    for batch in (paths[:5], paths[5:], paths[2:5]):
        parts.load(batch)
    study = next(line for line in parts.output() if b'"ImagingStudy"' in line)
    assert b'"numberOfInstances":15' in study
    assert parts.output() == output(studies(paths)[0])


def test_names_and_order_of_files_change_nothing(files: list[Path], tmp_path: Path) -> None:
    expected = output(studies(files)[0])
    for number, path in enumerate(reversed(files)):
        copy = tmp_path / f"{number % 3}" / f"{number:03}"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (record,) = studies([tmp_path])
    assert output(record) == expected


def test_a_tie_goes_to_the_smallest_uid(make: Any) -> None:
    paths = [
        make(f"{name}.dcm", SOPInstanceUID=uid, StudyDescription=name)
        for name, uid in (("b", "1.2.3.4.2"), ("a", "1.2.3.4.1"), ("c", "1.2.3.4.3"))
    ]
    for order in permutations(paths):
        (record,) = studies(order)
        assert record.study.get("StudyDescription") == "a"


# Attributes that only a site's mapping names


def test_late_attributes_come_from_the_part(bundled: Path) -> None:
    (record,) = studies([bundled / "test_files" / "CT_small.dcm"])
    composed = ADAPTER.compose(record.parts, RUN)
    (read, stored) = (next(iter(each.study.instances)) for each in (record, composed))
    for keyword in (
        "KVP",
        "PixelSpacing",
        "ImageType",
        "SliceThickness",
        "ContrastBolusAgent",
        "PatientComments",
    ):
        assert stored.get(keyword) == read.get(keyword)
        assert composed.study.get(keyword) == record.study.get(keyword)
    for element in range(0x100):
        assert private(composed.study, "GEMS_IDEN_01", 0x0009, element) == private(
            record.study, "GEMS_IDEN_01", 0x0009, element
        )
    assert private(composed.study, "GEMS_IDEN_01", 0x0009, 0x01) == "GE_GENESIS_FF"


def test_what_is_too_large_to_be_kept_is_left_out_and_reported_wherever_it_is_read(make: Any) -> None:
    (record,) = studies([make(RedPaletteColorLookupTableData=b"\1\0" * 2000)])
    for each in (record, ADAPTER.compose(record.parts, RUN)):
        assert each.study.get("RedPaletteColorLookupTableData") is None
        assert [(issue.code, "4000 bytes" in issue.message) for issue in each.issues] == [
            ("FB-DCM-027", True)
        ]


def test_a_recording_that_is_too_long_to_be_kept_points_to_its_instance(tmp_path: Path) -> None:
    values = changed(ecg(), LONG_SAMPLES, ("OW", bytes(4 * 1_100_000)))
    values = changed(values, LONG_COUNT, ("UL", (1_100_000).to_bytes(4, "little")))
    (record,) = studies([write(tmp_path / "holter.dcm", values)])
    (part,) = record.parts
    assert len(part.content) < 4096
    composed = ADAPTER.compose([part], RUN)
    assert output(composed) == output(record)
    for each in (record, composed):
        (waveform,) = each.study.recordings[0].waveforms
        assert (waveform.total_samples, waveform.leads[0].readable) == (2_200_000, False)
    assert any(b"The samples are in the DICOM instance" in line for line in output(record))


def test_an_instance_whose_file_has_gone_is_missing_among_the_parts_and_reported(make: Any) -> None:
    paths = [make(f"{number}.dcm", SOPInstanceUID=f"1.2.3.4.{number}") for number in (1, 2)]
    (record,) = studies(paths)
    paths[0].unlink()
    assert [part.key for part in record.parts] == ["1.2.3.4.2"]
    assert [(issue.severity, issue.code, issue.source) for issue in record.issues] == [
        ("error", "FB-DCM-019", "1.dcm")
    ]


# Content


def test_a_plain_image_takes_at_most_two_kilobytes(bundled: Path) -> None:
    for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "US1_J2KR.dcm", "examples_palette.dcm"):
        for record in studies([bundled / "test_files" / name]):
            assert all(len(part.content) <= 2048 for part in record.parts), name


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN])
def test_the_transfer_syntax_is_no_part_of_the_content(syntax: str, tmp_path: Path) -> None:
    for values in (everything(PixelRepresentation=1, SmallestImagePixelValue=-7), echo_report(), ecg()):
        (item,), (other,) = (
            studies([write(tmp_path / "a.dcm", values, each)])[0].parts[:1] for each in (EXPLICIT, syntax)
        )
        assert ADAPTER.differences(item.content, other.content) == []
        assert other.content == item.content


def test_content_of_another_version_is_a_clear_error(make: Any) -> None:
    (part,) = studies([make()])[0].parts
    older = Part(part.key, part.subject, part.time, b"\x01" + part.content[1:])
    assert ADAPTER.compose([older], RUN).parts  # a store that was filled before is read
    newer = Part(part.key, part.subject, part.time, bytes((VERSION + 1,)) + part.content[1:])
    with pytest.raises(ContentError, match=rf"content version {VERSION + 1}.*reads up to version {VERSION}"):
        ADAPTER.compose([newer], RUN)
    for damaged in (b"", part.content[:-9], part.content[:1] + b"nonsense"):
        with pytest.raises(ContentError):
            ADAPTER.compose([Part(part.key, part.subject, part.time, damaged)], RUN)


def test_parts_of_several_studies_are_refused(make: Any) -> None:
    parts = [
        part
        for number in (1, 2)
        for part in studies([make(StudyInstanceUID=f"1.2.3.{number}", SOPInstanceUID=f"1.2.{number}")])[
            0
        ].parts
    ]
    with pytest.raises(ContentError):
        ADAPTER.compose(parts, RUN)


# Two contents of one SOP Instance UID


def outcomes(paths: Sequence[Path]) -> list[tuple[str, str, list[str]]]:
    return [
        (
            record.locator if isinstance(record, FileRecord) else "study",
            record.outcome,
            [i.code for i in record.issues],
        )
        for record in read_studies(paths)
    ]


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_contents_the_older_stays_and_what_differs_is_reported_without_values(
    make: Any, reverse: bool
) -> None:
    statements: dict[str, Any] = {"ContentDate": "20260102", "StudyDescription": "SECRET"}
    older = make("older.dcm", ContentTime="100000", SeriesDescription="x", **statements)
    newer = make("newer.dcm", ContentTime="110000", **{**statements, "StudyDescription": "HIDDEN"})
    paths = [newer, older] if reverse else [older, newer]
    skipped, study = read_studies(paths)
    assert isinstance(study, StudyRecord)
    assert (skipped.locator, skipped.outcome, study.records) == ("newer.dcm", "skipped", 1)
    (issue,) = skipped.issues
    assert issue.code == "FB-DCM-024"
    assert "differ in ContentTime, StudyDescription, SeriesDescription" in issue.message
    assert "HIDDEN" not in issue.message
    assert "SECRET" not in issue.message
    assert study.study.get("StudyDescription") == "SECRET"
    assert study.study.issues == []


@pytest.mark.parametrize("stem", ["InstanceCreation", "Content", "Acquisition", "Series", "Study"])
def test_any_time_of_an_instance_can_say_that_it_is_older(make: Any, stem: str) -> None:
    times = {
        f"{each}Date": "20260102"
        for each in ("InstanceCreation", "Content", "Acquisition", "Series", "Study")
    }
    times |= {key.replace("Date", "Time"): "120000" for key in times}
    older = make("older.dcm", StudyDescription="older", **times | {f"{stem}Time": "110000"})
    newer = make("newer.dcm", StudyDescription="newer", **times)
    chosen = {studies(order)[0].study.get("StudyDescription") for order in ((older, newer), (newer, older))}
    assert chosen == {"older"}


def test_of_two_contents_of_one_time_the_smaller_hash_stays(make: Any) -> None:
    paths = [make(f"{name}.dcm", StudyDescription=name) for name in "abc"]
    chosen = {studies(order)[0].study.get("StudyDescription") for order in permutations(paths)}
    assert len(chosen) == 1


def test_a_copy_under_another_name_is_counted_once_and_is_no_second_content(make: Any) -> None:
    item = make("a.dcm")
    implicit = item.with_name("b.dcm")
    dataset = pydicom.dcmread(item)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(implicit, implicit_vr=True, little_endian=True)
    copy = item.with_name("c.dcm")
    copy.write_bytes(item.read_bytes())
    assert sorted(outcomes([item.parent])) == [
        ("b.dcm", "skipped", ["FB-DCM-009"]),
        ("c.dcm", "skipped", ["FB-DCM-009"]),
        ("study", "read", []),
    ]


def test_one_uid_in_two_studies_is_reported_and_stays_in_both(make: Any) -> None:
    item = make("a.dcm")
    other = make("b.dcm", StudyInstanceUID="1.2.3.7")
    for order in ([item, other], [other, item]):
        result = studies(order)
        assert [record.records for record in result] == [1, 1]
        assert [issue.code for record in result for issue in record.issues] == ["FB-DCM-029"]


# Deletion


def test_a_rejection_note_takes_its_instances_out_and_is_no_image(tmp_path: Path) -> None:
    write(tmp_path / "kept.dcm", everything(SOPInstanceUID="1.2.3.4.2", InstanceNumber="2"))
    write(tmp_path / "gone.dcm", everything())
    for title in ("113001", "113037", "113038", "113039"):
        write(tmp_path / "note.dcm", rejection("1.2.3.4.1", title=title))
        assert outcomes([tmp_path]) == [
            ("gone.dcm", "skipped", ["FB-DCM-026"]),
            ("note.dcm", "skipped", ["FB-DCM-025"]),
            ("study", "read", []),
        ]
    (record,) = studies([tmp_path])
    assert [each.uid for each in record.study.instances] == ["1.2.3.4.2"]
    assert [(part.key, part.deletes) for part in record.parts] == [
        ("1.2.3.4.1", False),
        ("1.2.3.4.1", True),
        ("1.2.3.4.2", False),
    ]
    assert record.parts[1].time == datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1)))


def test_another_key_object_selection_deletes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "image.dcm", everything())
    write(tmp_path / "selection.dcm", rejection("1.2.3.4.1", title="113000"))
    (record,) = studies([tmp_path])
    assert record.records == 2
    assert not any(part.deletes for part in record.parts)


def test_a_deleted_instance_returns_only_with_a_newer_time(tmp_path: Path) -> None:
    image = write(tmp_path / "image.dcm", everything())
    note = write(tmp_path / "note.dcm", rejection("1.2.3.4.1"))
    newer = write(tmp_path / "newer.dcm", everything(ContentDate="20260302", StudyDescription="Corrected"))
    batches: dict[tuple[Path, ...], bool] = {
        (image, note): False,
        (note, image): False,
        (image, note, image): False,
        (image, note, newer): True,
        (newer, image, note): True,
        (note, newer, image): True,
    }
    for order, returns in batches.items():
        parts = Parts()
        for path in order:
            parts.load([path])
        assert bool(parts.living()) is returns, order
        if returns:
            assert ADAPTER.compose(parts.living(), RUN).study.get("StudyDescription") == "Corrected"


def test_a_note_alone_is_a_record_of_deletions_without_outputs(tmp_path: Path) -> None:
    note, study = read_studies([write(tmp_path / "note.dcm", rejection("1.2.3.4.1", "1.2.3.4.2"))])
    assert (note.outcome, [issue.code for issue in note.issues]) == ("skipped", ["FB-DCM-025"])
    assert isinstance(study, StudyRecord)
    assert (study.records, study.outcome, study.key) == (0, "read", "1.2.3.1")
    assert [(part.key, part.deletes, part.content) for part in study.parts] == [
        ("1.2.3.4.1", True, b""),
        ("1.2.3.4.2", True, b""),
    ]
    assert output(study) == []


def test_a_note_deletes_in_its_own_study_alone(tmp_path: Path) -> None:
    write(tmp_path / "image.dcm", everything())
    write(tmp_path / "note.dcm", rejection("1.2.3.4.1", study="1.2.3.8"))
    assert outcomes([tmp_path]) == [
        ("note.dcm", "skipped", ["FB-DCM-025", "FB-DCM-028"]),
        ("study", "read", []),
    ]


def test_a_note_without_any_time_deletes_nothing_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "image.dcm", everything())
    nothing = dict.fromkeys(
        ("ContentDate", "StudyDate", "SeriesDate", "PerformedProcedureStepStartDate", "ContentTime"), None
    )
    write(tmp_path / "note.dcm", rejection("1.2.3.4.1", **nothing))
    assert outcomes([tmp_path])[0] == ("note.dcm", "skipped", ["FB-DCM-025", "FB-DCM-028"])
    assert [record.records for record in studies([tmp_path])] == [1]


# The choice, as a function of a set

times = st.one_of(
    st.none(),
    st.integers(1, 4).map(lambda hour: datetime(2026, 1, 1, hour)),
    st.integers(1, 4).map(lambda hour: datetime(2026, 1, 1, hour, tzinfo=UTC)),
)


@pytest.fixture(scope="module")
def contents(files: list[Path]) -> list[bytes]:
    return sorted(part.content for part in studies(files)[0].parts if part.content)[:4]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_choice_is_one_of_the_set_whatever_the_order(contents: list[bytes], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(times, st.integers(0, 3), st.booleans()), max_size=6))
    parts = [Part("1.2", "s", time, b"" if gone else contents[which], gone) for time, which, gone in rows]
    chosen = ADAPTER.choose(parts)
    shuffled = data.draw(st.permutations(parts + parts[:2]))
    again = ADAPTER.choose(shuffled)

    def key(part: Any) -> Any:
        return part and (part.content, part.time and part.time.replace(tzinfo=UTC))

    assert key(again) == key(chosen)
    if chosen is not None:
        assert not chosen.deletes
        deletions = [part.time for part in parts if part.deletes and part.time is not None]
        assert all(
            chosen.time is not None and chosen.time.replace(tzinfo=UTC) > time.replace(tzinfo=UTC)
            for time in deletions
        )
