"""From a model's answer to the resources that carry it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import Any, Final

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions import resources, transparency
from fhir_bridge.predictions.contract import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.identity import Identities
from fhir_bridge.predictions.record import DEATH_CODES, declared_codes
from fhir_bridge.predictions.subject import Subject, UnknownInput
from fhir_bridge.storage.results import NewResult, UsedInput

__all__ = ["Finished", "ResultBuilder"]

SAMPLE: Final = 100
"""One in so many results of a form that was valid is validated again."""

MOST_FORMS: Final = 10_000

_TIME: Final = re.compile(
    r"[1-9]\d{3}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d))?"
)


@dataclass(frozen=True, slots=True)
class Finished:
    """An answer about a patient, with what it rests on and the id that follows. attempt: see `Identities.result`.

    taken_back: a person withdrew this very result, and what it rests on says the same.
    """

    subject: Subject
    result: Prediction | Refusal
    inputs: tuple[UsedInput, ...]
    observation_id: str
    attempt: int = 0
    taken_back: bool = False

    @property
    def seen(self) -> bytes | None:
        """See `Subject.seen`; a run that failed is tried again."""
        failed = isinstance(self.result, Refusal) and self.result.reason == "failed"
        return None if failed else self.subject.seen


@dataclass(slots=True)
class _Validated:
    """What was valid already of a model in one content, by one site's decisions: for all runs of this process."""

    shared: bool = False
    forms: set[Any] = field(default_factory=set)
    count: Iterator[int] = field(default_factory=count)


@lru_cache(maxsize=64)
def _validated(_model: type, _device: str, _card: str, _definitions: Definitions) -> _Validated:
    return _Validated()


class ResultBuilder:
    """Makes what one model, by one site's decisions, leaves in the record.

    Attributes:
        code: code and display of a run that gave no answer.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: PredictorSettings,
        identities: Identities,
        definitions: Definitions = DEFAULT,
    ) -> None:
        self._predictor = predictor
        self.code: tuple[str, str] = getattr(predictor, "result_code", ("", predictor.title))
        self._settings = settings
        self._identities = identities
        self._validator = get_validator(definitions=definitions)
        self._shared = self._of_model()
        self._known = _validated(type(predictor), identities.device, identities.card, definitions)

    def failed(self, reason: str, subject: Subject | None = None) -> Refusal:
        """A failed run, about the inputs of the subject. `reason` holds no value of a patient."""
        text = f"the model failed: {reason}"
        reads = getattr(self._predictor, "reads", ())
        codes, names = declared_codes(self._predictor), getattr(self._predictor, "input_names", {})
        own = None if codes is None else codes - DEATH_CODES
        inputs = () if subject is None else subject.given(own, reads, names)
        return Refusal(*self.code, "failed", text, "ehr", None, inputs)

    def finish(self, subject: Subject, result: Prediction | Refusal) -> Finished:
        """The answer with its inputs and id."""
        try:
            inputs = subject.inputs_of(result)
        except UnknownInput:
            result = self.failed("it names an input that it was not given", subject)
            inputs = subject.inputs_of(result)
        identity = self._identities.result(subject.id, result, inputs, 0)
        return Finished(subject, result, inputs, identity)

    def next_attempt(self, finished: Finished) -> Finished:
        """The same under the next id."""
        attempt = finished.attempt + 1
        subject, result, inputs = finished.subject, finished.result, finished.inputs
        identity = self._identities.result(subject.id, result, inputs, attempt)
        return replace(finished, observation_id=identity, attempt=attempt)

    def build(self, finished: Finished) -> NewResult | str:
        """The resources; where they are not valid FHIR, the element that is not."""
        subject, result, identities = finished.subject, finished.result, self._identities
        now = datetime.now(UTC)
        evidence = subject.evidence_of(result)
        written = [
            resources.observation(
                finished.observation_id,
                subject.id,
                self._predictor,
                self._settings,
                result,
                identities.device,
                now,
            )
        ]
        if isinstance(result, Prediction) and result.percent is not None and result.horizon_years:
            written.append(
                resources.risk_assessment(
                    identities.beside("RiskAssessment", finished.observation_id),
                    subject.id,
                    self._predictor,
                    result,
                    identities.device,
                    finished.observation_id,
                    evidence,
                )
            )
        targets = [f"{resource['resourceType']}/{resource['id']}" for resource in written]
        written.append(
            transparency.provenance(
                identities.beside("Provenance", finished.observation_id),
                targets,
                evidence,
                identities.device,
                identities.card,
                now,
            )
        )
        # Device and card are the same each time, and checked with the first result.
        form = _form_of(result)
        known = self._known
        if form is None or form not in known.forms or not next(known.count) % SAMPLE:
            problem = self._problem_of(written if known.shared else (*self._shared, *written))
            if problem:
                return problem
            known.shared = True
            if form is not None and len(known.forms) < MOST_FORMS:
                known.forms.add(form)
        return NewResult(
            patient=subject.id,
            model=self._predictor.name,
            horizon=(result.horizon_years or 0) if isinstance(result, Prediction) else 0,
            resources=tuple(written),
            shared=self._shared,
            inputs=finished.inputs,
            seen=finished.seen,
        )

    def _of_model(self) -> tuple[dict[str, Any], ...]:
        """Device and model card."""
        device, card = self._identities.device, self._identities.card
        return (
            transparency.device(device, self._predictor, self._identities.content, card),
            transparency.model_card(card, self._predictor, self._settings, device),
        )

    def _problem_of(self, results: Sequence[dict[str, Any]]) -> str:
        """The first element that is not valid; empty where all are."""
        for resource in results:
            for issue in self._validator.validate(resource):
                if issue.severity in ("error", "fatal"):
                    return issue.expression or resource["resourceType"]
        return ""


def _form_of(result: Prediction | Refusal) -> tuple[Any, ...] | None:
    """All of a result that decides whether the resources of it are valid; None where it is to be validated itself.

    Results of one form differ in numbers, times, references and texts, whose own form `answers` and `Subject.inputs_of`
    have checked.
    """
    effective = result.effective
    if isinstance(effective, str) and not _TIME.fullmatch(effective):
        return None
    used = frozenset((item.resource_type, bool(item.value), bool(item.time)) for item in result.evidence)
    common = (result.code, result.display, effective is None, used)
    if isinstance(result, Refusal):
        return (*common, result.reason, result.modality)
    percent = result.percent
    if percent is None or result.output is not None or result.interval is not None:
        return None
    if len(Decimal(percent).as_tuple().digits) > 9:
        return None
    explanation = result.explanation
    return (
        *common,
        result.horizon_years,
        result.outcome,
        result.category,
        tuple(
            (item.code, item.display, item.modality, item.evidence is not None and bool(item.evidence.value))
            for item in result.contributions
        ),
        None if explanation is None else explanation.decided_by,
        result.population == "",
        result.guideline == "",
    )
