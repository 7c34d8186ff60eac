"""SNOMED CT as RF2 (Release File Specification): a release zip or folder, Snapshot or Full.

An extension and the International Edition that it depends on are imported together: a folder that holds both. The code
system follows "Using SNOMED CT with FHIR" (snomedct.html in R4): url `http://snomed.info/sct`, version
`http://snomed.info/sct/{module}/version/{date}`; simple reference sets are ValueSets `…?fhir_vs=refset/{id}`,
historical associations and maps are ConceptMaps `…?fhir_cm={id}`. The display is the preferred term in US English,
where there is none in British English, else in the language that has most.
"""

# ruff: noqa: S608 - the parts of statements are our own names
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rf2_maps import read_maps
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import separated_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import (
    ConceptRow,
    DesignationRow,
    PropertyRow,
    Staging,
    SystemHeader,
)

__all__ = ["SYSTEM", "read", "recognizes"]

SYSTEM = "http://snomed.info/sct"
_ROOT, _IS_A = "138875005", 116680003
_FSN, _SYNONYM, _DEFINITION = 900000000000003001, 900000000000013009, 900000000000550004
_PREFERRED = 900000000000548007
_DEFINED = "900000000000073002"
_US, _GB = 900000000000509007, 900000000000508004
_CORE = "900000000000207008"
_MAINTENANCE = "http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra"

DIALECTS = {
    _US: "en-US",
    _GB: "en-GB",
    554461000005103: "da-DK",
    32570271000036106: "en-AU",
    19491000087109: "en-CA",
    21000220103: "en-IE",
    271000210107: "en-NZ",
    448879004: "es",
    5641000179103: "es-UY",
    71000181105: "et-EE",
    722130004: "de",
    722131000: "fr",
    21000172104: "fr-BE",
    20581000087109: "fr-CA",
    722129009: "ja",
    31000172101: "nl-BE",
    31000146106: "nl-NL",
    61000202103: "nb-NO",
    91000202106: "nn-NO",
    46011000052107: "sv-SE",
    722128001: "zh",
}
"""Language reference sets and their tags (ECL specification, dialect aliases)."""

_FILE = re.compile(r"x?(?:sct2|der2)_.*\.txt", re.IGNORECASE)
_NOTICE = (
    "This material includes SNOMED Clinical Terms® (SNOMED CT®) which is used by permission of SNOMED International. "
    "All rights reserved. SNOMED CT® was originally created by The College of American Pathologists."
)
_COMPONENT = ("id", "effectiveTime", "active", "moduleId")


def recognizes(source: Source) -> bool:
    """Whether it holds an RF2 concept file."""
    return any(re.match(r"x?sct2_Concept_", name.rsplit("/", 1)[-1]) for name in source.names)


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a release into the staging.

    Raises:
        ImportProblem: a file is missing or broken, or the edition that an extension needs is not there.
    """
    _Release(source, staging, options).read()


class Files:
    """The release's files of one kind, Snapshot or Full."""

    def __init__(self, source: Source, as_of: str | None) -> None:
        self.source = source
        names = [name for name in source.names if _FILE.fullmatch(name.rsplit("/", 1)[-1])]
        kinds = [
            kind for kind in ("Snapshot", "Full") if any(_of_kind(name, kind, "_Concept_") for name in names)
        ]
        if as_of and "Full" in kinds:
            kinds = ["Full"]
        elif as_of:
            raise ImportProblem(str(source.path), None, "holds no Full files, which --as-of needs")
        if not kinds:
            raise ImportProblem(
                str(source.path), None, "holds neither Snapshot nor Full files; a Delta is not enough"
            )
        self.kind = kinds[0]
        self.as_of = as_of or "99999999"
        self._names = [name for name in names if _of_kind(name, self.kind, "")]

    def rows(
        self, pattern: str, columns: Sequence[str], optional: Sequence[str] = ()
    ) -> Iterator[tuple[str, int, tuple[str, ...]]]:
        """File, line and columns of all files whose name matches, without what is later than the wanted day."""
        wanted = (*_COMPONENT, *columns)
        for name in self._names:
            if re.search(pattern, name.rsplit("/", 1)[-1]):
                label = self.source.label(name)
                for line, row in separated_rows(self.source, name, "\t", wanted, optional):
                    if row[2] not in ("0", "1"):
                        raise ImportProblem(
                            label, line, f'has "{row[2]}" as active, where 0 or 1 is expected'
                        )
                    if row[1] <= self.as_of:
                        yield label, line, row

    def has(self, pattern: str) -> bool:
        """Whether there is such a file."""
        return any(re.search(pattern, name.rsplit("/", 1)[-1]) for name in self._names)


def _of_kind(name: str, kind: str, part: str) -> bool:
    base = name.rsplit("/", 1)[-1]
    return kind in base and part in base


def identifier(label: str, line: int, text: str) -> int:
    """An SCTID as a number.

    Raises:
        ImportProblem: it is none.
    """
    if text.isascii() and text.isdigit() and 6 <= len(text) <= 18:
        return int(text)
    raise ImportProblem(label, line, f'has "{text[:40]}" where an identifier of 6 to 18 digits is expected')


_TABLES = """
CREATE TABLE x_concept (id INTEGER PRIMARY KEY, time TEXT, active INTEGER, module TEXT, defined INTEGER, line INTEGER);
CREATE TABLE x_term (id INTEGER PRIMARY KEY, time TEXT, active INTEGER, concept INTEGER, language TEXT, kind INTEGER,
    term TEXT);
CREATE TABLE x_dialect (term INTEGER, refset INTEGER, time TEXT, active INTEGER, preferred INTEGER,
    PRIMARY KEY (term, refset)) WITHOUT ROWID;
CREATE TABLE x_relation (id INTEGER PRIMARY KEY, time TEXT, active INTEGER, source INTEGER, kind INTEGER, target TEXT);
CREATE TABLE x_member (refset INTEGER, component INTEGER, time TEXT, active INTEGER,
    PRIMARY KEY (refset, component)) WITHOUT ROWID;
CREATE TABLE x_depends (module TEXT, target TEXT, time TEXT);
"""


class _Release:
    def __init__(self, source: Source, staging: Staging, options: Options) -> None:
        self.files = Files(source, options.as_of)
        self.source, self.staging, self.options = source, staging, options
        self.header = SystemHeader(
            options.system or SYSTEM,
            options.version,
            "SNOMED_CT",
            "SNOMED CT",
            language="en",
            metadata={"publisher": "SNOMED International", "copyright": _NOTICE, "status": "active"},
        )

    def read(self) -> None:
        staging = self.staging
        staging.db.executescript(_TABLES)
        self.system = staging.system(self.header)
        self._load()
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

    # --- files into tables of their own, where of each component the newest state stays ---

    def _load(self) -> None:
        insert = self.staging.insert
        newer = "WHERE excluded.time > time OR (excluded.time = time AND excluded.active > active)"
        insert(
            "INSERT INTO x_concept VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET time = excluded.time,"
            f" active = excluded.active, module = excluded.module, defined = excluded.defined {newer}",
            (
                (identifier(label, line, row[0]), row[1], row[2], row[3], row[4] == _DEFINED, line)
                for label, line, row in self.files.rows("_Concept_", ("definitionStatusId",))
            ),
        )
        insert(
            "INSERT INTO x_term VALUES (?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET time = excluded.time,"
            f" active = excluded.active, term = excluded.term {newer}",
            (
                (
                    identifier(label, line, row[0]),
                    row[1],
                    row[2],
                    identifier(label, line, row[4]),
                    row[5],
                    identifier(label, line, row[6]),
                    row[7],
                )
                for label, line, row in self.files.rows(
                    "_(Description|TextDefinition)_", ("conceptId", "languageCode", "typeId", "term")
                )
            ),
        )
        insert(
            "INSERT INTO x_dialect VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET time = excluded.time,"
            f" active = excluded.active, preferred = excluded.preferred {newer}",
            (
                (
                    identifier(label, line, row[5]),
                    identifier(label, line, row[4]),
                    row[1],
                    row[2],
                    row[6] == str(_PREFERRED),
                )
                for label, line, row in self.files.rows(
                    "_cRefset_.*Language", ("refsetId", "referencedComponentId", "acceptabilityId")
                )
            ),
        )
        relation = (
            "INSERT INTO x_relation VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET time = excluded.time,"
            f" active = excluded.active, target = excluded.target {newer}"
        )
        for pattern, column in (
            ("_Relationship_", "destinationId"),
            ("_RelationshipConcreteValues_", "value"),
        ):
            insert(
                relation,
                (
                    (
                        identifier(label, line, row[0]),
                        row[1],
                        row[2],
                        identifier(label, line, row[4]),
                        identifier(label, line, row[5]),
                        row[6] if column == "value" else str(identifier(label, line, row[6])),
                    )
                    for label, line, row in self.files.rows(pattern, ("sourceId", "typeId", column))
                ),
            )
        insert(
            "INSERT INTO x_member VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET time = excluded.time,"
            f" active = excluded.active {newer}",
            (
                (identifier(label, line, row[4]), identifier(label, line, row[5]), row[1], row[2])
                for label, line, row in self.files.rows(
                    r"_(Refset|[a-z]*Refset)_.*(Simple|Map)", ("refsetId", "referencedComponentId")
                )
            ),
        )
        insert(
            "INSERT INTO x_depends VALUES (?,?,?)",
            (
                (row[3], row[4], row[5])
                for _, _, row in self.files.rows(
                    "_ssRefset_.*ModuleDependency", ("referencedComponentId", "sourceEffectiveTime")
                )
                if row[2] == "1"
            ),
        )
        self.staging.db.execute("CREATE INDEX x_term_concept ON x_term (concept)")

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
            module, time = max(rows, key=lambda row: (row[1], counts[row[0]]))
        else:
            (time,) = next(self.staging.rows("SELECT max(time) FROM x_concept"))
            module = _CORE
            self.staging.note("no module dependencies: the version is told by the newest concept")
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
        order = self._dialect_order()
        alike: dict[str, set[int]] = {}
        for (refset,) in self.staging.rows("SELECT DISTINCT refset FROM x_dialect"):
            if refset in DIALECTS:
                alike.setdefault(DIALECTS[refset].split("-")[0], set()).add(refset)
        names: list[DesignationRow] = []
        values: list[PropertyRow] = []

        def rows() -> Iterator[ConceptRow]:
            terms = self.staging.rows(
                "SELECT c.id, c.active, c.module, c.time, c.defined, c.line, t.kind, t.language, t.term, d.refset,"
                " d.preferred, t.id FROM x_concept c LEFT JOIN x_term t ON t.concept = c.id AND t.active = 1"
                " LEFT JOIN x_dialect d ON d.term = t.id AND d.active = 1 ORDER BY c.id, t.id"
            )
            for found, group in groupby(terms, itemgetter(0)):
                code = str(found)
                described = list(group)
                _, active, module, time, defined, line = described[0][:6]
                display, definition, made = _names(code, described, order, alike)
                names.extend(made)
                if not active:
                    values.append(PropertyRow(code, "inactive", "true", "boolean"))
                defined_text = "true" if defined else "false"
                values.append(PropertyRow(code, "sufficientlyDefined", defined_text, "boolean"))
                values.append(PropertyRow(code, "moduleId", module, "code"))
                values.append(PropertyRow(code, "effectiveTime", time, "string"))
                if len(values) > 50_000:
                    self._put(names, values)
                yield ConceptRow(code, display, definition, bool(active), False, line)
            self._put(names, values)

        self.staging.concepts(self.system, rows())

    def _put(self, names: list[DesignationRow], values: list[PropertyRow]) -> None:
        self.staging.designations(self.system, names)
        self.staging.properties(self.system, values)
        names.clear()
        values.clear()

    def _dialect_order(self) -> dict[int, int]:
        """Language reference sets, the one whose preferred terms are displays first."""
        counted = self.staging.rows(
            "SELECT refset, count(*) FROM x_dialect WHERE active = 1 GROUP BY refset ORDER BY 2 DESC"
        )
        found = [refset for refset, _ in counted]
        first = [refset for refset in (_US, _GB) if refset in found]
        return {refset: place for place, refset in enumerate(dict.fromkeys([*first, *found]))}

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
                PropertyRow(str(source), str(kind), *_value(target))
                for source, kind, target in self.staging.rows(
                    "SELECT DISTINCT source, kind, target FROM x_relation WHERE active = 1 AND kind <> ?",
                    _IS_A,
                )
            ),
        )

    def _refsets(self) -> None:
        self.staging.properties(
            self.system,
            (
                PropertyRow(str(component), "memberOf", str(refset), "code")
                for refset, component in self.staging.rows(
                    "SELECT refset, component FROM x_member WHERE active = 1 ORDER BY refset, component"
                )
            ),
        )
        for refset, title in self.staging.rows(
            "SELECT DISTINCT m.refset, (SELECT min(t.term) FROM x_term t WHERE t.concept = m.refset AND t.active = 1"
            " AND t.kind = ?) FROM x_member m WHERE m.active = 1",
            _SYNONYM,
        ):
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


def _names(
    code: str, rows: list[tuple[Any, ...]], order: dict[int, int], alike: dict[str, set[int]]
) -> tuple[str | None, str | None, list[DesignationRow]]:
    """Display, definition and designations (the preferred first) of one concept."""
    definition = full = None
    best: tuple[int, str] | None = None
    preferred: list[DesignationRow] = []
    others: list[DesignationRow] = []
    for _, group in groupby(rows, itemgetter(11)):
        term = list(group)
        kind, language, text = term[0][6:9]
        if kind is None:
            continue
        if kind == _DEFINITION:
            definition = definition or text
            others.append(DesignationRow(code, text, language, SYSTEM, str(kind), "Definition"))
            continue
        if kind == _FSN:
            if full is None or language == "en":
                full = text
            others.append(DesignationRow(code, text, language, SYSTEM, str(kind), "Fully specified name"))
            continue
        wanted = {row[9] for row in term if row[10]}
        if not wanted:
            others.append(DesignationRow(code, text, language, SYSTEM, str(kind), "Synonym"))
            continue
        place = min(order[refset] for refset in wanted)
        if best is None or place < best[0]:
            best = (place, text)
        if wanted >= alike.get(language, wanted):
            tags = {language}
        else:
            tags = {DIALECTS.get(refset, language) for refset in wanted}
        preferred.extend(
            DesignationRow(code, text, tag, _MAINTENANCE, "preferredForLanguage") for tag in sorted(tags)
        )
    display = best[1] if best else (others[0].value if others and full is None else full)
    return display, definition, [*preferred, *others]


def _value(target: str) -> tuple[str, str]:
    """Value and type of an attribute: a concept, or a concrete value (`#5.5`, `"text"`)."""
    if target[:1] == "#":
        return (target[1:], "decimal" if "." in target else "integer")
    if target[:1] == '"':
        return target.strip('"'), "string"
    return target, "code"
