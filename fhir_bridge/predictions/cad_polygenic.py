"""Polygenic risk of coronary artery disease: a person's percentile in a reference population that the site names."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.predictions.cardiovascular import Excluded
from fhir_bridge.predictions.contract import (
    Contribution,
    Explanation,
    Prediction,
    PredictorSettings,
)
from fhir_bridge.predictions.inputs import ImplausibleInput, MissingInput, UnusableInput, check_date
from fhir_bridge.predictions.outputs import QuantityOutput
from fhir_bridge.predictions.published import PublishedEquation, published_card
from fhir_bridge.predictions.record import Evidence, PatientRecord, codings, moment_of

__all__ = ["CadPolygenic"]

_SYSTEM: Final = "https://fhir-bridge.org/fhir/CodeSystem/polygenic-score"
_SCORE: Final = (_SYSTEM, "polygenic-score")
_PERCENTILE: Final = (_SYSTEM, "percentile")
_OF: Final = "Percentile of "


class CadPolygenic(PublishedEquation):
    """Reads the score that the adapter for polygenic scores has computed, and refuses one without fitting ancestry.

    Settings of the site: `score` (a PGS Catalog id), `reference` (its name, with or without one of its populations),
    perhaps `high` (the percentile from which the class is high) and `synthetic: true` where the reference is made up.
    """

    name = "cad-polygenic"
    version = "1.0"
    result_code = ("cad-polygenic", "Percentile of the polygenic risk of coronary artery disease")
    title = "Polygenic risk of coronary artery disease: percentile in a reference population"
    manufacturer = "the site, which names score and reference"
    categories = (("not-high", "Not high"), ("high", "High"))
    card = published_card(
        details="A published score's sum of weights, as a percentile of a reference distribution; no absolute risk.",
        intended_use="Shows how a person's inherited risk of coronary artery disease compares with others of similar "
        "ancestry, beside clinical risk.",
        cautioned_out_of_scope="Ancestries other than the reference's; decisions by the percentile alone.",
        development="By the score: see its entry in the PGS Catalog.",
        fairness="Scores are less accurate the further a person's ancestry is from that of the derivation.",
        external_validation="By the score: see its entry in the PGS Catalog.",
        maintenance="Score and reference are the site's.",
        citation="Nat Genet 2021;53:420-425 (PGS Catalog)",
    )

    @property
    def observation_codes(self) -> frozenset[tuple[str, str]]:
        """See `PublishedEquation`; its own is the score's."""
        return super().observation_codes | {_SCORE}

    def answer(self, record: PatientRecord, settings: PredictorSettings) -> Prediction:
        """The percentile; see `PublishedEquation`."""
        score, reference = settings.options.get("score"), settings.options.get("reference")
        if not score or not reference:
            raise MissingInput("the site has not named a score and its reference population")
        observation, evidence = _newest(record, str(score))
        percentile, population = _percentile(observation, str(reference), evidence)
        evidence = Evidence(
            evidence.reference, evidence.label, f"{percentile:f} %", evidence.time, evidence.modality
        )
        synthetic = settings.options.get("synthetic") is True
        cautions = ["A percentile is no absolute risk, and says nothing of clinical risk factors."]
        if synthetic:
            cautions.insert(
                0, "The reference population is synthetic: a demonstration, of no clinical meaning."
            )
        high = settings.options.get("high")
        category = None
        if isinstance(high, int | float) and not isinstance(high, bool):
            category = ("high", "High") if percentile >= Decimal(str(high)) else ("not-high", "Not high")
        change = () if category is None else (f"From the {high}. percentile on: High.",)
        distance = float(percentile - 50)
        return Prediction(
            code=self.result_code[0],
            display=self.result_code[1],
            percent=None,
            horizon_years=None,
            output=QuantityOutput(percentile, "%"),
            outcome=("coronary-artery-disease", "Coronary artery disease"),
            category=category,
            effective=evidence.time,
            evidence=(evidence,),
            contributions=(
                Contribution(
                    "contribution-polygenic-score",
                    "Contribution of the polygenic score",
                    distance,
                    "genomics",
                    evidence,
                ),
            ),
            explanation=Explanation(
                baseline="the median of the reference population",
                method="exact",
                baseline_result="50 %",
                modalities={"genomics": distance},
                changes=change if category and category[0] == "not-high" else (),
                decided_by=("genomics",),
            ),
            population=f"{population}{', synthetic' if synthetic else ''}",
            guideline="Class by the site's limit; no guideline has one." if category else "",
            cautions=tuple(cautions),
        )


def _newest(record: PatientRecord, score: str) -> tuple[dict[str, Any], Evidence]:
    """The newest Observation of the score.

    Raises:
        MissingInput: there is none.
        UnusableInput: it has no time, or a modifier.
    """
    for observation, _ in record.observations(frozenset({_SCORE})):
        if score not in str((observation.get("method") or {}).get("text", "")).split():
            continue
        shown = record.evidence(observation, f"polygenic score {score}")
        subject = str((observation.get("subject") or {}).get("reference", ""))
        if subject and subject != f"Patient/{record.patient.get('id')}" and not record.patient.get("link"):
            continue
        if moment_of(shown.time) is None:
            raise UnusableInput("the polygenic score has no time", shown)
        check_date("polygenic score", observation, shown, record.as_of)
        if "modifierExtension" in observation:
            raise UnusableInput("the polygenic score has a modifier that is not known", shown)
        return observation, shown
    raise MissingInput(f"no polygenic score {score}")


def _percentile(observation: Mapping[str, Any], reference: str, evidence: Evidence) -> tuple[Decimal, str]:
    """The percentile in the site's reference, and the population of it that fits the person's ancestry.

    Raises:
        Excluded: the score has none, since no reference distribution fits the person's ancestry, or another one does.
        ImplausibleInput: it is none.
    """
    for component in observation.get("component", ()):
        if _PERCENTILE not in codings(component.get("code")):
            continue
        value = (component.get("valueQuantity") or {}).get("value")
        if value is None:
            reason = (component.get("dataAbsentReason") or {}).get("text") or "no reference fits the ancestry"
            raise Excluded(
                f"the polygenic score can't be interpreted: {reason}, {evidence.reference}", evidence
            )
        stated = str(component["code"].get("text", "")).removeprefix(_OF)
        # `1000 Genomes phase 3, EUR (n=503)`: the reference, and which of its populations.
        if stated != reference and not stated.startswith(f"{reference}, "):
            text = f"the polygenic score is not of the site's reference population: {evidence.reference}"
            raise Excluded(text, evidence)
        percentile = Decimal(str(value))
        if not 0 <= percentile <= 100:
            raise ImplausibleInput("the percentile is outside 0 to 100", evidence)
        return percentile, stated
    raise Excluded(f"the polygenic score has no percentile: {evidence.reference}", evidence)
