"""Changes of a node by another one: what an `override:` and the members beside a `use:` do."""

from __future__ import annotations

from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import Report, nearest, refuse

__all__ = ["merged"]

_NOT_THERE = "013"


def merged(base: Mapping, change: Mapping, shown: str, report: Report, *, strict: bool) -> Mapping:
    """An object with the members of another put over its own.

    A member that is an object on both sides is merged, unless the change says by `match:` how it is made; any other
    replaces. `~` removes a member. `name+` appends to a list or adds a member, `name!` replaces an object as a whole.

    Args:
        base, change: the objects.
        shown: what is changed, for messages.
        report: takes what is wrong.
        strict: a member without `+` must be there already, so that a change of what has vanished is an error.
    """
    entries = list(base.entries)
    for key, value in change:
        name, sign = _signed(key, base)
        index = next((number for number, (own, _) in enumerate(entries) if own.text == name.text), None)
        if sign == "+":
            if index is None:
                entries.append((name, value))
            else:
                added = _added(entries[index][1], value, f"{shown}.{name.text}", report)
                entries[index] = (entries[index][0], added)
            continue
        if index is None:
            if strict:
                near = nearest(name.text, (own.text for own, _ in entries))
                refuse(
                    report, key.position, f'{shown} has no "{name.text}" that could be changed',
                    near or f'to add it write "{name.text}+:"', _NOT_THERE,
                )  # fmt: skip
            elif not _is_nothing(value):
                entries.append((name, value))
            continue
        own, before = entries[index]
        if _is_nothing(value):
            entries.pop(index)
        elif (
            not sign
            and isinstance(value, Mapping)
            and isinstance(part := _only(before), Mapping)
            and value.get("match") is None
        ):
            inner = merged(part, value, f"{shown}.{name.text}", report, strict=strict)
            entries[index] = (own, Sequence(before.position, [inner]) if part is not before else inner)
        else:
            first = _first_signed(value)
            if first is not None:
                message = f"{shown}.{name.text} is no object here that {first.text} could be about"
                refuse(report, first.position, message, f"write the whole of {name.text}", _NOT_THERE)
            entries[index] = (name, value)
    return Mapping(base.position, entries)


def _signed(key: Scalar, base: Mapping) -> tuple[Scalar, str]:
    """The name that a key is about, and what is to be done. A column may itself be called `CD4+`."""
    text = key.text
    sign = text[-1:] if text[-1:] in ("+", "!") else ""
    if not sign or base.key(text) is not None:
        return key, ""
    return Scalar(key.position, text[:-1], text[:-1], key.raw), sign


def _added(before: Node, value: Node, shown: str, report: Report) -> Node:
    if isinstance(before, Sequence):
        items = value.items if isinstance(value, Sequence) else [value]
        return Sequence(before.position, [*before.items, *items])
    if isinstance(before, Mapping) and isinstance(value, Mapping) and before.get("match") is None:
        return merged(before, value, shown, report, strict=False)
    if isinstance(value, Sequence):  # one value that may repeat
        return Sequence(before.position, [before, *value.items])
    refuse(report, value.position, f"{shown} is there already", "leave the + out to change it", _NOT_THERE)
    return before


def _first_signed(node: Node) -> Scalar | None:
    """The first key of an object that adds or replaces."""
    keys = (key for key, _ in node) if isinstance(node, Mapping) else ()
    return next((key for key in keys if key.text[-1:] in ("+", "!")), None)


def _only(node: Node) -> Node:
    """The item of a list of one."""
    return node.items[0] if isinstance(node, Sequence) and len(node.items) == 1 else node


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
