"""Two small sources: table rows, and messages of segments with groups."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from fhir_bridge.fhir.datatypes import HumanName
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.ports import Concept, Translation
from fhir_bridge.mapping import Record, Reject, Scope, function

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


class Row(Record):
    """A table row."""

    root = "row"

    def __init__(self, cells: Mapping[str, Any], number: int = 1, **kwargs: Any) -> None:
        kwargs.setdefault("source", "lab.csv")
        super().__init__(f"lab.csv:{number}", **kwargs)
        self.cells = cells


class RowModel:
    root = "row"
    token = ""
    scopes: Mapping[str, Scope] = {"row": Scope("row")}

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.columns = columns
        self.functions: Mapping[str, Any] = {
            "shout": shout,
            "broken": broken,
            "refuse": refuse,
            "human": human,
        }

    def selector(self, text: str, scope: str) -> str:
        name = text.replace("`", "")
        if not re.fullmatch(r"row\.(\w+|`[^`]+`)", text):
            raise LookupError(f'unknown name "{name}"; columns are written row.<column>')
        column = name[4:]
        if self.columns and column not in self.columns:
            near = difflib.get_close_matches(column, self.columns, n=1)
            raise LookupError(f'no column "{column}"' + (f'; did you mean "{near[0]}"?' if near else ""))
        return f"s.cells.get({column!r})"


@function
def shout(x: str | None) -> str | None:
    return None if x is None else x.upper() + "!"


@function(scope=True, context=True)
def broken(s: Any, ctx: Any, x: Any) -> Any:
    return {}[x]


@function(context=True)
def refuse(ctx: Any, x: Any) -> Any:
    raise Reject(Issue("error", "FB-CSV-900", "refused by the adapter"))


@function(returns="HumanName")
def human(family: str | None) -> HumanName | None:
    return HumanName(family=family) if family else None


class Coded:
    """A field with components, coded where it has a code."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def component(self, number: int) -> str | None:
        return (self.parts[number - 1] or None) if number <= len(self.parts) else None

    def codings(self) -> list[tuple[str | None, str | None, str | None, str | None]]:
        return [(self.component(3), self.component(1), self.component(2), None)]

    @property
    def text(self) -> str | None:
        return self.component(2)


class Cx:
    """A patient identifier with its authority."""

    def __init__(self, value: str, authority: Any = None, identifier_type: str | None = None) -> None:
        self.value, self.authority, self.identifier_type = value, authority, identifier_type


class Group:
    """A group of a message: its segments by name."""

    def __init__(self, outer: Any, segments: Mapping[str, Mapping[str, Any]], locator: str = "") -> None:
        self.outer, self.segments, self.locator = outer, segments, locator

    def find(self, segment: str) -> Mapping[str, Any]:
        here: Any = self
        while here is not None:
            if segment in here.segments:
                return here.segments[segment]
            here = here.outer
        return {}

    def read(self, segment: str, field: str) -> Any:
        return self.find(segment).get(field)


class Message(Record):
    """Orders with observations: `orders` is a list of (OBR, [OBX, …], [SPM, …])."""

    root = "message"

    def __init__(
        self,
        segments: Mapping[str, Mapping[str, Any]],
        orders: Iterable[
            tuple[Mapping[str, Any], Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
        ] = (),
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("source", "LAB")
        super().__init__("oru.hl7#1", **kwargs)
        self.top = Group(None, segments)
        self.orders, self.results, self.specimens = [], [], []
        for obr, obxs, spms in orders:
            order = Group(self.top, {"OBR": obr})
            self.orders.append(order)
            for number, obx in enumerate(obxs, 1):
                self.results.append(Group(order, {"OBX": obx}, f"oru.hl7#1 OBX {number}"))
            self.specimens += [Group(order, {"SPM": spm}) for spm in spms]

    def scope(self, name: str) -> Iterable[Any]:
        return {
            "message": [self.top],
            "ORDER": self.orders,
            "RESULT": self.results,
            "SPECIMEN": self.specimens,
        }[name]


class MessageModel:
    root = "message"
    token = r"[A-Z][A-Z0-9]{2}-\d+(?:\.\d+)*"
    scopes: Mapping[str, Scope] = {
        "message": Scope("message"),
        "ORDER": Scope("ORDER", "message"),
        "RESULT": Scope("RESULT", "ORDER"),
        "SPECIMEN": Scope("SPECIMEN", "ORDER"),
    }
    functions: Mapping[str, Any] = {}

    def selector(self, text: str, scope: str) -> str:
        match = re.fullmatch(r"([A-Z][A-Z0-9]{2})-(\d+(?:\.\d+)*)", text)
        if not match:
            raise LookupError(f'unknown name "{text}"; fields are written SEG-1')
        return f"s.read({match[1]!r}, {match[2]!r})"


class Adapter:
    title = "test"
    suffixes = ()

    def __init__(self, name: str, model: Any) -> None:
        self.name, self.model = name, model

    def choose_mapping(self, paths: Sequence[Path]) -> str:
        return self.name

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:
        return [list(paths)]

    def read(self, paths: Sequence[Path], context: Any) -> Iterator[Any]:
        return iter(())


ADAPTERS = {"csv": Adapter("csv", RowModel()), "hl7v2": Adapter("hl7v2", MessageModel())}


class Terminology:
    """A little terminology: one laboratory code, some units, two maps."""

    codes: ClassVar = {("urn:lab", "K"): (LOINC, "2823-3", "Potassium [Moles/volume] in Serum or Plasma")}
    units: ClassVar = {"mmol/l": "mmol/L", "mmHg": "mm[Hg]", "°C": "Cel"}
    maps: ClassVar = {
        "v2-0085": {"F": "final", "P": "preliminary", "C": "corrected"},
        "sex": {"M": "male", "F": "female"},
    }

    def lookup(self, system: str, code: str) -> Concept | None:
        known = system == UCUM and code in {"mmol/L", "mg/dL", "/min", "Cel", "mm[Hg]", "%"}
        return Concept(system, code) if known else None

    def knows_system(self, system: str) -> bool:
        return False

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        return None

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        if UCUM in targets and code in self.units:
            return [Translation(UCUM, self.units[code], None, "equivalent", "units")]
        entry = self.codes.get((system or "", code))
        return [Translation(*entry, "equivalent", "lab")] if entry and entry[0] in targets else []

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        entry = self.maps[concept_map].get(code)
        return [Translation("urn:x", entry, None, "equivalent", concept_map)] if entry else []


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
