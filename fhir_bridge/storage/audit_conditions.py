"""Search parameters of AuditEvent as conditions on `audit_index` (rows `i`) and `audit` (rows `a`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from fhir_bridge.storage.audit_rows import read_id
from fhir_bridge.storage.conditions import FALSE, Condition, all_of, any_of, negation, person
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.search_text import date_value, split_token

__all__ = [
    "META",
    "REFERENCES",
    "SAME",
    "SERVED_ID",
    "TOKENS",
    "head",
    "in_record",
    "naming",
    "of_identifier",
    "of_ids",
    "of_meta",
    "of_token",
    "present",
    "recorded",
    "referring",
]

SAME = "j.recorded = i.recorded AND j.key = i.key AND j.part = i.part"
"""Of a row `j` of the index: it is of the same served event as `i`."""
SERVED_ID = (
    """(coalesce(a.id, a.key::text) || CASE WHEN i.part > 0 THEN '.' || i.part ELSE '' END) COLLATE "C\""""
)
"""The id under which a row of the index is served."""
_LATEST = "9999-12-31T23:59:59.999999+00:00"


def head() -> Condition:
    """One row of each served event."""
    return Condition("i.head")


def of_ids(identities: Sequence[str]) -> Condition:
    """By the ids as they were given, or those of parts."""
    rows = [row for identity in identities for row in {identity, read_id(identity)[0]}]
    return Condition(
        f"(a.key = ANY(ARRAY(SELECT audit_key(w) FROM unnest(%s::text[]) AS w)) AND {SERVED_ID} = ANY(%s))",  # noqa: S608
        (rows, list(identities)),
    )


def in_record(patient: str) -> Condition:
    """About this person, linked Patients included, and about nobody else."""
    keys = person([patient])
    ids = f"ARRAY(SELECT p.id FROM resource p WHERE p.key = ANY({keys.text}))"  # noqa: S608
    members = f"ARRAY(SELECT in_record({keys.text}))"
    names = f"ARRAY(SELECT x.type || '/' || x.id FROM resource x WHERE x.key = ANY({members}))"  # noqa: S608
    # Where it names the person or what is in the record: both are indexed, so that it begins there.
    served = "SELECT j.recorded, j.key, j.part FROM audit_index j WHERE"
    named = f"{served} j.patient = ANY({ids}) UNION {served} j.resource = ANY({names})"
    owned = (
        f"(SELECT coalesce(bool_and(o = ANY({keys.text})), false) "  # noqa: S608
        "FROM audit_owners(i.recorded, i.key, i.part) AS o (o))"
    )
    return Condition(f"((i.recorded, i.key, i.part) IN ({named}) AND {owned})", keys.values * 3)


TOKENS = {"action": "action", "subtype": "subtype", "outcome": "outcome", "type": None}
"""Parameters of codes; the column of the index that has the first one's code."""
REFERENCES = {"patient": ("who", "resource"), "agent": ("who",), "entity": ("resource",)}
"""Parameters of references, and where the index has them; patients among the entities have a column of their own."""
_SYSTEMS = {
    "action": "http://hl7.org/fhir/audit-event-action",
    "outcome": "http://hl7.org/fhir/audit-event-outcome",
}


def of_token(code: str, text: str) -> Condition:
    """Of `code`, `system|code`, `|code` or `system|`."""
    parts = split_token(text)
    if len(parts) > 2:
        raise BadSearch(f"{code}: {text[:80]!r} is not code, system|code, |code or system|")
    system, value = (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    if code in _SYSTEMS:
        if system not in (None, "", _SYSTEMS[code]):
            return FALSE
        return Condition(f"i.{code} = %s", (value,)) if value else Condition(f"i.{code} IS NOT NULL")
    wanted = {name: part for name, part in (("system", system), ("code", value)) if part}
    stored = in_content({code: [wanted] if code == "subtype" else wanted})
    if system == "":  # a code without a system
        stored = all_of([stored, negation(_path(f"$.{code}.system"))])
    column = TOKENS[code]
    if column is None or not value:
        return stored
    # The index has the first code; only of events that came from elsewhere there are others.
    return all_of([Condition(f"(i.{column} = %s OR a.complete)", (value,)), stored])


def of_meta(code: str, text: str) -> Condition:
    """Of those that came from elsewhere; our own have nothing in meta that is searched by."""
    name, is_token = META[code]
    wanted: Any = text
    if is_token:
        system, _, value = text.rpartition("|")
        wanted = {key: part for key, part in (("system", system), ("code", value)) if part}
    stored = in_content({"meta": {name: wanted if name == "source" else [wanted]}})
    return all_of([Condition("a.complete"), stored])


META = {
    "_tag": ("tag", True),
    "_security": ("security", True),
    "_profile": ("profile", False),
    "_source": ("source", False),
}


def in_content(wanted: dict[str, Any]) -> Condition:
    return Condition("audit_said(a.content) @> %s::jsonb", (orjson.dumps(wanted).decode(),))


def _path(path: str) -> Condition:
    return Condition("audit_said(a.content) @? %s::jsonpath", (path,))


def naming(code: str, text: str) -> Condition:
    """Rows `j` of the index that name a resource (`Type/id`, or an address elsewhere) where the parameter looks."""
    text = text.partition("/_history/")[0]
    ways = [Condition(f"j.{column} = %s", (text,)) for column in REFERENCES[code]]
    if code != "agent" and text.startswith("Patient/"):
        # With whoever is linked to them, and also where no such Patient is stored.
        identity = text.removeprefix("Patient/")
        keys = person([identity])
        ids = f"ARRAY(SELECT p.id FROM resource p WHERE p.key = ANY({keys.text})) || %s::text"  # noqa: S608
        ways.append(Condition(f"j.patient = ANY({ids})", (*keys.values, identity)))
    elif code == "patient":
        return FALSE
    return any_of(ways)


def referring(named: Condition) -> Condition:
    """Of an event that such a row is of."""
    return Condition(f"EXISTS (SELECT FROM audit_index j WHERE {SAME} AND {named.text})", named.values)


def present(code: str) -> Condition:
    """Having a value of the parameter."""
    if code in ("action", "outcome"):
        return Condition(f"(i.{code} IS NOT NULL)")
    if code in TOKENS:
        return _path(f"$.{code}.code")
    of_patient = "j.patient IS NOT NULL"
    ways = {
        "patient": f"({of_patient} OR starts_with(j.who, 'Patient/') OR starts_with(j.resource, 'Patient/'))",
        "entity": f"({of_patient} OR j.resource IS NOT NULL)",
        "agent": "NOT starts_with(j.who, '|')",
    }
    return Condition(f"EXISTS (SELECT FROM audit_index j WHERE {SAME} AND {ways[code]})")


def of_identifier(code: str, text: str) -> Condition:
    """By the identifier of an agent or entity: in the content, which has no index of them."""
    parts = split_token(text)
    system, value = (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    wanted = {name: part for name, part in (("system", system), ("value", value)) if part}
    if not wanted:
        raise BadSearch(f"{code}:identifier: no value")
    ways = [in_content({"agent": [{"who": {"identifier": wanted}}]})] if code in ("agent", "patient") else []
    if code in ("entity", "patient"):
        ways.append(in_content({"entity": [{"what": {"identifier": wanted}}]}))
    return any_of(ways)


def recorded(parameter: str, text: str) -> Condition:
    """A moment compared with the searched range (R4 search.html#prefix)."""
    wanted = date_value(parameter, text)
    low, high = wanted.low, wanted.high or _LATEST
    inside = Condition("(i.recorded >= %s AND i.recorded < %s)", (low, high))
    match wanted.prefix:
        case "eq":
            return inside
        case "ne":
            return negation(inside)
        case "gt" | "sa":
            return Condition("i.recorded >= %s", (high,))
        case "ge":
            return Condition("i.recorded >= %s", (low,))
        case "lt" | "eb":
            return Condition("i.recorded < %s", (low,))
        case "le":
            return Condition("i.recorded < %s", (high,))
        case _:
            first, last = wanted.approximate()
            return Condition("(i.recorded > %s AND i.recorded < %s)", (first, last))
