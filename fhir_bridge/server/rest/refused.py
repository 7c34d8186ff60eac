"""Which refusals of the FHIR API leave an AuditEvent: no valid token, not allowed, hidden, too many attempts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.requests import Request

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.governance import audit
from fhir_bridge.server.refusals import Refused
from fhir_bridge.server.services import Services
from fhir_bridge.server.smart.tokens import Caller, agent_of
from fhir_bridge.storage.errors import NotFound

__all__ = ["hides", "record_refusal"]

_STATUS = frozenset({401, 403, 404, 429})
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def hides(access: AccessFilter, resource_type: str) -> bool:
    """Whether there may be resources of the type that this access can't read, though it reads others."""
    rules = access.rules_for(resource_type, "r")
    return bool(access.withheld_labels) or all(rule.patient or rule.criteria for rule in rules)


async def record_refusal(
    services: Services,
    request: Request,
    identity: str,
    caller: Caller | None,
    access: AccessFilter | None,
    status: int,
    code: str,
    *,
    method: str = "",
    path: Sequence[str] = (),
) -> None:
    """Take note of a refusal, where it is one that matters.

    Of 404 those count that a caller gets to whom resources of the type may be hidden: whether this one is, is not
    looked up, so that neither the answer nor its time shows.

    Args:
        caller, access: None where it is not known who calls.
        method, path: of an entry of a Bundle; absent, those of the request.
    """
    if status not in _STATUS:
        return
    method = method or request.method
    resource_type = path[0] if path and path[0] in definitions.resource_types() else ""
    # A 404 of an address or type says nothing of anybody's resources.
    if status == 404 and (
        code != NotFound.code or access is None or not resource_type or not hides(access, resource_type)
    ):
        return
    # Only what can be an id is kept: an address may hold anything, a name too.
    resource_id = path[1] if len(path) > 1 and resource_type and _ID.fullmatch(path[1]) else ""
    token = caller.token if caller is not None else None
    await services.refusals.record(
        Refused(
            audit.Context(
                server=services.settings.fhir_base,
                client=token.client_id if token else None,
                user=agent_of(token),
                address=request.client.host if request.client else None,
                purpose=token.purpose if token else None,
                request_id=identity,
            ),
            _interaction(method, path, resource_id),
            status,
            code,
            type=resource_type,
            id=resource_id,
            proven=token is not None,
        )
    )


def _interaction(method: str, path: Sequence[str], resource_id: str) -> str:
    """The code of R4 restful-interaction that fits the request best."""
    if path and path[-1].startswith("$"):
        return "operation"
    if "_history" in path:
        if len(path) == 4:
            return "vread"
        return "history-instance" if resource_id else "history-type" if len(path) > 1 else "history-system"
    if not path:
        return "transaction"
    if method in ("GET", "HEAD") or path[-1] == "_search":
        return "read" if resource_id else "search-type"
    return _METHODS.get(method, "operation")
