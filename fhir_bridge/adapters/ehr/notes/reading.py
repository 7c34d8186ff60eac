"""The text of a file: plain, PDF (pypdf) or RTF (striprtf). Nothing in it is run or fetched."""

from __future__ import annotations

import io
import re
from typing import Final

from fhir_bridge.plugins.extras import require

__all__ = ["MEDIA_TYPES", "UnreadableText", "is_cut", "text_of"]

MEDIA_TYPES: Final = {
    ".txt": "text/plain",
    ".text": "text/plain",
    ".pdf": "application/pdf",
    ".rtf": "application/rtf",
}
"""By suffix, what is read."""
MOST_PAGES: Final = 2_000
MOST_CHARACTERS: Final = 10_000_000


class UnreadableText(ValueError):
    """A file has no text that can be read; the message says why."""


def is_cut(content: bytes) -> bool:
    """Whether an RTF ends within a group: the rest of it is missing."""
    if not content.startswith(b"{\\rtf"):
        return False
    depth = 0
    for piece in re.finditer(rb"\\bin(\d+) ?|\\.|[{}]", content, re.DOTALL):
        mark = piece[0]
        depth += mark == b"{"
        depth -= mark == b"}"
    return depth > 0


def text_of(content: bytes, suffix: str) -> str:
    """The text of a file of a suffix, lines ended by a line feed.

    Raises:
        UnreadableText: it can't be read, is encrypted, or holds no text (a scan).
        MissingExtra: the extra `documents` is not installed.
    """
    if content.startswith(b"%PDF"):
        text = _pdf(content)
    elif content.startswith(b"{\\rtf"):
        text = _rtf(content)
    elif suffix in (".pdf", ".rtf"):
        raise UnreadableText(f"it is named {suffix} and is none")
    else:
        text = _plain(content)
    text = re.sub(r"[^\S\n]+\n", "\n", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not text:
        raise UnreadableText("it holds no text; a scan has to be read by OCR first")
    return text[:MOST_CHARACTERS]


def _plain(content: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return _checked(text)
    return _checked(content.decode("cp1252", "replace"))


def _checked(text: str) -> str:
    if "\x00" in text or sum(ch < " " and ch not in "\n\r\t\f" for ch in text[:4096]) > 8:
        raise UnreadableText("it is no text, but binary content")
    return text


def _pdf(content: bytes) -> str:
    require("documents")
    from pypdf import PdfReader

    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableText("the PDF is encrypted")
        if len(reader.pages) > MOST_PAGES:
            raise UnreadableText(f"the PDF has more than {MOST_PAGES} pages")
        return "\n".join(page.extract_text() or "" for page in reader.pages)
    except UnreadableText:
        raise
    except Exception as error:  # pypdf raises many kinds for malformed files
        raise UnreadableText(f"the PDF can't be read ({type(error).__name__})") from error


def _rtf(content: bytes) -> str:
    require("documents")
    from striprtf.striprtf import rtf_to_text

    try:
        return str(rtf_to_text(content.decode("ascii", "surrogateescape"), errors="replace"))
    except Exception as error:  # as above
        raise UnreadableText(f"the RTF can't be read ({type(error).__name__})") from error
