"""Shadows: models that run beside the one that people see; what they say is kept apart, compared, shown to nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Any

from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.contract import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.identity import Identities
from fhir_bridge.predictions.model_workers import ModelUnavailable, ModelWorkers
from fhir_bridge.predictions.outputs import QuantityOutput
from fhir_bridge.predictions.record import declared_codes
from fhir_bridge.predictions.registry import PredictionError, find_predictor, model_names
from fhir_bridge.predictions.subject import Subject
from fhir_bridge.predictions.values import shown as shown_value
from fhir_bridge.storage import Store
from fhir_bridge.storage.model_versions import ModelVersions, ShadowResult

__all__ = ["Comparison", "Shadows", "compare", "shadow_names"]


def shadow_names(parameters: Mapping[str, Any], model: str) -> list[str]:
    """The shadows of a model at a site: `shadow_of: MODEL`."""
    blocks = parameters.get("predictions") or {}
    return sorted(
        str(name)
        for name, block in blocks.items()
        if isinstance(block, Mapping) and block.get("shadow_of") == model and block.get("enabled") is True
    )


class Shadows:
    """The shadows of one model."""

    def __init__(
        self,
        model: str,
        parameters: Mapping[str, Any],
        key: IdKey,
        store: Store,
        workers: ModelWorkers,
        predictors: Sequence[Predictor] | None = None,
    ) -> None:
        self._model = model
        self._versions = ModelVersions(store.pool)
        self._workers = workers
        self._names = model_names(parameters)
        self._running: list[tuple[Predictor, PredictorSettings, str]] = []
        for predictor in predictors or [
            find_predictor(name, parameters) for name in shadow_names(parameters, model)
        ]:
            settings = PredictorSettings.from_site(parameters, predictor.name)
            self._running.append((predictor, settings, Identities(predictor, settings, key).content))

    def __bool__(self) -> bool:
        return bool(self._running)

    @property
    def codes(self) -> list[frozenset[tuple[str, str]] | None]:
        """Codes of Observations that each declares."""
        return [declared_codes(predictor) for predictor, _, _ in self._running]

    async def run(self, results: Sequence[tuple[Subject, str, Prediction | Refusal]]) -> None:
        """Ask the shadows about the subjects of results; a shadow that fails keeps its failure to itself.

        Args:
            results: subject, id of the Observation and what it says.
        """
        for predictor, settings, content in self._running:
            # A shadow is research, whatever the site decided about the model itself.
            asked = [
                item
                for item in results
                if item[0].refused_use(PredictorSettings(), ("", ""), predictor.name, self._names) is None
            ]
            if not asked:
                continue
            answers: Sequence[Prediction | Refusal | str]
            try:
                answers = await self._workers.predict(
                    predictor, settings, [subject.for_model() for subject, _, _ in asked], content
                )
            except ModelUnavailable as error:
                answers = [str(error)] * len(asked)
            await self._versions.record_shadows(
                [
                    ShadowResult(
                        subject.id,
                        predictor.name,
                        content,
                        self._model,
                        predictor.version,
                        observation,
                        _stated(answer),
                        _stated(result),
                    )
                    for (subject, observation, result), answer in zip(asked, answers, strict=True)
                ]
            )


def _stated(result: Prediction | Refusal | str) -> dict[str, Any]:
    if isinstance(result, str):
        return {"failed": result}
    if isinstance(result, Refusal):
        return {"refused": result.reason}
    stated: dict[str, Any] = {"shown": shown_value(result)}
    if result.percent is not None:
        stated["number"] = str(result.percent)
    elif isinstance(result.output, QuantityOutput):
        stated["number"] = str(result.output.value)
    if result.category is not None:
        stated["category"] = result.category[0]
    return stated


@dataclass(frozen=True, slots=True)
class Comparison:
    """A shadow against what people saw, over the patients whom both were asked about.

    Attributes:
        both: patients of whom both gave a number. difference: mean of shadow less shown. spread: standard deviation.
        same_category: share of those with a category in both. only_shadow, only_shown: answered by one alone.
    """

    shadow: str
    version: str
    content: str
    patients: int
    both: int
    difference: float | None
    spread: float | None
    same_category: float | None
    only_shadow: int
    only_shown: int
    failed: int


def compare(rows: Sequence[ShadowResult]) -> list[Comparison]:
    """One comparison for each shadow and content."""
    groups: dict[tuple[str, str, str], list[ShadowResult]] = {}
    for row in rows:
        groups.setdefault((row.shadow, row.version, row.content), []).append(row)
    return [_compare(*key, some) for key, some in groups.items()]


def _compare(shadow: str, version: str, content: str, rows: Sequence[ShadowResult]) -> Comparison:
    differences = [
        float(Decimal(row.stated["number"]) - Decimal(row.shown["number"]))
        for row in rows
        if "number" in row.stated and "number" in row.shown
    ]
    categories = [
        row.stated["category"] == row.shown["category"]
        for row in rows
        if "category" in row.stated and "category" in row.shown
    ]
    mean = sum(differences) / len(differences) if differences else None
    spread = None
    if mean is not None and len(differences) > 1:
        spread = sqrt(sum((value - mean) ** 2 for value in differences) / (len(differences) - 1))
    return Comparison(
        shadow,
        version,
        content,
        len(rows),
        len(differences),
        mean,
        spread,
        sum(categories) / len(categories) if categories else None,
        sum("shown" in row.stated and "shown" not in row.shown for row in rows),
        sum("shown" in row.shown and "shown" not in row.stated for row in rows),
        sum("failed" in row.stated for row in rows),
    )


def check_not_shadow(parameters: Mapping[str, Any], name: str) -> None:
    """Refuse to run a shadow by itself: its results would be shown.

    Raises:
        PredictionError: FB-PRED-008.
    """
    block = (parameters.get("predictions") or {}).get(name)
    if isinstance(block, Mapping) and block.get("shadow_of"):
        raise PredictionError(
            "FB-PRED-008",
            f"{name} is a shadow of {block['shadow_of']}: it runs when that does, and its results are shown to nobody",
        )
