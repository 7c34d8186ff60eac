"""The `dicom` adapter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_bridge.adapters.imaging.archive_name import source_name
from fhir_bridge.plugins import ReadContext, RecordPart, SourceModel

if TYPE_CHECKING:
    from fhir_bridge.adapters.imaging.instance_identity import InstanceIdentity
    from fhir_bridge.adapters.imaging.records import FileRecord, StudyRecord

__all__ = ["DicomAdapter", "DicomWebAdapter"]


class DicomAdapter:
    """DICOM files and folders, to a record a study.

    A file may have any name, and need no preamble. What is no instance is yielded as skipped or rejected with
    its reason: text, archives, DICOMDIR, damaged files.
    """

    name = "dicom"
    title = "DICOM files: studies, structured reports, ECG"
    model: SourceModel
    """What a mapping may name."""
    suffixes: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> SourceModel:
        # Made when it is first asked for: it loads pydicom's dictionary, which naming the adapter does not need.
        if name != "model":
            raise AttributeError(name)
        from fhir_bridge.adapters.imaging.body_parts import body_part
        from fhir_bridge.adapters.imaging.modalities import modality_code
        from fhir_bridge.adapters.imaging.model import DicomModel

        # Now, before there is anything else: what their tables take for a moment, the rest of the run takes after them.
        modality_code("CT")
        body_part("CHEST")
        self.model = DicomModel()
        return self.model

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - the protocol's
        """There is one mapping for all of DICOM."""
        return "imaging/dicom"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[Sequence[Path]]:  # noqa: ARG002
        """One piece: a study's instances may lie in any of the files, and a study must be seen whole."""
        return [paths]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[FileRecord | StudyRecord]:
        """Read headers one file at a time; studies follow when all are read.

        The option `name` names the archive that the files come from, which bounds patient numbers without issuer.
        """
        from fhir_bridge.adapters.imaging.reader import read_studies

        return read_studies(paths, source_name(context), int(getattr(context, "jobs", 1)))

    def choose(self, parts: Sequence[RecordPart]) -> RecordPart | None:
        """Which of several parts of one SOP Instance UID counts (`parts.choose`)."""
        from fhir_bridge.adapters.imaging.parts import choose

        return choose(parts)

    def differences(self, item: bytes, other: bytes) -> list[str]:
        """Names of the attributes in which two contents of an instance differ."""
        from fhir_bridge.adapters.imaging.content import differences

        return differences(item, other)

    def same_subject(self, subjects: Iterable[str]) -> bool:
        """Whether instances with these subjects can be about one person (`patients.same_subject`)."""
        from fhir_bridge.adapters.imaging.patients import Subject, same_subject

        return same_subject(map(Subject.parse, subjects))

    def identity(self, path: Path) -> InstanceIdentity | None:
        """UIDs of a file; None where it is not DICOM."""
        from fhir_bridge.adapters.imaging.instance_identity import identity_of

        return identity_of(path)

    def compose(self, parts: Sequence[RecordPart], context: ReadContext) -> StudyRecord:
        """The study of these instances, without their files.

        Raises:
            ContentError: a part can't be read, or they are of several studies.
        """
        from fhir_bridge.adapters.imaging.composition import compose

        return compose(parts, source_name(context))


class DicomWebAdapter(DicomAdapter):
    """Archives over DICOMweb; what it reads are contributions to the same studies as those of files."""

    name = "dicomweb"
    title = "DICOM archives over DICOMweb, by a list of them (YAML)"
    suffixes: tuple[str, ...] = (".yaml", ".yml")
    records_of = "dicom"
    """The adapter whose records these are: whatever way an instance takes, its study is one."""

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[FileRecord | StudyRecord]:
        """Read the archives that the lists name; see `dicomweb_archives`."""
        from fhir_bridge.adapters.imaging.dicomweb_reader import read_lists

        return read_lists(paths, context)
