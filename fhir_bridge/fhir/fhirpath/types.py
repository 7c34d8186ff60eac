"""`is`, `as` and `ofType`: names of types resolved against R4 and System (N1 §6.3, §10)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.fhir_types import SYSTEM, FhirType, r4_type
from fhir_bridge.fhir.fhirpath.items import Item
from fhir_bridge.fhir.fhirpath.syntax import Member, Node

__all__ = ["TypeName", "type_argument", "type_name"]

_ALIASES = {"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity"}


@dataclass(frozen=True, slots=True)
class TypeName:
    """A resolved name: the FHIR type and the System type it may mean; at least one of them is set."""

    fhir: str | None
    system: str | None

    def covers(self, kind: FhirType) -> bool:
        """`is`: the kind is this type or specializes it."""
        if kind.system:
            return self.system == kind.name or self.system == "Any"
        return self.fhir is not None and kind.is_a(self.fhir)

    def selects(self, kind: FhirType) -> bool:
        """`as` and `ofType`: as `is`, but a primitive must be of the type itself (`code` is not selected as string)."""
        # R4 fhirpath.html#types: `code` is a string to `is`, and `ofType(string)` does not select it.
        if kind.system or not kind.primitive:
            return self.covers(kind)
        return self.fhir == kind.name

    def filter(self, items: list[Item]) -> list[Item]:
        """The items of this type."""
        return [item for item in items if self.selects(item.kind)]


@lru_cache(maxsize=1024)
def type_name(name: str, published: bool = False) -> TypeName:
    """The type a name means; unqualified ones may be FHIR's or System's.

    Args:
        published: take `DateTime` for `dateTime` too, as R4's own search expressions write it.

    Raises:
        FHIRPathError: there is no such type.
    """
    space, _, local = name.rpartition(".")
    fhir = system = None
    if space in ("", "FHIR"):
        candidate = _ALIASES.get(local, local)
        result = r4_type(candidate) if "." not in candidate else None
        # R4's search expressions write `DateTime` for its own dateTime.
        if result is None and published and local:
            result = r4_type(local[0].lower() + local[1:])
        fhir = result.name if result is not None else None
    if space == "System" or (space == "" and (local in SYSTEM or local == "Any")):
        system = local  # one that System doesn't have is the type of nothing
    if fhir is None and system is None:
        raise FHIRPathError(f"there is no type {name}")
    return TypeName(fhir, system)


def type_argument(node: Node, published: bool = False) -> TypeName:
    """The type that an argument names (`ofType(FHIR.Patient)`).

    Raises:
        FHIRPathError: the argument is no name of a type.
    """
    if isinstance(node, Member):
        if node.target is None:
            return type_name(node.name, published)
        if isinstance(node.target, Member) and node.target.target is None:
            return type_name(f"{node.target.name}.{node.name}", published)
    raise FHIRPathError("expected the name of a type", node.position)
