"""JSON Pointer (RFC 6901): one value within a document."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["PointerError", "index_of", "parse_pointer", "render", "step"]

# RFC 6901 §4: no leading zero; more digits than any array has items are no index.
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_WRONG_ESCAPE = re.compile(r"~(?![01])")
_LONGEST = 64


class PointerError(ValueError):
    """A pointer that is none, or that leads nowhere."""


def parse_pointer(text: Any) -> list[str]:
    """The reference tokens of a pointer, unescaped; none for the whole document.

    Raises:
        PointerError: it is no pointer.
    """
    if not isinstance(text, str):
        raise PointerError("a JSON Pointer is expected: a string such as /name/0/family")
    if text and text[0] != "/":
        raise PointerError("a JSON Pointer begins with / (or is empty, for the whole resource)")
    if _WRONG_ESCAPE.search(text):
        raise PointerError("~ stands for itself only as ~0, and / as ~1")
    # In this order (RFC 6901 §4): `~01` is `~1`, not a slash.
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]


def render(tokens: list[str]) -> str:
    """The pointer of these tokens."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def index_of(token: str, items: list[Any], *, beyond: bool = False) -> int:
    """The index that a token gives in an array; `beyond` allows the place behind its end, which `-` names.

    Raises:
        PointerError: it is no index, or there is no such item.
    """
    is_end = token == "-"  # noqa: S105 - of a pointer
    # RFC 6902 §4.1: only an addition can use `-`.
    if is_end and beyond:
        return len(items)
    if not _INDEX.fullmatch(token):
        what = "- is the place behind the end" if is_end else f"'{token[:_LONGEST]}' is no index"
        raise PointerError(f"{what}; the array has {_items(items)}, counted from 0")
    index = int(token)
    if index > len(items) or (index == len(items) and not beyond):
        raise PointerError(f"there is no item {token}; the array has {_items(items)}, counted from 0")
    return index


def step(value: Any, tokens: list[str], position: int) -> Any:
    """What token `position` of a pointer leads to from `value`.

    Raises:
        PointerError: there is nothing.
    """
    token = tokens[position]
    if isinstance(value, dict):
        if token in value:
            return value[token]
        raise PointerError(f"{render(tokens[: position + 1])[:_LONGEST]} does not exist")
    if isinstance(value, list):
        return value[index_of(token, value)]
    raise PointerError(f"{render(tokens[:position])[:_LONGEST] or 'the document'} is no object or array")


def _items(items: list[Any]) -> str:
    return "1 item" if len(items) == 1 else f"{len(items)} items"
