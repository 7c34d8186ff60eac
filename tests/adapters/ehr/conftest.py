"""Contexts for reading, and a run of one mapping over sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.ehr.hl7v2 import read_message
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, IdentityResolver, Site, load_mapping
from fhir_bridge.plugins import adapters


@dataclass
class Reading:
    """What a reader may know of the run."""

    options: dict[str, Any] = field(default_factory=dict)
    site: Any = None


REMAINDER = {"text": "Further content of the message"}
"""Code of the Observation of what no other rule of HL7 v2 represents."""


@dataclass
class Converted:
    """What a mapping made of sources."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    issues: list[Any] = field(default_factory=list)
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    def of(self, resource_type: str) -> list[dict[str, Any]]:
        """The resources of a type, in order, but what an HL7 v2 message says besides (`remainder`)."""
        return [
            resource
            for resource in self.resources
            if resource["resourceType"] == resource_type and resource.get("code") != REMAINDER
        ]

    def remainder(self) -> dict[str, str]:
        """What an HL7 v2 message says that no other rule represents: name of the field -> text."""
        return {
            part["code"]["text"]: part["valueString"]
            for resource in self.resources
            if resource.get("code") == REMAINDER
            for part in resource["component"]
        }

    def codes(self) -> set[str]:
        """The codes of all issues."""
        return {issue.code for issue in self.issues}


SITE = Site(
    site="test",
    zone="Europe/Rome",
    demo_key=True,
    schemes={"LAB-DEMO": "https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo"},
)


@cache
def compiled_mapping(mapping: str) -> Any:
    """A shipped mapping, compiled once for all tests of a process."""
    return load_mapping(mapping, adapters=adapters())


def convert(mapping: str, paths: list[Path], site: Site = SITE) -> Converted:
    """Read the sources and convert them with a shipped mapping."""
    from fhir_bridge.terminology import get_terminology

    known = adapters()
    compiled = compiled_mapping(mapping)
    adapter = known[compiled.adapter]
    context = Context(site, get_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), compiled.adapter)
    result = Converted()
    for record in adapter.read(paths, Reading(dict(compiled.source_options), site)):
        result.issues += record.issues
        if record.outcome != "read":
            result.outcomes.append((record.locator, record.outcome))
            continue
        conversion = compiled.convert(record, context)
        result.outcomes.append((record.locator, conversion.outcome))
        result.issues += conversion.issues
        result.resources += [output.resource for output in conversion.outputs]
    return result


class Converter:
    """Converts HL7 v2 messages given as text with one mapping, compiled once: for properties."""

    def __init__(self, mapping: str = "ehr/hl7v2", site: Site = SITE) -> None:
        from fhir_bridge.terminology import get_terminology

        self.compiled = compiled_mapping(mapping)
        self.context = Context(
            site, get_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), self.compiled.adapter
        )

    def __call__(self, text: str) -> Converted:
        record = read_message(text.encode(), "m#1", self.compiled.source_options)
        result = Converted(issues=list(record.issues))
        if record.outcome != "read":
            result.outcomes.append((record.locator, record.outcome))
            return result
        conversion = self.compiled.convert(record, self.context)
        result.outcomes.append((record.locator, conversion.outcome))
        result.issues += conversion.issues
        result.resources += [output.resource for output in conversion.outputs]
        return result


@pytest.fixture(scope="session")
def converter() -> Converter:
    """The shipped HL7 v2 mapping."""
    return Converter()


@pytest.fixture
def reading() -> Callable[..., Reading]:
    """Makes a read context of options."""
    return lambda **options: Reading(options)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of the given name and content."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.fixture
def message(write: Callable[..., Path]) -> Callable[..., Converted]:
    """Converts one HL7 v2 message given as its segments."""
    number = 0

    def run(*segments: str, site: Site = SITE) -> Converted:
        nonlocal number
        number += 1
        return convert("ehr/hl7v2", [write(f"m{number}.hl7", "\r".join(segments) + "\r")], site)

    return run
