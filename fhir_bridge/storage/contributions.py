"""What each source says of a resource, and how the current version comes of it. No database here.

A source's messages about a resource are folded element by element, each element going to the newest message that
speaks of it, so that any order of arrival ends in the same state. A snapshot speaks of all elements, a delta of those
it has or clears. For people, places and things (`MERGED`) the current version is built from all sources' states, by
precedence; for records of events (a result, a study) it is the newest source's state alone: two laboratories' results
are never mixed. An order (`NUMBERED`) is spoken of by who placed it and by who fills it: what the newest says nothing
of is as the one before it says.

What a record tells in passing (a result, of its patient and visit) is a state apart, beside that of its source: where a
record is about the thing itself, it adds numbers, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.storage.element_parts import (
    GONE,
    ITEM,
    ONE_OF_LIST,
    OPEN,
    PARTED,
    cleared_element,
    closed,
    opened,
    opened_orders,
)
from fhir_bridge.storage.incoming import (
    JOINED,
    PASSING,
    REST,
    STATUS_RANK,
    Contribution,
    Order,
    element_of,
    incoming,
    version_order,
)
from fhir_bridge.storage.stored import canonical

__all__ = [
    "JOINED",
    "MERGED",
    "NUMBERED",
    "REST",
    "STATUS_RANK",
    "Contribution",
    "Order",
    "arrive",
    "disagreements",
    "fold",
    "incoming",
    "merge",
    "newest_of",
    "version_order",
]

MERGED = frozenset(
    "Patient Person RelatedPerson Practitioner PractitionerRole Organization Location HealthcareService Device "
    "Endpoint Group CareTeam Medication Substance ImagingStudy".split()
)
"""Types whose current version is built from all sources' states, element by element. A study grows with its instances
after a person has edited one element of it."""

_ASSUMED = 1000
"""How much lower than a status the rank of an element is that its message assumes: below all that are stated."""

# A list in which each entry is a fact of its own; in others (name, address) two sources' entries
# would be versions of one fact.
_UNIONED = frozenset(
    "identifier link telecom extension modifierExtension generalPractitioner communication qualification alias "
    "contained endpoint".split()
)
"""List elements that hold what all sources say; other elements hold what their owner says."""

_COMPOSITE = {
    *(("DiagnosticReport", name) for name in ("result", "imagingStudy", "media", "specimen", "basedOn")),
    ("ImagingStudy", "basedOn"),
}
"""Lists of a record of an event that its messages add up: a message names the results that it brings, not all."""

NUMBERED = {"ServiceRequest": "identifier", "MedicationRequest": "identifier"}
"""Orders, and where their numbers are, which several systems give: a message replaces those of the kinds and namespaces
that it names, and says nothing of the others. A report names its order's placer number and not the accession number,
which stays."""

_ENDED = frozenset(("finished",))
"""Statuses of a visit that may have an end: a message that states another one takes the end away."""

_ASSUMED_TOO = {"MedicationRequest": "note"}
"""What a message assumes that assumes the status: an administration repeats of its prescription what it was told."""

_FIXED = ("resourceType", "id")


def _weight(order: Order) -> tuple[int, Order]:
    """What is stated counts before what is assumed, then the later before the earlier."""
    return order[4] // _ASSUMED, order


def _assumed(order: Order) -> Order:
    """The order of what a message assumes."""
    return (*order[:4], order[4] - _ASSUMED, order[5])


def newest_of(states: Iterable[Contribution]) -> Contribution:
    """The state that counts of those of several sources of one event: one that is said in passing where no other is."""
    return max(states, key=_rank)


def _rank(state: Contribution) -> tuple[bool, Order, str]:
    """What counts among the states of several sources: what is said in passing after all else, then the newest."""
    # The source makes the choice total where two sources have the same order.
    return not state.passing, state.order, state.source


def arrive(message: Contribution, known: Contribution | None) -> Contribution:
    """Place a message without time after what is known, unless both came with the same load."""
    # With a time on either side `order` decides: arrival would make the result depend on the order of loading.
    if known is None or message.time is not None or known.time is not None:
        return message
    # Outputs of one load are equals: which of them the shard brought first says nothing.
    step = 0 if message.load is not None and message.load == known.load else 1
    return replace(message, arrival=known.arrival + step)


def fold(known: Contribution | None, message: Contribution) -> Contribution:
    """A source's state after one more message, in whatever order the messages arrive."""
    resource_type = message.resource["resourceType"]
    at = message.order
    if message.joined:
        return _rejoined(known, message)
    if known is None and not message.delta:
        return replace(message, cleared=())
    message = replace(
        message,
        resource=opened(message.resource),
        cleared=tuple(cleared_element(resource_type, name) for name in message.cleared),
    )
    if "status" in message.assumed and resource_type in _ASSUMED_TOO:
        message = replace(message, assumed=message.assumed | {_ASSUMED_TOO[resource_type]})
    if known is None:
        # A delta that comes first leaves a state of nothing but what it speaks of; orders
        # without "" say that no snapshot was.
        known = replace(message, resource={name: message.resource[name] for name in _FIXED}, orders={})
        previous: dict[str, Order] = {}
    else:
        known = replace(known, resource=opened(known.resource))
        previous = dict(known.orders) if known.orders is not None else _same(known)
        previous = opened_orders(known.resource, previous)
    snapshot = before = previous.pop("", None)
    spoken = _spoken(message)
    speaks = {
        element: _assumed(at) if element.partition(".")[0] in message.assumed else at for element in spoken
    }
    # A snapshot speaks also of what it leaves out: all elements that are known so far.
    if not message.delta:
        speaks |= {name: at for name in previous if ITEM not in name}
    taken = {
        element: order
        for element, order in speaks.items()
        if (snapshot is None or _weight(order) > _weight(snapshot))
        and (element not in previous or _weight(order) > _weight(previous[element]))
    }
    if not message.delta and (snapshot is None or at > snapshot):
        snapshot = at
    orders = {**previous, **taken}
    content = {
        name: value
        for name, value in known.resource.items()
        if name in _FIXED or element_of(resource_type, name) not in taken
    }
    content.update(
        (name, value)
        for name, value in message.resource.items()
        if name not in _FIXED and element_of(resource_type, name) in taken
    )
    _keep_labels(content, known, message, previous, orders, before)
    _add_up(content, known, message, previous, orders, before)
    _keep_numbers(content, known, message, previous, orders, before)
    for name, part_of in PARTED.get(resource_type, {}).items():
        whole = previous.get(name) or before or known.order
        _keep_parts(content, known, message, orders, name, part_of, snapshot, {**previous, name: whole})
    present = {element_of(resource_type, name) for name in content if name not in _FIXED}
    if snapshot is not None:  # what an older message cleared, the snapshot says anyway
        orders = {
            element: order
            for element, order in orders.items()
            if element in present or order > snapshot or ITEM in element
        }
    last = message if at >= known.order else known
    # One snapshot needs no orders: then all elements have that of the message itself.
    plain = snapshot == last.order and all(order == snapshot for order in orders.values())
    return replace(
        last,
        resource=closed(content),
        orders=None if plain else {**orders, **({} if snapshot is None else {"": snapshot})},
        delta=False,
        cleared=(),
        assumed=frozenset(),
        moved_from=frozenset(),
    )


def _spoken(message: Contribution) -> set[str]:
    """The elements that a message holds, states or not, and those that it takes away."""
    resource_type = message.resource["resourceType"]
    spoken = _elements(message)
    cleared = {element_of(resource_type, name) for name in message.cleared if ITEM not in name}
    spoken |= cleared
    for name, members in OPEN.get(resource_type, {}).items():
        if name in cleared or name in spoken:
            spoken |= {f"{name}.{member}" for member in members}
        elif name in ONE_OF_LIST and any(element.startswith(f"{name}.") for element in spoken):
            spoken |= {name}
    if resource_type == "Encounter" and "status" in spoken - message.assumed:
        # A visit that is under way again has no end any more.
        spoken |= set() if message.resource.get("status") in _ENDED else {"period.end"}
    return spoken


_JOIN = f"{ITEM}joined"
"""Among the orders, that of the references that numbers in common give."""


def _rejoined(known: Contribution | None, message: Contribution) -> Contribution:
    """A source's state with the references that numbers in common give now, in place of those that they gave before."""
    if known is None:
        fixed = {name: message.resource[name] for name in _FIXED}
        known = replace(message, resource=fixed, orders={}, delta=False, cleared=(), joined=False)
    orders = dict(known.orders) if known.orders is not None else _same(known)
    if message.order < orders.get(_JOIN, message.order):
        return known
    content = dict(known.resource)
    for kind, name in sorted(_COMPOSITE):
        if kind != content["resourceType"]:
            continue
        items = [item for item in content.get(name, ()) if not _is_joined(item)]
        _set(content, name, [*items, *(message.resource.get(name) or ())])
    return replace(known, resource=content, orders={**orders, _JOIN: message.order})


def _set(content: dict[str, Any], name: str, items: list[Any]) -> None:
    """A list has items, or is absent; it stays where it is among the elements."""
    if items:
        content[name] = items
    else:
        content.pop(name, None)


def _is_joined(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("id") or "").startswith(JOINED)


def _add_up(
    content: dict[str, Any],
    known: Contribution,
    message: Contribution,
    previous: Mapping[str, Order],
    orders: dict[str, Order],
    snapshot: Order | None,
) -> None:
    """Make each list that adds up the union of what is known and what the message names.

    An item is where the earliest message that names it has it, so the order of arrival does not matter.

    Args:
        content, orders: of the state that is being made; changed.
        previous: the orders before.
        snapshot: of the newest snapshot before.
    """
    resource_type = message.resource["resourceType"]
    for kind, name in _COMPOSITE:
        lists = [entry.resource.get(name) for entry in (known, message)]
        old, new = (entry if isinstance(entry, list) else [] for entry in lists)
        if kind != resource_type or not (old or new):
            continue
        joined = [item for item in old if _is_joined(item)]
        old = [item for item in old if not _is_joined(item)]
        if _JOIN in previous:
            new = [item for item in new if not _is_joined(item)]
        locations: dict[str, tuple[Order, int, Any]] = {}
        for number, item in enumerate(old):
            key = f"{name}{ITEM}{_sameness(item).decode()}"
            # The item's own order, or that of the list, or that of the newest snapshot that had it: states
            # of one snapshot have no orders.
            locations[key] = (
                previous.get(key) or previous.get(name) or snapshot or known.order,
                number,
                item,
            )
        for number, item in enumerate(new):
            key = f"{name}{ITEM}{_sameness(item).decode()}"
            # The earliest message decides where an item is, so that the order of arrival does not.
            if key not in locations or message.order < locations[key][0]:
                locations[key] = (message.order, number, item)
        _forget_items(orders, name)
        # A message without the list says nothing about it, neither that it is empty.
        if not new and name in previous:
            orders[name] = previous[name]
        whole = orders.get(name) or snapshot
        # Only what differs from the list's own order is kept: most lists come from one message.
        orders.update((key, since) for key, (since, _, _) in locations.items() if since != whole)
        stated = [item for _, _, item in sorted(locations.values(), key=lambda location: location[:2])]
        _set(content, name, [*stated, *(item for item in joined if item not in stated)])


_LABELS = f"meta{ITEM}security"
"""Among the orders, that of the security labels, since every message has a `meta`."""


def _keep_labels(
    content: dict[str, Any],
    known: Contribution,
    message: Contribution,
    previous: Mapping[str, Order],
    orders: dict[str, Order],
    snapshot: Order | None,
) -> None:
    """Keep the security labels of a message in force until a later one states others: a delta without labels says
    nothing of them. Arguments as of `_add_up`."""
    old, new = ((entry.resource.get("meta") or {}).get("security") for entry in (known, message))
    if not (old or new):
        return
    since = previous.get(_LABELS) or snapshot or (previous.get("meta") if old else None)
    states = bool(new) or not message.delta
    labels, at = (new, message.order) if states and (since is None or message.order > since) else (old, since)
    meta = {name: value for name, value in (content.get("meta") or {}).items() if name != "security"}
    if labels:
        meta["security"] = labels
    if meta:
        content["meta"] = meta
    orders.pop(_LABELS, None)
    if labels and at is not None and at != snapshot:
        orders[_LABELS] = at


def _keep_numbers(
    content: dict[str, Any],
    known: Contribution,
    message: Contribution,
    previous: Mapping[str, Order],
    orders: dict[str, Order],
    snapshot: Order | None,
) -> None:
    """Make a list of numbers what the newest message says of each kind and namespace; arguments as of `_add_up`."""
    name = NUMBERED.get(message.resource["resourceType"])
    old, new = (entry.resource.get(name or "") or [] for entry in (known, message))
    if name is None or not (old or new or name in message.cleared):
        return
    whole = previous.get(name) or snapshot or known.order
    oldest = _cleared_at(name, message, previous)
    numbers = [(previous.get(_number_key(name, item)) or whole, item) for item in old]
    numbers += [(message.order, item) for item in new]
    _forget_items(orders, name)
    kept = _newest(numbers, partial(_number_key, name), oldest)
    if oldest is not None:
        orders[name + ITEM] = oldest
    if not new and name in previous:
        orders[name] = previous[name]
    stated = orders.get(name) or message.order
    orders.update((_number_key(name, item), since) for since, item in kept if since != stated)
    if kept:
        orders.setdefault(name, stated)
    _set(content, name, [item for _, item in kept])


def _keep_parts(
    content: dict[str, Any],
    known: Contribution,
    message: Contribution,
    orders: dict[str, Order],
    name: str,
    part_of: Callable[[dict[str, Any]], str],
    snapshot: Order | None,
    previous: Mapping[str, Order],
) -> None:
    """Make a list what the newest message says of each of its parts.

    Args:
        content, orders: of the state that is being made; changed.
        snapshot: of the newest snapshot with this message: it speaks of all parts.
        previous: the orders before, that of the list among them.
    """
    old, new = (
        [item for item in entry.resource.get(name) or () if isinstance(item, dict)]
        for entry in (known, message)
    )
    cleared = _cleared_at(name, message, previous)
    gone = {key: order for key, order in previous.items() if key.startswith(name + GONE)}
    gone |= {
        key: max(message.order, gone.get(key, message.order))
        for key in message.cleared
        if key.startswith(name + GONE)
    }
    _forget_items(orders, name)
    if cleared is not None and (snapshot is None or cleared > snapshot):
        orders[name + ITEM] = cleared
    orders.update((key, order) for key, order in gone.items() if snapshot is None or order > snapshot)
    if not (old or new):
        return

    def part_key(item: dict[str, Any]) -> str:
        return f"{name}{ITEM}{part_of(item)}"

    alone = name == "identifier" and message.delta and "link" in message.resource
    keys = {id(item): own if (own := _alone_key(name, item)) in previous else part_key(item) for item in old}
    keys |= {id(item): _alone_key(name, item) if alone else part_key(item) for item in new}

    def key_of(item: dict[str, Any]) -> str:
        return keys[id(item)]

    items = [(previous.get(key_of(item)) or previous[name], item) for item in old]
    items += [(_assumed(message.order) if name in message.assumed else message.order, item) for item in new]
    if name == "identifier":
        items = _beside_alone(items, key_of, part_key, previous, orders)
    items = [
        (since, item)
        for since, item in items
        if (taken := gone.get(f"{name}{GONE}{part_of(item)}")) is None or since >= taken
    ]
    oldest = max((order for order in (cleared, snapshot) if order is not None), default=None)
    listed = _newest(items, key_of, oldest)
    if listed:
        whole = [since for since, item in listed if _ALONE not in key_of(item)]
        orders[name] = whole[0] if whole else listed[0][0]
        orders.update(
            (key, since)
            for since, item in listed
            if since != orders[name] or _ALONE in key_of(item)
            for key in (key_of(item),)
        )
    _set(content, name, [item for _, item in listed])


_ALONE = f"{ITEM}+"
"""Among the orders, between a list and an item that a message names alone: a merge names a number of a record, and says
nothing of its others."""


def _alone_key(name: str, item: Any) -> str:
    return f"{name}{_ALONE}{_sameness(item).decode()}"


def _beside_alone(
    items: list[tuple[Order, Any]],
    key_of: Callable[[Any], str],
    part_key: Callable[[Any], str],
    previous: Mapping[str, Order],
    orders: dict[str, Order],
) -> list[tuple[Order, Any]]:
    """The items that stay where some are named alone: those until their part is stated anew, and of others what is not
    named again since.

    Args:
        orders: of the state that is being made; takes those of parts of which no item is left.
    """
    if not any(_ALONE in key_of(item) for _, item in items):
        return items
    cleared = f"identifier{ITEM}", f"identifier{GONE}"
    stated = {
        key: order
        for key, order in previous.items()
        if key.startswith(cleared[0]) and key != cleared[0] and not key.startswith(cleared[1])
    }
    for since, item in items:
        key = key_of(item)
        if _ALONE not in key:
            stated[key] = max(since, stated.get(key, since))
    named = {
        _sameness(item): since
        for since, item in sorted(items, key=lambda each: each[0])
        if _ALONE in key_of(item) and since >= stated.get(part_key(item), since)
    }
    kept = [
        (since, item)
        for since, item in items
        if (
            named.get(_sameness(item)) == since
            if _ALONE in key_of(item)
            else since >= stated[key_of(item)] and _sameness(item) not in named
        )
    ]
    left = {key_of(item) for _, item in kept}
    if named:
        orders.update((key, at) for key, at in stated.items() if _ALONE not in key and key not in left)
    return kept


def _cleared_at(name: str, message: Contribution, previous: Mapping[str, Order]) -> Order | None:
    """When a message last cleared a list; None where none did."""
    cleared = previous.get(name + ITEM)
    return max(message.order, cleared or message.order) if name in message.cleared else cleared


def _forget_items(orders: dict[str, Order], name: str) -> None:
    """Take the items of a list out of the orders: it is made anew."""
    for key in [key for key in orders if key.startswith(name + ITEM)]:
        del orders[key]


def _newest(
    items: list[tuple[Order, Any]], key_of: Callable[[Any], str], oldest: Order | None = None
) -> list[tuple[Order, Any]]:
    """What the newest message says under each key, each once, the newest first; none older than `oldest`."""
    newest: dict[str, Order] = {}
    for since, item in items:
        key = key_of(item)
        newest[key] = max(since, newest.get(key, since), key=_weight)
    kept: dict[tuple[Order, bytes], Any] = {}
    for since, item in items:
        if since == newest[key_of(item)] and (oldest is None or since >= oldest):
            kept.setdefault((since, canonical(item)), item)
    # A stable sort: of one message as it has them.
    return sorted(
        ((since, item) for (since, _), item in kept.items()), key=lambda each: each[0], reverse=True
    )


def _number_key(name: str, item: Any) -> str:
    """Among the orders, which numbers a number replaces: those of its type and namespace."""
    stated = item if isinstance(item, dict) else {}
    codings = (stated.get("type") or {}).get("coding") or ()
    kinds = sorted(str(coding.get("code")) for coding in codings)
    return f"{name}{ITEM}{canonical([*kinds, stated.get('system') or '']).decode()}"


def _same(state: Contribution) -> dict[str, Order]:
    """The orders of a state that is one snapshot."""
    return {**dict.fromkeys(_elements(state), state.order), "": state.order}


def _elements(state: Contribution) -> set[str]:
    """The elements that a message or state holds."""
    resource_type = state.resource["resourceType"]
    return {element_of(resource_type, name) for name in state.resource if name not in _FIXED}


def merge(states: Sequence[Contribution], precedence: Sequence[str] = ()) -> dict[str, Any]:
    """The current content that the sources' states give.

    Args:
        states: one for each source, at least one.
        precedence: adapters (or whole sources), the first wins; the rest follow, newest first.
    """
    resource_type = states[0].resource["resourceType"]
    if resource_type not in MERGED:
        newest = newest_of(states)
        name = NUMBERED.get(resource_type)
        if name is None or len(states) == 1 or newest.source == REST:
            return newest.resource
        return _with_numbers(_completed(states), name, states)
    ranked = _ranked(states, precedence)
    merged: dict[str, Any] = {name: ranked[0].resource[name] for name in _FIXED}
    meta = _merged_meta([state.resource.get("meta") or {} for state in ranked])
    if meta:
        merged["meta"] = meta
    owned = _owners(ranked, precedence)
    for state in ranked:
        for name, value in state.resource.items():
            if name in (*_FIXED, "meta"):
                continue
            element = element_of(resource_type, name)
            owner = owned[element]
            if owner is state:
                merged[name] = _union(value, merged[name]) if name in merged else value
            elif owner.source != REST and isinstance(value, list) and element in _UNIONED:
                merged[name] = _union(merged.get(name), _added(state, element, value, states))
    return merged


def _owners(ranked: Sequence[Contribution], precedence: Sequence[str]) -> dict[str, Contribution]:
    """Whose each element is: the first's by precedence, among equals his who stated it last; others may add to a list
    only. What REST cleared stays away."""
    owned: dict[str, Contribution] = {}
    for state in ranked:
        elements = _elements(state)
        if state.source == REST and state.orders is not None:
            elements |= {element for element in state.orders if element}
        for element in elements:
            owner = owned.setdefault(element, state)
            if owner is not state and owner.passing == state.passing and owner.source != REST:
                equal = _place(owner, precedence) == _place(state, precedence)
                if equal and _since(state, element) > _since(owner, element):
                    owned[element] = state
    return owned


def _added(
    state: Contribution, element: str, items: list[Any], states: Sequence[Contribution]
) -> Sequence[Any]:
    """What a source says of a list that another owns, and that stands beside it."""
    if not state.passing:
        return items
    about = [other for other in states if not other.passing and element in _elements(other)]
    if element == "identifier":
        own = next((other for other in about if other.source == state.source.removesuffix(PASSING)), None)
        # Numbers said in passing since the source last stated all that it knows.
        return items if own is None or _since(state, element) > _since(own, element) else ()
    # Of other lists, which of their parts a record is about holds.
    part_of = PARTED.get(state.resource["resourceType"], {}).get(element)
    if part_of is None:
        return () if about else items
    parts = {part_of(item) for other in about for item in other.resource.get(element) or ()}
    return [item for item in items if part_of(item) not in parts]


def _since(state: Contribution, element: str) -> Order:
    orders = state.orders or {}
    return orders.get(element) or orders.get("") or state.order


def _completed(states: Sequence[Contribution]) -> dict[str, Any]:
    """What the newest source says, and of what it says nothing, or assumes, what the one before it does.

    A source that once stated the whole has spoken of everything: none before it counts.
    """
    ranked = [
        replace(
            state,
            resource=opened(state.resource),
            orders=state.orders and opened_orders(opened(state.resource), dict(state.orders)),
        )
        for state in sorted(states, key=_rank, reverse=True)
    ]
    resource_type = ranked[0].resource["resourceType"]
    parted = PARTED.get(resource_type, {})
    content = dict(ranked[0].resource)
    settled = _settled(ranked[0])
    counting = ranked[:1]
    for last, state in pairwise(ranked):
        if last.orders is None or "" in last.orders:
            break
        counting.append(state)
        taken = _elements(state) - settled - {"meta"}
        content = {
            name: item for name, item in content.items() if element_of(resource_type, name) not in taken
        }
        for name in [name for name in state.resource if name not in (*_FIXED, "meta")]:
            if element_of(resource_type, name) in taken:
                content[name] = state.resource[name]
        settled |= _settled(state)
    for name in parted.keys() & content.keys():
        content[name] = _all_parts(counting, name, parted[name])
    return closed(content)


def _all_parts(
    states: Sequence[Contribution], name: str, part_of: Callable[[dict[str, Any]], str]
) -> list[Any]:
    """Of each part of a list what the first of the states says that states it, else the first that assumes it."""
    parts: dict[str, tuple[bool, list[Any]]] = {}
    for state in states:
        own: dict[str, list[Any]] = {}
        for item in state.resource.get(name) or ():
            own.setdefault(part_of(item), []).append(item)
        orders = state.orders or {}
        for part, items in own.items():
            order = orders.get(f"{name}{ITEM}{part}") or orders.get(name) or orders.get("") or state.order
            stated = order[4] >= 0
            if part not in parts or stated > parts[part][0]:
                parts[part] = stated, items
    return [item for _, items in parts.values() for item in items]


def _settled(state: Contribution) -> set[str]:
    """The elements that a source states, or takes away."""
    if state.orders is None:
        return _elements(state)
    spoken = {element for element in state.orders if element and ITEM not in element}
    return {
        element
        for element in _elements(state) | spoken
        if (order := state.orders.get(element) or state.orders.get("")) is None or order[4] >= 0
    }


def _with_numbers(newest: dict[str, Any], name: str, states: Sequence[Contribution]) -> dict[str, Any]:
    """A content with the numbers that the sources know."""
    numbers: list[tuple[Order, Any]] = []
    for state in sorted(states, key=lambda state: state.source, reverse=True):
        orders = state.orders or {}
        whole = orders.get(name) or orders.get("") or state.order
        items = state.resource.get(name) or ()
        numbers += [(orders.get(_number_key(name, item)) or whole, item) for item in items]
    values = [item for _, item in _newest(numbers, partial(_number_key, name))]
    if values == (newest.get(name) or []):
        return newest
    return {**newest, name: values}


def _ranked(states: Sequence[Contribution], precedence: Sequence[str]) -> list[Contribution]:
    # Two sorts, both stable: precedence first, and among equals the newest; what is said in passing after all else.
    newest_first = sorted(states, key=_rank, reverse=True)
    return sorted(newest_first, key=lambda state: _place(state, precedence))


def _place(state: Contribution, precedence: Sequence[str]) -> int:
    """The place of a source by precedence; the lowest counts."""
    if state.source == REST:
        return -1
    source = state.source.removesuffix(PASSING)
    for position, name in enumerate(precedence):
        if name in (state.adapter, source, unquote(source.removeprefix("urn:fhir-bridge:"))):
            return position
    return len(precedence)


def _merged_meta(metas: list[dict[str, Any]]) -> dict[str, Any]:
    """Profiles, tags and labels of all; the source of the first. Times stay with the contributions, so that a message
    that repeats what is known creates no version."""
    merged: dict[str, Any] = {}
    for meta in metas:
        for name, value in meta.items():
            if name in ("profile", "tag", "security"):
                merged[name] = _union(merged.get(name), value)
            elif name == "extension":
                others = [item for item in value if item.get("url") != SOURCE_EXTENSION]
                if others:
                    merged[name] = _union(merged.get(name), others)
            else:
                merged.setdefault(name, value)
    return merged


def _union(first: Any, more: Iterable[Any]) -> list[Any]:
    """Both lists' items; identifiers count as equal by system and value, others by content."""
    items = list(first) if isinstance(first, list) else []
    seen = {_sameness(item) for item in items}
    for item in more:
        if _sameness(item) not in seen:
            seen.add(_sameness(item))
            items.append(item)
    return items


def _sameness(item: Any) -> bytes:
    # An identifier is the same whatever else (use, period, assigner) a source adds to it.
    if isinstance(item, dict) and isinstance(item.get("value"), str) and isinstance(item.get("system"), str):
        return canonical([item["system"], item["value"]])
    return canonical(item)


_DEMOGRAPHICS = ("birthDate", "gender")


def disagreements(states: Sequence[Contribution]) -> list[str]:
    """Demographic elements of a Patient on which sources differ."""
    if len(states) < 2 or states[0].resource["resourceType"] != "Patient":
        return []
    # People's edits are the answer to a disagreement, not another one.
    return [
        name
        for name in _DEMOGRAPHICS
        if len({state.resource[name] for state in states if name in state.resource and state.source != REST})
        > 1
    ]
