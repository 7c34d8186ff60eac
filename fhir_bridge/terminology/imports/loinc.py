"""LOINC as Regenstrief distributes it: the release zip (or folder), or Loinc.csv alone.

The code system follows "Using LOINC with FHIR" (loinc.html in R4): url `http://loinc.org`, displays are long common
names, the columns of Loinc.csv are properties, axes are parts (LP) where the part file is there; parts, answers (LA)
and answer lists (LL) are codes of their own; answer lists and groups are ValueSets `http://loinc.org/vs/LL…`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import Row, csv_rows
from fhir_bridge.terminology.store.staging import (
    AUXILIARY,
    ConceptRow,
    DesignationRow,
    PropertyRow,
    Staging,
    SystemHeader,
)

__all__ = ["NAMES", "SYSTEM", "read", "recognizes"]

SYSTEM = "http://loinc.org"
NAMES = ("loinc.csv",)

_NOTICE = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief Institute, Inc. "
    "and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the "
    "license at http://loinc.org/license."
)
_AXES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS")
_PLAIN = (
    "STATUS CLASSTYPE ORDER_OBS UNITSREQUIRED EXAMPLE_UNITS EXAMPLE_UCUM_UNITS VersionLastChanged VersionFirstReleased "
    "CHNG_TYPE FORMULA EXMPL_ANSWERS SURVEY_QUEST_TEXT SURVEY_QUEST_SRC HL7_FIELD_SUBFIELD_ID "
    "EXTERNAL_COPYRIGHT_NOTICE EXTERNAL_COPYRIGHT_LINK STATUS_REASON STATUS_TEXT CHANGE_REASON_PUBLIC "
    "HL7_ATTACHMENT_STRUCTURE PanelType AskAtOrderEntry AssociatedObservations ValidHL7AttachmentRequest"
).split()
_RANKS = ("COMMON_TEST_RANK", "COMMON_ORDER_RANK")
_NAMED = ("SHORTNAME", "DisplayName", "CONSUMER_NAME", "RELATEDNAMES2")
_VARIANT = re.compile(r"([a-z]{2,3})([A-Z]{2})?\d*LinguisticVariant\.csv")
_VARIANT_NAMES = ("LinguisticVariantDisplayName", "LONG_COMMON_NAME", "SHORTNAME", "RELATEDNAMES2")


def recognizes(source: Source) -> bool:
    """Whether it holds a Loinc.csv, or is one under another name."""
    return _file(source, "Loinc.csv") is not None


def _file(source: Source, name: str) -> str | None:
    """The shortest path that ends in a file of this name."""
    found = [one for one in source.names if one.rsplit("/", 1)[-1].lower() == name.lower()]
    return min(found, key=len) if found else None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a release into the staging.

    Raises:
        ImportProblem: a table has no such column, a broken line, or a code twice.
    """
    _Loinc(source, staging, options).read()


class _Loinc:
    def __init__(self, source: Source, staging: Staging, options: Options) -> None:
        self.source, self.staging, self.options = source, staging, options
        self.table = _file(source, "Loinc.csv") or source.names[0]
        self.known: set[str] = set()
        self.linked: set[str] = set()
        self.newest: tuple[int, ...] = (0,)
        self.header = SystemHeader(
            SYSTEM,
            options.version,
            "LOINC",
            "Logical Observation Identifiers, Names and Codes (LOINC)",
            case_sensitive=False,
            language="en",
            metadata={"publisher": "Regenstrief Institute, Inc.", "copyright": _NOTICE, "status": "active"},
        )

    def read(self) -> None:
        self.system = self.staging.system(self.header)
        self.with_parts = _file(self.source, "LoincPartLink_Primary.csv") is not None
        self.staging.concepts(self.system, self._terms())
        self._declare()
        self._parts()
        self._answers()
        self._hierarchy()
        self._groups()
        self._names()
        if self.header.version is None:
            self.header.version = ".".join(map(str, self.newest))

    def _rows(self, name: str, wanted: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Row]:
        found = _file(self.source, name)
        return csv_rows(self.source, found, wanted, optional) if found else iter(())

    def _terms(self) -> Iterator[ConceptRow]:
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
        at = {column: place for place, column in enumerate(columns)}
        plain = [(column, at[column]) for column in _PLAIN]
        axes = [] if self.with_parts else [(column, at[column]) for column in _AXES]
        if self.with_parts:
            plain.append(("CLASS", at["CLASS"]))
        named = [(column, at[column]) for column in _NAMED]
        rank_at, order_at = at["COMMON_TEST_RANK"], at["COMMON_ORDER_RANK"]
        values: list[PropertyRow] = []
        names: list[DesignationRow] = []
        for line, row in csv_rows(self.source, self.table, wanted, optional):
            code, display, status = row[:3]
            self.known.add(code)
            self._version(row[4])
            values.extend(
                PropertyRow(code, column, row[place]) for column, place in (*plain, *axes) if row[place]
            )
            for column, place in (("COMMON_TEST_RANK", rank_at), ("COMMON_ORDER_RANK", order_at)):
                if row[place].isdigit() and row[place] != "0":
                    values.append(PropertyRow(code, column, row[place], "integer"))
            names.extend(
                DesignationRow(code, row[place], "en", SYSTEM, column)
                for column, place in named
                if row[place]
            )
            if len(values) > 50_000:
                self._put(values, names)
            rank = int(row[rank_at]) if row[rank_at].isdigit() else 0
            yield ConceptRow(
                code,
                display or row[5],
                row[3] or None,
                status != "DEPRECATED",
                False,
                line,
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

    def _declare(self) -> None:
        axis = "Coding" if self.with_parts else "string"
        for column in _AXES[:-1]:
            self.header.properties.append(
                PropertyDefinition(column, axis, f"http://loinc.org/property/{column}")
            )
        for column in ("CLASS", *_PLAIN):
            self.header.properties.append(
                PropertyDefinition(column, "string", f"http://loinc.org/property/{column}")
            )

    def _parts(self) -> None:
        def concepts() -> Iterator[ConceptRow]:
            wanted = ("PartNumber", "PartName", "Status")
            for line, row in self._rows("Part.csv", wanted, ("PartDisplayName", "PartTypeName")):
                code, name, status, shown, kind = row
                self.known.add(code)
                kinds.append(PropertyRow(code, "PartTypeName", kind))
                yield ConceptRow(code, shown or name, None, status != "DEPRECATED", False, line, AUXILIARY)

        kinds: list[PropertyRow] = []
        self.staging.concepts(self.system, concepts())
        self.staging.properties(self.system, kinds)
        for file in ("LoincPartLink_Primary.csv", "LoincPartLink_Supplementary.csv"):
            self.staging.properties(self.system, self._part_links(file))

    def _part_links(self, file: str) -> Iterator[PropertyRow]:
        wanted = ("LoincNumber", "PartNumber", "PartName", "Property")
        seen: set[tuple[str, str, str]] = set()
        last = ""
        for _, (number, part, name, uri) in self._rows(file, wanted):
            if number != last:
                seen.clear()
                last = number
            prop = uri.rsplit("/", 1)[-1]
            if prop and (number, prop, part) not in seen:
                seen.add((number, prop, part))
                coding = {"system": SYSTEM, "code": part, "display": name}
                yield PropertyRow(number, prop, orjson.dumps(coding).decode(), "Coding")

    def _answers(self) -> None:
        lists: dict[str, dict[str, Any]] = {}
        answers: dict[str, tuple[str, int]] = {}
        wanted = ("AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText")
        for line, row in self._rows("AnswerList.csv", wanted, ("AnswerListOID", "SequenceNumber")):
            number, name, answer, text, oid, _ = row
            one = lists.setdefault(number, {"name": name, "oid": oid, "line": line, "concept": []})
            if answer:
                answers.setdefault(answer, (text, line))
                one["concept"].append({"code": answer, "display": text})
        new = [(code, text, line) for code, (text, line) in answers.items() if code not in self.known]
        new += [(code, one["name"], one["line"]) for code, one in lists.items() if code not in self.known]
        self.known.update(code for code, _, _ in new)
        self.staging.concepts(
            self.system,
            (ConceptRow(code, text, None, True, False, line, AUXILIARY) for code, text, line in new),
        )
        for number, one in lists.items():
            self._value_set(number, one["name"], one["concept"], one["oid"])
        self.staging.properties(
            self.system,
            (
                PropertyRow(term, "answer-list", number, "code")
                for _, (term, number) in self._rows(
                    "LoincAnswerListLink.csv", ("LoincNumber", "AnswerListId")
                )
            ),
        )
        self.staging.properties(
            self.system,
            (
                PropertyRow(old, "MAP_TO", new_code, "code")
                for _, (old, new_code) in self._rows("MapTo.csv", ("LOINC", "MAP_TO"))
                if new_code
            ),
        )

    def _groups(self) -> None:
        names = {row[0]: row[1] for _, row in self._rows("Group.csv", ("GroupId", "Group"))}
        members: dict[str, list[dict[str, str]]] = {}
        wanted = ("GroupId", "LoincNumber", "LongCommonName")
        for _, (group, term, name) in self._rows("GroupLoincTerms.csv", wanted):
            members.setdefault(group, []).append({"code": term, "display": name})
        for group, concepts in members.items():
            self._value_set(group, names.get(group, group), concepts)

    def _value_set(self, number: str, name: str, concepts: list[dict[str, str]], oid: str = "") -> None:
        include: dict[str, Any] = {"system": SYSTEM}
        if not concepts:
            return
        include["concept"] = concepts
        resource: dict[str, Any] = {
            "resourceType": "ValueSet",
            "id": number,
            "url": f"{SYSTEM}/vs/{number}",
            "name": number.replace("-", "_"),
            "title": name,
            "status": "active",
            "copyright": _NOTICE,
            "compose": {"include": [include]},
        }
        if oid:
            resource["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{oid}"}]
        self.staging.value_set(resource)

    def _hierarchy(self) -> None:
        """Parents; a node that no other file has is a concept of its own."""
        file = "ComponentHierarchyBySystem.csv"
        if _file(self.source, file) is None:
            file = "MultiAxialHierarchy.csv"
        new: list[ConceptRow] = []

        def edges() -> Iterator[tuple[str, str]]:
            for line, (code, parent, text) in self._rows(file, ("CODE", "IMMEDIATE_PARENT", "CODE_TEXT")):
                if code not in self.known:
                    self.known.add(code)
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
                for _, (code, name) in self._rows("ConsumerName.csv", ("LoincNumber", "ConsumerName"))
            ),
        )
        for path in self.source.names:
            found = _VARIANT.fullmatch(path.rsplit("/", 1)[-1])
            if found:
                language = "-".join(part for part in found.groups() if part)
                self.staging.designations(self.system, self._variant(path, language))

    def _variant(self, path: str, language: str) -> Iterator[DesignationRow]:
        axes = _AXES[:-1]
        for _, row in csv_rows(self.source, path, ("LOINC_NUM",), (*_VARIANT_NAMES, *axes)):
            code, shown, long_name, *others = row
            display = shown or long_name
            axis_values = others[2:]
            if not display and axis_values[0]:
                display = ":".join(value for value in axis_values if value)
            if display:
                yield DesignationRow(code, display, language, SYSTEM, "LONG_COMMON_NAME")
            if shown and long_name and shown != long_name:
                yield DesignationRow(code, long_name, language, SYSTEM, "LONG_COMMON_NAME")
            for column, value in zip(_VARIANT_NAMES[2:], others[:2], strict=True):
                if value:
                    yield DesignationRow(code, value, language, SYSTEM, column)
