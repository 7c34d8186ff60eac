# ruff: noqa: E501 - patterns and lists of words are written as they come out
"""Columns that the rest of a table says are another thing than their names alone do."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.headers import ucum
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.parts import ASKED, part_of
from fhir_bridge.workshop.first_mapping.selecting import of_roles, stated_in
from fhir_bridge.workshop.first_mapping.spans import concepts_of
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import number_form

__all__ = [
    "amounts_of_drugs",
    "constants",
    "days_of_visits",
    "expected_discharges",
    "lone_limits",
    "referrers",
]

_NUMBERING: Final = frozenset("id event-id order-id account-id row-id study-id".split())
_STAYING: Final = frozenset("admitted los discharged".split())
_PREGNANT: Final = re.compile(
    r"gravid|parit|\bpara\b|gestat|\blmp\b|pregn|antenat|booking|schwanger|grossesse|embaraz|matern|obstet"
)
_REFERRED: Final = frozenset(("ordered", "scheduled", "received", "indication"))
_FEW: Final = 3


def constants(guesses: list[Guess]) -> None:
    """A number that all rows share identifies none of them: the study's, the sender's, the file's."""
    for guess in guesses:
        if guess.role in _NUMBERING and guess.distinct == 1 and guess.filled > _FEW:
            guess.role, guess.questions = "administrative", []
            guess.evidence.append("all rows have the same")


def expected_discharges(guesses: list[Guess]) -> None:
    """`EDD` among stays, where nothing speaks of a pregnancy, is when the patient is expected to leave."""
    if not {g.role for g in guesses} & _STAYING or any(_PREGNANT.search(tokens(g.name)) for g in guesses):
        return
    for guess in of_roles(guesses, "finding-date"):
        if tokens(guess.name).replace(" ", "") in ("edd", "edddate", "dateedd"):
            guess.role, guess.measure, guess.coding, guess.questions = "scheduled", False, None, []
            guess.evidence.append("among stays: when the discharge is expected")


def amounts_of_drugs(sample: Sample, guesses: list[Guess]) -> None:
    """An amount beside a drug or a rate whose unit another column has is no money: how much was given."""
    if not {g.role for g in guesses} & {"drug", "rate", "route"} or of_roles(guesses, "dose"):
        return
    for guess, after in pairwise(guesses):
        if (
            guess.role not in ("money", "number")
            or guess.measure
            or not re.search(r"amount|menge|quant|cant", tokens(guess.name))
        ):
            continue
        units = set(stated_in(sample, after))
        if units and 2 * sum(1 for unit in units if ucum(unit)) > len(units):
            form = number_form(stated_in(sample, guess), least=0.95)
            if form is None:
                continue
            guess.role, guess.questions = "dose", []
            guess.decimal, guess.whole, guess.low, guess.high = form.decimal, form.whole, form.low, form.high
            guess.evidence.append(f"its units are in {after.column}, and no currencies")
            after.role, after.questions = "dose-unit", []
            return


_VISIT_DATE: Final = re.compile(
    r"\b(consult\w*|visit\w*|atend\w*|attendance|besuch\w*|bezoek\w*|besoek\w*|besok\w*|turno|cita|appt|appointment|termin\w*)\b"
)
_OF_VISITS: Final = frozenset(
    "class encounter-type specialty disposition complaint admit-source provider provider-id".split()
)
_OF_OTHERS: Final = frozenset(
    "value test specimen specimen-id drug vaccine procedure allergy organism admitted performed".split()
)


def days_of_visits(guesses: list[Guess]) -> None:
    """In a table that says of what kind visits were, for what and with whom, and has no results, the day of a visit is when it began."""
    roles = {guess.role for guess in guesses}
    if len(roles & _OF_VISITS) < _FEW or roles & _OF_OTHERS or any(g.measure for g in guesses):
        return
    dates = [g for g in of_roles(guesses, "collected", "date") if _VISIT_DATE.search(tokens(g.name))]
    if len(dates) == 1:
        dates[0].role = "admitted"
        dates[0].evidence.append("the day of the visit, in a table of visits")


def lone_limits(sample: Sample, guesses: list[Guess]) -> None:
    """`TST_min` beside no `TST_max` is no limit, and perhaps minutes: a number."""
    stems = {
        re.sub(r"\b(min|max|mean|avg|median|mittel|low|high|lo|hi)\b", "", tokens(g.name)).strip()
        for g in guesses
    }
    for guess in of_roles(guesses, "limit-of"):
        words = tokens(guess.name)
        stem = words.removesuffix(" min")
        alike = [g for g in guesses if g is not guess and tokens(g.name).startswith(stem)]
        if stem == words or stem not in stems or alike:
            continue
        form = number_form(stated_in(sample, guess), least=0.95)
        if form is not None:
            guess.role, guess.decimal, guess.whole, guess.low, guess.high = (
                "number", form.decimal, form.whole, form.low, form.high,
            )  # fmt: skip
            guess.evidence.append(
                f"whole numbers from {form.low:g} to {form.high:g}, and nothing is its maximum"
            )
            guess.questions = [f"{guess.column}: is it in minutes, or the smallest of something?"]


def referrers(guesses: list[Guess]) -> None:
    """In a table of referrals the practitioner that a name says referred is who asked, and no practice of the patient's."""
    if not any("referral" in concepts_of(g) for g in guesses) or not {g.role for g in guesses} & _REFERRED:
        return
    for guess in of_roles(guesses, "gp"):
        if part_of(guess) == ASKED:
            guess.role = "provider"
            guess.evidence.append("its name says who referred")
