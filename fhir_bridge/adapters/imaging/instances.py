"""One SOP instance of a study, in a file or in what a store kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fhir_bridge.adapters.imaging.content import elements_in
from fhir_bridge.adapters.imaging.dicom_file import read_elements
from fhir_bridge.adapters.imaging.dictionary_attributes import attribute_value
from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.patients import Subject
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.fhir.issues import Issue

__all__ = ["FileLocation", "Folder", "Instance", "InstanceLocation", "StoredLocation", "attribute"]


class Folder(NamedTuple):
    """A folder that holds instances; one object for all of them.

    Attributes:
        path: the folder.
        prefix: how a locator of its files begins: the part below the folder that was given, with a slash.
    """

    path: str
    prefix: str


class FileLocation(NamedTuple):
    """An instance in a file."""

    folder: Folder
    name: str

    @property
    def path(self) -> Path:
        return Path(self.folder.path, self.name)

    @property
    def locator(self) -> str:
        return self.folder.prefix + self.name

    def elements(self) -> Elements:
        """Read all elements.

        Raises:
            Refused: the file has gone or has changed.
        """
        return read_elements(self.path, self.locator)


class StoredLocation(NamedTuple):
    """An instance in the content that a store kept."""

    uid: str
    content: bytes

    @property
    def locator(self) -> str:
        return f"instance {self.uid}"

    def elements(self) -> Elements:
        """All elements.

        Raises:
            ContentError: the content can't be read.
        """
        return elements_in(self.content)


InstanceLocation = FileLocation | StoredLocation
"""Where the elements of an instance are."""


class InstanceStudy(Protocol):
    """What an instance asks of its study."""

    @property
    def titles(self) -> dict[str, str | None]: ...

    @property
    def asked(self) -> set[str]: ...

    @property
    def content_asked(self) -> dict[str, set[str]]: ...

    def intern(self, text: str) -> str: ...

    def elements_of(self, instance: Instance, /) -> Elements: ...

    def report(self, issue: Issue, /) -> None: ...


class InstanceSeries(Protocol):
    """What an instance asks of its series, and what a mapping finds there by `outer`."""

    @property
    def study(self) -> InstanceStudy: ...


class Instance:
    """One SOP instance. Small on purpose: a run may hold 200,000 of them."""

    __slots__ = ("frames", "location", "number", "series", "sop_class", "subject", "uid")

    def __init__(
        self, series: InstanceSeries, header: dict[str, Value], subject: Subject, location: InstanceLocation
    ) -> None:
        self.series = series
        self.uid: str = header["SOPInstanceUID"]
        self.sop_class: str = series.study.intern(header["SOPClassUID"])
        self.number: int | None = header.get("InstanceNumber")
        self.frames: int | None = header.get("NumberOfFrames")
        self.subject = subject
        self.location = location

    @property
    def outer(self) -> InstanceSeries:
        return self.series

    @property
    def study(self) -> InstanceStudy:
        return self.series.study

    @property
    def elements(self) -> Elements:
        """All its elements; none, with an issue, where the file has gone since it was read."""
        return self.study.elements_of(self)

    @property
    def index(self) -> int | None:
        """Instance Number where it can be an `unsignedInt`."""
        self.study.asked.add("InstanceNumber")
        return self.number if self.number is not None and self.number >= 0 else None

    @property
    def title(self) -> str | None:
        """Concept name of a document, which R4 calls the instance's title; images have none."""
        return self.study.titles.get(self.uid)

    def report(self, code: str, text: str) -> None:
        """Report something about this instance, once."""
        self.study.report(new_issue(code, text, self.location.locator))

    def get(self, keyword: str) -> Value:
        """The value of an attribute of this instance; read from its elements where it was not kept."""
        kept = {
            "SOPInstanceUID": self.uid,
            "SOPClassUID": self.sop_class,
            "InstanceNumber": self.number,
            "NumberOfFrames": self.frames,
        }
        self.study.asked.add(keyword)
        return kept[keyword] if keyword in kept else attribute_value(self, keyword)

    def __getattr__(self, keyword: str) -> Value:
        return attribute(self, keyword)


def attribute(scope: Any, keyword: str) -> Value:
    """The value of `scope.Keyword`.

    Raises:
        AttributeError: the name is no keyword's: Python asks for dunder and private names (copy, pickle, inspect).
    """
    if not keyword[:1].isupper():
        raise AttributeError(keyword)
    return scope.get(keyword)
