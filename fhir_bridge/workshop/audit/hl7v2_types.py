"""The type and the table of fields and components of HL7 v2, and what their values mean."""

from __future__ import annotations

from typing import Final

from fhir_bridge.adapters.ehr.hl7v2.definitions import Part, components_of, fields_of
from fhir_bridge.workshop.audit.leaves import Role

__all__ = ["TYPES", "component_type", "field_type", "role_of"]

Typed = tuple[str, str]
"""Type and table, each perhaps empty."""


_WITHDRAWN: Final = frozenset(("wd", "WD", "NUL", "-"))


def _at(parts: tuple[Part, ...], number: int) -> Typed:
    """Type and table: of the types that a part has had the newest with most components, since a field that was
    withdrawn (`NM/XCN`) is filled as it was before; nothing where there is none."""
    if not 0 < number <= len(parts):
        return "", ""
    part = parts[number - 1]
    kinds = [kind for kind in part.types if kind not in _WITHDRAWN]
    kind = max(kinds, key=lambda each: len(components_of(each)), default="")
    return kind, ("" if part.table == "9999" else part.table)


def field_type(segment: str, number: int) -> Typed:
    """Type and table of a field; empty where HL7 does not define it (Z-segments)."""
    return _at(fields_of(segment), number)


def component_type(kind: str, number: int) -> Typed:
    """Type and table of a component."""
    return _at(components_of(kind), number)


def is_composite(kind: str) -> bool:
    """Whether a type has components."""
    return bool(components_of(kind))


_CODED: Final = "code display system code display system version version text code display system version" + (
    " -" * 9
)
TYPES: Final[dict[str, str]] = {
    "CE": "code display system code display system",
    "CWE": _CODED,
    "CNE": _CODED,
    "CF": "code display system code display system",
    "CX": "id - - * code * time time * * - -",
    "XPN": "* name name name name name code - * time - time time name name",
    "PPN": "id * name name name name name - * code - - code * time * time - time time name",
    "XCN": "id * name name name name name - * code - - code * - * time - time time name * * - -",
    "CNN": "id name name name name name name - authority authority -",
    "FN": "name name name name name",
    "XON": "name code id - - * code * - id",
    "XTN": "phone code code text phone phone phone phone text text text phone time time * * * number",
    "XAD": "* address address address address address code address address address - time time time * - - - address",
    "SAD": "address address address",
    "AD": "address address address address address address code address",
    "PL": "authority authority authority authority code code authority authority text * *",
    "NDL": "* time time authority authority authority authority code code authority authority",
    "DLD": "id time",
    "HD": "authority authority -",
    "EI": "id authority authority -",
    "DLN": "id authority time",
    "CQ": "number *",
    "CQ_SIMPLE": "number unit",
    "MO": "number code",
    "SN": "comparator number - number",
    "TS": "time -",
    "DR": "time time",
    "ED": "* code code - content",
    "RP": "text * code code",
    "MSG": "code code -",
    "VID": "- - -",
    "PT": "- -",
    "ELD": "- - - *",
    "NR": "number number",
}
"""Roles of the components of a type; `-` means nothing about a patient, `*` is looked for inside the component."""

_ROLES: Final = {role.value: role for role in Role} | {"-": Role.STRUCTURE, "version": Role.STRUCTURE}
_PRIMITIVES: Final = {
    "NM": Role.NUMBER,
    "SNM": Role.PHONE,
    "DT": Role.TIME,
    "DTM": Role.TIME,
    "TM": Role.TIME,
    "TN": Role.PHONE,
    "ID": Role.CODE,
    "IS": Role.CODE,
    "SI": Role.STRUCTURE,
}
_LIKE_TEXT: Final = frozenset(("ST", "TX", "FT", "GTS", ""))


def role_of(kind: str, table: str) -> Role:
    """What a value of a primitive type means."""
    if table == "0136":
        return Role.YES_NO
    return _PRIMITIVES.get(kind, Role.TEXT)


def component_role(kind: str, number: int) -> Role | None:
    """What a component of a type means; None where the component's own type decides."""
    roles = TYPES.get(kind, "").split()
    name = roles[number - 1] if 0 < number <= len(roles) else "*"
    return None if name == "*" else _ROLES[name]
