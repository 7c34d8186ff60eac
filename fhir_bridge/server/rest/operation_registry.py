"""The operations that are served, ours and those of plug-ins, by place. One that declares no access is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.models import to_model
from fhir_bridge.plugins import Operation, ServerContext

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["OperationRefused", "OperationRequest", "Operations"]

LETTERS = frozenset("cruds")


class OperationRefused(ValueError):
    """FB-REST-016: an operation that can't be served as it is declared."""


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """What an operation gets beside its parameters.

    Attributes:
        method: GET or POST.
        type, id: of the address; empty at the base or at the type.
        body: the resource of a POST, as sent; None for a GET, for a form and where nothing was sent.
        access: the caller's access; an operation reads and writes with it and nothing else.
        base: the FHIR base URL.
        purpose: purpose of use that the authorization server asserted.
        headers: of the request, their names in lower case; without Authorization and Cookie.
        query: name and value of each parameter of the address, then of a form, in their order.
        seconds: time that is left for the request; then the operation is cancelled. Work in threads looks at it itself.
    """

    method: str
    type: str
    id: str
    body: dict[str, Any] | None
    access: AccessFilter
    store: Store
    base: str
    purpose: str | None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()
    seconds: float = 30.0

    @property
    def model(self) -> Any:
        """The body as an object of `fhir.resources`; None where there is none.

        Raises:
            MissingExtra: the extra `models` is not installed.
            ValueError: `fhir.resources` does not take it.
        """
        return None if self.body is None else to_model(self.body)


class Operations:
    """Operations by name.

    Attributes:
        companions: of those that store with a resource what it refers to (`rest/companions.py`), how they find it.

    Args:
        operations: instances; see `fhir_bridge.plugins.Operation`. `types` empty: served at the
            base; `*`: at every type.

    Raises:
        OperationRefused: no access declared, an unknown type, or two of one name at one place.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._by_place: dict[tuple[str, str], Operation] = {}
        self.companions: list[Any] = []
        for operation in operations:
            name = operation.name.removeprefix("$")
            if (companions := getattr(operation, "companions", None)) is not None:
                self.companions.append(companions)
            access = getattr(operation, "access", "")
            if not access or not set(access) <= LETTERS:
                raise OperationRefused(
                    f'the operation "${name}" declares no access (letters of "cruds" that a caller needs)'
                )
            for served_at in operation.types or ("",):
                if served_at not in ("", "*") and served_at not in definitions.resource_types():
                    raise OperationRefused(
                        f'the operation "${name}" names the type "{served_at}", which R4 has not'
                    )
                if (served_at, name) in self._by_place:
                    raise OperationRefused(
                        f'two operations "${name}" are offered at {served_at or "the base"}'
                    )
                self._by_place[served_at, name] = operation

    @classmethod
    def of_plugins(cls, plugins: pluggy.PluginManager, context: ServerContext) -> Operations:
        """Those of all plug-ins, of this server among them."""
        groups = plugins.hook.fhir_bridge_operations(context=context)
        # pluggy calls the last registered first; reversed, ours come first, and a plug-in's
        # second of one name is refused.
        return cls(operation for group in reversed(groups) for operation in group)

    def find(self, resource_type: str, name: str) -> Operation | None:
        """The operation served at the base (type empty) or at a type."""
        # One of the type itself goes before one of every type.
        return self._by_place.get((resource_type, name)) or (
            self._by_place.get(("*", name)) if resource_type else None
        )

    def names(self, resource_type: str) -> list[str]:
        """Names served at a place, for the CapabilityStatement."""
        locations = (resource_type, "*") if resource_type else ("",)
        return sorted({name for location, name in self._by_place if location in locations})
