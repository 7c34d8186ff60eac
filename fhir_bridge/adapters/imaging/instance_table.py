"""The instances of a run by columns: a hundred bytes each, and found again by their UID. A run may hold 200,000."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from fhir_bridge.adapters.imaging.locations import FileLocation, Folder, InstanceLocation
from fhir_bridge.adapters.imaging.patients import Subject

__all__ = ["InstanceTable"]

T = TypeVar("T")
_NO_NUMBER: Final = -(1 << 63)
_FEWEST: Final = 64


class InstanceTable:
    """A row an instance: its study, UID, SOP class, numbers, whom it is about, where it is.

    One UID may be in several rows: of two studies, or of a study that was read again.
    """

    __slots__ = (
        "_class_of",
        "_classes",
        "_folder_of",
        "_folders",
        "_frames",
        "_large",
        "_names",
        "_numbers",
        "_rows",
        "_stored",
        "_studies",
        "_study_of",
        "_subject_of",
        "_subjects",
        "_uids",
    )

    def __init__(self) -> None:
        self._studies = 0
        self._uids = _Texts()
        self._names = _Texts()
        self._study_of, self._class_of, self._folder_of, self._subject_of = (array("I") for _ in range(4))
        self._classes = _Distinct[str]()
        self._folders = _Distinct[Folder]()
        self._subjects = _Distinct[Subject]()
        self._numbers = array("q")
        self._large: dict[int, int] = {}
        self._frames: dict[int, int] = {}
        self._stored: dict[int, InstanceLocation] = {}
        self._rows = array("I", bytes(4 * _FEWEST))

    def new_study(self) -> int:
        """The number of one more study, for `add`."""
        self._studies += 1
        return self._studies

    def add(
        self,
        study: int,
        uid: str,
        sop_class: str,
        number: int | None,
        frames: int | None,
        subject: Subject,
        location: InstanceLocation,
    ) -> int:
        """Add an instance; its row."""
        row = len(self._study_of)
        self._uids.append(uid)
        self._study_of.append(study)
        self._class_of.append(self._classes.number(sop_class))
        self._subject_of.append(self._subjects.number(subject))
        if number is None or -_NO_NUMBER > number > _NO_NUMBER:
            self._numbers.append(_NO_NUMBER if number is None else number)
        else:
            self._numbers.append(_NO_NUMBER)
            self._large[row] = number
        if frames is not None:
            self._frames[row] = frames
        if isinstance(location, FileLocation):
            self._folder_of.append(self._folders.number(location.folder))
            self._names.append(location.name)
        else:
            self._folder_of.append(0)
            self._names.append("")
            self._stored[row] = location
        if 2 * row >= len(self._rows):
            self._rows = array("I", bytes(8 * len(self._rows)))
            for each in range(row):
                self._enter(self.uid(each), each)
        self._enter(uid, row)
        return row

    def first(self, uid: str, study: int | None = None) -> int | None:
        """The first row of an instance, or the first in a study; None where there is none."""
        return next((row for row in self._rows_of(uid) if study in (None, self._study_of[row])), None)

    def study(self, row: int) -> int:
        """The number of its study."""
        return self._study_of[row]

    def uid(self, row: int) -> str:
        """SOP Instance UID."""
        return self._uids[row]

    def sop_class(self, row: int) -> str:
        """SOP Class UID."""
        return self._classes[self._class_of[row]]

    def subject(self, row: int) -> Subject:
        """Whom it is about."""
        return self._subjects[self._subject_of[row]]

    def number(self, row: int) -> int | None:
        """Instance Number."""
        number = self._numbers[row]
        return number if number != _NO_NUMBER else self._large.get(row)

    def frames(self, row: int) -> int | None:
        """Number of Frames."""
        return self._frames.get(row)

    def location(self, row: int) -> InstanceLocation:
        """Where its elements are."""
        known = self._stored.get(row)
        return known or FileLocation(self._folders[self._folder_of[row]], self._names[row])

    # Rows by their UID: open addressing, a free place is 0, a row is stored as its number from 1.

    def _enter(self, uid: str, row: int) -> None:
        rows = self._rows
        place = hash(uid) & (len(rows) - 1)
        while rows[place]:
            place = (place + 1) & (len(rows) - 1)
        rows[place] = row + 1

    def _rows_of(self, uid: str) -> Iterator[int]:
        rows = self._rows
        place = hash(uid) & (len(rows) - 1)
        while row := rows[place]:
            if self._uids[row - 1] == uid:
                yield row - 1
            place = (place + 1) & (len(rows) - 1)


class _Texts:
    """Texts in one buffer."""

    __slots__ = ("_content", "_ends")

    def __init__(self) -> None:
        self._content = bytearray()
        self._ends = array("Q", (0,))

    def append(self, text: str) -> None:
        self._content += text.encode("utf-8", "surrogateescape")
        self._ends.append(len(self._content))

    def __getitem__(self, row: int) -> str:
        return self._content[self._ends[row] : self._ends[row + 1]].decode("utf-8", "surrogateescape")


class _Distinct(Generic[T]):
    """Values that many rows share, by number."""

    __slots__ = ("_numbers", "_values")

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self._values: list[T] = []

    def number(self, value: T) -> int:
        number = self._numbers.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def __getitem__(self, number: int) -> T:
        return self._values[number]
