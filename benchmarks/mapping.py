"""Speed of compiled mappings alone (no reader, no writer): `python benchmarks/mapping.py [seconds per case]`.

Each case converts 25,000 prepared records of one kind in one process, over and over; the best thousand counts, by
processor time, so that a busy machine does not show. More records than the caches hold, so that these do not either.
Outputs are given as JSON: of dicts, of dicts with a trace, and as bytes. The last case is the shipped mapping of
laboratory tables with rows as a laboratory exports them: four results an order, values with their spread.
"""

# ruff: noqa: ARG002 - the toy model and terminology take what their protocols give
from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.ports import Concept, Translation
from fhir_bridge.mapping import (
    CompiledMapping,
    Context,
    IdentityResolver,
    Record,
    Scope,
    Site,
    load_mapping,
)
from fhir_bridge.mapping.loading import load_text
from fhir_bridge.plugins import adapters
from fhir_bridge.terminology import get_terminology

VARIANT = """
mapping: variant
version: 1.0.0
source: {adapter: bench}
rules:
- rule: variant
  as: Observation
  key: [row.assembly, row.chrom, row.pos, row.ref, row.alt, row.sample]
  status: final
  category:
  - coding: [{system: http://terminology.hl7.org/CodeSystem/observation-category, code: laboratory}]
  - coding: [{system: http://terminology.hl7.org/CodeSystem/v2-0074, code: GE}]
  code: {coding: [{system: http://loinc.org, code: 69548-6, display: Genetic variant assessment}]}
  subject: "=sample(row.sample)"
  valueCodeableConcept:
    coding: [{system: http://loinc.org, code: LA9633-4, display: Present}]
  component:
  - code: {coding: [{system: http://loinc.org, code: 48018-6}]}
    valueCodeableConcept: "=row.gene | concept(system='http://www.genenames.org/geneId')"
  - code: {coding: [{system: http://loinc.org, code: 62374-4}]}
    valueCodeableConcept: {coding: [{system: http://loinc.org, code: LA26806-2}]}
  - code: {coding: [{system: http://loinc.org, code: 81290-9}]}
    valueCodeableConcept: "=row.hgvs | concept(system='http://varnomen.hgvs.org')"
  - code: {coding: [{system: http://loinc.org, code: 69547-8}]}
    valueString: "=row.ref"
  - code: {coding: [{system: http://loinc.org, code: 69551-0}]}
    valueString: "=row.alt"
  - code: {coding: [{system: http://loinc.org, code: 81254-5}]}
    valueRange: {low: {value: "=row.pos"}}
  - when: row.depth != null
    code: {coding: [{system: http://loinc.org, code: 82121-5}]}
    valueQuantity: "=quantity(row.depth)"
  - when: row.gt == '0/1'
    code: {coding: [{system: http://loinc.org, code: 53034-5}]}
    valueCodeableConcept: {coding: [{system: http://loinc.org, code: LA6706-1, display: Heterozygous}]}
"""

LABORATORY = """
mapping: laboratory
version: 1.0.0
source: {adapter: bench}
rules:
- rule: result
  as: Observation
  key: [row.order, row.code]
  time: row.time
  status: "=row.status | translate('v2-0085', else='unknown+flag')"
  code: "=row.code | concept(to=['http://loinc.org'], system='urn:lab', text=row.name)"
  subject: "=patient('urn:mrn', row.mrn)"
  effectiveDateTime: "=datetime(row.time)"
  value[x]: {match: row.kind, NM: "=quantity(row.value, row.unit)", ST: "=row.value", else: flag}
  interpretation: "=row.flag | concept(system='HL70078')"
  referenceRange:
  - low: "=quantity(row.low, row.unit)"
    high: "=quantity(row.high, row.unit)"
"""

ADMISSION = """
mapping: admission
version: 1.0.0
source: {adapter: bench}
rules:
- rule: patient
  as: Patient
  key: "=patient('urn:mrn', row.mrn)"
  time: row.time
  update: delta
  identifier: [{system: "urn:mrn", value: "=row.mrn"}]
  name: [{family: "=row.family", given: ["=row.given"]}]
  gender: "=row.sex | translate('sex', else='unknown+flag')"
  birthDate: "=date(row.birth)"
  address: [{line: ["=row.street"], city: "=row.city", postalCode: "=row.zip"}]
  telecom: [{system: phone, value: "=row.phone"}]
- rule: encounter
  as: Encounter
  key: [row.visit]
  time: row.time
  status: in-progress
  class: {system: http://terminology.hl7.org/CodeSystem/v3-ActCode, code: IMP}
  subject: "=ref('patient')"
  period: "=period(row.time)"
  location:
  - location: {display: "=row.ward"}
"""

ROWS: dict[str, dict[str, Any]] = {
    "variant": {
        "assembly": "GRCh38", "chrom": "chr19", "pos": 11105563, "ref": "C", "alt": "T", "sample": "S1",
        "gene": "HGNC:6547", "hgvs": "NC_000019.10:g.11105563C>T", "depth": 84, "gt": "0/1",
    },
    "laboratory": {
        "order": "4711", "code": "K", "name": "Kalium", "time": "20240102101500", "status": "F", "mrn": "12345",
        "kind": "NM", "value": "5.10", "unit": "mmol/l", "flag": "H", "low": "3.5", "high": "5.0",
    },
    "admission": {
        "mrn": "12345", "time": "20240102101500", "family": "Muster", "given": "Erika", "sex": "F",
        "birth": "19640812", "street": "Heidestr. 17", "city": "Köln", "zip": "51147", "phone": "0221-1", "visit": "V1",
        "ward": "3B",
    },
}  # fmt: skip


class _Row(Record):
    root = "row"

    def __init__(self, cells: Mapping[str, Any]) -> None:
        super().__init__("bench:1", source="bench")
        self.cells = cells

    def scope(self, name: str) -> Iterable[Any]:
        return (self,)


class _Model:
    root = "row"
    token = ""
    scopes: Mapping[str, Scope] = {"row": Scope("row")}
    functions: Mapping[str, Any] = {}

    def selector(self, text: str, scope: str) -> str:
        return f"s.cells.get({text.removeprefix('row.')!r})"

    def key(self, source: str, scope: str) -> str:
        return source

    def key_head(self, scope: str) -> list[str]:
        return []


class _Adapter:
    name = "bench"
    model = _Model()


class _Terminology:
    def lookup(self, system: str, code: str) -> Concept | None:
        return Concept(system, code)

    def knows_system(self, system: str) -> bool:
        return False

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        return None

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        return [Translation(targets[0], code, None, "equivalent", "map")]

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        target = {"sex": "female", "v2-0085": "final"}[concept_map]
        return [Translation("urn:x", target, None, "equivalent", "map")]


def _varied(cells: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The row as another of its kind: other times, keys and values."""
    clock = f"{number // 3600 % 24:02d}{number // 60 % 60:02d}{number % 60:02d}"
    changed = {
        "time": f"20240102{clock}", "pos": 11105563 + number, "order": str(4711 + number), "visit": f"V{number}",
        "mrn": str(10000 + number), "value": f"{number % 97}.{number % 10}", "depth": number % 200 + 1,
    }  # fmt: skip
    return {name: changed.get(name, value) for name, value in cells.items()}


def _best(mapping: CompiledMapping, rows: Sequence[Any], context: Context, seconds: float) -> float:
    conversion = mapping.convert(rows[0], context)
    problems: Sequence[Issue] = conversion.issues
    if conversion.outcome != "converted":
        raise SystemExit(f"{mapping.name}: {problems}")
    best, spent = 0.0, 0.0
    while spent < seconds:
        for start in range(0, len(rows), 1000):
            started = time.process_time()
            for record in rows[start : start + 1000]:
                for output in mapping.convert(record, context).outputs:
                    assert output.json
            elapsed = time.process_time() - started
            best = max(best, 1000 / elapsed)
            spent += elapsed
    return best


def _line(
    name: str, mapping: CompiledMapping, rows: Sequence[Any], make: Callable[[str], Context], seconds: float
) -> None:
    outputs = len(mapping.convert(rows[0], make("dicts")).outputs)
    plain, traced, written = (
        _best(mapping, rows, make(form), seconds) for form in ("dicts", "traced", "bytes")
    )
    cost = 1 - traced / plain
    print(f"{name:<16} {outputs:>9} {plain:>10,.0f} {traced:>11,.0f} {cost:>6.1%} {written:>10,.0f}")


def _toy(text: str, name: str, seconds: float) -> None:
    mapping = load_text(text, f"{name}.yaml", adapters={"bench": _Adapter()})
    site = Site(zone="Europe/Rome")

    def make(form: str) -> Context:
        identity = IdentityResolver(site, IdKey(DEMO_KEY))
        return Context(site, _Terminology(), identity, "bench", form == "traced", bytes_=form == "bytes")

    _line(name, mapping, [_Row(_varied(ROWS[name], number)) for number in range(25_000)], make, seconds)


TESTS = (
    ("CHOL", "Cholesterin gesamt", 5.4, 1.1, 1, "mmol/l", "< 5,2"),
    ("CHOLMG", "Cholesterin gesamt", 209, 40, 0, "mg/dl", "< 200"),
    ("HSTNT", "Troponin T hochsensitiv", 9, 4, 0, "ng/l", "< 14"),
    ("K", "Kalium", 4.3, 0.4, 1, "mmol/l", "3,5-5,1"),
)
"""Code, name, mean, spread, decimals, unit and range of tests that the shipped terminology knows."""


def laboratory_table(count: int) -> Iterator[str]:
    """The lines of a laboratory's table."""
    chance = random.Random(1)
    yield "PatNr;Aussteller;Auftrag;Code;Bezeichnung;Wert;Einheit;Referenz;Abnahme;Freigabe;Status\n"
    for number in range(count):
        order = number // 4
        code, name, mean, spread, decimals, unit, limits = TESTS[number % 4]
        value = f"{max(chance.gauss(mean, spread), 0):.{decimals}f}".replace(".", ",")
        day = f"{1 + order // 1440 % 28:02d}.{1 + order // 40320 % 12:02d}.2026"
        taken, hour = f"{day} {order // 60 % 24:02d}:{order % 60:02d}", f"{order // 60 % 24:02d}"
        patient = 10_000 + order % 5_000
        yield (f"{patient};HOSP;A{order};{code};{name};{value};{unit};{limits};{taken};{day} {hour}:59;F\n")


class _Reading:
    def __init__(self, mapping: CompiledMapping, site: Site) -> None:
        self.options = mapping.source_options
        self.selectors = mapping.selectors
        self.site = site


def _laboratory(seconds: float) -> None:
    mapping = load_mapping("ehr/csv-laboratory", adapters=adapters())
    schemes = {"LAB-DEMO": "https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo"}
    site = Site(zone="Europe/Berlin", demo_key=True, schemes=schemes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "laboratory.csv"
        file.write_text("".join(laboratory_table(25_000)), "utf-8")
        rows = list(adapters()["csv"].read([file], _Reading(mapping, site)))

    def make(form: str) -> Context:
        identity = IdentityResolver(site, IdKey(DEMO_KEY))
        return Context(site, get_terminology(), identity, "csv", form == "traced", bytes_=form == "bytes")

    _line("csv-laboratory", mapping, rows, make, seconds)


def main() -> None:
    """Print records a second for each case and form."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(f"{'case':<16} {'resources':>9} {'dicts/s':>10} {'with trace':>11} {'cost':>6} {'bytes/s':>10}")
    for name, text in (("variant", VARIANT), ("laboratory", LABORATORY), ("admission", ADMISSION)):
        _toy(text, name, seconds)
    _laboratory(seconds)


if __name__ == "__main__":
    main()
