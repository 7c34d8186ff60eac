"""JSON in and out, with FHIR decimals kept to the digit (R4 datatypes.html#decimal)."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from fhir_bridge.fhir.json_faults import MAX_DIGITS, MAX_EXPONENT, Fault, find_fault, number_fault
from fhir_bridge.fhir.models import is_model, plain

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_EXPONENT",
    "DepthError",
    "JsonError",
    "decimal_text",
    "dumps",
    "loads",
    "loads_exact",
    "loads_own",
    "loads_same",
    "nests_too_deep",
    "plain_value",
    "with_long_numbers",
]

MAX_DEPTH = 200
"""Nesting beyond this is refused: no FHIR resource needs it, and a parser's stack is not a place to find out."""

MAX_PLACED = 4_000_000
"""Characters of a text in which a fault's place is looked for; beyond, what is wrong is reported without it."""

_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_FLOAT = re.compile(rb"(?:^|[:,\[])-?(?:\d+[.eE]|\d{19})")
"""Where a number begins that orjson may read as a float, in a text without white space; or what looks like one."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """Text that is not the JSON of a resource; the message says where.

    Attributes:
        line: line of the fault, from 1; 0 where it has no single place, or the text is too long to look for it.
        column: column in that line, from 1.
        expression: path of the element (`Patient.name[0].given`), where the fault is in one.
    """

    def __init__(self, message: str, *, line: int = 0, column: int = 0, expression: str = "") -> None:
        super().__init__(message)
        self.line, self.column, self.expression = line, column, expression


class DepthError(JsonError):
    """JSON that nests beyond `MAX_DEPTH`."""


class _Faulty(ValueError):
    """Something that `find_fault` will find and place."""


def plain_value(value: object) -> Any:
    """What orjson writes in place of a value that it does not know."""
    if isinstance(value, Decimal):
        # orjson has no decimals; a Fragment is written as it is.
        return orjson.Fragment(decimal_text(value))
    if is_model(value):
        return plain(value)
    raise TypeError(f"{type(value).__name__} has no FHIR JSON form")


def decimal_text(value: Decimal) -> str:
    """A decimal as JSON and XML write it: precision kept, no sign before a positive exponent.

    Raises:
        TypeError: NaN or infinity, which are no FHIR decimals.
    """
    if not value.is_finite():
        raise TypeError(f"{value} is not a FHIR decimal")
    text = str(value)
    return text.replace("E+", "E") if "E" in text else text


def dumps(resource: Any, *, indent: bool = False) -> bytes:
    """Serialize to UTF-8 JSON; `Decimal` keeps its digits ("37.0" stays 37.0).

    Args:
        resource: dicts, lists and primitive values.
        indent: one element a line and a line end, for people; else there is no white space.

    Raises:
        TypeError: something in it has no JSON form: NaN, infinity, half a surrogate pair, nesting beyond 254 levels.
    """
    option = _INDENTED if indent else None
    try:
        return orjson.dumps(resource, default=plain_value, option=option)
    except TypeError as error:
        # orjson raises TypeError for all that it can't write; only its message says that it is this.
        if "64-bit" not in str(error):
            raise
    return orjson.dumps(with_long_numbers(resource), default=plain_value, option=option)


def with_long_numbers(value: Any) -> Any:
    """The same with whole numbers beyond 64 bits as text that orjson passes on."""
    if isinstance(value, dict):
        return {key: with_long_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_long_numbers(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value))
    return value


def loads(text: bytes | str) -> Any:
    """Parse JSON fast, decimals as float. For reading only: re-serializing may change a decimal's precision.

    A decimal that no float can be, as `1E400`, is a Decimal: what is stored with one can be read all the same.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "infinity" not in str(error):
            raise JsonError(f"not JSON: {error}") from error
    try:
        return json.loads(text, parse_float=_float_or_decimal, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise JsonError(f"not JSON: {error}") from error


def _float_or_decimal(text: str) -> float | Decimal:
    number = float(text)
    return number if math.isfinite(number) else Decimal(text)


def loads_exact(text: bytes | str) -> Any:
    """Parse JSON so that `dumps` gives every decimal back as written. A byte order mark is passed over.

    Raises:
        JsonError: the text is not JSON in UTF-8, repeats a key in an object, holds NaN or Infinity, a number of more
            than `MAX_DIGITS` digits or with an exponent beyond `MAX_EXPONENT`, half a surrogate pair, or nests
            beyond `MAX_DEPTH`. It names line, column and element.
    """
    if isinstance(text, bytes | bytearray | memoryview):
        content = bytes(text)
        value = _written_by_us(content)
        if value is not None:
            return _decimals(value)
        text = _decoded(content)
    elif text.startswith("\ufeff"):
        text = text[1:]
    return _loads_checked(text)


def loads_same(text: bytes) -> Any:
    """As `loads_exact`, but with floats where these are written as the text has them: it takes a fraction of the time.

    Raises:
        JsonError: as there.
    """
    # A float with an exponent is written in another way than the Decimal: `1e22`, `1E22`. Without digits and points
    # nothing stands in front of its `e`.
    bare = text.translate(None, b"0123456789.")
    if any(mark in bare for mark in (b":e", b":-e", b",e", b",-e", b"[e", b"[-e")):
        return loads_exact(text)
    value = _written_by_us(text)
    return loads_exact(text) if value is None else value


def _written_by_us(text: bytes) -> Any:
    """The value of a text without white space that is written again as it is; None where that is not so.

    Such a text repeats no key, and each of its floats has the digits of the text.
    """
    start = text[:100]
    if b'": ' in start or b"\n" in start:
        return None
    try:
        value = orjson.loads(text)
        same: bool = orjson.dumps(value) == text
    except (orjson.JSONDecodeError, TypeError):
        return None  # the slower reader says what is wrong
    # Brackets are at least as many as levels, and counting them is cheap.
    deep = text.count(b"{") + text.count(b"[") > MAX_DEPTH and nests_too_deep(value)
    return value if same and not deep else None


def _loads_checked(text: str) -> Any:
    try:
        # orjson would read decimals as floats, and of a repeated key keep the last without a word.
        value = json.loads(text, parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_unique)
        # Brackets are at least as many as levels, and counting them is cheap.
        if text.count("{") + text.count("[") > MAX_DEPTH and nests_too_deep(value):
            raise RecursionError
        # UTF-8 has no half pairs, so only an escape can bring one in.
        if "\\u" in text and _SURROGATE.search(text) is not None and not _encodable(value):
            raise _Faulty("half a surrogate pair, which is no character")
    except json.JSONDecodeError as error:
        hint = ""
        if text.lstrip()[:1] == "<":
            hint = "; this looks like XML"
        elif not text.strip():
            hint = "; the text is empty"
        raise JsonError(f"not JSON: {error}{hint}", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        # The parser is recursive itself, and may give up before the levels can be counted.
        raise _placed(text, Fault(_TOO_DEEP)) from error
    except ValueError as error:  # also of a number with more digits than Python reads
        raise _placed(text, Fault(str(error))) from error
    return value


def loads_own(text: bytes) -> Any:
    """Parse what `dumps` wrote, decimals to the digit: without the checks that another's JSON needs."""
    value = orjson.loads(text)
    if _FLOAT.search(text) is None:
        return value
    # Written again as it was: then each float has the digits of the text. The reader of Python's library is slower
    # than both.
    if orjson.dumps(value) != text:
        return json.loads(text, parse_float=Decimal)
    return _decimals(value)


def _decimals(value: Any) -> Any:
    """The same, its floats as Decimal; dicts and lists are changed in place."""
    kind = type(value)
    if kind is dict:
        for name, item in value.items():
            if type(item) in _CHANGED:
                value[name] = _decimals(item)
    elif kind is list:
        for place, item in enumerate(value):
            if type(item) in _CHANGED:
                value[place] = _decimals(item)
    elif kind is float:
        return Decimal(repr(value))
    return value


_CHANGED: Final = frozenset({dict, list, float})


def _placed(text: str, fallback: Fault) -> JsonError:
    fault = (find_fault(text, MAX_DEPTH) if len(text) <= MAX_PLACED else None) or fallback
    error = DepthError if fault.reason == _TOO_DEEP else JsonError
    if not fault.line:
        return error(f"not JSON of a resource: {fault.reason}")
    where = f"line {fault.line}, column {fault.column}"
    if fault.expression:
        where += f", {fault.expression}"
    return error(
        f"not JSON of a resource: {fault.reason} ({where})",
        line=fault.line,
        column=fault.column,
        expression=fault.expression,
    )


def _decoded(text: bytes) -> str:
    """The text of bytes, which RFC 8259 wants in UTF-8."""
    try:
        return text.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        wide = text.startswith((b"\xff\xfe", b"\xfe\xff"))
        result = "UTF-16" if wide else f"byte 0x{text[error.start]:02X} at offset {error.start} is not UTF-8"
        raise JsonError(
            f"not JSON: {result} (line {line}, byte {column} of it); FHIR's JSON is UTF-8: convert the text",
            line=line,
            column=column,
        ) from error


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        raise _Faulty(number_fault(text))
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise _Faulty(number_fault(text)) from error
    if not -MAX_EXPONENT <= value.adjusted() <= MAX_EXPONENT:
        raise _Faulty(number_fault(text))
    return value


def _constant(name: str) -> Any:
    raise _Faulty(f"{name} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    # Comparing lengths is all that an object without repeated keys costs.
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Faulty(f'the key "{key[:64]}" occurs twice in one object')
            seen.add(key)
    return result


def nests_too_deep(value: Any) -> bool:
    """Whether JSON nests beyond `MAX_DEPTH`; walked level by level, so that its own stack stays flat."""
    depth, level = 0, [value]
    while level:
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        depth += 1
        if depth > MAX_DEPTH:
            return True
    return False


def _encodable(value: Any) -> bool:
    """Whether all text in it is text: no half of a surrogate pair."""
    try:
        dumps(value)
    except TypeError:
        return False
    return True
