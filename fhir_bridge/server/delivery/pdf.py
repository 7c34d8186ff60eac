"""A PDF of plain text (ISO 32000-1), for systems that show documents and nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

__all__ = ["one_page"]

_WIDTH: Final = 92
"""Characters of a line of 10 points between the margins of A4."""
_LINES: Final = 50
"""Lines of a page."""


def one_page(title: str, lines: Iterable[str]) -> bytes:
    """A title and lines of text on A4, on one page where they fit, else on as many as they need.

    The fonts that every reader has know the characters of Windows-1252; another is written as its Unicode number.
    """
    wrapped = [part for line in lines for part in (textwrap.wrap(line, _WIDTH) or [""])]
    heads = textwrap.wrap(title, 60) or [""]
    pages = [wrapped[start : start + _LINES] for start in range(0, len(wrapped), _LINES)] or [[]]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        font.encode(),
    ]
    for number, page in enumerate(pages):
        content = _content(heads if number == 0 else [], page)
        described = (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(described.encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _file(objects)


def _content(heads: list[str], lines: list[str]) -> bytes:
    text = [b"BT 56 786 Td /F1 14 Tf 18 TL"]
    text += [b"(%s) Tj T*" % _text(head) for head in heads]
    text.append(b"/F1 10 Tf 14 TL T*")
    text += [b"(%s) Tj T*" % _text(line) for line in lines]
    return b"\n".join([*text, b"ET"])


def _text(line: str) -> bytes:
    """A literal string (§7.3.4.2)."""
    encoded = "".join(
        character if _is_known(character) else f"<U+{ord(character):04X}>" for character in line
    )
    raw = encoded.encode("cp1252")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _is_known(character: str) -> bool:
    try:
        return character.isprintable() and bool(character.encode("cp1252"))
    except UnicodeEncodeError:
        return False


def _file(objects: list[bytes]) -> bytes:
    """Objects with the table of where each begins (§7.5)."""
    parts = [b"%PDF-1.4\n"]
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(sum(map(len, parts)))
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = sum(map(len, parts))
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    parts += [b"%010d 00000 n \n" % offset for offset in offsets]
    parts.append(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return b"".join(parts)
