"""Form bodies and query strings, read strictly: bounded, UTF-8, no NUL, no parameter twice unless it is a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from urllib.parse import parse_qsl

from starlette.requests import Request

from fhir_bridge.server.hang_up import HANGUP

__all__ = ["Form", "FormError", "parse_form", "read_form", "read_limited"]

FORM_BYTES = 64 * 1024  # far beyond any form of ours
BODY_SECONDS = 60
"""How long a body may take to arrive."""


class FormError(ValueError):
    """A form that is not taken; the message is for the caller. `status` is the HTTP status it deserves."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Form(dict[str, str]):
    """Single parameters by name; those read as lists are in `lists`."""

    def __init__(self, values: dict[str, str], lists: dict[str, list[str]]) -> None:
        super().__init__(values)
        self.lists = lists


def parse_form(text: str, lists: Collection[str] = ()) -> Form:
    """Read `application/x-www-form-urlencoded` text.

    Raises:
        FormError: not UTF-8, a NUL, more than 200 parameters, or one twice (RFC 6749 §3.1) that is not in `lists`.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=200, errors="strict")
    except ValueError as error:
        raise FormError("the parameters are not UTF-8, or too many") from error
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {name: [] for name in lists}
    for name, value in pairs:
        # PostgreSQL stores no NUL: the error would come from there, as a failure of the server.
        if "\x00" in name or "\x00" in value:
            raise FormError("a parameter holds a NUL character")
        if name in many:
            many[name].append(value)
        elif name in single:
            raise FormError(f"the parameter {name[:40]} occurs twice")
        else:
            single[name] = value
    return Form(single, many)


async def read_limited(request: Request, limit: int, hold: Callable[[int], object] = lambda _: None) -> bytes:
    """The body, as long as it has at most `limit` bytes; what comes after is not read.

    Args:
        hold: notified of each piece's size; may refuse it.

    Raises:
        FormError: the body is larger (413), too slow (408), or compressed (415): a small text may hold a huge one.
    """
    if request.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        # Compressed, a body of some KB may be GB: no limit on what arrives would hold.
        raise FormError("send the body without Content-Encoding", 415)
    declared = request.headers.get("content-length", "")
    # Only digits, and no more than a size has: `int` of a long text would cost quadratic time.
    if declared.isdecimal() and int(declared[:18]) > limit:
        raise FormError(f"the body has more than {limit} bytes", 413)
    hangup = request.scope.get("extensions", {}).get(HANGUP)
    if hangup is not None and hangup["hangup"].whole:  # nothing is waited for
        return await _joined(request, limit, hold)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _joined(request, limit, hold)
    except TimeoutError as error:
        raise FormError(f"the body took more than {BODY_SECONDS} seconds", 408) from error


async def _joined(request: Request, limit: int, hold: Callable[[int], object]) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise FormError(f"the body has more than {limit} bytes", 413)
        hold(len(chunk))
        parts.append(chunk)
    return b"".join(parts)


async def read_form(request: Request, lists: Collection[str] = ()) -> Form:
    """The body as a form.

    Raises:
        FormError: see `parse_form` and `read_limited`; another content type gives 415.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = await read_limited(request, FORM_BYTES)
    if kind != "application/x-www-form-urlencoded":
        raise FormError("send application/x-www-form-urlencoded", 415)
    try:
        return parse_form(body.decode(), lists)
    except UnicodeDecodeError as error:
        raise FormError("the form is not UTF-8") from error
