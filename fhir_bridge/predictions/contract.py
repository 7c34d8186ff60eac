"""The predictor contract: what a model needs, for whom it is meant, what it says or why it declines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from fhir_bridge.predictions.outputs import Interval, Output
from fhir_bridge.predictions.record import Evidence, Modality

__all__ = [
    "Contribution",
    "Explanation",
    "ModelCard",
    "Prediction",
    "PredictorSettings",
    "Refusal",
    "RefusalReason",
]

SECONDS: Final = 10.0
# Address space, of which libraries map far more than they use.
MEMORY_MB: Final = 4096

RefusalReason = Literal["not-applicable", "missing-input", "out-of-range", "failed", "opted-out"]
"""`opted-out` and `failed` are the bridge's own: the patient's consent, and a model that gave no usable answer."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a person needs to know before trusting a result (the groups of HTI-1's source attributes).

    Attributes:
        kind: `published-equation` or `machine-learned`; an equation is never labelled machine-learned.
        details: who made it, from what, when, with whose funding.
        intended_use: for whom, by whom, in which decision.
        cautioned_out_of_scope: uses it is not meant for.
        development: population and outcome it was derived from.
        fairness: what is known of differences between groups.
        external_validation: where else it was tested, and how it did.
        maintenance: how and by whom it is kept up to date.
        citation: publication.
        attributes: HTI-1's source attributes by the keys of `model_card.SOURCE_ATTRIBUTES`.
        ai_kinds: further codes of AIdeviceTypeCS (HL7 AI Transparency on FHIR) that the model is of.
    """

    kind: Literal["published-equation", "machine-learned"]
    details: str
    intended_use: str
    cautioned_out_of_scope: str
    development: str
    fairness: str
    external_validation: str
    maintenance: str
    citation: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    ai_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one input moved the result, on the model's own scale (the linear predictor, no unit).

    Attributes:
        code: `contribution-…` of the project's prediction code system.
        evidence: the input itself; None for what the model derives from the Patient (age, sex).
    """

    code: str
    display: str
    value: float
    modality: Modality
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the answer is this one, against a person to compare with.

    Attributes:
        baseline: who that is, as people read it: `age 60, systolic blood pressure 120 mm[Hg], not smoking`.
        method: `exact` where the contributions add up to the difference by the equation itself; `shapley` where they
            are Shapley values of a model that is no sum.
        baseline_result: what the model answers for the baseline, with its unit; empty where it is not known.
        modalities: sum of the contributions of each modality, by its name.
        changes: what of this patient would give another class, and which, one sentence each.
        decided_by: modalities without which (their inputs as in the baseline) the answer would be another one.
    """

    baseline: str
    method: Literal["exact", "shapley"]
    baseline_result: str = ""
    modalities: Mapping[str, float] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    decided_by: tuple[Modality, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """A result.

    Attributes:
        code: code of the prediction in the predictor's code system; never a measurement's code.
        percent: risk in percent, 0 to 100, rounded as the model's publication does; None where `output` says it all.
        horizon_years: over which the risk runs, from 1; None for what is now.
        category: code and display of the risk category, where the model has categories.
        effective: time of the newest input.
        evidence: every input that was used, each with its exact version: what is corrected there withdraws the result.
            The Patient is used by every result and need not be among them.
        outcome: code and display of the event that the risk is of.
        interval: of `percent`.
        output: what is said in place of a percentage, or beside it (a survival curve).
        population: region or population that the result is for.
        guideline: where the category is from.
        explanation: against which baseline the contributions are, and what would change the answer.
    """

    code: str
    display: str
    percent: Decimal | None
    horizon_years: int | None
    outcome: tuple[str, str]
    category: tuple[str, str] | None
    effective: datetime | str
    evidence: tuple[Evidence, ...]
    contributions: tuple[Contribution, ...]
    cautions: tuple[str, ...] = ()
    explanation: Explanation | None = None
    interval: Interval | None = None
    output: Output | None = None
    population: str = ""
    guideline: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the model says nothing about this patient.

    Attributes:
        code: as in `Prediction`; empty where the model failed before it could say what it predicts.
        text: the reason as a person reads it, naming the deciding resource. Values are in `evidence`, not here: this
            text is also printed.
        evidence: what decided (a Condition, a variant); the inputs seen so far come with it.
    """

    code: str
    display: str
    reason: RefusalReason
    text: str
    modality: Modality
    effective: datetime | str | None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictorSettings:
    """What a site decided about a predictor, from `parameters: predictions: <name>:` of the site file.

    Attributes:
        seconds: how long one call of the model may take; it is stopped then.
        memory_mb: address space that the model's process may take.
    """

    enabled: bool = False
    intended_use: str | None = None
    regulatory_status: str | None = None
    approver: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = SECONDS
    memory_mb: int = MEMORY_MB

    @property
    def research_use(self) -> bool:
        """True unless intended use, regulatory status and approver are all named."""
        return not (self.intended_use and self.regulatory_status and self.approver)

    @classmethod
    def from_site(cls, parameters: Mapping[str, Any], name: str) -> PredictorSettings:
        """The settings of predictor `name` in a site's parameters; absent is disabled.

        Raises:
            ValueError: `limits` are not `{seconds: N, memory_mb: N}` with numbers above 0.
        """
        block = dict((parameters.get("predictions") or {}).get(name) or {})
        limits = block.pop("limits", None) or {}
        # Where the file is says nothing about the results.
        block.pop("model", None)
        if not isinstance(limits, Mapping) or not set(limits) <= {"seconds", "memory_mb"}:
            raise ValueError(f"the limits of {name} are not {{seconds: N, memory_mb: N}}")
        if not all(
            isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
            for value in limits.values()
        ):
            raise ValueError(f"a limit of {name} is not a number above 0")
        return cls(
            enabled=block.pop("enabled", False) is True,
            intended_use=block.pop("intended_use", None),
            regulatory_status=block.pop("regulatory_status", None),
            approver=block.pop("approver", None),
            options=block,
            seconds=float(limits.get("seconds", SECONDS)),
            memory_mb=int(limits.get("memory_mb", MEMORY_MB)),
        )

    def decisions(self) -> dict[str, Any]:
        """What takes part in the identity of a result: all but the limits."""
        return {
            "intended_use": self.intended_use,
            "regulatory_status": self.regulatory_status,
            "approver": self.approver,
            "options": dict(self.options),
        }
