"""What a kick-off request of `$export` asks for (Bulk Data Access 2, export.html#query-parameters)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from fhir_bridge.fhir import definitions
from fhir_bridge.server.rest.interactions import read_instant
from fhir_bridge.server.rest.refusal import refuse

__all__ = ["ExportRequest", "prefers", "read_request"]

FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
KNOWN = frozenset({"_outputFormat", "_since", "_type", "_typeFilter", "_elements", "patient"})
_NEXT_FILTER = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
_NAME = re.compile(r"(?:[A-Z][A-Za-z]+\.)?[a-z][A-Za-z]*")
_PATIENT = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9.-]{1,64})")
MOST_FILTERS = 50
MOST_PATIENTS = 100_000


@dataclass(slots=True)
class ExportRequest:
    """A request, read. types: None where it names none. left_out: what a lenient caller is told."""

    since: datetime | None = None
    types: list[str] | None = None
    filters: dict[str, list[list[tuple[str, str]]]] = field(default_factory=dict)
    elements: tuple[str, ...] = ()
    patients: list[str] | None = None
    left_out: list[str] = field(default_factory=list)


def prefers(headers: Mapping[str, str]) -> dict[str, str]:
    """The header Prefer as name and value."""
    items = (item.partition("=") for item in re.split(r"[;,]", headers.get("prefer", "")) if item.strip())
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in items}


def read_request(parameters: Mapping[str, Any], *, lenient: bool, takes_patients: bool) -> ExportRequest:
    """Read the parameters of an export.

    Args:
        lenient: leave out what is not understood, and say so in `left_out`.
        takes_patients: whether `patient` is taken: by POST, of Patients or a Group.

    Raises:
        Refusal: 400.
    """
    request = ExportRequest()

    def unusable(text: str) -> None:
        if not lenient:
            raise refuse(400, "FB-BULK-001", text)
        request.left_out.append(text)

    for name in sorted(set(parameters) - KNOWN - {"_format", "_pretty"}):
        unusable(f"the parameter {name[:40]!r} is not taken")
    for value in _texts(parameters, "_outputFormat"):
        if value.split(";")[0].strip().replace(" ", "+") not in FORMATS:
            raise refuse(400, "FB-BULK-001", f"_outputFormat is application/fhir+ndjson, not {value[:60]!r}")
    since = _texts(parameters, "_since")
    if len(since) > 1:
        raise refuse(400, "FB-BULK-001", "_since occurs twice")
    request.since = read_instant(since[0], "FB-BULK-001") if since else None
    for name in _split(_texts(parameters, "_type")):
        if name not in definitions.resource_types():
            unusable(f"_type: R4 has no type {name[:40]!r}")
        elif name not in (request.types or ()):
            request.types = [*(request.types or ()), name]
    if "_type" in parameters and request.types is None:
        raise refuse(400, "FB-BULK-001", "_type names no type that can be exported")
    _read_filters(request, _texts(parameters, "_typeFilter"))
    elements = _split(_texts(parameters, "_elements"))
    for name in elements:
        if _NAME.fullmatch(name) is None:
            raise refuse(
                400, "FB-BULK-001", f"_elements takes names of elements: id,Patient.name, not {name[:40]!r}"
            )
        if not _is_element(name, request.types):
            unusable(f"_elements: no type that is exported has {name[:40]!r}")
    request.elements = tuple(elements)
    if "patient" in parameters:
        if not takes_patients:
            raise refuse(
                400, "FB-BULK-001", "`patient` is taken by POST, of Patient/$export and Group/ID/$export"
            )
        request.patients = _patients(parameters["patient"])
    return request


def _texts(parameters: Mapping[str, Any], name: str) -> list[str]:
    value = parameters.get(name, [])
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise refuse(400, "FB-BULK-001", f"{name} is a text")
    return values


def _split(values: Sequence[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _is_element(name: str, types: Sequence[str] | None) -> bool:
    """Whether `name` of any of the types, or `Type.name`, is an element of R4."""
    kind, _, element = name.rpartition(".")
    asked = definitions.resource_types() if types is None else types
    return any(
        element in {each.name.removesuffix("[x]"), *each.json_names}
        for type_name in ([kind] if kind else asked)
        if type_name in asked
        for each in definitions.type_definition(type_name).children()
    )


def _read_filters(request: ExportRequest, values: Sequence[str]) -> None:
    filters = [part for value in values for part in _NEXT_FILTER.split(value) if part]
    if len(filters) > MOST_FILTERS:
        raise refuse(400, "FB-BULK-001", f"_typeFilter occurs more than {MOST_FILTERS} times")
    for text in filters:
        name, mark, query = text.partition("?")
        try:
            criteria = parse_qsl(query, keep_blank_values=True, max_num_fields=20, errors="strict")
        except ValueError as error:
            raise refuse(400, "FB-BULK-001", f"_typeFilter can't be read: {text[:60]!r}") from error
        # Nothing may be left out of a filter: it would give more than was asked for.
        if name not in definitions.resource_types() or not mark or not criteria:
            raise refuse(400, "FB-BULK-001", f"_typeFilter is Type?search, not {text[:60]!r}")
        if any("\x00" in part for pair in criteria for part in pair):
            raise refuse(400, "FB-BULK-001", "_typeFilter holds a NUL character")
        if request.types is not None and name not in request.types:
            raise refuse(400, "FB-BULK-001", f"_typeFilter is about {name}, which _type does not name")
        request.filters.setdefault(name, []).append(criteria)


def _patients(value: Any) -> list[str]:
    results: dict[str, None] = {}
    for item in value if isinstance(value, list) else [value]:
        text = item.get("reference") if isinstance(item, dict) else item
        match = _PATIENT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise refuse(400, "FB-BULK-001", "`patient` is a reference: Patient/ID")
        results[match[1]] = None
    if len(results) > MOST_PATIENTS:
        raise refuse(400, "FB-BULK-001", f"more than {MOST_PATIENTS} patients: ask for a Group")
    return list(results)
