"""HL7 v2 over MLLP (HL7 Implementation Support Guide, appendix C) to permitted addresses alone."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from fhir_bridge.egress.addresses import permitted_address
from fhir_bridge.egress.allowed import PORTS, Allowed

__all__ = ["MllpError", "exchange"]

MOST_ACKNOWLEDGEMENT: Final = 64 * 1024
_START: Final = b"\x0b"
_END: Final = b"\x1c\r"


class MllpError(Exception):
    """The peer does not answer with a framed message."""


async def exchange(allowed: Allowed, url: str, message: bytes, *, seconds: float = 30) -> bytes:
    """Send one message over a connection of its own, and give what the peer acknowledges it with.

    A connection of its own: the acknowledgement of an earlier message can't be taken for this one's.

    Args:
        url: `mllp://host:port`, or `mllps` for TLS.
        seconds: for all of it.

    Raises:
        EgressRefused: the address is not listed, or leads to a private network that is not.
        MllpError: no acknowledgement, or something that is none.
        OSError, TimeoutError: it can't be reached, or does not answer in time; `ssl.SSLError` is an OSError.
    """
    allowed.check(url)
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or PORTS[parts.scheme]
    async with asyncio.timeout(seconds):
        address = await permitted_address(allowed, host, port)
        secure = ssl.create_default_context() if parts.scheme == "mllps" else None
        reader, writer = await asyncio.open_connection(
            address, port, ssl=secure, server_hostname=host if secure else None, limit=MOST_ACKNOWLEDGEMENT
        )
        try:
            writer.write(_START + message + _END)
            await writer.drain()
            answer = await reader.readuntil(_END)
        except asyncio.LimitOverrunError as error:
            raise MllpError(f"its acknowledgement is larger than {MOST_ACKNOWLEDGEMENT} bytes") from error
        except asyncio.IncompleteReadError as error:
            raise MllpError("it closes the connection without an acknowledgement") from error
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                await writer.wait_closed()
    start = answer.find(_START)
    if start < 0:
        raise MllpError("its acknowledgement is not framed as MLLP is")
    return answer[start + 1 : -len(_END)]
