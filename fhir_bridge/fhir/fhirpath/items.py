"""Items: the values of a collection, each knowing its type and where in the resource it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.fhir_types import ANY, SYSTEM, TYPE_INFO, FhirType, r4_type, type_of_value
from fhir_bridge.fhir.fhirpath.numbers import number
from fhir_bridge.fhir.fhirpath.quantities import Quantity, from_fhir
from fhir_bridge.fhir.fhirpath.temporal import Temporal, parse_date, parse_date_time, parse_time

__all__ = ["Item", "boolean", "children", "integer", "member", "root_item", "string", "system_value"]


class Item:
    """One value of a collection.

    Attributes:
        value: FHIR JSON (dict, str, bool, int, Decimal, float) or, for a System type, FHIRPath's own value; None for
            a primitive that has extensions and no value.
        kind: its type.
        extras: the companion object of a primitive (`_birthDate`), or None.
        parent: the item whose element it is; None for a root and for what an expression made.
        name: the element's name as FHIRPath writes it (`value`).
        key: its JSON name (`valueQuantity`).
        index: its place in the JSON array; -1 where there is none.
    """

    __slots__ = ("extras", "index", "key", "kind", "name", "parent", "value")

    def __init__(
        self,
        value: Any,
        kind: FhirType,
        extras: dict[str, Any] | None = None,
        parent: Item | None = None,
        name: str = "",
        key: str = "",
        index: int = -1,
    ) -> None:
        self.value = value
        self.kind = kind
        self.extras = extras
        self.parent = parent
        self.name = name
        self.key = key
        self.index = index

    def __repr__(self) -> str:
        return f"<{self.type} {self.value!r}>"

    @property
    def type(self) -> str:
        """Type name; System types with their namespace (`System.Integer`)."""
        return self.kind.qualified

    @property
    def path(self) -> str:
        """Where it is, as FHIRPath: `Patient.name[0].given[1]`; empty for what an expression made."""
        steps: list[str] = []
        item: Item | None = self
        while item is not None:
            if item.parent is None:
                steps.append(item.kind.name if item.name == "" and not item.kind.system else item.name)
            else:
                steps.append(f"{item.name}[{item.index}]" if item.index >= 0 else item.name)
            item = item.parent
        return ".".join(reversed(steps))


def root_item(value: Any, kind: FhirType | None = None) -> Item:
    """The item of a resource, or of any JSON value of a known or unknown kind."""
    # "." would be a path, which `r4_type` takes as well.
    if isinstance(value, dict):
        named = value.get("resourceType")
        own = r4_type(named) if isinstance(named, str) and "." not in named else None
        return Item(value, own or kind or ANY)
    return Item(value, kind or type_of_value(value))


def member(item: Item, name: str, items: list[Item]) -> None:
    """Add the values of an element to `items`; unknown elements add nothing."""
    kind = item.kind
    steps = kind.steps.get(name)
    if steps is None:
        if kind is ANY and isinstance(item.value, dict):
            _untyped(item, name, items)
        return
    # Elements of a primitive (id, extension) are in the object beside it.
    source = item.extras if kind.primitive and not kind.system else item.value
    if not isinstance(source, dict):
        return
    for key, shadow, target in steps:
        value = source.get(key)
        extras = source.get(shadow) if shadow is not None else None
        if value is not None or extras is not None:
            _add(item, name, key, value, extras, target, items)


def _add(item: Item, name: str, key: str, value: Any, extras: Any, kind: FhirType, items: list[Item]) -> None:
    if isinstance(value, list):
        beside = extras if isinstance(extras, list) else ()
        for index, entry in enumerate(value):
            companion = beside[index] if index < len(beside) else None
            # Values and `_values` are parallel arrays (R4 json.html#primitive).
            if entry is not None or companion is not None:
                items.append(_item(entry, kind, companion, item, name, key, index))
    elif value is None and isinstance(extras, list):
        for index, companion in enumerate(extras):
            if companion is not None:
                items.append(_item(None, kind, companion, item, name, key, index))
    else:
        items.append(_item(value, kind, extras, item, name, key, -1))


def _item(value: Any, kind: FhirType, extras: Any, parent: Item, name: str, key: str, index: int) -> Item:
    if kind.open and isinstance(value, dict):
        named = value.get("resourceType")
        kind = (r4_type(named) if isinstance(named, str) else None) or kind
    return Item(value, kind, extras if isinstance(extras, dict) else None, parent, name, key, index)


def _untyped(item: Item, name: str, items: list[Item]) -> None:
    """An element of a value whose type is not known: by JSON name, or a choice's name with a type behind it."""
    # By the JSON alone: of an unknown type no element names are known.
    for key, value in item.value.items():
        if key == name:
            kind = ANY
        elif key.startswith(name) and key[len(name) : len(name) + 1].isupper():
            code = key[len(name) :]
            kind = r4_type(code) or r4_type(code[0].lower() + code[1:]) or ANY
            if kind is ANY:
                continue
        else:
            continue
        for index, entry in enumerate(value) if isinstance(value, list) else ((-1, value),):
            if entry is not None:
                own = type_of_value(entry) if kind is ANY else kind
                items.append(Item(entry, own, None, item, name, key, index))


def children(item: Item, items: list[Item]) -> None:
    """Add all children of an item, in the order of its JSON."""
    kind = item.kind
    source = item.extras if kind.primitive and not kind.system else item.value
    if not isinstance(source, dict):
        return
    if kind is ANY:
        for key in source:
            _untyped(item, key, items)
        return
    steps = kind.json_steps
    for key, value in source.items():
        step = steps.get(key)
        if step is not None:
            extras = source.get(step[1]) if step[1] is not None else None
            _add(item, step[0], key, value, extras, step[2], items)
        elif key.startswith("_") and key[1:] not in source:
            # A primitive with extensions alone is in the JSON as `_name` only.
            step = steps.get(key[1:])
            if step is not None:
                _add(item, step[0], key[1:], None, value, step[2], items)


# --- FHIR values as System values -----------------------------------------------------------------------------------

_DATES = {"date": parse_date, "dateTime": parse_date_time, "instant": parse_date_time, "time": parse_time}
_QUANTITIES = frozenset(
    {"Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity", "MoneyQuantity"}
)


def system_value(item: Item) -> Any:
    """The System value an item stands for (R4 fhirpath.html#types): bool, int, Decimal, str, Temporal, Quantity.

    None where it has none: a complex type, a primitive without value, or a text that is not what its type says.
    """
    value = item.value
    kind = item.kind
    if kind.system:
        return None if kind is TYPE_INFO else value
    if isinstance(value, str):
        parse = _DATES.get(kind.name)
        return parse(value) if parse is not None else value
    if isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return from_fhir(value) if kind.name in _QUANTITIES else None
    return number(value)


def system_type_of(value: Any) -> FhirType:
    """The System type of a System value."""
    if isinstance(value, bool):
        return SYSTEM["Boolean"]
    if isinstance(value, str):
        return SYSTEM["String"]
    if isinstance(value, int):
        return SYSTEM["Integer"]
    if isinstance(value, Decimal):
        return SYSTEM["Decimal"]
    if isinstance(value, Temporal):
        return SYSTEM[value.kind]
    if isinstance(value, Quantity):
        return SYSTEM["Quantity"]
    raise TypeError(f"{type(value).__name__} is no System value")


def item_of(value: Any) -> Item:
    """A System value as an item."""
    return Item(value, system_type_of(value))


# Shared: an Item of a Boolean has nothing that differs.
TRUE = Item(True, SYSTEM["Boolean"])
FALSE = Item(False, SYSTEM["Boolean"])


def boolean(value: bool | None) -> list[Item]:
    """A Boolean collection; None is empty."""
    return [] if value is None else [TRUE if value else FALSE]


def integer(value: int) -> list[Item]:
    """An Integer collection."""
    return [Item(value, SYSTEM["Integer"])]


def string(value: str) -> list[Item]:
    """A String collection."""
    return [Item(value, SYSTEM["String"])]


def single(items: list[Item], what: str) -> Item | None:
    """The only item, None of an empty collection (N1 §4.5).

    Raises:
        FHIRPathError: there are several.
    """
    if len(items) > 1:
        raise FHIRPathError(f"{what} takes one item, found {len(items)}")
    return items[0] if items else None


def truth(items: list[Item], what: str) -> bool | None:
    """A collection as a Boolean by singleton evaluation: empty is None, one item that is no Boolean is true (N1 §4.5).

    Raises:
        FHIRPathError: there are several items.
    """
    if not items:
        return None
    if len(items) > 1:
        raise FHIRPathError(f"{what} takes one item, found {len(items)}")
    value = items[0].value
    return value if isinstance(value, bool) else True
