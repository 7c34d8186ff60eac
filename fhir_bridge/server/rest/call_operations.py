"""Operations of the server's own that answer as its interactions do: in pages, within the budget, redacted, audited."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.auditing import audit_search
from fhir_bridge.server.rest.call import Call, check_format_value
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage import SearchPage, Stored

__all__ = ["LEVELS", "CallOperation", "Pairs", "audit_shown", "only", "page_of"]

LEVELS = frozenset({"type", "instance"})
Pairs = Sequence[tuple[str, str]]


class CallOperation(ABC):
    """One that is given the call itself. Plug-ins' get an `OperationRequest`, which shows them no credentials.

    Attributes:
        levels: where it is asked for: of the type, of an instance.
        sent: whether it takes POST alone.
    """

    name: str
    types: tuple[str, ...]
    access: str
    definition: str
    levels: frozenset[str] = LEVELS
    sent: bool = False

    def check_place(self, call: Call, method: str) -> None:
        """Refuse the operation at an address, or by a method, where it is not served.

        Raises:
            Refusal: 404, 405.
        """
        if call.type and ("instance" if call.id else "type") not in self.levels:
            where = "Type/id" if call.type and not call.id else "Type"
            raise refuse(
                404, "FB-REST-005", f"there is no operation ${self.name} here: it is asked of {where}"
            )
        if self.sent and method != "POST":
            raise refuse(405, "FB-REST-006", f"${self.name} takes POST", headers={"Allow": "POST"})

    @abstractmethod
    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:
        """The answer.

        Args:
            parameters: of the address, of a form, and the primitive ones of a Parameters resource.

        Raises:
            Refusal, StorageError.
        """

    async def __call__(self, request: Any, parameters: Mapping[str, Any]) -> Any:
        """What other operations are called by; this one is served by the call."""
        raise NotImplementedError


def only(parameters: Pairs, names: Iterable[str]) -> dict[str, str]:
    """The parameters by name, each of which occurs once and is one that the operation takes.

    Raises:
        Refusal: 400; 406: a format that is not served.
    """
    known: dict[str, str] = {}
    taken = {*names, "_format", "_pretty"}
    for name, value in parameters:
        if name not in taken:
            raise refuse(400, "FB-REST-008", f"this operation takes no parameter {name[:40]}")
        if name in known:
            raise refuse(400, "FB-REST-008", f"{name} occurs twice")
        known[name] = value
    if "_format" in known:
        check_format_value(known["_format"])
    return known


async def page_of(call: Call, parameters: Pairs, page: SearchPage) -> Response:
    """The searchset of an operation, its links and its AuditEvents."""
    contents = await hooks.redact_all(
        call.services.plugins, [stored.bytes for stored in page.shown], call.access
    )
    parts = answers.search_bundle(call, _path(call), parameters, page, contents, [], parameters)
    call.budget.spend(entries=len(page.shown), size=sum(map(len, parts)))
    await audit_shown(call, parameters, page.shown)
    return answers.in_pieces(parts)


async def audit_shown(call: Call, parameters: Pairs, shown: Sequence[Stored]) -> None:
    """One AuditEvent for each patient of whom an operation shows something."""
    query = "&".join(f"{name}={value}" for name, value in parameters)
    await audit_search(call, f"{call.request.method} {_path(call)}?{query}", shown, "operation")


def _path(call: Call) -> str:
    return "/".join(filter(None, (call.type, call.id, f"${call.operation}")))
