"""Why an equation answers as it does: contributions against a baseline, what decided, what would change the class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from fhir_bridge.predictions.contract import Contribution, Explanation
from fhir_bridge.predictions.record import Evidence, Modality

__all__ = ["Answered", "Dial", "Equation", "explain"]

_STEPS: Final = 12
"""Halvings of the range of an input: to a four-thousandth of it, finer than anybody measures."""

Values = Mapping[str, float]


class Answered(NamedTuple):
    """What an equation answers: the risk in percent (or points), and its class (code, display), where there are any."""

    percent: Decimal
    category: tuple[str, str] | None


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

    Attributes:
        terms: share of each input in the linear predictor; with the same names for every person.
        answer: the risk and class of values.
        baseline: values of the person to compare with.
        baseline_text: the same for people.
        dials: what could be otherwise.
        unit: of what `answer` gives, for people.
    """

    terms: Callable[[Values], Mapping[str, float]]
    answer: Callable[[Values], Answered]
    baseline: Values
    baseline_text: str
    dials: Sequence[Dial] = ()
    unit: str = "%"


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
            other = equation.answer({**values, dial.name: 0.0 if at else 1.0})
            if other.category not in (answered.category, None):
                yield f"{'Without' if at else 'With'} {dial.label}: {other.category[1]}."
            continue
        for end in (dial.low, dial.high):
            if not (dial.low <= at <= dial.high):
                break
            far = equation.answer({**values, dial.name: end})
            if far.category == answered.category:
                continue
            same, changed = at, end
            category = far.category
            for _ in range(_STEPS):
                middle = (same + changed) / 2
                result = equation.answer({**values, dial.name: middle})
                if result.category == answered.category:
                    same = middle
                else:
                    changed, category = middle, result.category
            word = "below" if end < at else "above"
            yield f"{dial.label} {word} {same:.{dial.digits}f} {dial.unit}: {category[1] if category else ''}."
