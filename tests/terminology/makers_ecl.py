"""Small made SNOMED CT releases with role groups, concrete values, descriptions in dialects and reference sets.

A release is reported as plain Python (`World`), which is what a test compares with, and written as RF2 files.
Identifiers have the right form; but for the metadata that the form needs, the concepts are made up.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.terminology.makers_rf2 import (
    CASE,
    DEFINED,
    DEFINITION,
    FSN,
    GB,
    INFERRED,
    IS_A,
    PRIMITIVE,
    ROOT,
    SAME_AS,
    SOME,
    SYNONYM,
    US,
    sctid,
)

CORE, EXTENSION = "900000000000207008", "900000000000012004"
PREFERRED, ACCEPTABLE = "900000000000548007", "900000000000549004"
OLD, NEW = "20200131", "20260101"
POSSIBLY = "900000000000523009"


@dataclass
class Described:
    """A description; `dialects` by language reference set."""

    term: str
    type: str = SYNONYM
    language: str = "en"
    active: bool = True
    module: str = CORE
    time: str = NEW
    dialects: dict[str, str] = field(default_factory=dict)
    id: str = ""


@dataclass
class Row:
    """A row of a reference set."""

    refset: str
    component: str
    fields: dict[str, str] = field(default_factory=dict)
    active: bool = True
    module: str = CORE
    time: str = NEW


@dataclass
class Made:
    """A concept; a role is (group, attribute, value), a concrete value as RF2 writes it."""

    code: str
    parents: set[str] = field(default_factory=set)
    active: bool = True
    defined: bool = False
    module: str = CORE
    time: str = NEW
    roles: list[tuple[int, str, str]] = field(default_factory=list)
    names: list[Described] = field(default_factory=list)


@dataclass
class World:
    """A release."""

    concepts: dict[str, Made] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def add(self, concept: Made) -> None:
        """Add a concept."""
        self.concepts[concept.code] = concept

    def write(self, folder: Path) -> Path:
        """As RF2 files of a Snapshot."""
        terms, sets = folder / "Snapshot" / "Terminology", folder / "Snapshot" / "Refset"
        terms.mkdir(parents=True)
        sets.mkdir()
        concepts, names, dialects, relations, concretes = [], [], [], [], []
        number = 1_000_000
        for concept in self.concepts.values():
            state = [concept.time, _bit(concept.active), concept.module]
            concepts.append([concept.code, *state, DEFINED if concept.defined else PRIMITIVE])
            for name in concept.names:
                number += 1
                name.id = sctid(number, "01")
                named = [name.id, name.time, _bit(name.active), name.module]
                names.append([*named, concept.code, name.language, name.type, name.term, CASE])
                for refset, acceptability in name.dialects.items():
                    number += 1
                    dialects.append([_uuid(number), NEW, "1", CORE, refset, name.id, acceptability])
            roles = [(0, IS_A, parent) for parent in sorted(concept.parents)] + concept.roles
            for group, attribute, value in roles:
                number += 1
                row = [sctid(number, "02"), NEW, "1", CORE, concept.code, value, str(group), attribute]
                (relations if value.isdigit() else concretes).append([*row, INFERRED, SOME])
        head = "id effectiveTime active moduleId"
        _put(terms / "sct2_Concept_Snapshot_INT_x.txt", f"{head} definitionStatusId", concepts)
        _put(
            terms / "sct2_Description_Snapshot-en_INT_x.txt",
            f"{head} conceptId languageCode typeId term caseSignificanceId",
            names,
        )
        tail = "relationshipGroup typeId characteristicTypeId modifierId"
        _put(
            terms / "sct2_Relationship_Snapshot_INT_x.txt", f"{head} sourceId destinationId {tail}", relations
        )
        _put(
            terms / "sct2_RelationshipConcreteValues_Snapshot_INT_x.txt",
            f"{head} sourceId value {tail}",
            concretes,
        )
        member = f"{head} refsetId referencedComponentId"
        _put(sets / "der2_cRefset_LanguageSnapshot-en_INT_x.txt", f"{member} acceptabilityId", dialects)
        self._write_rows(sets, member, number)
        return folder

    def _write_rows(self, sets: Path, member: str, number: int) -> None:
        kinds = {
            (): "der2_Refset_SimpleSnapshot_INT_x.txt",
            ("targetComponentId",): "der2_cRefset_AssociationSnapshot_INT_x.txt",
            ("mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget", "correlationId"): (
                "der2_iissscRefset_ComplexMapSnapshot_INT_x.txt"
            ),
        }
        for columns, name in kinds.items():
            rows = []
            for row in self.rows:
                if tuple(row.fields) == columns:
                    number += 1
                    state = [_uuid(number), row.time, _bit(row.active), row.module]
                    rows.append([*state, row.refset, row.component, *row.fields.values()])
            _put(sets / name, " ".join([member, *columns]), rows)


def _bit(flag: bool) -> str:
    return "1" if flag else "0"


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def _put(path: Path, header: str, rows: Iterable[list[str]]) -> None:
    lines = ["\t".join(header.split()), *("\t".join(row) for row in rows)]
    path.write_text("".join(f"{line}\r\n" for line in lines), encoding="utf-8", newline="")


def mapped(refset: str, component: str, target: str, **more: str) -> Row:
    """A row of a complex map."""
    fields = {
        "mapGroup": "1",
        "mapPriority": "1",
        "mapRule": "TRUE",
        "mapAdvice": f"ALWAYS {target}",
        "mapTarget": target,
        "correlationId": "447561005",
        **more,
    }
    return Row(refset, component, fields)


# --- a world of chance ---

CODES = [sctid(number, "00") for number in range(2_000_001, 2_000_013)]
ATTRIBUTES = ["363698007", "116676008", "246075003"]
STRENGTH = "1142135004"
MODEL, RETIRED = "410662002", [sctid(number, "00") for number in range(2_000_101, 2_000_104)]
SETS = ["700043003", "450976002"]
MAP = "447562003"
WORDS = ["heart", "attack", "hjärta", "acute", "Lung", "5-fluoro", "itis"]


def world_of_chance(seed: int) -> World:
    """Some concepts with some of everything."""
    choose = random.Random(seed)
    world = World()
    world.add(Made(ROOT, names=[Described("SNOMED CT Concept", FSN)]))
    for code in (MODEL, *SETS, MAP, SAME_AS, POSSIBLY):
        world.add(Made(code, {ROOT}, names=[Described(f"Thing {code}", FSN)]))
    for location, code in enumerate([*ATTRIBUTES, STRENGTH]):
        above = {MODEL} if location != 1 else {ATTRIBUTES[0]}
        world.add(Made(code, above, names=[Described(f"Attribute {code}", FSN)]))
    for location, code in enumerate(CODES):
        above = set(choose.sample([ROOT, *CODES[:location]], min(location + 1, choose.choice((1, 1, 2)))))
        roles = {
            (choose.choice((0, 0, 1, 2)), choose.choice(ATTRIBUTES), choose.choice(CODES))
            for _ in range(choose.randrange(4))
        }
        concept = Made(code, above, True, choose.random() < 0.4, _module(choose), _time(choose))
        concept.roles = sorted(roles)
        if choose.random() < 0.5:
            values = ("#5", "#5.50", "#-2", '"PANADOL"', "true")
            concept.roles.append((choose.choice((0, 1, 2)), STRENGTH, choose.choice(values)))
        concept.names = [Described(f"Concept {code}", FSN), *(_name(choose) for _ in range(3))]
        world.add(concept)
    for code in RETIRED:
        world.add(Made(code, active=False, module=_module(choose), time=_time(choose), names=[_name(choose)]))
    some = [*CODES, *RETIRED]
    for refset in SETS:
        for code in choose.sample(some, 5):
            world.rows.append(Row(refset, code, {}, choose.random() < 0.8, _module(choose), _time(choose)))
    for code in RETIRED:
        for refset in (SAME_AS, POSSIBLY):
            if choose.random() < 0.7:
                fields = {"targetComponentId": choose.choice(some)}
                world.rows.append(Row(refset, code, fields, choose.random() < 0.8))
    for code in choose.sample(CODES, 4):
        target = choose.choice(("J45.0", "J45.9", "I21.9 A"))
        priority = choose.choice("123")
        world.rows.append(mapped(MAP, code, target, mapPriority=priority))
    return world


def _module(choose: random.Random) -> str:
    return choose.choice((CORE, EXTENSION))


def _time(choose: random.Random) -> str:
    return choose.choice((OLD, NEW))


def _name(choose: random.Random) -> Described:
    term = " ".join(choose.choices(WORDS, k=choose.randrange(1, 4)))
    dialects = {
        refset: choose.choice((PREFERRED, ACCEPTABLE)) for refset in (US, GB) if choose.random() < 0.5
    }
    return Described(
        term,
        choose.choice((SYNONYM, SYNONYM, FSN, DEFINITION)),
        choose.choice(("en", "en", "sv")),
        choose.random() < 0.8,
        _module(choose),
        _time(choose),
        dialects,
    )
