# ruff: noqa: E501 - lines of YAML are written as they come out
"""Cells in the expressions of rules, and the elements that take them as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.coded_tables import are_codes, is_from_list, lists_of, names_of_lists
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.selecting import stated_in
from fhir_bridge.workshop.first_mapping.statuses import NOTHING_THERE
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.tables import Plan

__all__ = ["CellWriter", "cell", "concepts_of", "either", "listed", "literal", "quoted"]


def cell(column: str) -> str:
    """A column in an expression."""
    return f"row.{column}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) else f"row.`{column}`"


def quoted(text: str) -> str:
    """A YAML scalar."""
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """A text inside an expression."""
    return "'" + text.replace("'", "''") + "'"


def either(condition: str, yes: str, no: str) -> str:
    """One code or the other."""
    return quoted(f"={literal(yes)} if {condition} else {literal(no)}")


def listed(element: str, items: list[str]) -> Iterator[str]:
    """A list of flow objects; nothing without any."""
    if items:
        yield f"  {element}:"
        yield from (f"  - {item}" for item in items)


def concepts_of(guess: Guess) -> frozenset[str]:
    """What the words of a column's name stand for."""
    return frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))


class CellWriter:
    """Writes rules of a plan.

    Attributes:
        used: the columns that the rules read so far.
        read: the columns that the rules write, where a first pass has found them: a key of whole rows is of these.
        questions: what the rules assume.
    """

    def __init__(
        self, name: str, sample: Sample, guesses: list[Guess], plan: Plan, read: frozenset[str] = frozenset()
    ) -> None:
        self._sample, self._guesses, self._plan = sample, guesses, plan
        self._read = read
        self.used: set[str] = set()
        self.questions: list[str] = []
        self._authority = f"urn:x-local:{name}"
        self._named: set[str] = set()
        self._prescribed = False  # whether a rule makes the prescriptions of supplies
        self._sampled = False  # whether a rule makes the Specimen of results
        self._visits = plan.encounter or plan.event == "Encounter"

    def _rule(self, name: str) -> str:
        """The first line of a rule, whose name no other has."""
        unique, number = name, 1
        while unique in self._named:
            number += 1
            unique = f"{name}-{number}"
        self._named.add(unique)
        return f"- rule: {unique}"

    def _one(self, *roles: str) -> Guess | None:
        """The first column of a role, in the order of the roles."""
        return next(iter(self._all(*roles)), None)

    def _all(self, *roles: str) -> list[Guess]:
        """All columns of the roles, in the order of the roles."""
        return [
            guess
            for role in roles
            for guess in self._guesses
            if guess.role == role
            and "`" not in guess.column
            and guess.column not in self._plan.varying
            and not self._is_other_name(guess)
        ]

    def _is_other_name(self, guess: Guess) -> bool:
        """Whether a column is the name of what another column of the same role has the code of."""
        return (
            any(g.column == guess.of and g.role == guess.role for g in self._guesses) if guess.of else False
        )

    def _name_of(self, code: Guess) -> Guess | None:
        """The column that has the name of what a column has the code of."""
        return next((g for g in self._readable if g.of == code.column and g.role == code.role), None)

    def _cell(self, guess: Guess, element: str = "") -> str:
        """A column in an expression, noted as read; its own words for no value give none."""
        self.used.add(guess.column)
        if element and element not in guess.uses:
            guess.uses.append(element)
        here = cell(guess.column)
        whole = here
        for mark in guess.marks:
            whole = f"replace({whole}, {literal(mark)}, '')"
        if not guess.local:
            return whole
        return f"(null if {here} in [{', '.join(map(literal, guess.local))}] else {whole})"

    def _system(self, guess: Guess, label: str) -> str:
        """The system of a number: that which a country gives it, else one of this site."""
        return quoted(guess.system or f"{self._authority}:{label}")

    def _concept(self, element: str, guess: Guess) -> str:
        """A CodeableConcept of a column: of its code with its name, where another column has that, else of its code or text."""
        name = self._name_of(guess)
        if name is None:
            here = self._cell(guess, element)
            listed_in = self._coded_concept(guess, here)
            return listed_in or f"{{text: {quoted('=' + here)}}}"
        shown = quoted("=" + self._cell(name, element + ".text"))
        return f"{{when: {quoted(f'{self._cell(guess)} or {self._cell(name)}')}, coding: [{self._local_coding(guess, element)}], text: {shown}}}"

    def _coded_concept(self, guess: Guess, here: str) -> str:
        """A CodeableConcept of the codes of a list that all cells are of, which is asked; empty where they are of none that is certain."""
        values = self._values(guess)
        lists = lists_of(guess.role, values)
        if lists and is_from_list(values):
            others = "".join(f", or of {other.title}" for other in lists[1:])
            self._ask(f"{guess.column}: are its codes of {lists[0].title}, as is assumed{others}?")
            return quoted(f"=concept({here}, system={literal(lists[0].system)}, unknown='local')")
        if are_codes(values):
            shown = ", ".join(sorted(set(values))[:6])
            perhaps = names_of_lists(guess.role)
            more = f" (perhaps {perhaps})" if perhaps else ""
            self._ask(
                f"{guess.column}: of which list are its codes {shown}{more}, and what do they mean? They are kept as text"
            )
        return ""

    def _local_coding(self, guess: Guess, element: str) -> str:
        here = self._cell(guess, element + ".coding")
        return f"{{when: {quoted(here)}, system: {quoted(f'{self._authority}:{self._label(guess)}')}, code: {quoted('=' + here)}}}"

    def _text(self, element: str, *roles: str, of: str = "") -> Iterator[str]:
        """An element that is a concept in words."""
        guess = self._one(*roles)
        if guess is not None:
            yield f"  {element}: {self._concept(of + element, guess)}"

    def _texts(self, element: str, *roles: str, of: str = "", without_none: bool = False) -> Iterator[str]:
        """A list of concepts in words; with `without_none`, without the words for that there is none."""
        items = []
        for guess in self._all(*roles):
            stated = self._is_stated(guess, NOTHING_THERE) if without_none else ""
            condition = f"when: {quoted(stated)}, " if stated else ""
            if condition:
                items.append(f"{{{condition}text: {quoted('=' + self._cell(guess, of + element))}}}")
            else:
                items.append(self._concept(of + element, guess))
        yield from listed(element, items)

    def _is_stated(self, guess: Guess, words: frozenset[str]) -> str:
        """The condition of cells that do not say that there is none, which is asked; empty where none says so."""
        none = sorted({v.casefold() for v in self._values(guess)} & words)
        if not none:
            return ""
        self._ask(
            f"{guess.column}: {', '.join(none)} is taken for that there is none: is it, and should that be stated?"
        )
        return (
            f"{self._cell(guess)} and not (lower({self._cell(guess)}) in [{', '.join(map(literal, none))}])"
        )

    def _own_role(self) -> tuple[str, ...]:
        """The role of numbers that each row has its own of, where that says no more: they identify the event."""
        unique = any(g.distinct == g.filled == len(self._sample.rows) > 1 for g in self._all("id"))
        return ("id",) if unique else ()

    def _identifiers(self, of: str, *roles: str) -> Iterator[str]:
        items = []
        for guess in self._all(*roles):
            if guess.column not in self.used or guess.uses in ([], ["key"]):
                system = self._system(guess, self._label(guess))
                items.append(
                    f"{{system: {system}, value: {quoted('=' + self._cell(guess, of + 'identifier'))}}}"
                )
        yield from listed("identifier", items)

    @staticmethod
    def _label(guess: Guess) -> str:
        return tokens(guess.column).replace(" ", "-") or "id"

    def _values(self, guess: Guess) -> list[str]:
        """The cells of a column without its words for no value."""
        return stated_in(self._sample, guess)

    def _ask(self, question: str) -> None:
        if question not in self.questions:
            self.questions.append(question)

    @property
    def _numbers_partly(self) -> list[Guess]:
        """Numbers of patients that some rows of a patient lack, where other columns say in each row who it is."""
        partly = self._plan.partly
        return partly if partly and all(g.role == "person-id" for g in partly) else []

    @property
    def _numbers_of_cover(self) -> list[Guess]:
        """Those of the insured, which rows lack that have another payer: the Coverage has them."""
        return [g for g in self._numbers_partly if self._one("insurer") and "insured" in concepts_of(g)]

    @property
    def _readable(self) -> list[Guess]:
        return [guess for guess in self._guesses if "`" not in guess.column]

    def _displayed(self, element: str, guess: Guess, of: str = "") -> str:
        name = self._name_of(guess)
        if name is None:
            return f"{{display: {quoted('=' + self._cell(guess, of + element))}}}"
        here, shown = self._cell(guess, of + element), self._cell(name, f"{of}{element}.display")
        system = self._system(guess, self._label(guess))
        return f"{{when: {quoted(f'{here} or {shown}')}, identifier: {{when: {quoted(here)}, system: {system}, value: {quoted('=' + here)}}}, display: {quoted('=' + shown)}}}"

    def _unit_of(self, amount: Guess) -> Guess | None:
        """The column of a number's unit."""
        return next((g for g in self._readable if g.of == amount.column and g.role.endswith("unit")), None)

    def _amount(self, amount: Guess, element: str) -> str:
        """The expression of a Quantity."""
        unit = self._unit_of(amount)
        stated = (
            self._cell(unit, element) if unit is not None else literal(amount.unit) if amount.unit else "null"
        )
        return f"=quantity({self._cell(amount, element)}, {stated})"
