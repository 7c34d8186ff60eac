"""Where an SOP instance is: in a file, or in what a store kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fhir_bridge.adapters.imaging.content import elements_in
from fhir_bridge.adapters.imaging.dicom_file import read_elements
from fhir_bridge.adapters.imaging.elements import Elements

__all__ = ["FileLocation", "Folder", "InstanceLocation", "StoredLocation"]


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
