"""Specific Character Set (0008,0005) and text in it (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final

__all__ = ["ASCII", "DEFAULT", "Encodings", "decoded", "encodings_of", "is_defined", "is_foreign"]

Encodings = tuple[str, ...]
"""Python encodings of the character sets, the first one first."""

DEFAULT: Final[Encodings] = ("iso8859",)
"""Of a data set that names none. Bytes beyond ASCII are read as Latin-1, and reported."""
ASCII: Final[Encodings] = ("ascii",)
"""Of a data set that names one that is not known: what is not ASCII can't be decoded."""

_USUAL: Final = {
    "": "iso8859",
    "ISO_IR 6": "iso8859",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 144": "iso_ir_144",
    "ISO_IR 192": "UTF8",
    "GB18030": "GB18030",
    "GBK": "GBK",
    "ISO_IR 13": "shift_jis",
}
"""Of character sets that stand alone (PS3.3 tables C.12-2 and C.12-5), as pydicom has them: it is large, and most
files need no more of it."""

_DELIMITERS: Final = {0x5C, 0x5E, 0x3D, 0x09, 0x0A, 0x0C, 0x0D}
"""Characters that return to the first character set: backslash, `^`, `=`, controls (PS3.5 6.1.2.5.3)."""
_MISSPELT: Final = (
    (re.compile(r"ISO[^_]IR"), "ISO_IR", 6),
    (re.compile(r"ISO.2022.IR."), "ISO 2022 IR ", 12),
)
"""Common misspellings that pydicom corrects: pattern, correct beginning, its length."""
_LATIN_9: Final = frozenset({"ISO_IR 203", "ISO 2022 IR 203"})
"""Latin alphabet No. 9 (PS3.3 table C.12-2), which pydicom does not have."""
_OWN_ESCAPES: Final = ((b"\x1b-b", "iso8859_15"), (b"\x1b$)A", "iso_ir_58"))
"""Of what pydicom does not have, or of which it leaves the escape sequence in the text."""
_TO_ASCII: Final = b"\x1b(B"
_FRAGMENTS: Final = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_PYTHON: Final = (
    "utf-8",
    "iso8859-",
    "cp125",
    "gb18030",
    "gbk",
    "gb2312",
    "euc_kr",
    "big5",
    "koi8-r",
    "ascii",
)
"""Names that are no defined terms and yet are clear, as `codecs` spells them."""


@lru_cache(maxsize=256)
def encodings_of(names: tuple[str, ...]) -> tuple[Encodings, bool]:
    """Python encodings of the values of Specific Character Set, and whether all of them are known."""
    if not any(names):
        return DEFAULT, True
    if len(names) == 1 and names[0] in _USUAL:
        return (_USUAL[names[0]],), True
    if not all(_is_known(name) for name in names if name):
        return ASCII, False
    from pydicom.charset import convert_encodings

    from fhir_bridge.adapters.imaging.pydicom_settings import quiet

    with quiet():
        encodings = tuple(convert_encodings(["ISO_IR 100" if name in _LATIN_9 else name for name in names]))
    if len(encodings) == len(names):
        encodings = tuple(
            "iso8859_15" if name in _LATIN_9 else encoding
            for name, encoding in zip(names, encodings, strict=True)
        )
    return encodings, True


def is_defined(name: str) -> bool:
    """Whether this is a defined term of Specific Character Set that pydicom reads."""
    if name in _USUAL:
        return True
    from pydicom.charset import python_encoding

    return name in python_encoding


def _is_known(name: str) -> bool:
    if is_defined(name) or name in _LATIN_9:
        return True
    for pattern, start, length in _MISSPELT:
        if pattern.match(name):
            return is_defined(start + name[length:])
    try:
        return codecs.lookup(name).name.startswith(_PYTHON)
    except (LookupError, ValueError):
        return False


def decoded(value: bytes, encodings: Encodings) -> str:
    """Text in these character sets; what can't be decoded is U+FFFD."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    try:
        if b"\x1b" not in value:
            return value.decode(encodings[0], "replace")
        return "".join(_fragment(each, encodings) for each in _FRAGMENTS.findall(value))
    except (LookupError, ValueError):
        return value.decode("ascii", errors="replace")


def _fragment(value: bytes, encodings: Encodings) -> str:
    """Text after one escape sequence, up to the next (PS3.5 6.1.2.5)."""
    chosen = next((name for start, name in _OWN_ESCAPES if value.startswith(start)), None)
    if chosen is None or chosen not in encodings:
        from pydicom.charset import decode_bytes

        from fhir_bridge.adapters.imaging.pydicom_settings import quiet

        with quiet():
            return str(decode_bytes(value, list(encodings), _DELIMITERS))
    # A delimiter returns to the first character set, as does the end.
    text = value[3 if chosen == "iso8859_15" else 4 :]
    end = next((at for at, byte in enumerate(text) if byte in _DELIMITERS), len(text))
    return text[:end].decode(chosen, "replace") + text[end:].decode(encodings[0], "replace")


def is_foreign(value: bytes, encodings: Encodings) -> bool:
    """Whether there are bytes beyond ASCII where no character set is named or in force.

    Where the default one is the first, others count from their escape sequence to the next delimiter.
    """
    if value.isascii() or encodings[0] != DEFAULT[0]:
        return False
    if len(encodings) == 1:
        return True
    return any(not _in_default(each).isascii() for each in _FRAGMENTS.findall(value))


def _in_default(fragment: bytes) -> bytes:
    """What of a fragment is in the first character set."""
    if not fragment.startswith(b"\x1b") or fragment.startswith(_TO_ASCII):
        return fragment
    return next((fragment[at:] for at, byte in enumerate(fragment) if byte in _DELIMITERS), b"")
