"""Everything that the demonstration writes is valid: by our validator, and by the R4B models of `fhir.resources`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.storage import Store
from fhir_bridge.terminology import get_terminology
from tests.e2e.conftest import Service
from tests.patience import until


@pytest.fixture(scope="module")
def versions(demo_url: str) -> list[bytes]:
    """Every version of every resource, as stored."""

    async def read() -> list[bytes]:
        found: list[bytes] = []
        async with await Store.open(demo_url, max_size=1) as store:
            cursor = None
            while True:
                page = await store.history(EVERYTHING, count=500, cursor=cursor)
                found += [entry.stored.bytes for entry in page.entries if entry.stored.bytes]
                cursor = page.next
                if cursor is None:
                    return found

    return asyncio.run(read())


def _errors(resources: list[bytes]) -> Iterator[str]:
    validator = Validator.of(get_terminology())
    for text in resources:
        for issue in validator.validate(text):
            if issue.severity in ("error", "fatal"):
                yield f"{issue.expression}: {issue.message} in {text[:120]!r}"


def _parsed(resources: list[bytes]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for text in resources:
        kind: str = loads(text)["resourceType"]
        model: Any = get_fhir_model_class(kind).model_validate_json(text)
        assert model.get_resource_type() == kind
        kinds[kind] += 1
    return kinds


def test_every_version_is_valid(versions: list[bytes]) -> None:
    assert list(_errors(versions)) == []


def test_every_version_parses_with_fhir_resources(versions: list[bytes]) -> None:
    kinds = _parsed(versions)
    written = (
        "Patient Encounter Observation Condition MedicationStatement Specimen DiagnosticReport ImagingStudy Device "
        "Practitioner Procedure Consent RiskAssessment DocumentReference Provenance"
    )
    assert set(kinds) >= set(written.split())
    assert kinds["Observation"] > 1000


def test_every_reference_finds_its_resource(versions: list[bytes]) -> None:
    """Within the demonstration nothing points into the void."""
    resources = [loads(text) for text in versions]
    there = {f"{resource['resourceType']}/{resource['id']}" for resource in resources}
    missing = {
        target
        for resource in resources
        for target in _references(resource)
        if "/" in target
        and not target.startswith(("http", "urn:"))
        and target.split("/_history")[0] not in there
    }
    assert missing == set()


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def test_what_the_server_says_of_itself_is_valid_too(service: Service) -> None:
    """AuditEvents, the CapabilityStatement, search pages and errors."""
    refused = service.http.get("/fhir/Patient").content
    service.sign_on()
    paths = ("metadata", "Patient?_count=3", "Observation?code=nothing", "Patient/none", "Patient?unknown=1")
    texts = [refused, *(service.http.get(f"/fhir/{path}").content for path in paths)]
    until(lambda: service.search("AuditEvent?_count=200"), "those of reads are stored soon after", pause=0.1)
    events = service.search("AuditEvent?_count=200")
    texts += [service.http.get(f"/fhir/AuditEvent/{event['id']}").content for event in events[:5]]
    assert list(_errors(texts)) == []
    assert _parsed(texts)["AuditEvent"] > 0
