"""SSSOM mapping sets (tab separated, their metadata as comments or in a YAML file beside them) as ConceptMaps.

A predicate says how the object is to the subject: of `skos:broadMatch` the object is the wider. Rows that have no
like in a ConceptMap (literals, composed entities, predicates that say nothing of equivalence) are left out and
reported.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.terminology.imports.curies import coding
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import decoded_lines
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import MapHeader, MapRow, Staging

__all__ = ["read", "recognizes"]

_PREDICATES = {
    "skos:exactmatch": "equivalent",
    "owl:equivalentclass": "equivalent",
    "owl:equivalentproperty": "equivalent",
    "owl:sameas": "equal",
    "skos:closematch": "inexact",
    "skos:broadmatch": "wider",
    "skos:broader": "wider",
    "rdfs:subclassof": "wider",
    "rdfs:subpropertyof": "wider",
    "skos:narrowmatch": "narrower",
    "skos:narrower": "narrower",
    "skos:relatedmatch": "relatedto",
    "skos:related": "relatedto",
    "skos:mappingrelation": "relatedto",
    "oboinowl:hasdbxref": "relatedto",
    "oio:hasdbxref": "relatedto",
    "semapv:crossspeciesexactmatch": "relatedto",
    "semapv:crossspeciesclosematch": "relatedto",
    "semapv:crossspeciesbroadmatch": "relatedto",
    "semapv:crossspeciesnarrowmatch": "relatedto",
}
_URIS = {
    "http://www.w3.org/2004/02/skos/core#": "skos:",
    "http://www.w3.org/2002/07/owl#": "owl:",
    "http://www.w3.org/2000/01/rdf-schema#": "rdfs:",
    "http://www.geneontology.org/formats/oboinowl#": "oboinowl:",
}
_NO_ENTITY = ("rdfs literal", "composed entity expression")
_MAX_HEADER = 20_000
_MAX_METADATA = 1 << 20


def recognizes(source: Source) -> bool:
    """Whether a table has the columns of SSSOM."""
    return _file(source) is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the mapping set into the staging.

    Raises:
        ImportProblem: a column is missing, or a row has a predicate or prefix that is not known.
    """
    name = _file(source)
    if name is None:
        raise ImportProblem(str(source.path), None, "holds no table with SSSOM's columns")
    _Set(source, name, staging, options).read()


def _file(source: Source) -> str | None:
    for name in source.files(".tsv", ".txt", ".csv"):
        for line in source.start(name).decode("utf-8-sig", "replace").split("\n"):
            if not line.startswith("#"):
                if {"subject_id", "predicate_id", "object_id"} <= set(line.strip().split("\t")):
                    return name
                break
    return None


class _Set:
    def __init__(self, source: Source, name: str, staging: Staging, options: Options) -> None:
        self.source, self.name, self.staging, self.options = source, name, staging, options
        self.label = source.label(name)
        self.prefixes: dict[str, str] = {}
        self.sources: tuple[str, ...] = ("", "")

    def read(self) -> None:
        lines = decoded_lines(self.source, self.name)
        comments: list[str] = []
        columns: list[str] = []
        for line, text in lines:
            if not text.startswith("#"):
                columns = [column.strip().strip('"') for column in text.split("\t")]
                break
            comments.append(text[1:].rstrip())
            if line > _MAX_HEADER:
                raise ImportProblem(self.label, line, "has more metadata than a mapping set needs")
        missing = {"subject_id", "predicate_id", "object_id"} - set(columns)
        if missing:
            raise ImportProblem(self.label, None, f"has no column {', '.join(sorted(missing))}")
        metadata = {**self._beside(), **self._metadata(comments)}
        self.sources = tuple(str(metadata.get(name) or "") for name in ("subject_source", "object_source"))
        curies = metadata.get("curie_map")
        if isinstance(curies, dict):
            self.prefixes = {str(key): str(value) for key, value in curies.items()}
        stem = re.sub(r"[^A-Za-z0-9.-]+", "-", self.source.path.name.split(".")[0]) or "sssom"
        url = str(metadata.get("mapping_set_id") or f"urn:fhir-bridge:map:sssom:{stem}")
        version = self.options.version or (
            str(metadata["mapping_set_version"]) if "mapping_set_version" in metadata else None
        )
        resource: dict[str, Any] = {
            "resourceType": "ConceptMap",
            "url": url,
            "name": f"SSSOM_{re.sub(r'[^A-Za-z0-9]', '_', stem)}",
            "title": str(metadata.get("mapping_set_title") or self.source.path.name),
            "status": "active",
        }
        if "license" in metadata:
            resource["copyright"] = str(metadata["license"])
        if "mapping_set_description" in metadata:
            resource["description"] = str(metadata["mapping_set_description"])
        if version:
            resource["version"] = version
        number = self.staging.concept_map(MapHeader(url, version, str(resource["name"]), resource))
        self.staging.map_rows(number, self._rows(lines, columns))
        self.staging.drop_equal_map_rows(number)

    def _metadata(self, comments: list[str]) -> dict[str, Any]:
        indent = min(
            (len(comment) - len(comment.lstrip()) for comment in comments if comment.strip()), default=0
        )
        return self._yaml("\n".join(comment[indent:] for comment in comments), self.label)

    def _beside(self) -> dict[str, Any]:
        """The metadata of a YAML file of the same name in the same folder or archive."""
        stem = self.name.removesuffix(".tsv")
        for name in (f"{stem}.yml", f"{stem}.yaml", f"{self.name}.yml", f"{self.name}.yaml"):
            if name in self.source.names:
                text = self.source.start(name, _MAX_METADATA).decode("utf-8", "replace")
                return self._yaml(text, self.source.label(name))
        return {}

    @staticmethod
    def _yaml(text: str, label: str) -> dict[str, Any]:
        try:
            result = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise ImportProblem(label, 1, f"has metadata that are not YAML: {str(error)[:200]}") from error
        return result if isinstance(result, dict) else {}

    def _rows(self, lines: Iterator[tuple[int, str]], columns: list[str]) -> Iterator[MapRow]:
        at = {column: location for location, column in enumerate(columns)}
        line = 0

        def texts() -> Iterator[str]:
            nonlocal line
            for number, text in lines:
                line = number
                yield text + "\n"

        try:
            for fields in csv.reader(texts(), delimiter="\t"):
                if not any(fields):
                    continue
                if len(fields) > len(columns) and any(fields[len(columns) :]):
                    raise ImportProblem(
                        self.label, line, f"has {len(fields)} fields, where {len(columns)} are expected"
                    )
                row = {
                    column: fields[location].strip() if location < len(fields) else ""
                    for column, location in at.items()
                }
                yield from self._row(line, row)
        except csv.Error as error:
            raise ImportProblem(self.label, line, f"is not well-formed: {error}") from error

    def _row(self, line: int, row: dict[str, str]) -> Iterator[MapRow]:
        kinds = {row.get("subject_type", ""), row.get("object_type", "")}
        for kind in _NO_ENTITY:
            if kind in kinds:
                self.staging.note(f"rows of the type {kind}, left out")
                return
        source_system, code = self._coding(
            line, row["subject_id"], row.get("subject_source") or self.sources[0]
        )
        label = row.get("subject_label") or None
        comment = "; ".join(
            text for text in (row.get("comment", ""), row.get("mapping_justification", "")) if text
        )
        if row["object_id"] in ("", "sssom:NoTermFound"):
            yield MapRow(source_system, code, label, None, None, None, "unmatched", comment or None)
            return
        predicate = row["predicate_id"].lower()
        for start, short in _URIS.items():
            predicate = predicate.replace(start, short)
        equivalence = _PREDICATES.get(predicate)
        if equivalence is None:
            self.staging.note(f"rows of the predicate {row['predicate_id'][:64]}, left out")
            return
        if row.get("predicate_modifier", "").lower() == "not":
            equivalence = "disjoint"
        objects = row["object_id"].split("|")
        for item in objects:
            target_system, target = self._coding(
                line, item.strip(), row.get("object_source") or self.sources[1]
            )
            display = row.get("object_label") if len(objects) == 1 else None
            yield MapRow(
                source_system,
                code,
                label,
                target_system,
                target,
                display or None,
                equivalence,
                comment or None,
            )

    def _coding(self, line: int, curie: str, details: str) -> tuple[str, str]:
        results = coding(curie, self.prefixes)
        if results is None and details.startswith("http") and ":" in curie:
            return details, curie.partition(":")[2]
        if results is None:
            raise ImportProblem(
                self.label, line, f'has "{curie[:60]}", whose prefix is not in the curie_map of the file'
            )
        return results
