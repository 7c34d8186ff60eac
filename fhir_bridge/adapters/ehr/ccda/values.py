"""Data types of CDA (HL7 v3 R1 abstract data types) as FHIR values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.ccda.intervals import limits, open_ends, time_limits, unrepresented
from fhir_bridge.adapters.ehr.ccda.node import MIXED, Node, plain
from fhir_bridge.adapters.ehr.ccda.unreadable import is_inverted
from fhir_bridge.fhir.datatypes import Address, ContactPoint, HumanName, Period, Quantity, Range, Ratio
from fhir_bridge.mapping import Context, function
from fhir_bridge.mapping.functions.quantities import quantity
from fhir_bridge.mapping.functions.times import datetime, period

__all__ = ["FUNCTIONS", "items"]

_NAME_USE: Final = {
    "L": "official",
    "C": "usual",
    "P": "nickname",
    "BR": "maiden",
    "A": "nickname",
    "ASGN": "usual",
    "OLD": "old",
    "TEMP": "temp",
    "ANON": "anonymous",
}
_ADDRESS_USE: Final = {
    "H": "home",
    "HP": "home",
    "HV": "home",
    "WP": "work",
    "DIR": "work",
    "PUB": "work",
    "TMP": "temp",
    "BAD": "old",
    "OLD": "old",
}
_TELECOM_USE: Final = {
    "H": "home",
    "HP": "home",
    "HV": "home",
    "WP": "work",
    "DIR": "work",
    "PUB": "work",
    "MC": "mobile",
    "TMP": "temp",
    "BAD": "old",
}
_READ_USES: Final = frozenset(("PST", "PG"))
_FURTHER_USES: Final = {
    "EN": frozenset(("ABC", "I", "IDE", "OR", "PHON", "R", "SNDX", "SRCH", "SYL")),
    "AD": frozenset(("CONF", "PHYS")),
}
_TELECOM_SYSTEM: Final = {
    "tel": "phone",
    "fax": "fax",
    "mailto": "email",
    "http": "url",
    "https": "url",
    "ftp": "url",
    "sms": "sms",
}
_PERIOD_UNITS: Final = {"s": "s", "min": "min", "h": "h", "d": "d", "wk": "wk", "mo": "mo", "a": "a"}
_EVENTS: Final = frozenset("HS WAKE C CM CD CV AC ACM ACD ACV PC PCM PCD PCV".split())
_QUALIFIED: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier"
_QUALIFIERS: Final = frozenset("LS AC NB PR HON BR AD SP MID CL IN VV".split())


def items(x: Any) -> list[Node]:
    """The elements of a value."""
    if x is None:
        return []
    values = x if x.__class__ is list else [x]
    return [value for value in values if value.__class__ is Node and not value.void]


def _uses(node: Node) -> list[str]:
    return node.attributes.get("use", "").split()


def _use(node: Node, table: Mapping[str, str]) -> str | None:
    return next((table[code] for code in _uses(node) if code in table), None)


def _further_uses(ctx: Context, node: Node, table: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
    """The uses that R4 has no code for, as extensions of HL7's data types; what is no use at all is reported."""
    known = _FURTHER_USES.get(kind, frozenset())
    rest = [code for code in _uses(node) if code not in table and code not in _READ_USES]
    for code in rest:
        if code not in known:
            ctx.flag("FB-CDA-005", f"no rule represents {node.tag}/@use {code}")
    url = f"http://hl7.org/fhir/StructureDefinition/iso21090-{kind}-use"
    return [{"url": url, "valueCode": code} for code in rest if code in known]


def _valid(ctx: Context, node: Node) -> Period | None:
    for name in ("validTime", "useablePeriod"):
        for interval in node.named.get(name, ()):
            return period(ctx, interval.path("low", "value"), interval.path("high", "value"))  # type: ignore[no-any-return]
    if node.attributes.get("type", "").endswith("IVL_TS"):
        return period(ctx, node.path("low", "value"), node.path("high", "value"))  # type: ignore[no-any-return]
    return None


@function(context=True, nulls=True, returns="HumanName", reads=("whole",))
def human_name(ctx: Context, x: Any) -> list[HumanName] | None:
    """HumanNames of PN, EN and ON values; parts marked as a call name become a nickname, birth names a maiden name."""
    names: list[HumanName] = []
    for node in items(x):
        name = HumanName()
        if further := _further_uses(ctx, node, _NAME_USE, "EN"):
            name["extension"] = further
        if use := _use(node, _NAME_USE):
            name["use"] = use
        if node.content:
            name["text"] = node.content
        apart: dict[str, list[tuple[str, str]]] = {}
        for part in node.children:
            text = part.content
            if not text or part.tag not in ("family", "given", "prefix", "suffix"):
                if text and not part.tag:
                    name["text"] = f"{name.get('text', '')} {text}".strip()
                continue
            qualifier = part.attributes.get("qualifier", "").split()
            own = "maiden" if "BR" in qualifier else "nickname" if "CL" in qualifier else ""
            if own and own != name.get("use") and part.tag in ("family", "given"):
                apart.setdefault(own, []).append((part.tag, text))
            else:
                _put(name, part.tag, text, [code for code in qualifier if code in _QUALIFIERS])
        if valid := _valid(ctx, node):
            name["period"] = valid
        if name.keys() - {"extension", "use", "period"}:
            names.append(name)
        for own, parts in apart.items():
            other = HumanName(use=own)
            for tag, text in parts:
                _put(other, tag, text, [])
            names.append(other)
    return names or None


def _put(name: HumanName, tag: str, text: str, qualifiers: list[str]) -> None:
    marks = [{"url": _QUALIFIED, "valueCode": code} for code in qualifiers]
    if tag == "family":
        name["family"] = f"{name['family']} {text}" if "family" in name else text
        if marks:
            name["_family"] = {"extension": marks}
        return
    texts = name.setdefault(tag, [])
    texts.append(text)
    if marks or f"_{tag}" in name:
        beside = name.setdefault(f"_{tag}", [])
        beside += [None] * (len(texts) - 1 - len(beside))
        beside.append({"extension": marks} if marks else None)


_PARTS: Final = {
    "city": "city",
    "state": "state",
    "postalCode": "postalCode",
    "country": "country",
    "county": "district",
}
_LINES: Final = ("streetAddressLine", "houseNumber", "streetName", "additionalLocator", "unitID")


@function(context=True, nulls=True, returns="Address", reads=("whole",))
def address(ctx: Context, x: Any) -> list[Address] | None:
    """Addresses of AD values."""
    results: list[Address] = []
    for node in items(x):
        built = Address()
        if further := _further_uses(ctx, node, _ADDRESS_USE, "AD"):
            built["extension"] = further
        if use := _use(node, _ADDRESS_USE):
            built["use"] = use
        if "PST" in _uses(node):
            built["type"] = "postal"
        if node.content:
            built["text"] = node.content
        lines = [part.content for part in node.children if part.tag in _LINES and part.content]
        if lines:
            built["line"] = lines
        for part in node.children:
            if (element := _PARTS.get(part.tag)) and part.content and element not in built:
                built[element] = part.content
        if valid := _valid(ctx, node):
            built["period"] = valid
        if built.keys() - {"extension", "use", "type", "period"}:
            results.append(built)
    return results or None


@function(context=True, nulls=True, returns="Address", reads=("whole",))
def valid_address(ctx: Context, x: Any) -> Address | None:
    """Of AD values the first whose use has no end and is neither `BAD` nor `OLD`, else the first."""
    known = address(ctx, x) or []
    lasting = (each for each in known if each.get("use") != "old" and "end" not in each.get("period", ()))
    return next(lasting, known[0] if known else None)


@function(context=True, nulls=True, returns="ContactPoint", reads=("whole",))
def contact_point(ctx: Context, x: Any) -> list[ContactPoint] | None:
    """ContactPoints of TEL values."""
    results: list[ContactPoint] = []
    for node in items(x):
        given = node.attributes.get("value", "").strip() or node.content
        scheme, colon, rest = given.partition(":")
        system = _TELECOM_SYSTEM.get(scheme.lower()) if colon else "email" if "@" in given else "phone"
        value = given if system == "url" or not colon or system is None else rest
        if not value:
            continue
        built = ContactPoint(system=system or "other", value=value)
        _further_uses(ctx, node, _TELECOM_USE, "TEL")
        if "PG" in _uses(node):
            built["system"] = "pager"
        if use := _use(node, _TELECOM_USE):
            built["use"] = use
        if valid := _valid(ctx, node):
            built["period"] = valid
        results.append(built)
    return results or None


class InstanceIdentifier(NamedTuple):
    """II: root and extension; a root alone is the identifier."""

    authority: str
    value: str
    assigner: str | None

    @property
    def text(self) -> str:
        """As a part of a key."""
        return self.value


@function(nulls=True, reads=("identifier",))
def ids(x: Any) -> list[InstanceIdentifier] | None:
    """Identifiers of II values, for `identifier` and `patient`."""
    result = []
    for node in items(x):
        root, extension = (
            node.attributes.get("root", "").strip(),
            node.attributes.get("extension", "").strip(),
        )
        assigner = node.attributes.get("assigningAuthorityName") or None
        if root and extension:
            result.append(InstanceIdentifier(root, extension, assigner))
        elif root:
            uri = f"urn:oid:{root}" if root.replace(".", "").isdigit() else f"urn:uuid:{root.lower()}"
            result.append(InstanceIdentifier("urn:ietf:rfc:3986", uri, assigner))
        elif extension:
            result.append(InstanceIdentifier("", extension, assigner))
    return result or None


@function(context=True, nulls=True, reads=("interval",))
def effective(ctx: Context, x: Any) -> Any:
    """A dateTime of a TS, a Period of an IVL_TS; of several, of the first that has one."""
    for node in items(x):
        start, end = time_limits(ctx, node)
        if start or end:
            return period(ctx, start, end)
        if moment := node.attributes.get("value") or node.path("center", "value"):
            return datetime(ctx, moment)
    return None


@function(context=True, nulls=True, returns="Period", reads=("interval",))
def span(ctx: Context, x: Any) -> Period | None:
    """A Period of an IVL_TS, or of a TS, which begins it; of several, of the first that has one."""
    for node in items(x):
        start, end = time_limits(ctx, node)
        if not (start or end):
            start = node.attributes.get("value") or node.path("center", "value")
        if start or end:
            return period(ctx, start, end)  # type: ignore[no-any-return]
    return None


@function(context=True, nulls=True, returns="Quantity", reads=("quantity",))
def physical(ctx: Context, x: Any) -> Quantity | None:
    """A Quantity of a PQ; of an interval with one bound, that bound with its comparator."""
    for node in items(x):
        if "value" in node.attributes:
            unit = node.attributes.get("unit")
            return quantity(ctx, node.attributes["value"], None if unit == "1" else unit)  # type: ignore[no-any-return]
        for name, comparator, closed in (("low", ">", ">="), ("high", "<", "<=")):
            if bound := node.get(name):
                sign = comparator if bound.attributes.get("inclusive") == "false" else closed
                value = bound.attributes.get("value")
                unrepresented(ctx, node, name)
                return quantity(ctx, value, bound.attributes.get("unit"), sign) if value else None
        unrepresented(ctx, node)
    return None


@function(context=True, nulls=True, reads=("quantity",))
def extent(ctx: Context, x: Any) -> Any:
    """A Range of an IVL_PQ with two of its bounds, center and width; a Quantity of a PQ or of one bound."""
    for node in items(x):
        low, high = node.get("low"), node.get("high")
        if low.__class__ is Node and high.__class__ is Node:
            if is_inverted(node):
                ctx.flag("FB-CDA-011", f"the low of {node.tag} is above its high")
                return None
            bounds = {name: _bound(ctx, part) for name, part in (("low", low), ("high", high))}
            open_ends(ctx, node)
            return Range({name: bound for name, bound in bounds.items() if bound}) or None
        if computed := limits(node):
            open_ends(ctx, node)
            return Range({name: quantity(ctx, *value) for name, value in computed.items()})
        return physical(ctx, node)
    return None


@function(nulls=True, reads=("quantity",))
def has_extent(x: Any) -> bool:
    """Whether `extent` has what an IVL_PQ states; a center alone is none."""
    return any(
        node.get("low").__class__ is Node or node.get("high").__class__ is Node or limits(node) is not None
        for node in items(x)
    )


def _bound(ctx: Context, node: Node) -> Quantity | None:
    value = node.attributes.get("value")
    return quantity(ctx, value, node.attributes.get("unit")) if value else None


@function(context=True, nulls=True, returns="Quantity", reads=("whole",))
def bound(ctx: Context, x: Any) -> Quantity | None:
    """A bound of an interval as a Quantity."""
    return next((result for node in items(x) if (result := _bound(ctx, node))), None)


@function(nulls=True, returns="Age")
def age(x: Quantity) -> Quantity | None:
    """A Quantity as an age, where its unit is one of time."""
    return x if x.get("code") in _PERIOD_UNITS and x.get("system") == "http://unitsofmeasure.org" else None


@function(context=True, nulls=True, returns="Ratio", reads=("whole",))
def ratio(ctx: Context, x: Any) -> Ratio | None:
    """A Ratio of an RTO, of a PQ to one."""
    for node in items(x):
        parts = {name: physical(ctx, node.get(name)) for name in ("numerator", "denominator")}
        built = {name: part for name, part in parts.items() if part}
        if len(built) == 2:
            return Ratio(built)
    return None


@function(nulls=True, returns="Timing", reads=("timing",))
def timing(x: Any) -> Any:
    """A Timing of the PIVL_TS and EIVL_TS among the times of a substance administration."""
    for node in items(x):
        if node.named.get("period") and (repeat := _repeat(node.named["period"][0])):
            return {"repeat": repeat}
        event = next(iter(node.named.get("event", ())), None)
        if event is not None and event.attributes.get("code") in _EVENTS:
            return {"repeat": {"when": [event.attributes["code"]]}}
    return None


def _repeat(every: Node) -> dict[str, Any] | None:
    """How often: once in a period, or in one of a length between two."""
    bounds = [part for name in ("low", "high") for part in every.named.get(name, ())] or [every]
    unit = _PERIOD_UNITS.get(bounds[0].attributes.get("unit", ""))
    try:
        lengths = [Decimal(part.attributes["value"]) for part in bounds]
    except (ArithmeticError, KeyError):
        return None
    if unit is None or len(lengths) > 2 or not all(length.is_finite() and length > 0 for length in lengths):
        return None
    longest = {"periodMax": lengths[1]} if len(lengths) == 2 else {}
    return {"frequency": 1, "period": lengths[0], **longest, "periodUnit": unit}


@function(nulls=True, returns="string", reads=("coded",))
def label(x: Any) -> str | None:
    """A coded value as people read it."""
    for node in items(x):
        if text := node.text:
            return str(text)
        for coded in [node, *node.named.get("translation", ())]:
            shown = coded.attributes.get("displayName") or coded.attributes.get("code")
            if shown:
                return str(shown)
    return None


def _words_of(node: Node, *, texts: bool = True) -> list[str]:
    """All that an element says, in words; without those between its tags, where those are said already."""
    attributes = node.attributes
    mixed = node.tag in MIXED and bool(node.children)
    text = "" if not texts else plain(node) if mixed else node.content
    words = [text] if text else []
    if attributes:
        if display := attributes.get("displayName"):
            words.append(f"{display} ({attributes['code']})" if attributes.get("code") else display)
            words += [
                attributes[name] for name in ("codeSystem", "codeSystemVersion") if attributes.get(name)
            ]
            words += [attributes[name] for name in _OTHERS if attributes.get(name)]
        else:
            words += [attributes[name] for name in _CODED if attributes.get(name)]
        words += [f"{name} {value}" for name, value in attributes.items() if name not in _KNOWN]
    for child in node.children:
        if child.tag in ("templateId", "typeId", "realmCode"):
            continue
        inner = _words_of(child, texts=texts and not mixed)
        if inner:
            words.append(f"{child.tag}: {' '.join(inner)}" if child.tag in _NAMED else " ".join(inner))
    return words


_OTHERS: Final = ("value", "unit", "root", "extension", "use")
_CODED: Final = ("code", "codeSystem", "codeSystemVersion", *_OTHERS)
_STRUCTURE: Final = frozenset(
    """classCode moodCode typeCode type contextControlCode contextConductionInd determinerCode inversionInd ID
    valueSet styleCode""".split()
)
_KNOWN: Final = _STRUCTURE.union(_CODED, ("displayName", "codeSystemName"))
"""Attributes that `_words_of` writes by their place, or leaves out."""
_NAMED: Final = frozenset(
    """time effectiveTime low high center width statusCode interpretationCode targetSiteCode methodCode participant
    performer author informant specimen precondition reference priorityCode repeatNumber functionCode""".split()
)


@function(nulls=True, returns="string", reads=("whole",))
def whole(x: Any) -> Any:
    """All that an element says as one text; of a list, a text for each."""
    if isinstance(x, str):
        return x
    texts = [text for node in items(x) if (text := "; ".join(_words_of(node)))]
    return None if not texts else texts[0] if len(texts) == 1 else texts


_ANY: Final = ("whole",) * 40


@function(reads=_ANY)
def details(*parts: Any) -> list[str] | None:
    """A text for each of the elements: what it is, and all that it says."""
    texts = []
    for part in parts:
        if part is None:
            continue
        texts += [
            f"{_TITLES.get(node.kind or node.tag, node.kind or node.tag)}: {words}"
            for node in items(part)
            if (words := "; ".join(_words_of(node)))
        ]
        if isinstance(part, str) and part:
            texts.append(part)
    return texts or None


_TITLES: Final = {
    "PriorityPreference": "Preference",
    "EntryReference": "Refers to",
    "FreeTextSig": "Instructions",
    "statusCode": "Status",
    "effectiveTime": "Time",
    "author": "Author",
    "informant": "Informant",
    "performer": "Performer",
    "participant": "Participant",
    "precondition": "Precondition",
    "reference": "Reference",
    "specimen": "Specimen",
    "targetSiteCode": "Site",
    "methodCode": "Method",
    "interpretationCode": "Interpretation",
    "priorityCode": "Priority",
    "repeatNumber": "Repetitions",
    "qualifier": "Qualifier",
    "translation": "Also",
}

FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "human_name": human_name,
    "address": address,
    "valid_address": valid_address,
    "contact_point": contact_point,
    "ids": ids,
    "effective": effective,
    "span": span,
    "physical": physical,
    "has_extent": has_extent,
    "extent": extent,
    "bound": bound,
    "age": age,
    "ratio": ratio,
    "timing": timing,
    "label": label,
    "whole": whole,
    "details": details,
}
"""Functions for data types."""
