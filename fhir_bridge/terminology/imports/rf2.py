"""SNOMED CT as RF2 (Release File Specification): a release zip or folder, Snapshot or Full.

An extension and the International Edition that it depends on are imported together: a folder that holds both. The code
system follows "Using SNOMED CT with FHIR" (snomedct.html in R4): url `http://snomed.info/sct`, version
`http://snomed.info/sct/{module}/version/{date}`; simple reference sets are ValueSets `…?fhir_vs=refset/{id}`,
historical associations and maps are ConceptMaps `…?fhir_cm={id}`. The display is the preferred term in US English,
where there is none in British English, else in the language that has most. For ECL role groups, all descriptions and
the rows of reference sets are kept besides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rf2_files import Files, is_release
from fhir_bridge.terminology.imports.rf2_load import load
from fhir_bridge.terminology.imports.rf2_maps import read_maps
from fhir_bridge.terminology.imports.rf2_terms import SYNONYM, SYSTEM, Terms
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import (
    ConceptRow,
    DesignationRow,
    LogicHeader,
    MemberRow,
    PropertyRow,
    Staging,
    SystemHeader,
)

__all__ = ["SYSTEM", "read", "recognizes"]

_ROOT, _IS_A = "138875005", 116680003
_CORE = "900000000000207008"
_NOTICE = (
    "This material includes SNOMED Clinical Terms® (SNOMED CT®) which is used by permission of SNOMED International. "
    "All rights reserved. SNOMED CT® was originally created by The College of American Pathologists."
)


def recognizes(source: Source) -> bool:
    """Whether it holds an RF2 concept file."""
    return is_release(source)


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a release into the staging.

    Raises:
        ImportProblem: a file is missing or broken, or the edition that an extension needs is not there.
    """
    _Release(source, staging, options).read()


class _Release:
    def __init__(self, source: Source, staging: Staging, options: Options) -> None:
        self.files = Files(source, options.as_of)
        self.source, self.staging, self.options = source, staging, options
        self.logic = LogicHeader()
        self.header = SystemHeader(
            options.system or SYSTEM,
            options.version,
            "SNOMED_CT",
            "SNOMED CT",
            language="en",
            metadata={"publisher": "SNOMED International", "copyright": _NOTICE, "status": "active"},
            logic=self.logic,
        )

    def read(self) -> None:
        staging = self.staging
        self.system = staging.system(self.header)
        self.reference_sets = load(self.files, staging)
        fields = self.reference_sets.fields
        self.logic.reference_sets = {str(code): fields[code] for code in sorted(fields)}
        if next(staging.rows("SELECT 1 FROM x_concept WHERE id = ?", int(_ROOT)), None) is None:
            raise ImportProblem(
                str(self.source.path),
                None,
                "has no root concept 138875005: an extension needs the International Edition that it depends on; "
                "put both into one folder and import the folder",
            )
        self.header.version = self.options.version or self._version()
        self._declare()
        self._concepts()
        self._relations()
        self._refsets()
        read_maps(self.files, staging, self.system, self.header)

    def _version(self) -> str:
        """The version URI: of the module that depends on others and that none depends on."""
        rows = list(
            self.staging.rows(
                "SELECT module, max(time) FROM x_depends WHERE module NOT IN (SELECT target FROM x_depends)"
                " GROUP BY module"
            )
        )
        if rows:
            counts = Counter(
                dict(self.staging.rows("SELECT module, count(*) FROM x_concept GROUP BY module"))
            )
            # A folder may hold editions side by side: the newest, then the one with the most concepts.
            module, time = max(rows, key=lambda row: (row[1], counts[row[0]]))
        else:
            (time,) = next(self.staging.rows("SELECT max(time) FROM x_concept"))
            module = _CORE
            self.staging.note("no module dependencies: the version is identified by the newest concept")
        return f"{self.header.url}/{module}/version/{time}"

    def _declare(self) -> None:
        uri = "http://snomed.info/field/"
        self.header.properties += [
            PropertyDefinition("inactive", "boolean", "http://hl7.org/fhir/concept-properties#inactive"),
            PropertyDefinition("sufficientlyDefined", "boolean", f"{uri}Concept.definitionStatusId"),
            PropertyDefinition("moduleId", "code", f"{uri}Concept.moduleId"),
            PropertyDefinition("effectiveTime", "string", f"{uri}Concept.effectiveTime"),
            PropertyDefinition("memberOf", "code", None, "Reference sets that the concept is a member of"),
        ]

    # --- tables into the staging ---

    def _concepts(self) -> None:
        terms = Terms(self.staging)
        names: list[DesignationRow] = []
        values: list[PropertyRow] = []

        def rows() -> Iterator[ConceptRow]:
            for code, concept, display, definition, designations, descriptions in terms.concepts():
                active, module, time, defined, line = concept
                names.extend(designations)
                if not active:
                    values.append(PropertyRow(code, "inactive", "true", "boolean"))
                defined_text = "true" if defined else "false"
                values.append(PropertyRow(code, "sufficientlyDefined", defined_text, "boolean"))
                values.append(PropertyRow(code, "moduleId", module, "code"))
                values.append(PropertyRow(code, "effectiveTime", time, "string"))
                if len(values) > 50_000:
                    self._put(names, values)
                yield ConceptRow(
                    code, display, definition, bool(active), line=line, descriptions=descriptions
                )
            self._put(names, values)

        self.staging.concepts(self.system, rows())
        self.logic.kinds = list(terms.kinds)

    def _put(self, names: list[DesignationRow], values: list[PropertyRow]) -> None:
        self.staging.designations(self.system, names)
        self.staging.properties(self.system, values)
        names.clear()
        values.clear()

    def _relations(self) -> None:
        self.staging.edges(
            self.system,
            (
                (str(source), target)
                for source, target in self.staging.rows(
                    "SELECT source, target FROM x_relation WHERE active = 1 AND kind = ?", _IS_A
                )
            ),
        )
        self.staging.properties(
            self.system,
            (
                PropertyRow(str(source), str(kind), *_value(target), group)
                for source, kind, target, group in self.staging.rows(
                    "SELECT DISTINCT source, kind, target, grp FROM x_relation WHERE active = 1 AND kind <> ?",
                    _IS_A,
                )
            ),
        )

    def _refsets(self) -> None:
        self.staging.members(
            self.system,
            (
                MemberRow(str(refset), str(component), bool(active), module, time, fields)
                for refset, component, active, module, time, fields in self.staging.rows(
                    "SELECT refset, component, active, module, time, fields FROM x_member"
                )
            ),
        )
        self.staging.properties(
            self.system,
            (
                PropertyRow(str(component), "memberOf", str(refset), "code")
                for refset, component in self.staging.rows(
                    "SELECT DISTINCT refset, component FROM x_member WHERE active = 1 ORDER BY refset, component"
                )
                if refset in self.reference_sets.simple
            ),
        )
        for refset, title in self.staging.rows(
            "SELECT DISTINCT m.refset, (SELECT min(t.term) FROM x_term t WHERE t.concept = m.refset AND t.active = 1"
            " AND t.kind = ?) FROM x_member m WHERE m.active = 1",
            SYNONYM,
        ):
            if refset in self.reference_sets.simple:
                self.staging.value_set(self._refset(refset, title))

    def _refset(self, refset: int, title: str | None) -> dict[str, Any]:
        url = self.header.url
        value_filter = {"property": "concept", "op": "in", "value": str(refset)}
        return {
            "resourceType": "ValueSet",
            "url": f"{url}?fhir_vs=refset/{refset}",
            "version": self.header.version,
            "name": f"SNOMEDCTReferenceSet{refset}",
            "title": title or f"SNOMED CT reference set {refset}",
            "status": "active",
            "copyright": _NOTICE,
            "compose": {
                "include": [{"system": url, "version": self.header.version, "filter": [value_filter]}]
            },
        }


def _value(target: str) -> tuple[str, str]:
    """Value and type of an attribute: a concept, or a concrete value (`#5.5`, `"text"`, `true`)."""
    if target[:1] == "#":
        return (target[1:], "decimal" if "." in target else "integer")
    if target[:1] == '"':
        return target[1:].removesuffix('"'), "string"
    return target, "boolean" if target in ("true", "false") else "code"
