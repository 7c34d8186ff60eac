"""`Patient/$match` (R4 patient-operation-match.html): who is like the described one. It changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.responses import Response

from fhir_bridge.fhir.search.entries import normalise
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, audit_shown, only
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage import Stored
from fhir_bridge.storage.breathing import beside

__all__ = ["Match", "compared"]

CANDIDATES = 100
"""Patients that are compared for each way of looking for them."""
_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_POSSIBLE, _PROBABLE = 0.6, 0.85
_WEIGHTS = {"family": 0.35, "given": 0.25, "birthDate": 0.3, "gender": 0.05, "contact": 0.05}
FEW = 20
"""Patients that are compared on the event loop."""
MOST_VALUES = 20
"""Identifiers and names of the described patient that are looked for."""


@dataclass(frozen=True, slots=True)
class Grade:
    """How well two Patients agree, 0 to 1, and the code of R4's match-grade; None: not enough to mention."""

    score: float
    code: str | None


class Match(CallOperation):
    """Compares the described patient with those that the caller may search."""

    name = "match"
    types: tuple[str, ...] = ("Patient",)
    access = "s"
    definition = "http://hl7.org/fhir/OperationDefinition/Patient-match"
    levels = frozenset({"type"})
    sent = True

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:
        """See `CallOperation.serve`."""
        known = only(parameters, ("onlyCertainMatches", "count"))
        described = _described(body)
        certain = known.get("onlyCertainMatches", "false")
        count = known.get("count", "10")
        if certain not in ("true", "false") or not (
            count.isascii() and count.isdigit() and 0 < len(count) < 5
        ):
            raise refuse(400, "FB-REST-008", "onlyCertainMatches is a boolean, count a number")
        candidates = await _candidates(call, described)
        graded = await beside(len(candidates) > FEW, partial(_graded, described, candidates))
        # By id where they agree equally, so that the answer is the same each time.
        graded.sort(key=lambda pair: (-pair[0].score, pair[1].id))
        if certain == "true":
            graded = [pair for pair in graded if pair[0].code == "certain"]
            if len(graded) > 1:  # R4: of several none is certain
                graded = []
        return await _answer(call, parameters, graded[: int(count)])


def _graded(described: dict[str, Any], candidates: list[Stored]) -> list[tuple[Grade, Stored]]:
    """Those that agree well enough."""
    return [
        (grade, stored)
        for stored in candidates
        if (grade := compared(described, loads(stored.bytes))).code is not None
    ]


def _described(body: dict[str, Any] | None) -> dict[str, Any]:
    patient = body
    if body is not None and body.get("resourceType") == "Parameters":
        entries = body.get("parameter")
        named = [
            entry.get("resource")
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict) and entry.get("name") == "resource"
        ]
        patient = named[0] if len(named) == 1 else None
    if not isinstance(patient, dict) or patient.get("resourceType") != "Patient":
        raise refuse(400, "FB-REST-002", "send Parameters with a Patient as parameter `resource`")
    return patient


async def _candidates(call: Call, described: dict[str, Any]) -> list[Stored]:
    """Patients who share an identifier, or a name together with the birth date, or family and given name."""
    identifiers = sorted(_identifiers(described))[:MOST_VALUES]
    families, given = (sorted(_names(described, part))[:MOST_VALUES] for part in ("family", "given"))
    born = described.get("birthDate")
    searches: list[list[tuple[str, str]]] = []
    if identifiers:
        searches.append([("identifier", ",".join(f"{_escaped(s)}|{_escaped(v)}" for s, v in identifiers))])
    if isinstance(born, str) and re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", born) and (families or given):
        searches.append([("birthdate", born), ("name", ",".join(map(_escaped, families or given)))])
    if families and given:
        searches.append(
            [("family", ",".join(map(_escaped, families))), ("given", ",".join(map(_escaped, given)))]
        )
    if not searches:
        raise refuse(
            422, "FB-REST-002", "the Patient has no identifier, and no name with birth date or given name"
        )
    candidates: dict[str, Stored] = {}
    for search in searches:
        page = await call.services.store.search("Patient", search, call.access, count=CANDIDATES)
        candidates.update((stored.id, stored) for stored in page.entries)
    return list(candidates.values())


def _escaped(value: str) -> str:
    return re.sub(r"([\\,$|])", r"\\\1", value)


def compared(one: dict[str, Any], other: dict[str, Any]) -> Grade:
    """How well two Patients agree. What either does not say counts for neither."""
    parts = {
        "family": _agreement(_names(one, "family"), _names(other, "family")),
        "given": _agreement(_names(one, "given"), _names(other, "given")),
        "birthDate": _dates(one.get("birthDate"), other.get("birthDate")),
        "gender": _agreement(_text(one.get("gender")), _text(other.get("gender"))),
        "contact": _agreement(_contacts(one), _contacts(other)),
    }
    known = {name: part for name, part in parts.items() if part is not None}
    # What is not said leaves doubt: the weights that are missing count for half of what agreement would give.
    weight = sum(_WEIGHTS[name] for name in known)
    score = sum(_WEIGHTS[name] * part for name, part in known.items())
    same = bool(_identifiers(one) & _identifiers(other))
    contradicted = known.get("birthDate") == 0 or (known.get("family") == 0 and known.get("given") == 0)
    if same and not contradicted:
        return Grade(1.0, "certain")
    if same:
        # The same number and other demographics: a wrong number, or a twin's. Somebody has to look.
        return Grade(round(max(score, _POSSIBLE), 2), "possible")
    score = round(score + (1 - weight) * score / (2 * weight), 2) if weight else 0.0
    if contradicted or "family" not in known or score < _POSSIBLE:
        return Grade(score, None)
    return Grade(min(score, 0.99), "probable" if score >= _PROBABLE and len(known) > 2 else "possible")


def _agreement(one: set[str], other: set[str]) -> float | None:
    if not one or not other:
        return None
    return 1.0 if one & other else 0.0


def _dates(one: Any, other: Any) -> float | None:
    """Dates agree as far as both are known: 1961 and 1961-04-05 do, with some doubt."""
    if not isinstance(one, str) or not isinstance(other, str) or not one or not other:
        return None
    if one == other:
        return 1.0
    return 0.7 if one.startswith(f"{other}-") or other.startswith(f"{one}-") else 0.0


def _items(resource: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    values = resource.get(name)
    yield from (item for item in (values if isinstance(values, list) else []) if isinstance(item, dict))


def _text(value: Any) -> set[str]:
    return {normalise(value)} - {""} if isinstance(value, str) else set()


def _identifiers(patient: dict[str, Any]) -> set[tuple[str, str]]:
    """Numbers with who gave them; a bare number is nobody's."""
    return {
        (item["system"], item["value"])
        for item in _items(patient, "identifier")
        if isinstance(item.get("system"), str)
        and isinstance(item.get("value"), str)
        and item["system"]
        and item["value"]
    }


def _names(patient: dict[str, Any], part: str) -> set[str]:
    results: set[str] = set()
    for name in _items(patient, "name"):
        values = name.get(part)
        for value in values if isinstance(values, list) else [values]:
            results |= _text(value)
    return results


def _contacts(patient: dict[str, Any]) -> set[str]:
    telecom = {
        re.sub(r"[\s()/-]", "", text)
        for item in _items(patient, "telecom")
        for text in _text(item.get("value"))
    }
    return telecom | {text for item in _items(patient, "address") for text in _text(item.get("postalCode"))}


async def _answer(call: Call, parameters: Pairs, graded: list[tuple[Grade, Stored]]) -> Response:
    shown = [stored for _, stored in graded]
    contents = await hooks.redact_all(call.services.plugins, [stored.bytes for stored in shown], call.access)
    head = {"resourceType": "Bundle", "type": "searchset", "total": len(graded)}
    parts = [orjson.dumps(head)[:-1]]
    for number, ((grade, stored), content) in enumerate(zip(graded, contents, strict=True)):
        search = {
            "extension": [{"url": _GRADE, "valueCode": grade.code}],
            "mode": "match",
            "score": grade.score,
        }
        url = orjson.dumps(f"{call.base}/Patient/{stored.id}")
        parts += [b"," if number else b',"entry":[', b'{"fullUrl":' + url + b',"resource":', content]
        parts.append(b',"search":' + orjson.dumps(search) + b"}")
    parts.append(b"]}" if graded else b"}")
    await audit_shown(call, parameters, shown)
    return answers.in_pieces(parts)
