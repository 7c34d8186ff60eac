"""A rule's statements in sections by what they depend on.

The sections are the very statements of the rule as it is otherwise compiled, so that both give the same.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fhir_bridge.fhir.record import elements_of_owners
from fhir_bridge.mapping.list_pieces import in_items, joined_items, list_head
from fhir_bridge.mapping.record import Usual
from fhir_bridge.mapping.sections import Section, SectionPlan
from fhir_bridge.mapping.statements import (
    COLUMN,
    Depends,
    Piece,
    RuleHead,
    StatementScanner,
    UnknownStatement,
)

__all__ = ["KeyVariable", "Layout", "SectionCompiler", "SectionDraft", "notes_branches"]

_EXACT = frozenset({"string", "code", "boolean", "integer"})
"""Types of variables whose equal values are written the same."""

_LOOKED_INTO = frozenset({"status", "meta"})
"""Elements that are not made anew for each object."""

_SIMILAR = 0.6
"""Share of common dependencies from which two sections are one."""


@dataclass(frozen=True, slots=True)
class KeyVariable:
    """A variable that stands for the value that decides it.

    Attributes:
        key: source of that value.
        needed: the variables that it is computed from.
    """

    number: int
    key: str
    needed: frozenset[str]


@dataclass(slots=True)
class SectionDraft:
    """A section to be.

    Attributes:
        members: its pieces, with their places among the rule's.
        lets: the variables that they need.
    """

    members: list[tuple[int, Piece]]
    lets: set[str]
    depends: Depends
    number: int = 0


@dataclass(slots=True)
class Layout:
    """The sections of a rule.

    Attributes:
        model: the source model: `key(selector, scope)` gives the source of a text that decides what a selector's source
            gives, `key_head(scope)` statements that these need; `varying`, where it is there, those keys that differ
            from object to object; `single`, whether its groups have one object each, so that nothing is taken of them
            together.
        number: the place of the rule among the mapping's.
        lets, time: the statements of its variables, and of its business time.
        timed: the time is the same for all objects of a group.
        variables: those that stand in keys for the value that decides them.
        identity: what decides the id, where the object's own values alone do; empty where more does.
        common: variables that several sections need: what they report is reported once, by the whole output.
    """

    head: RuleHead
    model: Any
    number: int
    lets: list[Piece]
    time: Piece
    timed: bool = False
    sections: list[SectionDraft] = field(default_factory=list)
    variables: dict[str, KeyVariable] = field(default_factory=dict)
    identity: frozenset[str] = frozenset()
    common: set[str] = field(default_factory=set)

    def is_around(self, section: SectionDraft) -> bool:
        """Whether a section is the same for all objects of a group."""
        depends = section.depends
        return self.head.outer and not depends.own and not depends.free

    def own_values(self, section: SectionDraft) -> set[str]:
        """What a section depends on of the object itself."""
        depends = section.depends
        return depends.own if self.head.outer else depends.own | depends.around

    def deciding(self, values: Iterable[str]) -> set[str]:
        """Sources of the texts that decide these values.

        Raises:
            UnknownStatement: the source model does not say what decides one.
        """
        result: set[str] = set()
        for value in values:
            if value.startswith("let "):
                result.add(value)
                continue
            if value in ("column", "value") or value.startswith("g["):
                result.add(f"known_key({value})")
                continue
            source = self.model.key(value, self.head.scope)
            if source is None:
                raise UnknownStatement
            result.add(source)
        return result

    def guards(self, section: SectionDraft) -> dict[str, str]:
        """What decides a section only under a condition on the groups around, and that condition."""
        conditions: dict[str, set[str]] = {}
        for value in self.own_values(section):
            for source in self.deciding([value]):
                conditions.setdefault(source, set()).update(section.depends.guards.get(value, {""}))
        return {
            source: " or ".join(sorted(all_))
            for source, all_ in conditions.items()
            if all_ and "" not in all_
        }

    def is_steady(self, section: SectionDraft, usual: Usual | None = None) -> bool:
        """Whether what decides a section recurs from object to object, as the source model says."""
        depends = section.depends
        if (
            getattr(self.model, "varying", None) is None
            or not self.model.key_head(self.head.scope)
            or depends.free
            or depends.group
            or depends.given
            or self.is_around(section)
        ):
            return False
        return self.varying(section, usual) <= (usual.absent if usual else frozenset())

    def is_fresh(self, section: SectionDraft) -> bool:
        """Whether a section is made for each object, as what decides it differs from object to object.

        That is so where the source model says it, and where it is decided by all that the id is made of.
        """
        names = {piece.name for _, piece in section.members}
        if self.head.delta or names & _LOOKED_INTO:
            return False
        if getattr(self.model, "single", False):
            return not self.head.reads and bool(self.varying(section))
        return (
            bool(self.identity)
            and self.identity <= self.stated(section)
            and not names & set(elements_of_owners(self.head.type))
            and not (self.head.reads and notes_branches(section))
        )

    def varying(self, section: SectionDraft, usual: Usual | None = None) -> set[str]:
        """What differs from object to object of what decides a section, as the source model says."""
        names = usual.names if usual else {}
        differing = {names.get(source, source) for source in getattr(self.model, "varying", frozenset())}
        return {source for source in self.stated(section) if names.get(source, source) in differing}

    def stated(self, section: SectionDraft) -> set[str]:
        """What decides a section, variables by what decides them."""
        keys = self.deciding(self.own_values(section))
        return {self.variables[key[4:]].key if key.startswith("let ") else key for key in keys}


def notes_branches(section: SectionDraft) -> bool:
    """Whether a section may note branches."""
    return bool(section.lets) or any("mk(" in text for _, piece in section.members for text in piece.lines)


class SectionCompiler:
    """Divides the statements of one rule.

    Args:
        key: the rule's condition and key.
    """

    def __init__(self, scanner: StatementScanner, layout: Layout, key: Piece) -> None:
        self.scanner = scanner
        self.layout = layout
        self._key = key
        self._single = getattr(layout.model, "single", False)

    def divide(self, members: list[Piece]) -> bool:
        """Divide the rule's elements; False where they can't be in sections."""
        try:
            return self._divide(members)
        except UnknownStatement:
            return False

    def _divide(self, members: list[Piece]) -> bool:
        layout, head = self.layout, self.layout.head
        if any(piece.name == "contained" for piece in members):
            return False
        own = {piece.name: self.scanner.scan(piece, head) for piece in [*head.early, *layout.lets]}
        late = {piece.name for piece in layout.lets}
        for piece in layout.lets:
            if piece.type in _EXACT and (variable := self._variable(piece, own)) is not None:
                layout.variables[piece.name] = variable
        layout.identity = self._identity()
        sections = layout.sections
        for place, piece in enumerate(in_items(members, head) if self._single else members):
            depends, needed = self._closed(self.scanner.scan(piece, head), own)
            depends.given = any(own[name].free for name in needed - late)
            section = SectionDraft([(place, piece)], needed & late, depends)
            twin = next((other for other in sections if self._alike(other, section)), None)
            if twin is None:
                sections.append(section)
            else:
                twin.members += section.members
                twin.lets |= section.lets
                twin.depends.add(depends)
        for place, section in enumerate(sections):
            section.number = place
            section.members = joined_items(section.members)
        users = Counter(name for section in sections for name in section.lets)
        layout.common = {name for name, count in users.items() if count > 1}
        moment, _ = self._closed(self.scanner.scan(layout.time, head), own)
        if moment.free or moment.group or moment.names & late:
            return False
        layout.timed = head.outer and not moment.own and not (moment.names & set(head.locals_))
        for section in sections:
            layout.deciding(section.depends.own | section.depends.around)
        return True

    def _identity(self) -> frozenset[str]:
        """What decides the id, where that is values of the rule's object alone."""
        layout = self.layout
        statements = [
            line.strip() for line in self._key.lines if line.strip().startswith("uid = ctx.key.id(")
        ]
        if layout.head.outer or len(statements) != 1:
            return frozenset()
        call = ast.parse(statements[0].removeprefix("uid = "), mode="eval").body
        assert isinstance(call, ast.Call)
        parts = {
            ast.unparse(part.args[0])
            for part in call.args
            if isinstance(part, ast.Call) and ast.unparse(part.func) == "key_part"
        }
        own = parts & self.scanner.selectors
        return frozenset(layout.deciding(own)) if own == parts else frozenset()

    def plan(self, bits: dict[int, int]) -> SectionPlan:
        """What is known of the sections before any record is read; `bits`: of the rule's branches."""
        layout, head = self.layout, self.layout.head
        owners = elements_of_owners(head.type)
        return SectionPlan(
            head.type,
            bits,
            tuple(
                Section(
                    self._orders(section),
                    next((n for n, (_, piece) in enumerate(section.members) if piece.name == "status"), -1),
                    tuple(n for n, (_, piece) in enumerate(section.members) if piece.name in owners),
                    tuple(len(list_head(piece.name)) if piece.item else 0 for _, piece in section.members),
                )
                for section in layout.sections
            ),
            head.profiles,
            head.delta,
            head.passing,
            len(layout.variables),
        )

    def _orders(self, section: SectionDraft) -> tuple[int, ...]:
        """By which what is reported is sorted: variables are computed before all elements."""
        lets = self.layout.lets
        alone = [n for n, piece in enumerate(lets) if piece.name in section.lets - self.layout.common]
        return (*(n - len(lets) for n in alone), *(place for place, _ in section.members))

    def _variable(self, piece: Piece, own: dict[str, Depends]) -> KeyVariable | None:
        """A variable that one value of the rule's object decides: it stands for that value in keys."""
        depends, needed = self._closed(own[piece.name], own)
        if depends.around or depends.free or depends.group or depends.own & {"column", "value"}:
            return None
        sources = self.layout.deciding(depends.own)
        return (
            KeyVariable(len(self.layout.variables), sources.pop(), frozenset(needed))
            if len(sources) == 1
            else None
        )

    def _closed(self, depends: Depends, variables: dict[str, Depends]) -> tuple[Depends, set[str]]:
        """The dependencies with those of the variables that are used, and these."""
        result = Depends(names=set(depends.names))
        result.add(depends)
        seen: set[tuple[str, bool]] = set()
        waiting = [(name, True) for name in depends.names]
        while waiting:
            name, counts = waiting.pop()
            if (name, counts) in seen or name not in variables:
                continue
            seen.add((name, counts))
            within = variables[name]
            if name in self.layout.variables:
                if counts:
                    result.own.add(f"let {name}")
                counts = False
            elif counts:
                result.add(within)
            waiting += [(other, counts) for other in within.names]
            if counts and within.names & COLUMN:
                result.own |= {"column", "value"}
        if depends.names & COLUMN:
            result.own |= {"column", "value"}
        return result, {name for name, _ in seen}

    def _alike(self, one: SectionDraft, other: SectionDraft) -> bool:
        layout = self.layout
        if layout.is_around(one) != layout.is_around(other):
            return False
        if layout.is_around(one):
            return True
        if layout.is_fresh(one) or layout.is_fresh(other):
            return layout.is_fresh(one) and layout.is_fresh(other)
        if self._single and one.depends.free != other.depends.free:
            return False  # what is made each time does not make the others anew
        a, b = (layout.deciding(draft.depends.own | draft.depends.around) for draft in (one, other))
        if a == b:
            return True
        if (differing := layout.varying(one)) and differing == layout.varying(other):
            return True  # neither is made much more often than the other
        return len(a & b) >= 3 and (a <= b or b <= a) and len(a & b) / len(a | b) >= _SIMILAR
