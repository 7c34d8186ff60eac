"""Invariants: the port where an engine for FHIRPath plugs in, and the common ones written by hand.

`HandWritten` knows the invariants of data types and of the resources that adapters make, by their keys. A constraint
that no engine compiles is not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Protocol

from fhir_bridge.fhir.definitions import Constraint
from fhir_bridge.fhir.validation.run import Run

__all__ = ["HandWritten", "InvariantEngine", "Predicate"]

Node = dict[str, Any]
Predicate = Callable[[Any, Run], bool]
"""Whether the rule holds for a value; `run.resource` is %resource, `run.root` %rootResource."""

UCUM = "http://unitsofmeasure.org"


class InvariantEngine(Protocol):
    """Turns a constraint into a predicate."""

    def compile(self, constraint: Constraint, type_name: str) -> Predicate | None:
        """The predicate of this constraint on values of this type or element path; None where the engine can't."""
        ...


def _items(node: Any, name: str) -> list[Any]:
    """The values of an element, as a list whatever its cardinality."""
    value = node.get(name) if isinstance(node, dict) else None
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _nodes(node: Any, *names: str) -> list[Node]:
    """The objects at the end of a path of element names."""
    found = [node]
    for name in names:
        found = [item for n in found for item in _items(n, name)]
    return [n for n in found if isinstance(n, dict)]


def _has(node: Node, *names: str) -> bool:
    """Whether any of the elements exists; a name that ends in `*` stands for a choice."""
    for name in names:
        if name.endswith("*"):
            stem = name[:-1]
            if any(key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper() for key in node):
                return True
        elif name in node or "_" + name in node:
            return True
    return False


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else None


def _coded(node: Node, name: str, system: str, *codes: str) -> bool:
    return any(c.get("system") == system and c.get("code") in codes for c in _nodes(node, name, "coding"))


def _strings(node: Any) -> Iterator[str]:
    """All strings below a node."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, dict):
            todo.extend(current.values())
        elif isinstance(current, list):
            todo.extend(current)
        elif isinstance(current, str):
            yield current


def _period(node: Node, _: Run) -> bool:
    """per-1; values of different precision are compared as far as both go, as FHIRPath leaves them undecided."""
    start, end = node.get("start"), node.get("end")
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    if len(start) > 10 and len(end) > 10 and start[19:] != end[19:]:
        start, end = start[:10], end[:10]  # offsets or fractions differ
        return start <= end or _instant_order(node["start"], node["end"])
    shared = min(len(start), len(end))
    return start[:shared] <= end[:shared]


def _instant_order(start: str, end: str) -> bool:
    from datetime import datetime

    try:
        return datetime.fromisoformat(start) <= datetime.fromisoformat(end)
    except ValueError:
        return True  # the format is reported where the value is checked


def _range(node: Node, _: Run) -> bool:
    low, high = node.get("low"), node.get("high")
    if not isinstance(low, dict) or not isinstance(high, dict) or low.get("code") != high.get("code"):
        return True
    first, second = _number(low.get("value")), _number(high.get("value"))
    return first is None or second is None or first <= second


def _coded_quantity(node: Node, _: Run) -> bool:
    return (_has(node, "code") or not _has(node, "value")) and node.get("system", UCUM) == UCUM


def _age(node: Node, _: Run) -> bool:
    value = _number(node.get("value"))
    return _coded_quantity(node, _) and (value is None or value > 0)


def _count(node: Node, _: Run) -> bool:
    value = _number(node.get("value"))
    return (
        _coded_quantity(node, _)
        and node.get("code", "1") == "1"
        and (value is None or "." not in str(node["value"]))
    )


def _ratio(node: Node, _: Run) -> bool:
    numerator, denominator = _has(node, "numerator"), _has(node, "denominator")
    return numerator == denominator and (numerator or _has(node, "extension"))


def _contained_used(node: Node, _: Run) -> bool:
    """dom-3: each contained resource is referred to, or refers to its container."""
    contained = [c for c in _items(node, "contained") if isinstance(c, dict)]
    if not contained:
        return True
    used = {s for s in _strings(node) if s.startswith("#")}
    return all(f"#{c.get('id')}" in used or any(s == "#" for s in _strings(c)) for c in contained)


def _obs_7(node: Node, _: Run) -> bool:
    if "component" not in node or not _has(node, "value*"):
        return True
    own = [(c.get("system"), c.get("code")) for c in _nodes(node, "code", "coding")]
    return not any(
        (c.get("system"), c.get("code")) in own for c in _nodes(node, "component", "code", "coding")
    )


def _distinct(values: list[Any]) -> bool:
    return len(values) == len({repr(v) for v in values})


def _first_resource(node: Node, kind: str) -> bool:
    entries = _nodes(node, "entry")
    return bool(entries) and any(r.get("resourceType") == kind for r in _nodes(entries[0], "resource"))


_HISTORY = ("batch", "transaction", "history")
_RESPONSES = ("batch-response", "transaction-response", "history")
_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-"
_ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"


def _not_before(node: Node, earlier: str, later: str) -> bool:
    first, second = node.get(earlier), node.get(later)
    return (
        not isinstance(first, str)
        or not isinstance(second, str)
        or _period({"start": first, "end": second}, _NO_RUN)
    )


_NO_RUN = Run(None)

_RULES: dict[str, Predicate] = {
    # every resource
    "dom-2": lambda n, _: not any("contained" in c for c in _nodes(n, "contained")),
    "dom-3": _contained_used,
    "dom-4": lambda n, _: (
        not any(_has(m, "versionId", "lastUpdated") for m in _nodes(n, "contained", "meta"))
    ),
    "dom-5": lambda n, _: not any("security" in m for m in _nodes(n, "contained", "meta")),
    # data types
    "att-1": lambda n, _: not _has(n, "data") or _has(n, "contentType"),
    "cpt-2": lambda n, _: not _has(n, "value") or _has(n, "system"),
    "qty-3": lambda n, _: not _has(n, "code") or _has(n, "system"),
    "sqty-1": lambda n, _: not _has(n, "comparator"),
    "per-1": _period,
    "rng-2": _range,
    "rat-1": _ratio,
    "age-1": _age,
    "dis-1": _coded_quantity,
    "cnt-3": _count,
    "drt-1": lambda n, _: not _has(n, "code") or (n.get("system") == UCUM and _has(n, "value")),
    "exp-1": lambda n, _: _has(n, "expression", "reference"),
    "tim-1": lambda n, _: not _has(n, "duration") or _has(n, "durationUnit"),
    "tim-2": lambda n, _: not _has(n, "period") or _has(n, "periodUnit"),
    "tim-4": lambda n, _: (_number(n.get("duration")) or Decimal(0)) >= 0,
    "tim-5": lambda n, _: (_number(n.get("period")) or Decimal(0)) >= 0,
    "tim-6": lambda n, _: not _has(n, "periodMax") or _has(n, "period"),
    "tim-7": lambda n, _: not _has(n, "durationMax") or _has(n, "duration"),
    "tim-8": lambda n, _: not _has(n, "countMax") or _has(n, "count"),
    "tim-9": lambda n, _: (
        not _has(n, "offset")
        or (_has(n, "when") and not set(map(str, _items(n, "when"))) & {"C", "CM", "CD", "CV"})
    ),
    "tim-10": lambda n, _: not (_has(n, "timeOfDay") and _has(n, "when")),
    # resources
    "ait-1": lambda n, _: (
        _coded(n, "verificationStatus", _ALLERGY, "entered-in-error") or _has(n, "clinicalStatus")
    ),
    "ait-2": lambda n, _: (
        not _coded(n, "verificationStatus", _ALLERGY, "entered-in-error") or not _has(n, "clinicalStatus")
    ),
    "app-1": lambda n, _: _has(n, "type", "actor"),
    "app-2": lambda n, _: _has(n, "start") == _has(n, "end"),
    "app-3": lambda n, _: (
        (_has(n, "start") and _has(n, "end")) or n.get("status") in ("proposed", "cancelled", "waitlist")
    ),
    "app-4": lambda n, _: (
        not _has(n, "cancelationReason") or n.get("status") in ("noshow", "no-show", "cancelled")
    ),
    "bdl-1": lambda n, _: not _has(n, "total") or n.get("type") in ("searchset", "history"),
    "bdl-2": lambda n, _: n.get("type") == "searchset" or not any("search" in e for e in _nodes(n, "entry")),
    "bdl-3": lambda n, _: all(("request" in e) == (n.get("type") in _HISTORY) for e in _nodes(n, "entry")),
    "bdl-4": lambda n, _: all(("response" in e) == (n.get("type") in _RESPONSES) for e in _nodes(n, "entry")),
    "bdl-5": lambda n, _: _has(n, "resource", "request", "response"),
    "bdl-7": lambda n, _: (
        n.get("type") == "history"
        or _distinct(
            [
                (e["fullUrl"], [m.get("versionId") for m in _nodes(e, "resource", "meta")][:1])
                for e in _nodes(n, "entry")
                if "fullUrl" in e
            ]
        )
    ),
    "bdl-8": lambda n, _: "/_history/" not in str(n.get("fullUrl", "")),
    "bdl-9": lambda n, _: (
        n.get("type") != "document" or any("system" in i and "value" in i for i in _nodes(n, "identifier"))
    ),
    "bdl-10": lambda n, _: n.get("type") != "document" or "timestamp" in n,
    "bdl-11": lambda n, _: n.get("type") != "document" or _first_resource(n, "Composition"),
    "bdl-12": lambda n, _: n.get("type") != "message" or _first_resource(n, "MessageHeader"),
    "cmp-1": lambda n, _: _has(n, "text", "entry", "section"),
    "cmp-2": lambda n, _: not (_has(n, "emptyReason") and _has(n, "entry")),
    "con-1": lambda n, _: _has(n, "summary", "assessment"),
    "con-2": lambda n, _: _has(n, "code", "detail"),
    "con-4": lambda n, _: (
        not _has(n, "abatement*")
        or _coded(n, "clinicalStatus", _CONDITION + "clinical", "resolved", "remission", "inactive")
    ),
    "con-5": lambda n, _: (
        not _coded(n, "verificationStatus", _CONDITION + "ver-status", "entered-in-error")
        or not _has(n, "clinicalStatus")
    ),
    "cpl-3": lambda n, _: not (_has(n, "detail") and _has(n, "reference")),
    "fhs-1": lambda n, _: not (_has(n, "age*") and _has(n, "born*")),
    "fhs-2": lambda n, _: _has(n, "age*") or not _has(n, "estimatedAge"),
    "gol-1": lambda n, _: not _has(n, "detail*") or _has(n, "measure"),
    "grp-1": lambda n, _: not _has(n, "member") or n.get("actual") is True,
    "imm-1": lambda n, _: _has(n, "documentType", "reference"),
    "lnk-1": lambda n, _: len(_items(n, "item")) > 1,
    "lst-1": lambda n, _: not (_has(n, "emptyReason") and _has(n, "entry")),
    "lst-2": lambda n, _: (
        n.get("mode") == "changes" or not any(_has(e, "deleted") for e in _nodes(n, "entry"))
    ),
    "lst-3": lambda n, _: n.get("mode") == "working" or not any(_has(e, "date") for e in _nodes(n, "entry")),
    "mad-1": lambda n, _: _has(n, "dose", "rate*"),
    "mdd-1": lambda n, _: _not_before(n, "whenPrepared", "whenHandedOver"),
    "msq-3": lambda n, _: n.get("coordinateSystem") in (0, 1),
    "obs-3": lambda n, _: _has(n, "low", "high", "text"),
    "obs-6": lambda n, _: not _has(n, "dataAbsentReason") or not _has(n, "value*"),
    "obs-7": _obs_7,
    "org-1": lambda n, _: _has(n, "identifier", "name"),
    "org-2": lambda n, _: not isinstance(n, dict) or n.get("use") != "home",
    "org-3": lambda n, _: not isinstance(n, dict) or n.get("use") != "home",
    "pat-1": lambda n, _: _has(n, "name", "telecom", "address", "organization"),
    "ppc-1": lambda n, _: _has(n, "policy", "policyRule"),
    "prr-1": lambda n, _: not _has(n, "orderDetail") or _has(n, "code"),
    "qrs-1": lambda n, _: not (_has(n, "answer") and _has(n, "item")),
    "ras-2": lambda n, _: (_number(n.get("probabilityDecimal")) or Decimal(0)) <= 100,
    "sev-1": lambda n, _: not (_has(n, "name") and _has(n, "query")),
    "vsd-1": lambda n, _: _has(n, "valueSet", "system"),
    "vsd-2": lambda n, _: not _has(n, "concept", "filter") or _has(n, "system"),
    "vsd-3": lambda n, _: not (_has(n, "concept") and _has(n, "filter")),
    "cmd-2": lambda n, _: n.get("mode") != "fixed" or _has(n, "code"),
    "cmd-3": lambda n, _: n.get("mode") != "other-map" or _has(n, "url"),
    # R4 vital signs
    "vs-2": lambda n, _: _has(n, "component", "hasMember", "value*", "dataAbsentReason"),
    "vs-3": lambda n, _: _has(n, "value*", "dataAbsentReason"),
    "vs-1": lambda n, _: not isinstance(n, str) or len(n) >= 10,
}


class HandWritten:
    """The invariants above, by key."""

    def compile(self, constraint: Constraint, type_name: str) -> Predicate | None:  # noqa: ARG002
        """The predicate of this key; None for keys that are not written here."""
        return _RULES.get(constraint.key)
