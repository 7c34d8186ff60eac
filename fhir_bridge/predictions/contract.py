"""The predictor contract: what a model needs, for whom it is meant, what it says or why it declines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from fhir_bridge.predictions.record import Evidence, Modality, PatientRecord

__all__ = [
    "Contribution",
    "ModelCard",
    "Prediction",
    "Predictor",
    "PredictorSettings",
    "Refusal",
    "RefusalReason",
]

RefusalReason = Literal["not-applicable", "missing-input", "out-of-range", "failed"]


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
class Prediction:
    """A result.

    Attributes:
        code: code of the prediction in the predictor's code system; never a measurement's code.
        percent: risk in percent, rounded as the model's publication does.
        horizon_years: over which the risk runs.
        category: code and display of the risk category, where the model has categories.
        effective: time of the newest input.
        evidence: every input that was used, each with its exact version.
        outcome: code and display of the event that the risk is of.
    """

    code: str
    display: str
    percent: Decimal
    horizon_years: int
    outcome: tuple[str, str]
    category: tuple[str, str] | None
    effective: datetime | str
    evidence: tuple[Evidence, ...]
    contributions: tuple[Contribution, ...]
    cautions: tuple[str, ...] = ()

    @property
    def deciding_modality(self) -> Modality:
        """The modality whose inputs moved the result most."""
        sums: dict[Modality, float] = {}
        for contribution in self.contributions:
            sums[contribution.modality] = sums.get(contribution.modality, 0.0) + abs(contribution.value)
        return max(sums, key=lambda modality: sums[modality]) if sums else "ehr"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the model says nothing about this patient.

    Attributes:
        code: as in `Prediction`; empty where the model failed before it could say what it predicts.
        text: the reason as a person reads it, naming the deciding resource.
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
    """What a site decided about a predictor, from `parameters: predictions: <name>:` of the site file."""

    enabled: bool = False
    intended_use: str | None = None
    regulatory_status: str | None = None
    approver: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def research_use(self) -> bool:
        """True unless intended use, regulatory status and approver are all named."""
        return not (self.intended_use and self.regulatory_status and self.approver)

    @classmethod
    def from_site(cls, parameters: Mapping[str, Any], name: str) -> PredictorSettings:
        """The settings of predictor `name` in a site's parameters; absent is disabled."""
        block = dict((parameters.get("predictions") or {}).get(name) or {})
        return cls(
            enabled=block.pop("enabled", False) is True,
            intended_use=block.pop("intended_use", None),
            regulatory_status=block.pop("regulatory_status", None),
            approver=block.pop("approver", None),
            options=block,
        )


class Predictor(Protocol):
    """A model that the bridge can run.

    Its codes stand in the code system that its attribute `code_system` names (a plug-in ships it with the
    terminology hook), else in `urn:fhir-bridge:predictor:<name>`.
    """

    name: str
    version: str
    title: str
    manufacturer: str
    card: ModelCard

    def predict(self, record: PatientRecord, settings: PredictorSettings) -> Prediction | Refusal:
        """A result or a refusal. Raises nothing for what a record may hold."""
        ...
