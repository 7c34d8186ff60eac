"""LOINC's answer lists, groups, panels and collections: value sets, and what terms have of them.

Urls and properties are those of "Using LOINC with FHIR" and of LOINC's own FHIR server: `http://loinc.org/vs/LL…`,
`answer-list`, `answers-for`. Members of panels have no property there; they are `has_member`, as UMLS calls it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.terminology.imports.loinc_files import COPYRIGHT, SYSTEM, LoincFiles
from fhir_bridge.terminology.store.staging import AUXILIARY, ConceptRow, PropertyRow, Staging

__all__ = ["read_lists"]

_ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
_COLLECTIONS = (
    ("top-2000-lab-observations-us", "Top2000CommonLabResultsUs.csv", "LOINC #", "Long Common Name"),
    ("top-2000-lab-observations-si", "Top2000CommonLabResultsSi.csv", "LOINC #", "Long Common Name"),
    (
        "loinc-universal-order-set",
        "LoincUniversalLabOrdersValueSet.csv",
        "LOINC_NUM",
        "LONG_COMMON_NAME",
    ),
    ("loinc-imaging-document-codes", "ImagingDocumentCodes.csv", "LOINC_NUM", "LONG_COMMON_NAME"),
)
"""Id, file, and columns of codes and names."""


def read_lists(files: LoincFiles, staging: Staging, system: int, known: dict[str, str]) -> None:
    """Put them into the staging.

    Args:
        files: the release.
        staging: where to.
        system: number of the code system.
        known: displays by code; answers and lists are added.

    Raises:
        ImportProblem: a column is missing, or a line is broken.
    """
    _Lists(files, staging, system, known).read()


class _Lists:
    def __init__(self, files: LoincFiles, staging: Staging, system: int, known: dict[str, str]) -> None:
        self.files, self.staging, self.system, self.known = files, staging, system, known

    def read(self) -> None:
        self._answers()
        self.staging.properties(self.system, self._links())
        self.staging.properties(self.system, self._members())
        self.staging.properties(
            self.system,
            (
                PropertyRow(old, "MAP_TO", new, "code")
                for _, (old, new) in self.files.rows("MapTo.csv", ("LOINC", "MAP_TO"))
                if new
            ),
        )
        self._groups()
        for number, file, code, name in _COLLECTIONS:
            rows = self.files.rows(file, (code,), (name,))
            self._value_set(number, number.replace("-", " "), [_concept(*row) for _, row in rows])

    def _answers(self) -> None:
        lists: dict[str, dict[str, Any]] = {}
        new: list[ConceptRow] = []
        wanted = ("AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText")
        optional = ("AnswerListOID", "SequenceNumber", "Score")
        for line, row in self.files.rows("AnswerList.csv", wanted, optional):
            number, name, answer, text, oid, sequence, score = row
            item = lists.setdefault(number, {"name": name, "oid": oid, "answers": []})
            for code, display in ((number, name), (answer, text)):
                if code and code not in self.known:
                    self.known[code] = display
                    new.append(ConceptRow(code, display, None, True, False, line, AUXILIARY))
            if answer:
                location = int(sequence) if sequence.isdigit() else len(item["answers"]) + 1
                item["answers"].append((location, _concept(answer, text, score)))
        self.staging.concepts(self.system, new)
        for number, item in lists.items():
            answers = sorted(item["answers"], key=lambda answer: int(answer[0]))
            self._value_set(number, item["name"], [concept for _, concept in answers], item["oid"])

    def _links(self) -> Iterator[PropertyRow]:
        wanted = ("LoincNumber", "AnswerListId")
        for _, (term, number) in self.files.rows("LoincAnswerListLink.csv", wanted):
            yield PropertyRow(term, "answer-list", self._coding(number), "Coding")
            yield PropertyRow(number, "answers-for", self._coding(term), "Coding")

    def _members(self) -> Iterator[PropertyRow]:
        """What panels consist of; a panel is in its own rows as the root."""
        seen: set[tuple[str, str]] = set()
        for _, (panel, member) in self.files.rows("PanelsAndForms.csv", ("ParentLoinc", "Loinc")):
            if panel and member and panel != member and (panel, member) not in seen:
                seen.add((panel, member))
                yield PropertyRow(panel, "has_member", self._coding(member), "Coding")

    def _groups(self) -> None:
        names = {row[0]: row[1] for _, row in self.files.rows("Group.csv", ("GroupId", "Group"))}
        members: dict[str, list[dict[str, Any]]] = {}
        wanted = ("GroupId", "LoincNumber", "LongCommonName")
        for _, (group, term, name) in self.files.rows("GroupLoincTerms.csv", wanted):
            members.setdefault(group, []).append(_concept(term, name))
        for group, concepts in members.items():
            self._value_set(group, names.get(group, group), concepts)

    def _coding(self, code: str) -> str:
        return dumps({"system": SYSTEM, "code": code, "display": self.known.get(code, code)}).decode()

    def _value_set(self, number: str, name: str, concepts: list[dict[str, Any]], oid: str = "") -> None:
        distinct = list({concept["code"]: concept for concept in concepts if concept["code"]}.values())
        if not distinct:
            return
        resource: dict[str, Any] = {
            "resourceType": "ValueSet",
            "id": number,
            "url": f"{SYSTEM}/vs/{number}",
            "name": number.replace("-", "_"),
            "title": name,
            "status": "active",
            "copyright": COPYRIGHT,
            "compose": {"include": [{"system": SYSTEM, "concept": distinct}]},
        }
        if oid:
            resource["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{oid}"}]
        self.staging.value_set(resource)


def _concept(code: str, display: str, score: str = "") -> dict[str, Any]:
    """A member of a value set; an answer's score is its ordinal value."""
    concept: dict[str, Any] = {"code": code, **({"display": display} if display else {})}
    try:
        if score:
            concept["extension"] = [{"url": _ORDINAL, "valueDecimal": Decimal(score)}]
    except InvalidOperation:
        pass  # a score in words is no ordinal value
    return concept
