"""One SOP instance of a study."""

from __future__ import annotations

from typing import Any, Protocol

from fhir_bridge.adapters.imaging.dictionary_attributes import attribute_value
from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.instance_table import InstanceTable
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.locations import InstanceLocation
from fhir_bridge.adapters.imaging.patients import Subject
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.fhir.issues import Issue

__all__ = ["Instance", "attribute"]


class InstanceStudy(Protocol):
    """What an instance asks of its study."""

    @property
    def titles(self) -> dict[str, str | None]: ...

    @property
    def asked(self) -> set[str]: ...

    @property
    def content_asked(self) -> dict[str, set[str]]: ...

    @property
    def table(self) -> InstanceTable: ...

    def elements_of(self, instance: Instance, /) -> Elements: ...

    def report(self, issue: Issue, /) -> None: ...


class InstanceSeries(Protocol):
    """What an instance asks of its series, and what a mapping finds there by `outer`."""

    @property
    def study(self) -> InstanceStudy: ...


class Instance:
    """One SOP instance, as a row of its study's table says it: created where it is looked at, and not kept."""

    __slots__ = ("row", "series")

    def __init__(self, series: InstanceSeries, row: int) -> None:
        self.series = series
        self.row = row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instance) and (self.series, self.row) == (other.series, other.row)

    def __hash__(self) -> int:
        return hash((id(self.series), self.row))

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return self.study.table.uid(self.row)

    @property
    def sop_class(self) -> str:
        """SOP Class UID."""
        return self.study.table.sop_class(self.row)

    @property
    def number(self) -> int | None:
        """Instance Number."""
        return self.study.table.number(self.row)

    @property
    def frames(self) -> int | None:
        """Number of Frames."""
        return self.study.table.frames(self.row)

    @property
    def subject(self) -> Subject:
        """Whom it is about."""
        return self.study.table.subject(self.row)

    @property
    def location(self) -> InstanceLocation:
        """Where its elements are."""
        return self.study.table.location(self.row)

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
