# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""References of rules: to patient, visit and order, to people and places by number or by what is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.cell_writing import cell, listed, literal, quoted
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.measures import measures_of
from fhir_bridge.workshop.first_mapping.parts import ASKED, part_of
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.status_writing import StatusWriter
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["ReferenceWriter"]

_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/"
_LABELS: Final = frozenset(
    "lib libelle name nom label bezeichnung bez text desc descripcion description descrizione descr title nombre nome".split()
)
_CODES: Final = frozenset("code cod cd id kode nr num codice codigo".split())
"""Words that make a column the name of what another has the code of, and that code."""


def _beside_device(guess: Guess) -> str:
    """What a name says beside that it is a device: `O2_DEVICE` is what the patient breathes through."""
    return " ".join(part.text for part in slots(tokens(guess.name)) if "device" not in part.concepts)


class ReferenceWriter(StatusWriter):
    """Writes references of a plan's rules."""

    def _subject(self, element: str = "subject") -> Iterator[str]:
        patient = self._one("patient-id")
        if patient is None:
            self._ask("no column identifies the patient: whose are these rows? The subject is left out")
            return
        yield f"  {element}: {quoted(f'=patient({self._cell(patient, element)})')}"

    def _visit(self, element: str = "encounter") -> Iterator[str]:
        visit = self._one("encounter-id", "account-id")
        if visit is None:
            return
        if self._visits:
            self._cell(visit)
            yield f"  {element}: {quoted('=ref(' + literal('encounter') + ')')}"
            return
        if visit.role == "account-id":
            self._ask(
                f"{visit.column}: is it the number of the visit, as is assumed, or of an account of several?"
            )
        value = quoted("=" + self._cell(visit, f"{element}.identifier"))
        system = quoted(self._authority + ":encounter")
        yield f"  {element}: {{when: {quoted(cell(visit.column))}, type: Encounter, identifier: {{system: {system}, value: {value}}}}}"

    def _references(self, role: str, target: str, element: str) -> list[str]:
        """References by identifier to what the columns of a role are the numbers of."""
        items = []
        for guess in self._all(role):
            system = self._system(guess, self._label(guess))
            here = self._cell(guess)
            value = quoted("=" + self._cell(guess, element))
            items.append(
                f"{{when: {quoted(here)}, type: {target}, identifier: {{system: {system}, value: {value}}}}}"
            )
        return items

    def _order(self) -> Iterator[str]:
        """The order that a result is of."""
        order = self._one("order-id")
        if self._plan.request and order is not None:
            here, partly = self._cell(order, "basedOn"), self._plan.ordered
            if not partly:
                yield f"  basedOn: {quoted('=ref(' + literal('order') + ')')}"
                return
            stated = " and ".join(self._cell(g) for g in partly)  # other rows of the order don't make it
            system = self._system(order, self._label(order))
            other = f"type: ServiceRequest, identifier: {{system: {system}, value: {quoted('=' + here)}}}"
            condition = quoted(f"{here} and not ({stated})")
            reference = "=ref(" + literal("order") + f") if {stated} else null"
            yield from listed("basedOn", [quoted(reference), f"{{when: {condition}, {other}}}"])
            return
        yield from listed("basedOn", self._references("order-id", "ServiceRequest", "basedOn"))

    def _reference(self, element: str, guess: Guess) -> str:
        """A reference by the number that a country gives, else by what is written."""
        if not guess.system and not guess.role.endswith("-id"):
            return self._displayed(element, guess)
        here = self._cell(guess, element)
        system = self._system(guess, self._label(guess))
        return f"{{when: {quoted(here)}, identifier: {{system: {system}, value: {quoted('=' + here)}}}}}"

    def _is_name(self, name: Guess, code: Guess) -> bool:
        """Whether a column is by its name the label of another, and has one value for each of its cells."""
        if name.of == code.column and name.role == code.role:
            return True
        words, others = set(tokens(name.name).split()), set(tokens(code.name).split())
        more = words - others
        return (
            bool(words & others and more)
            and more <= _LABELS
            and name is not code
            and others - words <= _CODES
            and depends_on(self._sample, name, code)
        )

    def _named_place(self, element: str, code: Guess, name: Guess | None) -> str:
        """A reference to a place by its code with its name, else by what is written."""
        if name is None:
            return self._reference(element, code)
        here, shown = self._cell(code, element), self._cell(name, f"{element}.display")
        system = self._system(code, self._label(code))
        return f"{{identifier: {{system: {system}, value: {quoted('=' + here)}}}, display: {quoted('=' + shown)}}}"

    def _device(self, element: str) -> str:
        """A reference to a device: by its number, where one of its columns has digits, and what the others say of it."""
        guesses = [g for g in self._all("device") if not measures_of(_beside_device(g))[0]]
        if not guesses:
            return ""
        digits = [g for g in guesses if share(self._values(g), lambda v: re.search(r"\d{4,}", v)) > 0.8]
        names = [g for g in guesses if g not in digits[:1]]
        parts = []
        if digits:
            here = self._cell(digits[0], element)
            system = self._system(digits[0], self._label(digits[0]))
            parts.append(
                f"identifier: {{when: {quoted(here)}, system: {system}, value: {quoted('=' + here)}}}"
            )
        if names:
            shown = ", ".join(self._cell(g, element) for g in names)
            parts.append(f"display: {quoted(f'=join([{shown}])' if len(names) > 1 else '=' + shown)}")
        known = " or ".join(self._cell(g) for g in guesses)
        return f"{{when: {quoted(known)}, {', '.join(parts)}}}"

    def _of_sample(self) -> Iterator[str]:
        """The sample of a result: of its own rule, else as it is written."""
        if self._sampled:
            yield f"  specimen: {quoted('=ref(' + literal('specimen') + ')')}"
        elif specimen := self._one("specimen"):
            yield f"  specimen: {self._displayed('Observation.specimen', specimen)}"

    def _paired(self, people: list[Guess]) -> dict[str, Guess]:
        """The number of each person who has a name in a column and a number in the one beside it."""
        pairs: dict[str, Guess] = {}
        for person in people:
            for number in people:
                beside = abs(self._guesses.index(person) - self._guesses.index(number)) == 1
                if (
                    person.role == "provider"
                    and number.role == "provider-id"
                    and beside
                    and number not in pairs.values()
                ):
                    pairs[person.column] = number
        return pairs

    def _person(self, element: str, guess: Guess, numbers: dict[str, Guess]) -> str:
        """A reference to a person by name, and by number where there is one."""
        number = numbers.get(guess.column)
        if number is None:
            return self._reference(element, guess)
        system = self._system(number, self._label(number))
        value = quoted("=" + self._cell(number, element))
        shown = quoted("=" + self._cell(guess, element))
        return f"{{identifier: {{system: {system}, value: {value}}}, display: {shown}}}"

    def _in_position(self, guess: Guess, condition: str) -> str:
        """The extension for the position of the body."""
        here = self._cell(guess, "extension (bodyPosition)")
        return f"{{when: {quoted(condition)}, url: {_EXTENSION}observation-bodyPosition, valueCodeableConcept: {{text: {quoted('=' + here)}}}}}"

    def _place(self, more: Sequence[str] = ()) -> Iterator[str]:
        """Where it was: in the extension that R4 has for it, where no Encounter says it."""
        items = []
        for guess in self._all("ward"):
            if part_of(guess) == ASKED or any(use.startswith("Encounter") for use in guess.uses):
                continue
            here = self._cell(guess, "extension (event-location)")
            items.append(
                f"{{when: {quoted(here)}, url: {_EXTENSION}event-location, valueReference: {{display: {quoted('=' + here)}}}}}"
            )
            self._ask(f"{guess.column}: is it where the event of the row was, as is assumed?")
        if (
            self._plan.event in ("", "Observation")
            and (lying := self._one("body-position"))
            and lying not in self._plan.measures
        ):
            items.append(self._in_position(lying, self._cell(lying)))
        yield from listed("extension", [*items, *more])
