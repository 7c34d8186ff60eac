"""Character sets of MSH-18 (HL7 table 0211) as Python encodings."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

__all__ = ["FALLBACK", "UnknownCharset", "decode", "encoding_of", "is_wide", "seems_utf8"]

FALLBACK = "cp1252"
"""What a message is read as that states nothing and is not UTF-8; said in an issue each time."""

_TABLE_0211 = {
    "ASCII": "ascii",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UNICODE UTF-32": "utf-32",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "BIG-5": "big5",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "JAS2020": "iso2022_jp",
    "JIS X 0202": "iso2022_jp",
    "8859/1": "latin-1",
    "ISO IR6": "ascii",
    "ISO IR100": "latin-1",
}


class UnknownCharset(LookupError):
    """A name that is neither of table 0211 nor a Python encoding."""


def encoding_of(name: str) -> str:
    """The Python encoding of a character set as MSH-18 or a site writes it.

    Raises:
        UnknownCharset: nothing known by that name.
    """
    plain = " ".join(name.upper().split())
    if plain in _TABLE_0211:
        return _TABLE_0211[plain]
    if plain.startswith("8859/") and plain[5:].isdecimal():
        plain = f"iso8859-{plain[5:]}"
    try:
        return codecs.lookup(plain.lower().replace(" ", "-")).name
    except LookupError:
        raise UnknownCharset(name) from None


_ISO_2022 = ("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_ext")
"""Encodings that escape sequences of ISO 2022 switch between sets, each with more of these than the one before."""

_SWITCHED = frozenset(
    ("ISO IR6", "ISO IR13", "ISO IR14", "ISO IR87", "ISO IR159", "KS X 1001", "ASCII", "JIS X 0202", "")
)
"""Names of table 0211 whose sets these encodings hold."""


def _switching(raw: bytes, stated: Sequence[str]) -> str:
    """The encoding of a message that switches between the sets that it states.

    Raises:
        UnknownCharset: one of the sets is none that can be switched to here.
        UnicodeDecodeError: the bytes are not of these sets.
    """
    names = [" ".join(name.upper().split()) for name in stated]
    if not _SWITCHED.issuperset(names):
        raise UnknownCharset("~".join(stated))
    failures: list[UnicodeDecodeError] = []
    for encoding in _ISO_2022:
        try:
            raw.decode(encoding)
        except UnicodeDecodeError as error:
            failures.append(error)
        else:
            return encoding
    raise failures[-1]


def decode(raw: bytes, sets: Sequence[str], setting: str | None) -> tuple[str, str, bool]:
    """The text of a message, the encoding used, and whether that was assumed rather than known.

    Args:
        raw: the message.
        sets: MSH-18, each repetition: the first is in force until an escape sequence of ISO 2022 switches to another;
            empty where the message says nothing.
        setting: `source.encoding`, which overrides what is stated.

    Raises:
        UnknownCharset: a name in `sets`, or `setting`, is no character set, and the message is not plain ASCII.
        UnicodeDecodeError: the bytes are not of the stated character set.
    """
    stated = sets[0] if sets else ""
    if len(sets) > 1 and b"\x1b" in raw and not setting:
        encoding = _switching(raw, sets)
        return raw.decode(encoding), encoding, False
    if raw.isascii() and b"\x1b" not in raw:
        try:
            encoding = encoding_of(setting or stated or "utf-8")
        except UnknownCharset:
            encoding = "utf-8"
        return raw.decode("ascii"), "utf-8" if encoding in ("ascii", "utf-16", "utf-32") else encoding, False
    if setting:
        encoding = encoding_of(setting)
        return raw.decode(encoding), encoding, False
    encoding = encoding_of(stated) if stated else "ascii"
    if encoding.startswith(("utf-16", "utf-32")):
        encoding = "utf-8"  # the file was unwrapped to UTF-8 before its messages were parted
    if encoding != "ascii":
        return raw.decode(encoding), encoding, False
    try:
        return raw.decode("utf-8"), "utf-8", False
    except UnicodeDecodeError:
        return raw.decode(FALLBACK, errors="surrogateescape").translate(_UNDEFINED), FALLBACK, True


_UNDEFINED = {0xDC00 + byte: chr(byte) for byte in range(0x80, 0x100)}
"""The five bytes that windows-1252 leaves undefined, as the C1 controls that ISO 8859-1 has there."""


def is_wide(raw: bytes) -> bool:
    """Whether a message is in UTF-16 or UTF-32: by its mark, or as MSH has zeros between its letters."""
    return raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or bool(_WIDE.match(raw))


_WIDE = re.compile(rb"\s*\x00*M\x00+S\x00+H\x00")


def seems_utf8(raw: bytes, encoding: str) -> bool:
    """Whether bytes beyond ASCII that were read as one character each are those of UTF-8: so no text is by chance."""
    if raw.isascii() or not encoding.startswith(("iso8859", "latin", "cp125")):
        return False
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
