"""OMOP's SOURCE_TO_CONCEPT_MAP as CSV, as Usagi exports it for the CDM: one ConceptMap for each source vocabulary."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.terminology.imports.curies import OMOP, VOCABULARIES
from fhir_bridge.terminology.imports.omop_maps import part_of_url, put_map
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import csv_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import MapRow, Staging

__all__ = ["read", "recognizes"]

_WANTED = ("source_code", "source_vocabulary_id", "target_concept_id")
_OPTIONAL = ("source_code_description", "invalid_reason", "valid_end_date")


def recognizes(source: Source) -> bool:
    """Whether a CSV has the columns of SOURCE_TO_CONCEPT_MAP."""
    return _file(source) is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the table into the staging; `options.system` names the source codes where there is one vocabulary.

    Raises:
        ImportProblem: a column is missing, or a row is broken.
    """
    file = _file(source)
    if file is None:
        raise ImportProblem(
            str(source.path), None, "holds no table with the columns of SOURCE_TO_CONCEPT_MAP"
        )
    name, separator = file
    maps: dict[str, tuple[int, str]] = {}

    def located() -> Iterator[tuple[int, MapRow]]:
        for vocabulary, row in _rows(source, name, separator, staging):
            if vocabulary not in maps:
                if options.system is not None and maps:
                    raise ImportProblem(
                        source.label(name),
                        None,
                        f"has the source vocabularies {next(iter(maps))} and {vocabulary}; --system can name one only",
                    )
                maps[vocabulary] = _put(vocabulary, staging, options)
            number, system = maps[vocabulary]
            yield number, row._replace(source_system=system)

    staging.rows_of_maps(located())


def _put(vocabulary: str, staging: Staging, options: Options) -> tuple[int, str]:
    """Begin the map of a vocabulary; gives its number and the system of its source codes."""
    stem = part_of_url(vocabulary, "local")
    system = options.system or VOCABULARIES.get(vocabulary) or f"urn:fhir-bridge:omop:{stem}"
    number = put_map(
        staging,
        f"urn:fhir-bridge:map:omop:{stem}",
        options.version,
        name=f"OMOP_{vocabulary}",
        title=f"SOURCE_TO_CONCEPT_MAP of {vocabulary}",
        status="active",
        source=system,
    )
    return number, system


def _rows(source: Source, name: str, separator: str, staging: Staging) -> Iterator[tuple[str, MapRow]]:
    label = source.label(name)
    for line, row in csv_rows(source, name, _WANTED, _OPTIONAL, separator):
        code, vocabulary, concept, text, invalid, _ = row
        if not code or not vocabulary:
            raise ImportProblem(label, line, "has no source code or no source vocabulary")
        if not concept.removeprefix("-").isdigit():
            raise ImportProblem(label, line, f'has "{concept[:40]}" where a concept id is expected')
        if invalid not in ("", "NULL"):
            staging.note("rows that are no longer valid, left out")
            continue
        target = concept if int(concept) > 0 else None
        yield (
            vocabulary,
            MapRow(
                None,
                code,
                text or None,
                OMOP if target else None,
                target,
                None,
                "equivalent" if target else "unmatched",
            ),
        )


def _file(source: Source) -> tuple[str, str] | None:
    """The table and its separator."""
    for name in source.files(".csv", ".tsv", ".txt"):
        header = source.first_line(name).lower()
        if all(column in header for column in _WANTED):
            return name, "\t" if "\t" in header else ","
    return None
