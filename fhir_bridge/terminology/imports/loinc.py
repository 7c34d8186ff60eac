"""LOINC as Regenstrief distributes it: the release zip (or folder), or Loinc.csv or LoincTableCore.csv alone.

The code system follows "Using LOINC with FHIR" (loinc.html in R4): url `http://loinc.org`, displays are long common
names, the columns of Loinc.csv are properties, axes are parts (LP) where the part file is there; parts, answers (LA)
and answer lists (LL) are codes of their own; answer lists and groups are ValueSets `http://loinc.org/vs/LL…`, maps to
other systems ConceptMaps `http://loinc.org/cm/loinc-…`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.imports.loinc_files import COPYRIGHT, SYSTEM, LoincFiles
from fhir_bridge.terminology.imports.loinc_lists import read_lists
from fhir_bridge.terminology.imports.loinc_maps import read_maps
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import csv_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import (
    AUXILIARY,
    ConceptRow,
    DesignationRow,
    PropertyRow,
    Staging,
    SystemHeader,
)

__all__ = ["SYSTEM", "read", "recognizes"]

_AXES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS")
_PLAIN = (
    "STATUS CLASSTYPE ORDER_OBS UNITSREQUIRED EXAMPLE_UNITS EXAMPLE_UCUM_UNITS VersionLastChanged VersionFirstReleased "
    "CHNG_TYPE FORMULA EXMPL_ANSWERS SURVEY_QUEST_TEXT SURVEY_QUEST_SRC HL7_FIELD_SUBFIELD_ID "
    "EXTERNAL_COPYRIGHT_NOTICE EXTERNAL_COPYRIGHT_LINK STATUS_REASON STATUS_TEXT CHANGE_REASON_PUBLIC "
    "HL7_ATTACHMENT_STRUCTURE PanelType AskAtOrderEntry AssociatedObservations ValidHL7AttachmentRequest "
    "DOCUMENT_SECTION"
).split()
_RANKS = ("COMMON_TEST_RANK", "COMMON_ORDER_RANK")
_NAMED = ("SHORTNAME", "DisplayName", "CONSUMER_NAME", "RELATEDNAMES2")
_RELEASE = re.compile(r"loinc[_-]?v?([0-9]+\.[0-9]+)", re.IGNORECASE)
_VARIANT = re.compile(r"([a-z]{2,3})([A-Z]{2})?\d*LinguisticVariant\.csv")
_VARIANT_NAMES = (
    "LinguisticVariantDisplayName",
    "LONG_COMMON_NAME",
    "SHORTNAME",
    "ConsumerName",
    "RELATEDNAMES2",
)


def recognizes(source: Source) -> bool:
    """Whether it holds a Loinc.csv, or is one under another name."""
    return LoincFiles(source).terms() is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a release into the staging.

    Raises:
        ImportProblem: a table has no such column, a broken line, or a code twice.
    """
    _Loinc(source, staging, options).read()


class _Loinc:
    def __init__(self, source: Source, staging: Staging, options: Options) -> None:
        self.source, self.staging = source, staging
        self.files = LoincFiles(source)
        self.known: dict[str, str] = {}
        self.linked: set[str] = set()
        self.newest: tuple[int, ...] = (0,)
        self.header = SystemHeader(
            SYSTEM,
            options.version,
            "LOINC",
            "Logical Observation Identifiers, Names and Codes (LOINC)",
            case_sensitive=False,
            language="en",
            metadata={"publisher": "Regenstrief Institute, Inc.", "copyright": COPYRIGHT, "status": "active"},
        )

    def read(self) -> None:
        table = self.files.terms()
        if table is None:
            raise ImportProblem(str(self.source.path), None, "holds no Loinc.csv")
        self.system = self.staging.system(self.header)
        self._part_links()
        self.staging.concepts(self.system, self._terms(table))
        self.header.version = self.header.version or self._release()
        self._declare()
        self._parts()
        read_lists(self.files, self.staging, self.system, self.known)
        read_maps(self.files, self.staging, self.header.version)
        self._hierarchy()
        self._names()

    def _terms(self, table: str) -> Iterator[ConceptRow]:
        wanted = ("LOINC_NUM", "LONG_COMMON_NAME", "STATUS")
        optional = (
            "DefinitionDescription",
            "VersionLastChanged",
            "SHORTNAME",
            *_AXES,
            *_RANKS,
            *_PLAIN[1:],
            *_NAMED[1:],
        )
        columns = (*wanted, *optional)
        at = {column: location for location, column in enumerate(columns)}
        plain = [(column, at[column]) for column in (*_PLAIN, "CLASS")]
        axes = [(column, at[column]) for column in _AXES[:-1]]
        named = [(column, at[column]) for column in _NAMED]
        ranks = [(column, at[column]) for column in _RANKS]
        notice = at["EXTERNAL_COPYRIGHT_NOTICE"]
        values: list[PropertyRow] = []
        names: list[DesignationRow] = []
        for line, row in csv_rows(self.source, table, wanted, optional):
            code, display, status = row[:3]
            self.known[code] = display or row[5]
            self._version(row[4])
            read_columns = plain if code in self.linked else (*plain, *axes)
            values.extend(
                PropertyRow(code, column, row[location]) for column, location in read_columns if row[location]
            )
            values.append(PropertyRow(code, "copyright", "3rdParty" if row[notice] else "LOINC"))
            for column, location in ranks:
                if row[location].isdigit() and row[location] != "0":
                    values.append(PropertyRow(code, column, row[location], "integer"))
            names.extend(
                DesignationRow(code, row[location], "en", SYSTEM, column)
                for column, location in named
                if row[location]
            )
            if len(values) > 50_000:
                self._put(values, names)
            rank = int(row[ranks[0][1]]) if row[ranks[0][1]].isdigit() else 0
            yield ConceptRow(
                code,
                display or row[5],
                row[3] or None,
                status != "DEPRECATED",
                False,
                line,
                # Common tests first by their rank, then the others, and behind them what is not active.
                (rank or 50_000) + (0 if status == "ACTIVE" else 50_000),
            )
        self._put(values, names)

    def _put(self, values: list[PropertyRow], names: list[DesignationRow]) -> None:
        self.staging.properties(self.system, values)
        self.staging.designations(self.system, names)
        values.clear()
        names.clear()

    def _version(self, text: str) -> None:
        parts = text.split(".")
        if all(part.isdigit() for part in parts):
            self.newest = max(self.newest, tuple(map(int, parts)))

    def _release(self) -> str:
        """The release: the newest that a term was changed in, or that of the archive's name where it is newer."""
        for name in (self.source.path.name, *self.source.names[:1]):
            if match := _RELEASE.search(name):
                self._version(match[1])
        return ".".join(map(str, self.newest))

    def _declare(self) -> None:
        axis = "Coding" if self.linked else "string"
        declared = [
            *((column, axis) for column in _AXES[:-1]),
            *((item, "string") for item in ("CLASS", *_PLAIN)),
        ]
        declared += [("answer-list", "Coding"), ("answers-for", "Coding"), ("copyright", "string")]
        self.header.properties.extend(
            PropertyDefinition(name, kind, f"{SYSTEM}/property/{name}") for name, kind in declared
        )

    def _parts(self) -> None:
        def concepts() -> Iterator[ConceptRow]:
            wanted = ("PartNumber", "PartName", "Status")
            for line, row in self.files.rows("Part.csv", wanted, ("PartDisplayName", "PartTypeName")):
                code, name, status, shown, kind = row
                self.known[code] = shown or name
                values.append(PropertyRow(code, "PartTypeName", kind))
                values.append(PropertyRow(code, "STATUS", status))
                if name and shown and shown != name:
                    names.append(DesignationRow(code, name, "en", SYSTEM, "PartName"))
                yield ConceptRow(code, shown or name, None, status != "DEPRECATED", False, line, AUXILIARY)

        values: list[PropertyRow] = []
        names: list[DesignationRow] = []
        self.staging.concepts(self.system, concepts())
        self._put(values, names)

    def _part_links(self) -> None:
        files = ["LoincPartLink_Primary.csv", "LoincPartLink_Supplementary.csv"]
        if self.files.find(files[0]) is None:
            files = ["LoincPartLink.csv"]
        for file in files:
            self.staging.properties(self.system, self._links(file))

    def _links(self, file: str) -> Iterator[PropertyRow]:
        wanted = ("LoincNumber", "PartNumber", "PartName", "Property")
        seen: set[tuple[str, str, str]] = set()
        last = ""
        repeated = bool(self.linked)  # the supplementary links say the axes of the primary ones again
        for _, (number, part, name, uri) in self.files.rows(file, wanted):
            if number != last:
                seen.clear()
                last = number
            prop = uri.rsplit("/", 1)[-1]
            if prop in _AXES[:-1]:
                if number in self.linked and repeated:
                    continue
                self.linked.add(number)
            if prop and (number, prop, part) not in seen:
                seen.add((number, prop, part))
                coding = {"system": SYSTEM, "code": part, "display": name}
                yield PropertyRow(number, prop, orjson.dumps(coding).decode(), "Coding")

    def _hierarchy(self) -> None:
        """Parents; a node that no other file has is a concept of its own."""
        new: list[ConceptRow] = []

        def edges() -> Iterator[tuple[str, str]]:
            wanted = ("CODE", "IMMEDIATE_PARENT", "CODE_TEXT")
            for line, (code, parent, text) in self.files.rows("ComponentHierarchyBySystem.csv", wanted):
                if code not in self.known:
                    self.known[code] = text
                    new.append(ConceptRow(code, text, None, True, False, line, AUXILIARY))
                if parent:
                    yield code, parent

        self.staging.edges(self.system, edges())
        self.staging.concepts(self.system, new)

    def _names(self) -> None:
        self.staging.designations(
            self.system,
            (
                DesignationRow(code, name, "en", SYSTEM, "ConsumerName")
                for _, (code, name) in self.files.rows("ConsumerName.csv", ("LoincNumber", "ConsumerName"))
                if code
            ),
        )
        for path in self.source.names:
            match = _VARIANT.fullmatch(path.rsplit("/", 1)[-1])
            if match:
                language = "-".join(part for part in match.groups() if part)
                self.staging.designations(self.system, self._variant(path, language))

    def _variant(self, path: str, language: str) -> Iterator[DesignationRow]:
        """Names of a linguistic variant: the display name first, then others; of axes alone, those as one name.

        Some variants repeat the English long common name: that is no name in their language.
        """
        axes = _AXES[:-1]
        for _, row in csv_rows(self.source, path, ("LOINC_NUM",), (*_VARIANT_NAMES, *axes)):
            code, names, parts = row[0], row[1 : 1 + len(_VARIANT_NAMES)], row[1 + len(_VARIANT_NAMES) :]
            english = self.known.get(code) if not language.startswith("en") else None
            variant_names = [
                (column, name)
                for column, name in zip(_VARIANT_NAMES, names, strict=True)
                if name and name != english
            ]
            if parts[0] and not any(column in _VARIANT_NAMES[:2] for column, _ in variant_names):
                variant_names.insert(0, ("FullySpecifiedName", ":".join(part for part in parts if part)))
            for column, name in variant_names:
                yield DesignationRow(code, name, language, SYSTEM, column)
