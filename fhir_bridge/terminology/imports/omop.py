"""The OMOP vocabularies as Athena gives them: tab separated CONCEPT.csv and others (zip or folder).

Tables that a database wrote with commas and quotes are read as well.

Concept ids become one code system (`https://fhir-terminology.ohdsi.org`). `Maps to` becomes one ConceptMap for each
source vocabulary, from its own codes to the standard concept's own code and to its concept id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.imports.curies import OMOP, VOCABULARIES
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import Row, csv_rows, separated_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import (
    ConceptRow,
    DesignationRow,
    MapHeader,
    MapRow,
    Staging,
    SystemHeader,
)

__all__ = ["read", "recognizes"]

_CONCEPT = (
    "concept_id",
    "concept_name",
    "domain_id",
    "vocabulary_id",
    "concept_class_id",
    "standard_concept",
    "concept_code",
    "valid_start_date",
    "valid_end_date",
    "invalid_reason",
)
_MAPS = ("Maps to",)
_LANGUAGES = {
    "4180186": "en",
    "4182511": "es",
    "4182504": "de",
    "4180190": "fr",
    "4182507": "it",
    "4182503": "nl",
}


def recognizes(source: Source) -> bool:
    """Whether it holds a CONCEPT.csv."""
    name = _file(source, "CONCEPT")
    return name is not None and b"vocabulary_id" in source.start(name, 400).lower()


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the vocabularies into the staging.

    Raises:
        ImportProblem: a column is missing, or a line is broken.
    """
    name = _file(source, "CONCEPT")
    if name is None:
        raise ImportProblem(str(source.path), None, "holds no CONCEPT.csv")
    vocabularies, version = _vocabularies(source)
    header = SystemHeader(
        options.system or OMOP,
        options.version or version,
        "OMOP",
        "OMOP standardized vocabularies",
        language="en",
        metadata={
            "publisher": "Observational Health Data Sciences and Informatics (OHDSI)",
            "status": "active",
        },
        properties=[
            PropertyDefinition("domain-id", "code", f"{OMOP}/property/domain-id"),
            PropertyDefinition("vocabulary-id", "code", f"{OMOP}/property/vocabulary-id"),
            PropertyDefinition("concept-class-id", "code", f"{OMOP}/property/concept-class-id"),
            PropertyDefinition("standard-concept", "code", f"{OMOP}/property/standard-concept"),
        ],
    )
    system = staging.system(header)
    staging.db.execute(
        "CREATE TABLE x_omop (id INTEGER PRIMARY KEY, vocabulary TEXT, code TEXT, name TEXT, standard TEXT)"
    )
    label = source.label(name)
    with Batch(staging, system) as batch:
        index: list[tuple[Any, ...]] = []
        for line, row in _rows(source, name, _CONCEPT):
            number, display, domain, vocabulary, kind, standard, code, start, end, invalid = row
            if not number.isdigit():
                raise ImportProblem(label, line, f'has "{number[:40]}" where a concept_id is expected')
            batch.concept(ConceptRow(number, display, None, not invalid, False, line))
            for prop, value in (
                ("domain-id", domain),
                ("vocabulary-id", vocabulary),
                ("concept-class-id", kind),
                ("standard-concept", standard),
                ("invalid-reason", invalid),
            ):
                batch.value(number, prop, value, "code")
            batch.value(number, "concept-code", code)
            batch.value(number, "valid-start-date", start)
            batch.value(number, "valid-end-date", end)
            index.append((int(number), vocabulary, code, display, standard))
            if len(index) >= 20_000:
                _index(staging, index)
        _index(staging, index)
        synonyms = _file(source, "CONCEPT_SYNONYM")
        if synonyms is not None:
            columns = ("concept_id", "concept_synonym_name", "language_concept_id")
            staging.designations(
                system,
                (
                    DesignationRow(number, text, _LANGUAGES.get(language))
                    for _, (number, text, language) in _rows(source, synonyms, columns)
                ),
            )
    _relations(source, staging, system)
    _maps(staging, header, vocabularies)


def _index(staging: Staging, rows: list[tuple[Any, ...]]) -> None:
    staging.insert("INSERT OR IGNORE INTO x_omop VALUES (?,?,?,?,?)", rows)
    rows.clear()


def _vocabularies(source: Source) -> tuple[dict[str, str], str | None]:
    """Versions by vocabulary, and that of the whole."""
    name = _file(source, "VOCABULARY")
    if name is None:
        return {}, None
    rows: dict[str, str] = {}
    for _, (vocabulary, details) in _rows(source, name, ("vocabulary_id", "vocabulary_version")):
        rows[vocabulary] = details
    return rows, rows.get("None") or None


def _relations(source: Source, staging: Staging, system: int) -> None:
    """`Is a` becomes the hierarchy; `Maps to` is put aside for the maps."""
    name = _file(source, "CONCEPT_RELATIONSHIP")
    staging.db.execute("CREATE TABLE x_maps (source INTEGER, target INTEGER)")
    if name is None:
        return
    label = source.label(name)
    columns = ("concept_id_1", "concept_id_2", "relationship_id", "invalid_reason")
    maps: list[tuple[int, int]] = []

    def edges() -> Iterator[tuple[str, str]]:
        for line, (first, second, relation, invalid) in _rows(source, name, columns):
            if invalid:
                continue
            if relation == "Is a":
                yield first, second
            elif relation in _MAPS:
                if not first.isdigit() or not second.isdigit():
                    raise ImportProblem(label, line, "has something else than concept ids")
                maps.append((int(first), int(second)))
                if len(maps) >= 20_000:
                    staging.insert("INSERT INTO x_maps VALUES (?,?)", maps)
                    maps.clear()

    staging.edges(system, edges())
    staging.insert("INSERT INTO x_maps VALUES (?,?)", maps)
    staging.db.execute("CREATE INDEX x_maps_source ON x_maps (source)")


def _maps(staging: Staging, header: SystemHeader, versions: dict[str, str]) -> None:
    result = "FROM x_maps m JOIN x_omop s ON s.id = m.source JOIN x_omop t ON t.id = m.target"
    for (vocabulary,) in list(staging.rows(f"SELECT DISTINCT s.vocabulary {result} ORDER BY 1")):
        url = system_of(vocabulary)
        resource = {
            "resourceType": "ConceptMap",
            "url": f"{header.url}/ConceptMap/{vocabulary.replace(' ', '-')}-maps-to",
            "version": header.version,
            "name": f"OMOPMapsTo{''.join(c for c in vocabulary if c.isalnum())}",
            "title": f"OMOP: {vocabulary} to standard concepts",
            "status": "active",
            "sourceUri": url,
            "description": f"Maps to, from {vocabulary} {versions.get(vocabulary, '')}".strip(),
        }
        number = staging.concept_map(
            MapHeader(str(resource["url"]), header.version, str(resource["name"]), resource)
        )
        rows = staging.rows(
            f"SELECT s.code, s.name, t.vocabulary, t.code, t.name, t.id {result} WHERE s.vocabulary = ?"
            " ORDER BY s.code, t.id",
            vocabulary,
        )
        staging.map_rows(number, _targets(url, rows, header.url))


def _targets(url: str, rows: Iterator[tuple[Any, ...]], omop: str) -> Iterator[MapRow]:
    for code, name, vocabulary, target, target_name, number in rows:
        system = system_of(vocabulary)
        same = system == url and target == code
        equivalence = "equal" if same else "equivalent"
        yield MapRow(url, code, name, system, target, target_name, equivalence)
        yield MapRow(url, code, name, omop, str(number), target_name, equivalence)


def system_of(vocabulary: str) -> str:
    """Url of a vocabulary's own codes."""
    return VOCABULARIES.get(vocabulary) or f"{OMOP}/{vocabulary.replace(' ', '-')}"


def _rows(source: Source, name: str, wanted: tuple[str, ...]) -> Iterator[Row]:
    header = source.start(name, 4096).split(b"\n", 1)[0]
    if b"\t" in header or b"," not in header:
        return separated_rows(source, name, "\t", wanted)
    return csv_rows(source, name, wanted)


def _file(source: Source, table: str) -> str | None:
    wanted = {f"{table}.csv", f"{table}.tsv", f"{table}.txt"}
    results = [
        item for item in source.names if item.rsplit("/", 1)[-1].upper() in {name.upper() for name in wanted}
    ]
    return min(results, key=len) if results and not source.is_tar else None
