"""The official examples of R4 (npm hl7.fhir.r4.examples) against a server: stored, read, searched and exported."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.search_parameters import values
from fhir_bridge.fhir.serialization import dumps, loads_exact

__all__ = ["Examples", "examples_of", "query"]

_TOGETHER = 50
_BYTES = 4_000_000
"""Entries and bytes of one Bundle."""


def examples_of(archive: Path, each: int = 1) -> Iterator[dict[str, Any]]:
    """The resources of the package, each with its id; the second of two with one id is left out.

    Args:
        each: one in so many is taken, and none of more than 1 MB; 1: all.
    """
    known: set[str] = set()
    with tarfile.open(archive) as package:
        # In the order of the archive: going back would unpack all of it again.
        for number, member in enumerate(package):
            content = package.extractfile(member)
            if content is None or not member.name.endswith(".json"):
                continue
            if each > 1 and (number % each or member.size > 1_000_000):
                continue
            resource = loads_exact(content.read())
            if "resourceType" in resource and (name := _name(resource)) not in known:
                known.add(name)
                yield resource


def _name(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource.get('id')}"


def content_of(resource: dict[str, Any]) -> bytes:
    """All of a resource but its meta, with numbers as they are written."""
    return dumps(_sorted({name: value for name, value in resource.items() if name != "meta"}))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@dataclass
class Examples:
    """What a server made of the examples.

    Attributes:
        stored: what was accepted, by type and id.
        refused: status and first issue of what was not.
    """

    client: httpx.Client
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def store(self, resources: Iterable[dict[str, Any]]) -> None:
        """Put all of them, each by itself."""
        waiting: list[dict[str, Any]] = []
        size = 0
        for resource in resources:
            weight = len(dumps(resource))
            if waiting and (size + weight > _BYTES or len(waiting) == _TOGETHER):
                self._put(waiting)
                waiting, size = [], 0
            waiting.append(resource)
            size += weight
        self._put(waiting)

    def _put(self, resources: list[dict[str, Any]]) -> None:
        answers = (
            self._batch([("PUT", _name(resource), resource) for resource in resources]) if resources else []
        )
        if answers is None:
            # The Bundle can't be read for one of them.
            for resource in resources:
                answer = self.client.put(_name(resource), content=dumps(resource))
                self._note(resource, answer.status_code, answer.content)
        else:
            for resource, answer in zip(resources, answers, strict=True):
                status = int(answer["response"]["status"][:3])
                self._note(resource, status, dumps(answer["response"].get("outcome", {})))

    @property
    def parameters(self) -> int:
        """How many parameters of types the stored resources are searched by."""
        return len({query.partition("=")[0] for _, query in self.queries()})

    def queries(self) -> list[tuple[str, str]]:
        """Searches by all that the stored resources have: the name of a resource, and what has to find it."""
        return [(name, query) for name, resource in self.stored.items() for _, query in queries_of(resource)]

    def _note(self, resource: dict[str, Any], status: int, content: bytes) -> None:
        if status in (200, 201):
            self.stored[_name(resource)] = resource
            return
        issues = loads_exact(content)["issue"]
        worst = next(issue for issue in issues if issue["severity"] in ("error", "fatal"))
        self.refused[_name(resource)] = f"{status} {worst['details']['text']}"

    def _batch(self, requests: Sequence[tuple[str, str, Any]]) -> list[dict[str, Any]] | None:
        entries = [
            {"request": {"method": method, "url": url}} | ({"resource": body} if body else {})
            for method, url, body in requests
        ]
        answer = self.client.post(
            "", content=dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
        )
        if answer.status_code != 200:
            return None
        found: list[dict[str, Any]] = loads_exact(answer.content)["entry"]
        return found

    def read_otherwise(self) -> list[str]:
        """Those that are read with another content than they were stored with."""
        wrong = []
        for names in _some(list(self.stored), _TOGETHER):
            for name in names:
                answer = self.client.get(name)
                if answer.status_code != 200 or content_of(loads_exact(answer.content)) != content_of(
                    self.stored[name]
                ):
                    wrong.append(name)
        return wrong

    def not_found(self, queries: Sequence[tuple[str, str]]) -> list[str]:
        """Of queries (the name of a resource, and a search that has to find it) those that don't find it."""
        wrong = []
        for some in _some(queries, 100):
            answers = self._batch([("GET", query, None) for _, query in some])
            assert answers is not None
            for (name, query), answer in zip(some, answers, strict=True):
                if not answer["response"]["status"].startswith("200"):
                    issue = answer["response"]["outcome"]["issue"][0]
                    wrong.append(f"{query}: {issue['details']['text']}")
                elif [_name(each["resource"]) for each in answer["resource"].get("entry", [])] != [name]:
                    wrong.append(query)
        return wrong

    def exported_otherwise(self) -> list[str]:
        """Those that a system export leaves out, or gives with another content."""
        begun = self.client.get("$export", headers={"Prefer": "respond-async"})
        assert begun.status_code == 202, begun.text
        while (answer := self.client.get(begun.headers["content-location"])).status_code == 202:
            time.sleep(0.3)
        assert answer.status_code == 200, answer.text
        found: dict[str, bytes] = {}
        for file in answer.json()["output"]:
            for line in self.client.get(file["url"]).content.splitlines():
                resource = loads_exact(line)
                found[_name(resource)] = content_of(resource)
        return [name for name, resource in self.stored.items() if found.get(name) != content_of(resource)]


def _some(items: Sequence[Any], count: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), count):
        yield items[start : start + count]


def queries_of(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A search by each parameter of the type that has a value in the resource: its code, and the search."""
    kind = resource["resourceType"]
    parameters = definitions.search_parameters(kind)
    for code, found in values(resource).items():
        wanted = next(filter(None, (query(parameters[code].type, *each) for each in found)), None)
        if wanted is not None:
            yield code, f"{kind}?{code}={quote(wanted, safe='|')}&_id={resource['id']}&_elements=id"


def _escaped(value: Any) -> str:
    text = str(value)
    for sign in "\\,|$":
        text = text.replace(sign, "\\" + sign)
    return text


def query(kind: str, of: str, value: Any) -> str | None:
    """The value of a search parameter that a value of a resource matches; None where it has nothing to search by."""
    if kind == "token":
        return _token(of, value)
    if kind == "string":
        return _text(value)
    if kind == "reference":
        reference = value.get("reference", "") if isinstance(value, dict) else value
        # Unescaped: of a canonical, what is behind `|` is its version.
        return reference if isinstance(reference, str) and reference[:1] not in ("", "#") else None
    if kind == "date":
        return None if of == "string" else _date(value)  # `daily` is no date
    if kind in ("quantity", "number"):
        return _number(value)
    return _escaped(value) if kind == "uri" and isinstance(value, str) else None


def _token(of: str, value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _escaped(value)
    if not isinstance(value, dict):
        return None
    if of == "CodeableConcept":
        return next(filter(None, (_token("Coding", coding) for coding in value.get("coding", []))), None)
    code = value.get("code") if of == "Coding" else value.get("value")
    system = value.get("system") if of != "ContactPoint" else None
    if not isinstance(code, str):
        return None
    return f"{_escaped(system)}|{_escaped(code)}" if system else _escaped(code)


def _text(value: Any) -> str | None:
    if isinstance(value, dict):
        texts = [
            value.get(name) for name in ("family", "text", "city", "line", "given", "country", "postalCode")
        ]
        value = next((text[0] if isinstance(text, list) else text for text in texts if text), None)
    # Accents, spaces and signs are a matter of their own; a beginning is enough to find by.
    return _escaped(value.split()[0]) if isinstance(value, str) and value.split() else None


def _date(value: Any) -> str | None:
    if isinstance(value, dict):
        start = value.get("start")
        if isinstance(start, str):
            return f"ge{start}"
        end = value.get("end")
        return f"le{end}" if isinstance(end, str) else None
    return value if isinstance(value, str) else None


def _number(value: Any) -> str | None:
    if not isinstance(value, dict):
        return str(value)
    if "value" not in value or "comparator" in value:
        return None
    number, unit = value["value"], value.get("code") or value.get("unit") or ""
    return f"{number}|{_escaped(value.get('system', ''))}|{_escaped(unit)}" if unit else str(number)
