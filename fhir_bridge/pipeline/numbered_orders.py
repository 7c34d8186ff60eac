"""What names an order by a number alone is joined to the order once both are here, in whatever order they come.

An action (HL7 v2: an ORC alone, a Task here) says what happens to the orders that have its number. An order known by
its filler's number alone is the filler's view of the one that has this number beside its placer's: what its messages
say holds for that too. What is joined is the content of a source record that has the joining resource's name, so that
it goes where the numbers that joined it do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.issues import CODES
from fhir_bridge.pipeline.since import since_last
from fhir_bridge.storage import RecordSet, Store
from fhir_bridge.storage.inbox import Entry, InboxItem
from fhir_bridge.storage.numbered_orders import (
    CHANGING_TYPES,
    NUMBERED_ORDERS,
    ORDER_TYPES,
    Naming,
    contents_of,
    naming,
    orders_of,
    reports_of,
)
from fhir_bridge.storage.resource_keys import changed_since, keys_of

__all__ = ["JoinedOrders", "join_orders", "join_orders_since"]

_SINCE: Final = "numbered orders joined"
_ADAPTER: Final = "hl7v2"
_UNKNOWN: Final = "FB-RUN-043"
_MOST: Final = 1000
ORDER_CONTROL: Final = "http://terminology.hl7.org/CodeSystem/v2-0119"
"""The system of codes for what is done to an order."""
_STATUS: Final = ("status", "_status")
_OWN: Final = frozenset(("resourceType", "id", "meta", "subject", "intent", "basedOn"))
"""What a filler's view of an order says of itself alone."""


@dataclass(slots=True)
class JoinedOrders:
    """What was joined: number of resources that name an order; and issues of those whose order is not known."""

    joined: int = 0
    issues: list[Issue] = field(default_factory=list)


async def join_orders_since(store: Store) -> JoinedOrders:
    """Join what changed since this was last done."""
    async with since_last(store, _SINCE) as since:
        async with store.pool.connection() as connection:
            changed = await changed_since(connection, CHANGING_TYPES, since)
        return await _join(store, changed)


async def join_orders(store: Store, names: Sequence[tuple[str, str]]) -> JoinedOrders:
    """Join what these changed resources (type, id) may belong to."""
    async with store.pool.connection() as connection:
        changed = await keys_of(connection, names)
    return await _join(store, changed)


async def _join(store: Store, changed: Sequence[int]) -> JoinedOrders:
    done = JoinedOrders()
    if not changed:
        return done
    async with store.pool.connection() as connection:
        actions = await naming(connection, changed, ["Task"])
    touched: set[tuple[str, str]] = set()
    entries = await store.read_inbox(kind="ambiguous", code=_UNKNOWN, limit=_MOST) if actions else []
    for action in actions:
        touched |= await _join_action(store, action, entries, done)
    async with store.pool.connection() as connection:
        # What was done to an order is done to its filler's view, too.
        more = await keys_of(connection, touched) if touched else []
        views = await naming(connection, [*changed, *more], ORDER_TYPES)
    for view in views:
        await _join_view(store, view, done)
    return done


async def _join_action(
    store: Store, action: Naming, entries: Sequence[Entry], done: JoinedOrders
) -> set[tuple[str, str]]:
    """Say of the orders that an action names what it does to them; gives these orders."""
    task = action.content
    if task is None or not _is_action(task):
        await _store(store, action, [], done)
        return set()
    outputs = _statuses(task)
    async with store.pool.connection() as connection:
        orders = await orders_of(connection, action)
        locator = next((locator for _, locator in await contents_of(connection, "Task", action.id)), "")
    numbers = [each["identifier"] for each in (task.get("focus"),) if each and each.get("identifier")]
    meant = [order for order in orders if _shared(numbers, order)]
    more = [each["valueIdentifier"] for each in task.get("input", ()) if each.get("valueIdentifier")]
    record = _record(task)
    contents = []
    if record is not None:
        for order in meant:
            elements = {"identifier": more, "status": outputs.get(order["resourceType"])}
            stated = {name: value for name, value in elements.items() if value}
            contents.append(_statement(order, task, record, stated))
    await _store(store, action, contents, done)
    problem = ""
    if not numbers:
        problem = "it names no order by a number"
    elif not meant:
        problem = "no order of its patient has its number"
    elif record is None:
        problem = "its message has no time, which would say what it comes after"
    await _note(store, action, problem, locator, entries, done)
    return {(order["resourceType"], order["id"]) for order in meant}


async def _join_view(store: Store, view: Naming, done: JoinedOrders) -> None:
    """Say of an order what is said of its filler's view, and of the view that it is one, and how the order stands."""
    contents: list[dict[str, Any]] = []
    own = view.content
    if own is not None and not _of_kind(own.get("identifier", ()), "PLAC"):
        async with store.pool.connection() as connection:
            orders = await orders_of(connection, view)
            orders = _same_service(own, [each for each in orders if _is_order_of(own, each)])
            stated = [each for each, _ in await contents_of(connection, view.type, view.id)] if orders else []
            reports = await reports_of(connection, view) if orders else []
            for order in orders:
                of_order = await contents_of(connection, order["resourceType"], order["id"], view.name)
                for each, _ in of_order:
                    if "status" in each and (record := _record(each)) is not None:
                        status = {name: value for name, value in each.items() if name in _STATUS}
                        contents.append(_statement(own, each, record, status))
        timed = [(record, each) for each in stated if (record := _record(each)) is not None]
        for order in orders:
            for record, each in timed:
                elements = {name: value for name, value in each.items() if name not in _OWN}
                # The number that joins them would keep up the join that it makes.
                elements["identifier"] = [
                    number for number in each.get("identifier", ()) if not _of_kind([number], "FILL")
                ]
                contents.append(_statement(order, each, record, elements, cleared=True))
        if timed and orders:
            record, last = max(timed, key=lambda entry: (entry[0][0], entry[0][1]))
            based = [{"reference": f"{order['resourceType']}/{order['id']}"} for order in orders]
            after = record[0], record[1] + "~"
            contents.append(_statement(own, last, after, {"intent": "filler-order", "basedOn": based}))
            contents += [_statement(report, report, after, {"basedOn": based}) for report in reports]
    await _store(store, view, contents, done)


async def _store(store: Store, named: Naming, contents: list[dict[str, Any]], done: JoinedOrders) -> None:
    """Make these what a resource says of the orders that it names."""
    if contents or named.joined:
        record = RecordSet(NUMBERED_ORDERS, named.name, contents, locator=named.name)
        counts = (await store.load_records([record], adapter=_ADAPTER)).counts
        done.joined += bool(contents) and counts.created + counts.updated + counts.stale > 0


def _is_action(task: dict[str, Any]) -> bool:
    """Whether a task is what a message does to an order, and not one of another origin."""
    codings = (task.get("code") or {}).get("coding", ())
    return any(each.get("system") == ORDER_CONTROL for each in codings)


def _statuses(task: dict[str, Any]) -> dict[str, str]:
    """What an action makes of the status of an order, by its type."""
    return {
        str((each.get("type") or {}).get("text")).removesuffix(".status"): str(each["valueCode"])
        for each in task.get("output", ())
        if "valueCode" in each
    }


def _record(content: dict[str, Any]) -> tuple[str, str] | None:
    """Time and sequence of a content's message; None where it has no time."""
    stated = {
        part["url"]: part
        for extension in (content.get("meta") or {}).get("extension", ())
        if extension.get("url") == SOURCE_EXTENSION
        for part in extension.get("extension", ())
    }
    time = stated.get("time", {}).get("valueDateTime")
    return None if time is None else (time, stated.get("sequence", {}).get("valueString", ""))


def _statement(
    target: dict[str, Any],
    content: dict[str, Any],
    record: tuple[str, str],
    elements: dict[str, Any],
    *,
    cleared: bool = False,
) -> dict[str, Any]:
    """Elements of a content as said of another resource by the same source, at the same time.

    Args:
        cleared: what the content clears is cleared of that one, too.
    """
    extension: list[dict[str, Any]] = [
        {"url": "time", "valueDateTime": record[0]},
        {"url": "update", "valueCode": "delta"},
        {"url": "sequence", "valueString": record[1]},
    ]
    meta = content.get("meta") or {}
    if cleared:
        extension += [
            part
            for each in meta.get("extension", ())
            if each.get("url") == SOURCE_EXTENSION
            for part in each.get("extension", ())
            if part.get("url") == "cleared"
        ]
    return {
        "resourceType": target["resourceType"],
        "id": target["id"],
        "meta": {
            "extension": [{"url": SOURCE_EXTENSION, "extension": extension}],
            "source": meta.get("source"),
        },
        **elements,
    }


def _of_kind(identifiers: Iterable[dict[str, Any]], kind: str) -> set[tuple[str, str]]:
    """The numbers of a kind (table 0203), with their namespace."""
    return {
        (str(each.get("system") or ""), str(each.get("value")))
        for each in identifiers
        if kind in {coding.get("code") for coding in (each.get("type") or {}).get("coding", ())}
    }


def _shared(numbers: Sequence[dict[str, Any]], order: dict[str, Any]) -> bool:
    """Whether an order has a number of the same kind and namespace."""
    own = order.get("identifier", ())
    return any(_of_kind(numbers, kind) & _of_kind(own, kind) for kind in ("PLAC", "FILL"))


def _is_order_of(view: dict[str, Any], order: dict[str, Any]) -> bool:
    """Whether an order has the filler's number of a view beside one of its placer."""
    numbers = order.get("identifier", ())
    same = bool(_of_kind(view.get("identifier", ()), "FILL") & _of_kind(numbers, "FILL"))
    return same and order["resourceType"] == view["resourceType"] and bool(_of_kind(numbers, "PLAC"))


def _same_service(view: dict[str, Any], orders: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the orders that ask for the same: fillers give one number to several services.

    Codes of other systems say neither that it is nor that it is not: then the one that there is.
    """
    own = _codes(view)
    same = [order for order in orders if own & _codes(order)]
    if same:
        return same
    systems = {system for system, _ in own}
    possible = [order for order in orders if not systems & {system for system, _ in _codes(order)}]
    return possible if len(possible) == 1 else []


def _codes(order: dict[str, Any]) -> set[tuple[str, str]]:
    concept = order.get("code") or order.get("medicationCodeableConcept") or {}
    return {
        (str(each.get("system") or ""), str(each["code"]))
        for each in concept.get("coding", ())
        if each.get("code")
    }


async def _note(
    store: Store, action: Naming, problem: str, locator: str, known: Sequence[Entry], done: JoinedOrders
) -> None:
    """Enter an action whose order is not known in the inbox, and settle it once it is."""
    entries = [each for each in known if each.locator == action.name]
    if problem and not entries:
        text = f"{locator or action.name}: ORC acts on an order, and changes none: {problem}"
        item = InboxItem("ambiguous", _ADAPTER, action.name, _UNKNOWN, text, locator, identity=action.name)
        await store.note_inbox([item])
        done.issues.append(Issue(CODES[_UNKNOWN].severity, _UNKNOWN, text, locator or action.name))
    elif entries and not problem:
        await store.settle_inbox(entries)
