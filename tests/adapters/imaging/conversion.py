"""Converts DICOM files with the shipped mapping, as a run does, but without a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.imaging import DicomAdapter, StudyRecord, read_studies
from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.ports import Concept, Translation
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping

MAPPING = Path(__file__).parents[3] / "mappings" / "imaging" / "dicom" / "mapping.yaml"
UCUM = "http://unitsofmeasure.org"


class UnitsOnly:
    """A terminology that knows all units of UCUM and maps nothing: DICOM's codes stand for themselves."""

    def lookup(self, system: str, code: str) -> Concept | None:
        return Concept(system, code) if system == UCUM and ucum.is_valid(code) else None

    def knows_system(self, system: str) -> bool:
        return False

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        return None

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        return []

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        raise KeyError(concept_map)


@dataclass
class Converted:
    resources: list[dict[str, Any]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

    def of(self, resource_type: str) -> list[dict[str, Any]]:
        return [resource for resource in self.resources if resource["resourceType"] == resource_type]


@lru_cache(maxsize=1)
def mapping() -> CompiledMapping:
    return load_mapping(MAPPING, adapters={"dicom": DicomAdapter()})


def convert(paths: Sequence[Path], site: Site | None = None) -> Converted:
    """Convert and collect; what is no study is only counted."""
    site = site or Site(demo_key=True)
    context = Context(site, UnitsOnly(), IdentityResolver(site, IdKey(DEMO_KEY)), "dicom")
    result = Converted()
    for record in read_studies(paths):
        result.issues += record.issues  # type: ignore[arg-type]
        if isinstance(record, StudyRecord) and record.outcome == "read":
            conversion = mapping().convert(record, context)
            result.resources += [output.resource for output in conversion.outputs]
            result.issues += conversion.issues
            result.outcomes.append(conversion.outcome)
        else:
            result.outcomes.append(record.outcome)
    return result
