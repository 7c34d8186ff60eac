"""Text."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from html import escape
from typing import Any

from fhir_bridge.fhir.datatypes import Uri
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import builtin

__all__ = ["has_own_text", "narrative", "string"]


def _lifted(x: Any, act: Callable[[str], Any]) -> Any:
    if x is None or x is CLEARED:
        return x
    if x.__class__ is list:
        return [item for item in (_lifted(i, act) for i in x) if item is not None] or None
    return act(x if isinstance(x, str) else string(x))


def has_own_text(x: Any) -> bool:
    """Whether an object says how it is written."""
    return getattr(type(x), "__str__", None) is not object.__str__ and not isinstance(x, dict | tuple)


@builtin("string", returns="string")
def string(x: Any) -> Any:
    """Text of a value: numbers with their digits, `true`/`false`, an object's own text."""
    if x is None or isinstance(x, str):
        return x
    if x.__class__ is list:
        return [item for item in map(string, x) if item is not None] or None
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, Decimal):
        return format(x, "f")
    if isinstance(x, int):
        return str(x)
    text = getattr(x, "text", None)
    if isinstance(text, str):
        return text
    if has_own_text(x):
        return str(x)
    raise ValueError(f"{type(x).__name__} has no text")


@builtin("uri", returns="uri")
def uri(x: Any) -> Any:
    """Text as a URI."""
    return _lifted(x, lambda text: Uri(text.strip()) or None)


@builtin("trim", returns="string")
def trim(x: Any) -> Any:
    """Without white space at both ends; empty text is null."""
    return _lifted(x, lambda text: text.strip() or None)


@builtin("upper", returns="string")
def upper(x: Any) -> Any:
    """In upper case."""
    return _lifted(x, str.upper)


@builtin("lower", returns="string")
def lower(x: Any) -> Any:
    """In lower case."""
    return _lifted(x, str.lower)


@builtin("replace", returns="string")
def replace(x: Any, old: str, new: str) -> Any:
    """Every `old` becomes `new` (plain text, no pattern)."""
    return _lifted(x, lambda text: text.replace(old, new))


@builtin("split")
def split(x: Any, separator: str) -> Any:
    """The pieces between separators, trimmed, without empty ones."""
    if x is None or x is CLEARED:
        return x
    if not separator:
        raise ValueError("split needs a separator")
    return [piece for piece in (part.strip() for part in string(x).split(separator)) if piece] or None


@builtin("join", returns="string", repeats=False)
def join(x: Any, separator: str = " ") -> Any:
    """The texts of a list with a separator between; nulls and empty texts are passed over."""
    if x is None or x is CLEARED:
        return x
    items = x if x.__class__ is list else [x]
    texts = [string(item) for item in items if item is not None and item is not CLEARED]
    return separator.join(text for text in texts if text) or None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@builtin("matches", returns="boolean", repeats=False)
def matches(x: Any, pattern: str) -> bool:
    """Whether the whole text matches a regular expression; null does not."""
    if x is None or x is CLEARED:
        return False
    return _compiled(pattern).fullmatch(string(x)) is not None


@builtin("contains", returns="boolean", repeats=False)
def contains(x: Any, sought: Any) -> bool:
    """Whether a text holds another, or a list an item; null holds nothing."""
    if x is None or x is CLEARED or sought is None:
        return False
    return sought in x if x.__class__ is list else string(sought) in string(x)


@builtin("starts_with", returns="boolean", repeats=False)
def starts_with(x: Any, beginning: str) -> bool:
    """Whether the text begins so."""
    return False if x is None or x is CLEARED else string(x).startswith(beginning)


@builtin("ends_with", returns="boolean", repeats=False)
def ends_with(x: Any, ending: str) -> bool:
    """Whether the text ends so."""
    return False if x is None or x is CLEARED else string(x).endswith(ending)


@builtin("length", returns="integer", repeats=False, reads=("none",))
def length(x: Any) -> Any:
    """Number of characters of a text."""
    return None if x is None or x is CLEARED else len(string(x))


@builtin("narrative", returns="Narrative", repeats=False)
def narrative(x: Any) -> Any:
    """A Narrative (`status: generated`) of text, its lines kept; a list gives a paragraph an item."""
    if x is None or x is CLEARED:
        return x
    items = x if x.__class__ is list else [x]
    lines = [
        "<br/>".join(escape(line, quote=False) for line in string(item).splitlines())
        for item in items
        if item is not None and item != ""
    ]
    if not lines:
        return None
    body = "".join(f"<p>{line}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}
