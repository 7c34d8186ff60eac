"""What a store keeps of an instance: its data set without pixels and other bulk, compressed.

The first byte is the version of the format. All that a mapping can name comes from here when a study is composed again,
so that neither the file nor anything about the file is needed.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from fhir_bridge.adapters.imaging.data_dictionary import keyword_for_tag
from fhir_bridge.adapters.imaging.elements import Elements, decode, encode

__all__ = ["VERSION", "ContentError", "content_of", "differences", "digest", "elements_in"]

VERSION: Final = 2
"""Version of the format that is written. A change of `elements.encode` or of what is kept needs the next one."""
_READ: Final = frozenset({1, VERSION})
"""Versions that can be read. The first kept less: documents and graphics of more than 1 kB are marked as left out."""
_LEVEL: Final = 6


class ContentError(ValueError):
    """The content can't be read: of another version, or damaged."""


def content_of(elements: Elements) -> bytes:
    """Elements as content; equal elements give equal content."""
    return bytes((VERSION,)) + zlib.compress(encode(elements), _LEVEL)


def elements_in(content: bytes) -> Elements:
    """The elements of a content.

    Raises:
        ContentError: it is of a version that this program does not know, or damaged.
    """
    return decode(_plain(content))


def digest(content: bytes) -> bytes:
    """A hash of what the content says, whichever library compressed it."""
    return hashlib.sha256(_plain(content)).digest()


def differences(item: bytes, other: bytes) -> list[str]:
    """Names of the attributes in which two contents differ, without values; sorted by tag.

    A private attribute goes by its tag. The VR alone is no difference: files in implicit VR do not state it.
    """
    first, second = elements_in(item), elements_in(other)
    changed = (
        tag
        for tag in sorted(first.keys() | second.keys())
        if first.get(tag, ("", b""))[1] != second.get(tag, ("", b""))[1]
    )
    return [keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in changed]


def _plain(content: bytes) -> bytes:
    if not content or content[0] not in _READ:
        stated = content[0] if content else "none"
        raise ContentError(
            f"a stored DICOM instance has the content version {stated}, and this program reads up to version "
            f"{VERSION}; load it again, or use the program that stored it"
        )
    try:
        return zlib.decompress(content[1:])
    except zlib.error as error:
        raise ContentError("a stored DICOM instance is damaged; load it again") from error
