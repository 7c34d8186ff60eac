"""Bodies: read within bounds, parsed exactly, and checked by the validator before anything is stored."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from fhir_bridge.fhir import xml
from fhir_bridge.fhir.characters import NO_TEXT
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError, dumps, loads_exact
from fhir_bridge.server.forms import FORM_BYTES, FormError, read_limited
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import Refusal, busy, refuse
from fhir_bridge.server.slots import ByteLimitReached
from fhir_bridge.server.validation import LOOK_SECONDS, ServedValidator

__all__ = [
    "FHIR_TYPES",
    "FORM",
    "INLINE_VALUES",
    "PARSED_INLINE_BYTES",
    "check_resource",
    "check_valid",
    "content_type",
    "parse",
    "parse_value",
    "parsed",
    "read_body",
    "read_form",
    "read_resource",
]

FORM = "application/x-www-form-urlencoded"

INLINE_BYTES = 4_096
"""Bodies up to this size are parsed and validated on the event loop; larger ones in a thread."""
PARSED_INLINE_BYTES = 32_768
"""Bundles up to this size are parsed on the event loop, which takes less than a millisecond; entries are validated one
by one."""
INLINE_VALUES = 200
"""Objects, lists and values that about as many bytes hold: the same of an entry of a Bundle."""
LARGE_BYTES = 1024 * 1024
"""Bodies beyond this size are looked at one after the other: parsed, they take many times as much memory."""
MOST_FLAT = 250_000
"""Values of one object or list."""
TURN_SECONDS = 30
MOST_VALUES = 1_000_000
"""Objects, lists and values behind a comma in a body: what a parser makes of each takes some hundred bytes."""
FHIR_TYPES = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})
XML_TYPES = frozenset({"application/fhir+xml", "application/xml", "text/xml"})
# Beyond every quantity; PostgreSQL's numbers, and clients' in double precision, still bear them. An official example of
# R4 (Observation/decimal) has the exponents 245 and -245.
_LARGEST_EXPONENT = 250
_MOST_DIGITS = 100
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


def content_type(call: Call) -> str:
    """The media type of the body in lower case, without its parameters; empty where none is reported."""
    return _media_type(call.request.headers.get("content-type", ""))[0]


@lru_cache(maxsize=256)
def _media_type(header: str) -> tuple[str, str | None]:
    """The media type, and the version of FHIR where it is another one than R4."""
    kind, *parameters = header.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        version = value.strip().strip('"')
        if name.strip().lower() == "fhirversion" and version not in ("4.0", "4.0.1"):
            return kind.strip().lower(), version
    return kind.strip().lower(), None


async def read_body(call: Call, also: frozenset[str] = frozenset()) -> bytes:
    """The body of a request as JSON; XML is converted.

    Args:
        also: content types that are taken beside those of a resource.

    Raises:
        Refusal: 415 another content type or encoding, 413 too large, 408 too slow.
    """
    kind, version = _media_type(call.request.headers.get("content-type", ""))
    if version is not None:  # R4 versioning.html#mt-version: it would be misread
        raise refuse(415, "FB-REST-004", f"a body of FHIR {version[:10]!a} is not taken: this is R4 (4.0)")
    if kind not in FHIR_TYPES and kind not in XML_TYPES and kind not in also:
        raise refuse(415, "FB-REST-004", f"the content type {kind[:60] or '(none)'} is not taken")
    body = await _read(call, call.services.settings.max_body_bytes)
    if kind not in XML_TYPES:
        return body
    return _of_xml(body) if len(body) <= INLINE_BYTES else await offloaded(_of_xml, body)


def _of_xml(body: bytes) -> bytes:
    """The JSON of a resource in XML, which goes the way of all others.

    Raises:
        Refusal: 400.
    """
    # What a parser makes of each takes some hundred bytes, as in JSON.
    if len(body) > LARGE_BYTES and body.count(b"<") + body.count(b"=") > 2 * MOST_VALUES:
        raise refuse(400, "FB-REST-001", f"the body has more than {MOST_VALUES} values")
    try:
        return dumps(xml.loads(body))
    except xml.XmlError as error:
        raise refuse(400, "FB-REST-001", str(error), source=error.expression or "") from error


async def read_form(call: Call) -> str:
    """The body of a form, its parameters still encoded.

    Raises:
        Refusal: 415 an encoding, 413 too large, 408 too slow, 400 not UTF-8.
    """
    try:
        return (await _read(call, FORM_BYTES)).decode()
    except UnicodeDecodeError as error:
        raise refuse(400, "FB-REST-008", "the form is not UTF-8") from error


async def _read(call: Call, limit: int) -> bytes:
    budget, arrived, kept = call.services.bodies, 0, 0

    def hold(size: int) -> None:
        nonlocal arrived, kept
        arrived += size
        # Of small ones there are as many as requests under way, which have a limit of their own.
        if arrived > INLINE_BYTES:
            if not kept:
                # Given back when the request is over, not when the body is read: what was parsed of it lives as long.
                call.hold(lambda: budget.give(kept))
            budget.take(arrived - kept)
            kept = arrived

    try:
        body = await read_limited(call.request, limit, hold)
    except FormError as error:
        code = {413: "FB-REST-007", 408: "FB-REST-014"}.get(error.status, "FB-REST-004")
        raise refuse(error.status, code, str(error)) from error
    except ByteLimitReached as error:
        raise busy("too many large bodies are on their way") from error
    if len(body) > LARGE_BYTES:
        await _take_turn(call)
    return body


async def _take_turn(call: Call) -> None:
    """Large bodies are looked at one after the other; the turn ends with the request."""
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await call.services.large.acquire()
    except TimeoutError as error:
        raise busy("other large bodies are looked at") from error
    call.hold(call.services.large.release)


async def parsed(body: bytes) -> dict[str, Any]:
    """As `parse`, off the event loop where it takes long."""
    return parse(body) if len(body) <= PARSED_INLINE_BYTES else await offloaded(parse, body)


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object, decimals to the digit.

    Raises:
        Refusal: 400; see FB-REST-001.
    """
    value = parse_value(body)
    if not isinstance(value, dict):
        raise refuse(400, "FB-REST-001", "the body is not a JSON object")
    return value


def parse_value(body: bytes) -> Any:
    """An object or a list, decimals to the digit.

    Raises:
        Refusal: 400; see FB-REST-001.
    """
    _bounded_text(body)
    try:
        value = loads_exact(body)
    except JsonError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):  # JSON is UTF-8 (RFC 8259 §8.1)
            place = error.__cause__.start
            raise refuse(400, "FB-REST-001", f"the body is not UTF-8 (byte {place})") from error
        # `int` of more than 4300 digits: Python's own guard against quadratic time.
        if type(error.__cause__) is ValueError:  # Python's own, of a whole number
            raise refuse(400, "FB-REST-001", "a number has too many digits") from error
        raise refuse(400, "FB-REST-001", str(error)) from error
    if not isinstance(value, dict | list):
        raise refuse(400, "FB-REST-001", "the body is neither a JSON object nor an array")
    if _suspicious(body):
        _bounded(value)
    return value


def _bounded_text(body: bytes) -> None:
    """What a parser would take too long or too much memory for.

    The parser of Python has an end of an object looked at by our code, where other threads can go on; between two ends
    none can. So there are bounds on all values, and on those of one object or list.
    """
    if len(body) <= LARGE_BYTES:
        return
    if sum(map(body.count, (b",", b"{", b"["))) > MOST_VALUES:
        raise refuse(400, "FB-REST-001", f"the body has more than {MOST_VALUES} values")
    start = 0
    while start < len(body):
        end = body.find(b"}", start)
        end = len(body) if end < 0 else end
        if (
            end - start > MOST_FLAT
            and max(body.count(b",", start, end), body.count(b"[", start, end)) > MOST_FLAT
        ):
            raise refuse(400, "FB-REST-001", f"an object or list has more than {MOST_FLAT} values")
        start = end + 1


def _suspicious(body: bytes) -> bool:
    """Whether a body may have what `_bounded` refuses; whether it has is for that to say.

    Control characters and half a surrogate pair stand in JSON as escapes only; a number of more than a hundred digits
    has fifty on one side of its point, one beyond the largest exponent has them or says so.
    """
    if any(text in body for text in _ESCAPES):
        return True
    # Looking for texts in a text of one digit takes a tenth of the time of a pattern: each write passes here.
    alike = body.translate(_ALIKE)
    return any(text in alike for text in _LARGE_NUMBERS)


_ESCAPES = (b"\\u", b"\\b", b"\\f", "\ufffe".encode(), "\uffff".encode())
_ALIKE = bytes.maketrans(b"123456789E+", b"000000000e-")
_LARGE_NUMBERS = (b"0" * 50, b"0e000", b"0e-000")


def _bounded(value: dict[str, Any] | list[Any]) -> None:
    """Numbers and characters that storage and clients can bear; the parser has bounded the depth."""
    level: list[Any] = [value]
    while level:
        below: list[Any] = []
        for item in level:
            # Keys too are texts.
            children = list(item.values()) + list(item) if isinstance(item, dict) else item
            for child in children:
                if isinstance(child, str):
                    _check_text(child)
                elif isinstance(child, dict | list):
                    below.append(child)
                elif isinstance(child, Decimal) and (
                    abs(child.adjusted()) > _LARGEST_EXPONENT or len(child.as_tuple().digits) > _MOST_DIGITS
                ):
                    raise refuse(400, "FB-REST-001", "a decimal is beyond any measurement")
                elif isinstance(child, int) and abs(child) >= 10**_MOST_DIGITS:
                    raise refuse(400, "FB-REST-001", "a number is beyond any measurement")
        level = below


def _check_text(text: str) -> None:
    if (match := NO_TEXT.search(text)) is not None:
        raise refuse(
            400, "FB-REST-001", f"a string holds the character U+{ord(match.group()):04X}, which is no text"
        )
    # A half surrogate (`\ud800`) is JSON, and can't be written as UTF-8.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise refuse(400, "FB-REST-001", "a string holds half a surrogate pair") from error


def check_resource(resource: dict[str, Any], resource_type: str, resource_id: str = "") -> None:
    """Refuse a body that is not of the address's type and id.

    Raises:
        Refusal: 400.
    """
    if resource.get("resourceType") != resource_type:
        raise refuse(400, "FB-REST-002", f"resourceType must be {resource_type}")
    if resource_id:
        if not _ID.fullmatch(resource_id):
            raise refuse(400, "FB-REST-002", "the id of the address is not a FHIR id", source="id")
        if resource.get("id") != resource_id:
            raise refuse(400, "FB-REST-002", "the id of the body must be that of the address", source="id")


def _parsed(body: bytes, resource_type: str, resource_id: str) -> dict[str, Any]:
    resource = parse(body)
    check_resource(resource, resource_type, resource_id)
    return resource


def refuse_invalid(issues: list[Issue]) -> None:
    """Refuse with all findings where one is an error.

    Raises:
        Refusal: 422.
    """
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise Refusal(422, issues)


async def read_resource(call: Call, resource_id: str = "") -> dict[str, Any]:
    """The valid resource of a create or update.

    Raises:
        Refusal: 400, 408, 413, 415 or 422.
    """
    body = await read_body(call)
    inline = len(body) <= INLINE_BYTES
    if inline:
        resource = _parsed(body, call.type, resource_id)
    else:
        resource = await offloaded(_parsed, body, call.type, resource_id)
    del body  # it may be large, and is not needed any more
    await check_valid(call, resource, inline=inline)
    return resource


async def check_valid(call: Call, resource: dict[str, Any], *, inline: bool) -> None:
    """Refuse content that is not valid by the terminology that is served.

    Args:
        inline: on the event loop; else in a thread.

    Raises:
        Refusal: 422.
    """
    services = call.services
    validator = ServedValidator(
        services.terminology,
        services.store,
        implied=services.settings.implied_profiles,
        within=LOOK_SECONDS,
    )
    refuse_invalid(await validator.issues(resource, inline=inline))
