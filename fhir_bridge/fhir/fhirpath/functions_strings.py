"""String functions (N1 §5.6, and those of 2.1 that R4's suite has)."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, unquote

from fhir_bridge.fhir.fhirpath.environment import Frame
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, boolean, integer, item_of, string
from fhir_bridge.fhir.fhirpath.regexes import Pattern, pattern
from fhir_bridge.fhir.fhirpath.registry import charged_string, function, integer_of, text_of

__all__: list[str] = []

Items = list[Item]


def _pair(name: str, apply: Callable[[str, str], Items]) -> None:
    """A function of the input string and one string argument; empty where either is empty."""

    @function(name, 1)
    def _apply(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
        text = text_of(items, f"{name}()")
        argument = text_of(arguments[0](frame), f"the argument of {name}()")
        if text is None or argument is None:
            return []
        frame.env.spend_text(text)
        result = apply(text, argument)
        frame.env.spend(len(result))
        return result


_pair("indexOf", lambda text, part: integer(text.find(part)))
_pair("lastIndexOf", lambda text, part: integer(text.rfind(part)))
_pair("startsWith", lambda text, part: boolean(text.startswith(part)))
_pair("endsWith", lambda text, part: boolean(text.endswith(part)))
_pair("contains", lambda text, part: boolean(part in text))
# An empty separator splits into characters, which Python refuses.
_pair("split", lambda text, mark: [item_of(part) for part in (text.split(mark) if mark else text)])


def _match(name: str, apply: Callable[[Pattern, str], bool]) -> None:
    """A function of the input string and a regular expression."""

    @function(name, 1)
    def _apply(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
        text = text_of(items, f"{name}()")
        regex = text_of(arguments[0](frame), f"the argument of {name}()")
        if text is None or regex is None:
            return []
        known = pattern(regex)
        frame.env.spend(known.price(len(text)))
        return boolean(apply(known, text))


_match("matches", Pattern.search)
_match("matchesFull", Pattern.full)


def _plain(name: str, apply: Callable[[str], Items]) -> None:
    """A function of the input string alone."""

    @function(name)
    def _apply(items: Items, _: Sequence[Any], frame: Frame) -> Items:
        text = text_of(items, f"{name}()")
        if text is None:
            return []
        frame.env.spend_text(text)
        return apply(text)


_plain("upper", lambda text: string(text.upper()))
_plain("lower", lambda text: string(text.lower()))
_plain("length", lambda text: integer(len(text)))
_plain("toChars", lambda text: [item_of(character) for character in text])
_plain("trim", lambda text: string(text.strip()))


@function("substring", 1, 2)
def _substring(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    text = text_of(items, "substring()")
    start = integer_of(arguments[0](frame), "the start of substring()")
    # N1 §5.6.2: a start outside the text gives empty, not an error.
    if text is None or start is None or not 0 <= start < len(text):
        return []
    length = integer_of(arguments[1](frame), "the length of substring()") if len(arguments) > 1 else None
    return charged_string(text[start:] if length is None else text[start : start + max(length, 0)], frame)


def _substitution(name: str, apply: Callable[[str, str, str], str]) -> None:
    @function(name, 2)
    def _apply(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
        text = text_of(items, f"{name}()")
        old = text_of(arguments[0](frame), f"the pattern of {name}()")
        new = text_of(arguments[1](frame), f"the substitution of {name}()")
        if text is None or old is None or new is None:
            return []
        return charged_string(apply(text, old, new), frame)


def _replaced(text: str, old: str, new: str) -> str:
    # Before it is built: a short expression could make gigabytes.
    if (text.count(old) if old else len(text) + 1) * len(new) > MAX_RESULT:
        raise FHIRPathError(f"replace() would make more than {MAX_RESULT} characters")
    return text.replace(old, new)


MAX_RESULT = 10_000_000


def _replaced_matches(text: str, regex: str, new: str) -> str:
    if not regex:
        return text
    # `substitutable`: RE2's answer is yes or no, and gives no places.
    result = pattern(regex).substitutable(text)
    template = _template(new)
    if len(text) * (len(new) + 1) > MAX_RESULT:
        raise FHIRPathError(f"replaceMatches() would make more than {MAX_RESULT} characters")
    try:
        return result.sub(template, text)
    except (IndexError, ValueError) as error:
        raise FHIRPathError(
            f"the substitution '{new[:80]}' names a group that the pattern hasn't: {error}"
        ) from error


_DIGITS = frozenset("0123456789")
_GROUP_NAME = re.compile(r"\$\{([^}]{1,100})\}")


# Perl's notation of N1's example, and no backslash sequences of Python's templates.
def _template(new: str) -> Callable[[Any], str]:
    """`$1` and `${name}` stand for groups; a backslash takes the next character as it is."""
    parts: list[str | int] = []
    position = 0
    while position < len(new):
        character = new[position]
        if character == "\\" and position + 1 < len(new):
            parts.append(new[position + 1])
            position += 2
        elif character == "$" and new[position + 1 : position + 2] in _DIGITS:
            parts.append(int(new[position + 1]))
            position += 2
        elif character == "$" and (named := _GROUP_NAME.match(new, position)) is not None:
            name = named.group(1)
            parts.append(int(name) if _DIGITS.issuperset(name) else _Named(name))
            position = named.end()
        else:
            parts.append(character)
            position += 1

    def fill(match: Any) -> str:
        texts = []
        for part in parts:
            if isinstance(part, _Named | int):
                texts.append(match.group(str(part) if isinstance(part, _Named) else part) or "")
            else:
                texts.append(part)
        return "".join(texts)

    return fill


class _Named(str):
    """The name of a group."""

    __slots__ = ()


_substitution("replace", _replaced)
_substitution("replaceMatches", _replaced_matches)


@function("join", 0, 1)
def _join(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    mark = text_of(arguments[0](frame), "the separator of join()") if arguments else ""
    if mark is None or not items:
        return []
    parts = []
    for item in items:
        if item.value is None:
            continue
        if not isinstance(item.value, str):
            raise FHIRPathError(f"join() takes strings, found {item.type}")
        parts.append(item.value)
    return charged_string(mark.join(parts), frame)


# --- encoding -------------------------------------------------------------------------------------------------------

# Surrogate pairs are two escapes that belong together.
_JSON_ESCAPE = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+|\\.", re.DOTALL)


def _json_character(match: re.Match[str]) -> str:
    return str(json.loads(f'"{match.group()}"'))


# HTML's own entity for the apostrophe; Python writes the hexadecimal one.
_CODECS: dict[str, dict[str, Callable[[str], str]]] = {
    "encode": {
        "base64": lambda text: base64.b64encode(text.encode()).decode("ascii"),
        "urlbase64": lambda text: base64.urlsafe_b64encode(text.encode()).decode("ascii"),
        "hex": lambda text: text.encode().hex(),
        "url": lambda text: quote(text, safe=""),
    },
    "decode": {
        "base64": lambda text: base64.b64decode(text, validate=True).decode(),
        "urlbase64": lambda text: base64.b64decode(text, altchars=b"-_", validate=True).decode(),
        "hex": lambda text: bytes.fromhex(text).decode(),
        "url": unquote,
    },
    "escape": {
        "html": lambda text: html.escape(text, quote=True).replace("&#x27;", "&#39;"),
        "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    },
    "unescape": {"html": html.unescape, "json": lambda text: _JSON_ESCAPE.sub(_json_character, text)},
}


def _codec(name: str, kinds: dict[str, Callable[[str], str]]) -> None:
    @function(name, 1)
    def _apply(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
        text = text_of(items, f"{name}()")
        kind = text_of(arguments[0](frame), f"the format of {name}()")
        if text is None or kind is None:
            return []
        if kind not in kinds:
            raise FHIRPathError(f"{name}() knows {', '.join(kinds)}, not '{kind}'")
        try:
            return charged_string(kinds[kind](text), frame)
        except (ValueError, binascii.Error) as error:
            raise FHIRPathError(f"{name}('{kind}') can't read its input: {error}") from error


for _name, _kinds in _CODECS.items():
    _codec(_name, _kinds)
