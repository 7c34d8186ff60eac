"""Why an equation answers as it does: contributions against a baseline, what decided, what would change the class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from fhir_bridge.predictions.contract import Contribution, Explanation
from fhir_bridge.predictions.record import Evidence, Modality

__all__ = ["Answered", "Dial", "Equation", "explain", "rounded"]

_STEPS: Final = 12
"""Halvings of the range of an input: to a four-thousandth of it, finer than anybody measures."""

Values = Mapping[str, float]
Category = tuple[str, str]
"""Code and display."""


def rounded(number: float, places: int = 1) -> Decimal:
    """A risk as people see it, a half rounded up."""
    return Decimal(number).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


class Answered(NamedTuple):
    """What an equation answers: the risk in percent (or points), rounded, and its class, where there are any."""

    percent: Decimal
    category: Category | None


@dataclass(frozen=True, slots=True)
class Dial:
    """An input that could be another one, for what would change the class.

    Attributes:
        name: as in the values of the equation.
        label: for people.
        unit: UCUM, as people read it; empty for yes or no.
        low, high: how far it is turned.
        digits: decimals that people use.
    """

    name: str
    label: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation as its explanation needs it.

    The class is that of the unrounded number: 4.96 % is shown as 5.0 % and is below a limit of 5 %.

    Attributes:
        terms: share of each input in the linear predictor; with the same names for every person.
        number: the risk in percent (or the points) of values, not rounded.
        baseline: values of the person to compare with.
        baseline_text: the same for people.
        classes: the class of an unrounded number of a person with these values.
        dials: what could be otherwise.
        unit: of the number, for people.
        places: decimals that the publication has.
    """

    terms: Callable[[Values], Mapping[str, float]]
    number: Callable[[Values], float]
    baseline: Values
    baseline_text: str
    classes: Callable[[float, Values], Category] | None = None
    dials: Sequence[Dial] = ()
    unit: str = "%"
    places: int = 1

    def answer(self, values: Values) -> Answered:
        """The number, rounded, and its class."""
        number = self.number(values)
        return Answered(
            rounded(number, self.places), None if self.classes is None else self.classes(number, values)
        )

    def category(self, values: Values) -> Category | None:
        """The class alone."""
        return None if self.classes is None else self.classes(self.number(values), values)


def explain(
    equation: Equation,
    values: Values,
    answered: Answered,
    labels: Mapping[str, str],
    evidence: Mapping[str, Evidence],
) -> tuple[tuple[Contribution, ...], Explanation]:
    """The contributions of a person's inputs, and what they say together.

    Exact: each contribution is the difference of the input's terms between the person and the baseline, so all add up
    to the difference of the linear predictors. An interaction counts with the input that `terms` gives it to.

    Args:
        labels: displays of `contribution-<name>`, in the order in which they are shown; a term without one is not
            shown (what is the same for all, such as a constant).
        evidence: the inputs by name; what has none comes from the Patient.
    """
    own, compared = equation.terms(values), equation.terms(equation.baseline)
    contributions = tuple(
        Contribution(
            f"contribution-{name}",
            label,
            own[name] - compared[name],
            evidence[name].modality if name in evidence else "ehr",
            evidence.get(name),
        )
        for name, label in labels.items()
        if name in own
    )
    modalities: dict[str, float] = {}
    for contribution in contributions:
        modalities[contribution.modality] = modalities.get(contribution.modality, 0.0) + contribution.value
    base = equation.answer(equation.baseline)
    return contributions, Explanation(
        baseline=equation.baseline_text,
        method="exact",
        baseline_result=f"{base.percent:f} {equation.unit}",
        modalities=modalities,
        changes=tuple(_changes(equation, values, answered)),
        decided_by=tuple(_decided_by(equation, values, answered, evidence)),
    )


def _decided_by(
    equation: Equation, values: Values, answered: Answered, evidence: Mapping[str, Evidence]
) -> Iterable[Modality]:
    """Modalities without which, their inputs as in the baseline, the class (or the risk, without classes) differs."""
    used: dict[Modality, list[str]] = {}
    for name in values:
        used.setdefault(evidence[name].modality if name in evidence else "ehr", []).append(name)
    for modality, names in used.items():
        without = equation.answer({**values, **{name: equation.baseline[name] for name in names}})
        if without.category != answered.category or (
            answered.category is None and without.percent != answered.percent
        ):
            yield modality


def _changes(equation: Equation, values: Values, answered: Answered) -> Iterable[str]:
    """For each dial the nearest value that gives another class, in either direction."""
    if answered.category is None:
        return
    for dial in equation.dials:
        at = values[dial.name]
        if not dial.unit:
            other = equation.category({**values, dial.name: 0.0 if at else 1.0})
            if other is not None and other != answered.category:
                yield f"{'Without' if at else 'With'} {dial.label}: {other[1]}."
            continue
        for end in (dial.low, dial.high):
            if not (dial.low <= at <= dial.high):
                break
            category = equation.category({**values, dial.name: end})
            if category == answered.category:
                continue
            same, changed = at, end
            turned = dict(values)
            for _ in range(_STEPS):
                turned[dial.name] = middle = (same + changed) / 2
                result = equation.category(turned)
                if result == answered.category:
                    same = middle
                else:
                    changed, category = middle, result
            word = "below" if end < at else "above"
            yield f"{dial.label} {word} {same:.{dial.digits}f} {dial.unit}: {category[1] if category else ''}."
