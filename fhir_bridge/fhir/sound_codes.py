"""Codes, and what a resource says of its source, that were found to be in order, remembered: of most resources they are
those of the ones before."""

from __future__ import annotations

from typing import Any

import orjson

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION

__all__ = ["SoundCodes"]

MOST = 20_000
"""Values that are kept."""
LONGEST = 2_000
"""Bytes of a value that is kept."""


class SoundCodes:
    """Values without a finding, each with the element that it was checked for, under one state of a terminology."""

    def __init__(self) -> None:
        self._sound: dict[tuple[int, bytes], bool] = {}
        self._last: dict[int, tuple[bytes, bool]] = {}

    @staticmethod
    def text(value: dict[str, Any]) -> bytes | None:
        """What a value is known by; None where it can't be checked by itself."""
        try:
            text = orjson.dumps(value)
        except TypeError:  # half a surrogate pair, a decimal where none belongs
            return None
        # An element's id is unique in its resource, and what an extension may be depends on where it stands.
        if len(text) > LONGEST or b'"id"' in text or b'"extension"' in text or b'"_' in text:
            return None
        return text

    @staticmethod
    def text_of_meta(value: dict[str, Any]) -> bytes | None:
        """What the `meta` of a converted resource is known by; None where it can't be checked by itself."""
        items = value.get("extension")
        if type(items) is not list or len(items) != 1 or type(items[0]) is not dict:
            return None
        if items[0].get("url") != SOURCE_EXTENSION:  # of others the place may count
            return None
        try:
            text = orjson.dumps(value)
        except TypeError:
            return None
        if len(text) > LONGEST or b'"id"' in text or b'"_' in text or b'"reference"' in text:
            return None
        return text if text.count(b'"extension"') == 2 else None

    def asked_last(self, element: int, text: bytes) -> bool | None:
        """As `asked`, of what many resources in a row have and hardly any after them."""
        last = self._last.get(element)
        return last[1] if last is not None and last[0] == text else None

    def keep_last(self, element: int, text: bytes, *, asked: bool) -> None:
        """Remember a value in which nothing was found until the next one."""
        self._last[element] = bytes(memoryview(text)), asked

    def asked(self, element: int, text: bytes) -> bool | None:
        """Whether a terminology was asked about a value that is in order; None where it is not known to be."""
        return self._sound.get((element, text))

    def keep(self, element: int, text: bytes, *, asked: bool) -> None:
        """Remember a value in which nothing was found."""
        # Cleared whole: to keep an order of use would cost more than checking some again.
        if len(self._sound) >= MOST:
            self._sound.clear()
        # A copy: what orjson gives has kilobytes behind its end.
        self._sound[element, bytes(memoryview(text))] = asked
