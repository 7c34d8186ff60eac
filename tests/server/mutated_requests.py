"""Requests that clients send, each changed by chance in one to three ways: method, address, headers, body, Bundle."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.server.conftest import observation, patient

__all__ = ["Sent", "requests"]

JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request; `changes` names what was done to it."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    changes: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return f"/fhir{self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return (
            self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body).encode()
        )


def _entry(method: str, url: str, resource: Any = None) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {})


_PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Observation.status"},
                {"name": "value", "valueCode": "amended"},
            ],
        }
    ],
}
_BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": "urn:uuid:5d2e2b6a-2f1c-4b6f-9b7b-7d8f6d6f0a01",
            **_entry("POST", "Patient", patient("x", "New")),
        },
        _entry("POST", "Observation", observation("x", "anna")),
        _entry("PUT", "Observation/anna-lab", observation("anna-lab", "anna")),
        _entry("GET", "Observation?patient=anna&_count=2"),
        _entry("GET", "Patient/anna/$everything"),
        _entry("DELETE", "Observation/nothing"),
    ],
}
_MESSAGE = {
    "resourceType": "Bundle",
    "type": "message",
    "entry": [
        {
            "fullUrl": "urn:uuid:1",
            "resource": {
                "resourceType": "MessageHeader",
                "id": "m",
                "eventUri": "urn:x:y",
                "source": {"endpoint": "https://a.example"},
            },
        },
        {"fullUrl": "https://a.example/fhir/Patient/1", "resource": patient("1", "Told")},
    ],
}

_BASE = [
    Sent("GET", "/metadata"),
    Sent("GET", "/Patient/anna"),
    Sent("GET", "/Patient/anna/_history/1"),
    Sent("GET", "/Patient/anna/_history", "_count=2&_since=2020-01-01"),
    Sent("GET", "/_history", "_count=2"),
    Sent(
        "GET",
        "/Observation",
        "patient=anna&code=http://loinc.org|2093-3&_sort=-date&_count=2&_total=accurate",
    ),
    Sent(
        "GET",
        "/Observation",
        "value-quantity=gt5|http://unitsofmeasure.org|mmol/L&date=ge2026-01-01&_include=*",
    ),
    Sent(
        "GET",
        "/Patient",
        "name:contains=a&_has:Observation:patient:code=2093-3&_revinclude=Observation:subject",
    ),
    Sent("GET", "/Patient", "_filter=name sw a and birthdate gt 1960&_elements=name"),
    Sent("GET", "/", "_type=Patient,Observation&_lastUpdated=gt2020"),
    Sent("GET", "/Patient/anna/Observation", "category=laboratory"),
    Sent("GET", "/Patient/anna/$everything", "_count=3"),
    Sent("GET", "/Observation/$lastn", "patient=anna&max=1"),
    Sent("GET", "/ValueSet/$expand", "url=http://hl7.org/fhir/ValueSet/administrative-gender&filter=f"),
    Sent(
        "POST",
        "/Patient/_search",
        "",
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"family=Alpha&_count=1",
    ),
    Sent("POST", "/Patient", "", {"Content-Type": JSON}, patient("x", "New")),
    Sent(
        "POST",
        "/Observation",
        "",
        {"Content-Type": JSON, "If-None-Exist": "patient=anna&code=1"},
        observation("x", "anna"),
    ),
    Sent(
        "PUT",
        "/Observation/anna-lab",
        "",
        {"Content-Type": JSON, "If-Match": 'W/"1"'},
        observation("anna-lab", "anna"),
    ),
    Sent(
        "PUT",
        "/Patient",
        "identifier=urn:oid:2.25.1|MRN-anna",
        {"Content-Type": JSON},
        patient("anna", "Alpha"),
    ),
    Sent(
        "PATCH",
        "/Observation/anna-lab",
        "",
        {"Content-Type": "application/json-patch+json"},
        [{"op": "replace", "path": "/status", "value": "final"}],
    ),
    Sent("PATCH", "/Observation/anna-lab", "", {"Content-Type": JSON}, _PATCH),
    Sent(
        "PATCH",
        "/Observation/anna-lab",
        "",
        {"Content-Type": "application/merge-patch+json"},
        {"status": "final"},
    ),
    Sent("DELETE", "/Observation", "patient=anna&code=none"),
    Sent("POST", "/", "", {"Content-Type": JSON}, _BUNDLE),
    Sent("POST", "/", "", {"Content-Type": JSON}, _BUNDLE | {"type": "batch"}),
    Sent("POST", "/$process-message", "", {"Content-Type": JSON}, _MESSAGE),
    Sent("POST", "/Patient/$validate", "", {"Content-Type": JSON}, patient("x", "New")),
    Sent(
        "POST",
        "/Patient/$match",
        "",
        {"Content-Type": JSON},
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "resource", "resource": patient("x", "Alpha")}],
        },
    ),
    Sent("GET", "/$export", "_type=Patient", {"Prefer": "respond-async"}),
]

_METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE COPY PROPFIND get".split()
_TYPES = [
    JSON,
    "application/fhir+xml",
    "application/json",
    "application/json; charset=utf-16",
    "application/fhir+json; fhirVersion=5.0",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "application/fhir+ndjson",
    ";;;",
    "",
    "x" * 3000,
]
_HEADERS: dict[str, list[str]] = {
    "Content-Type": _TYPES,
    "Accept": [*_TYPES, "*/*;q=0", "application/fhir+json;q=banana", "text/html, */*;q=0.1", ",,"],
    "Accept-Encoding": ["gzip;q=0", "identity;q=0", "br", "\x7f"],
    "Content-Encoding": ["gzip", "deflate", "br", "identity", "gzip, gzip"],
    "Prefer": [
        "return=minimal",
        "return=nothing",
        "handling=strict",
        "respond-async",
        "handling=lenient;;=",
        "=,=",
    ],
    "If-Match": ['W/"1"', '"1"', "*", 'W/"x"', "1", 'W/"99999999999999999999"', ""],
    "If-None-Match": ['W/"1"', "*", "x", 'W/""'],
    "If-Modified-Since": ["Mon, 01 Jan 2001 00:00:00 GMT", "yesterday", "Mon, 99 Jan 2001 00:00:00 GMT"],
    "If-None-Exist": [
        "identifier=a",
        "",
        "?",
        "_id=a&_id=b",
        "nonsense=1",
        "identifier:missing=maybe",
        "%ff=1",
    ],
    "Range": ["bytes=0-1", "bytes=9-1"],
    "X-HTTP-Method-Override": ["DELETE"],
    "X-Security-Context": ["Patient/anna", "Nothing/x", "%"],
    "Expect": ["100-continue", "200-ok"],
    "Origin": ["https://a.example", "null", "x"],
    "Cookie": ["session=1", "=;=;"],
    "Forwarded": ['for="_x";host=evil.example;proto=gopher'],
    "X-Forwarded-Host": ["evil.example"],
}
_PARTS = [
    "%2e%2e",
    ".",
    "",
    "%2F",
    "%00",
    "%ff",
    "Patient",
    "Nonsense",
    "_history",
    "_search",
    "$everything",
    "$",
    "*",
    "x" * 300,
    "é",
    "0",
    "-1",
    "99999999999999999999999",
]
_PARAMETERS = [
    "_count=-1",
    "_count=9999999999999999999",
    "_count=1&_count=2",
    "_sort=nothing,-_id,,",
    "_sort=" + ",".join(["date"] * 300),
    "_summary=maybe",
    "_elements=,",
    "_total=some",
    "_format=yaml",
    "_format=xml",
    "_pretty=perhaps",
    "_cursor=AAAA",
    "_page=2",
    "date=2026-02-30",
    "date=sa",
    "date=ge2026-01-01T25:00:00Z",
    "_lastUpdated=lt0000",
    "value-quantity=1e999999",
    "value-quantity=gt|||",
    "code=a|b|c|d",
    "code=%00",
    "code:in=urn:nothing",
    "code:of-type=a",
    "patient.name.family.given=x",
    "_has:Observation:patient:_has:Observation:patient:code=1",
    "_has:x=1",
    "_filter=((((",
    "_filter=a eq",
    "_include=:::",
    "_include:iterate=Observation:*:Nonsense",
    "_id=" + ",".join(["x"] * 2000),
    "_type=Nonsense,Patient",
    "_content=AND OR NOT (",
    "&&&=&=x",
    "%ZZ=%ZZ",
    "a" * 5000 + "=1",
    "birthdate:missing=2",
    "name:exact:exact=a",
    "_security=|",
    "_since=never",
    "_at=x",
]
_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    10**40,
    "",
    "x" * 5000,
    "\u0000",
    "\ud800",
    [],
    {},
    [[]],
    [None],
    {"a": {"b": []}},
]


def requests(seed: int, count: int) -> list[Sent]:
    """So many changed requests; the same seed gives the same."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        sent = chance.choice(_BASE)
        for _ in range(chance.randint(1, 3)):
            change = chance.choice(_CHANGES)
            sent = replace(change(chance, sent), changes=(*sent.changes, change.__name__.strip("_")))
        found.append(sent)
    return found


def _method(chance: random.Random, sent: Sent) -> Sent:
    return replace(sent, method=chance.choice(_METHODS))


def _header(chance: random.Random, sent: Sent) -> Sent:
    name = chance.choice(list(_HEADERS))
    return replace(sent, headers=sent.headers | {name: chance.choice(_HEADERS[name])})


def _lost_header(chance: random.Random, sent: Sent) -> Sent:
    return replace(sent, headers=dict(list(sent.headers.items())[1:]))


def _path(chance: random.Random, sent: Sent) -> Sent:
    parts = sent.path.split("/")
    at = chance.randrange(1, len(parts) + 1)
    parts[at : at + chance.randint(0, 1)] = [chance.choice(_PARTS)]
    return replace(sent, path="/".join(parts))


def _query(chance: random.Random, sent: Sent) -> Sent:
    return replace(sent, query="&".join(filter(None, (sent.query, chance.choice(_PARAMETERS)))))


def _bytes(chance: random.Random, sent: Sent) -> Sent:
    content = sent.content or b"{}"
    at = chance.randrange(len(content) + 1)
    changes: list[Callable[[], bytes]] = [
        lambda: content[:at],
        lambda: content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :],
        lambda: content + content,
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.decode("utf-8", "replace").encode("utf-16"),
        lambda: gzip.compress(content),
        lambda: b"[" * 100_000,
        lambda: b'{"resourceType":"Patient","resourceType":"Observation"}',
        lambda: b"<Patient xmlns='http://hl7.org/fhir'><gender value='male'/></Patient>",
        lambda: b"<!DOCTYPE a [<!ENTITY b 'c'>]><Patient xmlns='http://hl7.org/fhir'>&b;</Patient>",
        lambda: b"null",
        lambda: b"",
    ]
    return replace(sent, body=chance.choice(changes)())


def _value(chance: random.Random, sent: Sent) -> Sent:
    """Another value, another name, or one more, somewhere in the body."""
    if not sent.body or not isinstance(sent.body, dict | list):
        return _query(chance, sent)
    body = copy.deepcopy(sent.body)
    places: list[tuple[Any, Any]] = []
    _walk(body, places)
    owner, key = chance.choice(places)
    match chance.randrange(4):
        case 0:
            owner[key] = copy.deepcopy(chance.choice(_VALUES))
        case 1:
            owner[key] = [owner[key], owner[key]]
        case 2 if isinstance(owner, dict):
            owner[str(key).upper() + "x"] = owner.pop(key)
        case _:
            del owner[key]
    return replace(sent, body=body)


def _walk(node: Any, places: list[tuple[Any, Any]]) -> None:
    for key, value in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
        places.append((node, key))
        if isinstance(value, dict | list):
            _walk(value, places)


def _bundle(chance: random.Random, sent: Sent) -> Sent:
    """The request as an entry of a Bundle, or an entry changed."""
    if isinstance(sent.body, dict) and sent.body.get("resourceType") == "Bundle" and sent.body.get("entry"):
        body = copy.deepcopy(sent.body)
        entries = body["entry"]
        if not isinstance(entries, list) or not isinstance(entries[0], dict):
            return _value(chance, sent)
        entry = chance.choice(entries)
        if isinstance(entry, dict):
            request = entry.get("request") if isinstance(entry.get("request"), dict) else {}
            name = chance.choice(
                ["method", "url", "ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince"]
            )
            values = [
                *_METHODS,
                *_PARTS,
                *_PARAMETERS,
                "Patient?",
                "Patient/anna/_history",
                'W/"1"',
                "Patient/a?b=c",
            ]
            entry["request"] = {**request, name: chance.choice([*values, *_VALUES])}  # type: ignore[dict-item]
        chance.shuffle(entries)
        return replace(sent, body=body)
    url = sent.path.lstrip("/") + (f"?{sent.query}" if sent.query else "")
    entry = {"request": {"method": sent.method, "url": url}}
    if isinstance(sent.body, dict):
        entry["resource"] = sent.body
    kind = chance.choice(["batch", "transaction", "message", "collection", "history"])
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry] * chance.randint(1, 3)}
    return Sent("POST", "/", "", {"Content-Type": JSON}, bundle, sent.changes)


_CHANGES: list[Callable[[random.Random, Sent], Sent]] = [
    _method,
    _header,
    _header,
    _lost_header,
    _path,
    _query,
    _bytes,
    _value,
    _value,
    _bundle,
]
