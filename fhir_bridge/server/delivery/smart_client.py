"""A FHIR server as a target speaks to it: as a SMART backend client, with bounds on what it may answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhir_bridge.egress import EgressRefused
from fhir_bridge.fhir.serialization import JsonError, loads, loads_exact
from fhir_bridge.server.delivery.outcomes import Failed, Unavailable
from fhir_bridge.server.delivery.targets import Target, TargetError

__all__ = ["Answer", "SmartClient"]

MOST_ANSWER: Final = 32 * 1024 * 1024
"""Bytes of an answer that are read: twice the largest resource that the server takes itself by default."""
MOST_SMALL: Final = 256 * 1024
"""Bytes of what a token endpoint or a discovery document may have."""
LONGEST_PAUSE: Final = 3600.0
"""Seconds that a target may ask to be left alone for."""
ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_JSON: Final = "application/fhir+json"
_BUSY: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target answered. body: the parsed JSON; None where there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def problem(self) -> str:
        """Why it refuses, as its OperationOutcome says it; empty where it says nothing of the kind."""
        body = self.body
        if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
            return ""
        issues = body.get("issue")
        texts = []
        for issue in issues if isinstance(issues, list) else ():
            if isinstance(issue, dict) and issue.get("severity") in ("error", "fatal"):
                details = issue.get("details")
                text = issue.get("diagnostics") or (details.get("text") if isinstance(details, dict) else "")
                texts.append(str(text or issue.get("code") or "error"))
        return " ".join("; ".join(texts).split())[:500]


class SmartClient:
    """Requests to one target.

    Args:
        http: a client of the egress port.
    """

    def __init__(self, target: Target, http: httpx.AsyncClient) -> None:
        self._target = target
        self._http = http
        self._token: str | None = None
        self._until = 0.0
        self._getting = asyncio.Lock()

    async def request(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request below the target's base URL; once more with a new token where the old one is not taken.

        Raises:
            Unavailable: the target can't be reached, or asks to be left alone.
            Failed: it redirects, or answers with what can't be used.
        """
        url = f"{self._target.url}/{path}"
        given = {
            "Accept": _JSON,
            "Accept-Encoding": "identity",
            **({"Content-Type": _JSON} if content else {}),
            **(headers or {}),
        }
        answer = await self._send(method, url, content, given | await self._authorization())
        if answer.status == 401 and self._target.auth is not None:
            self._token = None
            answer = await self._send(method, url, content, given | await self._authorization())
        if answer.status == 401:
            raise Unavailable("it does not take the bridge's token (401)")
        if answer.status in _BUSY:
            raise Unavailable(f"it answers {answer.status}", _retry_after(answer.headers))
        if 300 <= answer.status < 400 and answer.status != 304:
            raise Failed(f"it redirects ({answer.status}), which is not followed")
        return answer

    async def _send(
        self, method: str, url: str, content: Any, headers: Mapping[str, str], most: int = MOST_ANSWER
    ) -> Answer:
        body = bytearray()
        try:
            # Of the whole: a target that sends a byte a second never runs into a timeout of httpx.
            async with (
                asyncio.timeout(self._target.seconds),
                self._http.stream(
                    method, url, content=content, headers=headers, timeout=self._target.seconds
                ) as response,
            ):
                async for chunk in response.aiter_bytes(64 * 1024):
                    body += chunk
                    if len(body) > most:
                        raise Failed(f"its answer ({response.status_code}) is larger than {most} bytes")
        except TimeoutError as error:
            raise Unavailable(f"it does not answer within {self._target.seconds:g} seconds") from error
        except EgressRefused as error:
            raise Unavailable(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(f"it can't be reached ({type(error).__name__}: {str(error)[:200]})") from error
        try:
            parsed = loads_exact(bytes(body)) if body else None
        except JsonError:
            parsed = None
        return Answer(response.status_code, response.headers, parsed)

    async def _authorization(self) -> dict[str, str]:
        auth = self._target.auth
        if auth is None:
            return {}
        try:
            if auth.client_id is None:
                return {"Authorization": f"Bearer {self._target.secret()}"}
            async with self._getting:
                if self._token is None or time.monotonic() > self._until:
                    await self._get_token()
                return {"Authorization": f"Bearer {self._token}"}
        except TargetError as error:
            raise Unavailable(str(error)) from error

    async def _get_token(self) -> None:
        """SMART App Launch 2.2 backend-services.html: client_credentials with a signed assertion."""
        auth = self._target.auth
        assert auth is not None
        url = auth.token_url or await self._token_endpoint()
        form = httpx.QueryParams(
            grant_type="client_credentials",
            scope=auth.scope,
            client_assertion_type=ASSERTION,
            client_assertion=self._assertion(url),
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = await self._send("POST", url, str(form).encode(), headers, MOST_SMALL)
        token = answer.body.get("access_token") if isinstance(answer.body, dict) else None
        if (
            answer.status != 200
            or not isinstance(token, str)
            or not (token.isascii() and token.isprintable())
        ):
            code = answer.body.get("error") if isinstance(answer.body, dict) else ""
            raise Unavailable(
                f"its token endpoint answers {answer.status} {str(code)[:100]}".rstrip(),
                _retry_after(answer.headers),
            )
        seconds = answer.body.get("expires_in")
        lasts = float(seconds) if isinstance(seconds, int | float) else 300.0
        self._token, self._until = token, time.monotonic() + max(lasts - 30, lasts / 2)

    async def _token_endpoint(self) -> str:
        url = f"{self._target.url}/.well-known/smart-configuration"
        answer = await self._send("GET", url, None, {"Accept": "application/json"}, MOST_SMALL)
        endpoint = answer.body.get("token_endpoint") if isinstance(answer.body, dict) else None
        if answer.status != 200 or not isinstance(endpoint, str):
            raise Unavailable(f"its smart-configuration ({answer.status}) has no token_endpoint")
        return endpoint

    def _assertion(self, audience: str) -> str:
        auth = self._target.auth
        assert auth is not None
        try:
            jwk = loads(self._target.secret())
            if "keys" in jwk:
                jwk = jwk["keys"][0]
            elliptic = jwk.get("kty") == "EC"
            key = ECKey.import_key(jwk) if elliptic else RSAKey.import_key(jwk)
            algorithm = "ES384" if elliptic else "RS384"
            claims = {
                "iss": auth.client_id,
                "sub": auth.client_id,
                "aud": audience,
                "exp": int(time.time()) + 240,
                "jti": secrets.token_urlsafe(24),
            }
            header = {"alg": algorithm, "typ": "JWT", **({"kid": key.kid} if key.kid else {})}
            return jwt.encode(header, claims, key, algorithms=[algorithm])
        except (JsonError, JoseError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise TargetError(f"its key_file holds no usable private key: {type(error).__name__}") from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, of a number or a date (RFC 9110 §10.2.3); None where it says nothing that can be used."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), LONGEST_PAUSE)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE)
