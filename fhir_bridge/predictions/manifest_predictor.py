"""A predictor that a model.yaml describes: ONNX in this process, or a server of the Open Inference Protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from random import randrange
from typing import Any, Final, cast

from fhir_bridge.predictions.archived_instances import from_archive, from_folder
from fhir_bridge.predictions.contract import (
    Contribution,
    Explanation,
    ModelCard,
    Prediction,
    PredictorSettings,
    Refusal,
)
from fhir_bridge.predictions.decoding import Decoded, decode, tensors_of, the_number
from fhir_bridge.predictions.features import (
    Feature,
    Features,
    FeatureSource,
    observation_codes_of,
    prepare,
    read_features,
    undecided,
    view_resource,
)
from fhir_bridge.predictions.independence import MIXES, mixes_row
from fhir_bridge.predictions.inputs import UnusableInput, age_on
from fhir_bridge.predictions.manifest import Manifest, OnnxBlock, RemoteBlock, TensorBlock, ViewBlock
from fhir_bridge.predictions.manifest_file import load_manifest
from fhir_bridge.predictions.medications import MEDICATIONS
from fhir_bridge.predictions.onnx_model import OnnxModel
from fhir_bridge.predictions.outputs import ClassOutput
from fhir_bridge.predictions.record import Evidence, Modality, PatientRecord, moment_of
from fhir_bridge.predictions.remote_model import RemoteModel
from fhir_bridge.predictions.shapley import shapley
from fhir_bridge.predictions.tensors import Backend, ModelFailure, Tensor

__all__ = ["DATATYPES", "ManifestPredictor"]

DATATYPES: Final = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "string": "BYTES"}
_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "condition": MEDICATIONS,
    "variant": ("DiagnosticReport",),
    "frames": ("ImagingStudy",),
    "text": ("DocumentReference", "DiagnosticReport"),
}
DEMONSTRATION: Final = "Demonstration: trained on synthetic data. Not for any decision."


class ManifestPredictor:
    """See `fhir_bridge.plugins.Predictor`.

    Args:
        path: of the model.yaml.

    Raises:
        ManifestError: it can't be used.
    """

    def __init__(self, path: Path) -> None:
        manifest, self.document = load_manifest(path)
        self.name, self.version, self.manufacturer = manifest.name, manifest.version, manifest.manufacturer
        self.title = f"Demonstration: {manifest.title}" if manifest.demonstration else manifest.title
        card = manifest.card
        caution = f"{DEMONSTRATION} {card.cautioned_out_of_scope}" if manifest.demonstration else ""
        self.card = ModelCard(
            manifest.kind,
            card.details,
            card.intended_use,
            caution or card.cautioned_out_of_scope,
            card.development,
            card.fairness,
            card.external_validation,
            card.maintenance,
            card.citation,
            card.attributes,
            tuple(card.ai_kinds),
        )
        self.result_code = (manifest.output.code, manifest.output.display)
        self.demonstration = manifest.demonstration
        self.path = path
        self.files = tuple(_files(manifest, path))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    @property
    def manifest(self) -> Manifest:
        """The model.yaml as it was when this was made: altered since, it is another model."""
        if "_manifest" not in self.__dict__:
            self._manifest = Manifest.model_validate(self.document)
        return self._manifest

    @property
    def categories(self) -> tuple[tuple[str, str], ...]:
        """What it may say, as code and display: its classes, or the steps of its number."""
        output = self.manifest.output
        return tuple((item.code, item.display) for item in output.classes or output.thresholds)

    def category_of(self, value: Decimal) -> str:
        """Code of the category of a value, in percent where it is a risk; empty where it has none."""
        reached = [step.code for step in self.manifest.output.thresholds if value >= step.at_least]
        return reached[-1] if reached else ""

    @property
    def reads_elsewhere(self) -> bool:
        """Whether an answer rests on more than record and model: a server, or files of a picture archive."""
        return isinstance(self.manifest.model, RemoteBlock) or any(
            item.type == "frames" for item in self.manifest.inputs
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Resource types that its inputs are read from, beside those that every model looks at."""
        types: dict[str, None] = {}
        for item in self.manifest.inputs:
            types.update(dict.fromkeys(_READS.get(item.type, ())))
            if isinstance(item, ViewBlock):
                types[view_resource(self.path.parent / item.view)] = None
        return tuple(types)

    @property
    def observation_codes(self) -> frozenset[tuple[str, str]] | None:
        """Codes of the Observations that its inputs are read from; None where a view looks at all.

        Also where a view can't be used, or a value set is not known: the answer says so, not the reading of the record.
        """
        codes: set[tuple[str, str]] = set()
        try:
            for item in self.manifest.inputs:
                if (
                    isinstance(item, ViewBlock)
                    and view_resource(self.path.parent / item.view) == "Observation"
                ):
                    return None
                codes |= observation_codes_of(item)
        except (LookupError, OSError, UnusableInput):
            return None
        return frozenset(codes)

    @property
    def input_names(self) -> dict[tuple[str, str], str]:
        """What it calls its inputs, by the codes of their Observations."""
        names: dict[tuple[str, str], str] = {}
        for item in self.manifest.inputs:
            try:
                names |= dict.fromkeys(observation_codes_of(item), item.label)
            except LookupError:  # a value set that is not known: the answer says so
                continue
        return names

    def source(self, settings: PredictorSettings) -> FeatureSource:
        """Where features are read from."""
        folder, archive = settings.options.get("dicom"), settings.options.get("dicomweb")
        instances = None
        if folder or archive:
            instances = from_folder(Path(str(folder))) if folder else from_archive(str(archive))
        return FeatureSource(self.path.parent, instances)

    def prepare(self) -> None:
        """Load the model before the first question.

        Raises:
            ModelFailure: it can't be.
        """
        self._backend()

    def predict(
        self, records: Sequence[PatientRecord], settings: PredictorSettings
    ) -> list[Prediction | Refusal]:
        """A result for each record; those that can be asked go to the model in one batch."""
        answers: dict[int, Prediction | Refusal] = {}
        read: dict[int, Features] = {}
        source = self.source(settings)
        for number, record in enumerate(records):
            refusal = self._refused(record)
            if refusal is None:
                try:
                    read[number] = read_features(self.manifest, record, source)
                    continue
                except UnusableInput as unusable:
                    refusal = self._refusal(record, unusable)
            answers[number] = refusal
        if read:
            decoded = self._checked([read[number] for number in read])
            for place, number in enumerate(read):
                answers[number] = self._prediction(records[number], read[number], decoded, place)
        return [answers[number] for number in range(len(records))]

    def _checked(self, features: Sequence[Features]) -> Mapping[str, Tensor]:
        """As `answer`; a patient of the batch, at random, is asked about alone as well. One behind a server is not.

        Raises:
            ModelFailure: the model mixes patients: from then on this process has no answer of it.
        """
        outputs = {} if "_mixes" in self.__dict__ else self.answer(features)
        if outputs and len(features) > 1 and isinstance(self.manifest.model, OnnxBlock):
            inputs = [_tensor(block, features) for block in self.manifest.tensors]
            wanted = tensors_of(self.manifest.output)
            if all(outputs[name].shape[:1] == (len(features),) for name in wanted) and mixes_row(
                self._backend(),
                inputs,
                wanted,
                outputs,
                randrange(len(features)),  # noqa: S311 - which is no secret
            ):
                self._mixes = True
        if "_mixes" in self.__dict__:
            raise ModelFailure(MIXES)
        return outputs

    def answer(self, features: Sequence[Features]) -> Mapping[str, Tensor]:
        """The model's outputs for a batch of features.

        Raises:
            ModelFailure: there are none.
        """
        inputs = [_tensor(block, features) for block in self.manifest.tensors]
        return self._backend().run(inputs, tensors_of(self.manifest.output))

    def _backend(self) -> Backend:
        if "_running" not in self.__dict__:
            model = self.manifest.model
            self._running: Backend = (
                OnnxModel(self.path.parent / model.onnx, model.sha256)
                if isinstance(model, OnnxBlock)
                else RemoteModel(model)
            )
        return self._running

    def not_meant_for(self, record: PatientRecord) -> str:
        """Why the model is not meant for a patient (`applies`); empty where it is.

        Raises:
            UnusableInput: the age is not known.
        """
        applies = self.manifest.applies
        if applies.sex is not None and record.patient.get("gender") not in applies.sex:
            return f"the model is meant for {' and '.join(applies.sex)} patients"
        if applies.age is not None:
            low, high = applies.age
            if not low <= age_on(record, record.as_of.date()) <= high:
                return f"the model is meant for ages {low} to {high}"
        return ""

    def _refused(self, record: PatientRecord) -> Refusal | None:
        try:
            text = self.not_meant_for(record)
        except UnusableInput as unusable:
            return self._refusal(record, unusable)
        if not text:
            return None
        return Refusal(*self.result_code, "not-applicable", text, "ehr", _run_time(record))

    def _refusal(self, record: PatientRecord, unusable: UnusableInput) -> Refusal:
        evidence = () if unusable.evidence is None else (unusable.evidence,)
        modality: Modality = evidence[0].modality if evidence else "ehr"
        when = (evidence[0].time if evidence else "") or record.newest or _run_time(record)
        if moment_of(str(when)) is None or (moment_of(str(when)) or record.as_of) > record.as_of:
            when = _run_time(record)
        return Refusal(*self.result_code, unusable.reason, str(unusable), modality, when, evidence)

    def _prediction(
        self, record: PatientRecord, features: Features, outputs: Mapping[str, Tensor], place: int
    ) -> Prediction:
        block = self.manifest.output
        decoded = decode(block, outputs, place)
        evidence = tuple(
            {item.reference: item for feature in features.values() for item in feature.evidence}.values()
        )
        times = [(moment, item.time) for item in evidence if (moment := moment_of(item.time)) is not None]
        contributions, explanation = (
            self._explained(features, decoded) if self.manifest.explain else ((), None)
        )
        outcome = (block.outcome.code, block.outcome.display) if block.outcome else self.result_code
        return Prediction(
            code=block.code,
            display=block.display,
            percent=decoded.percent,
            horizon_years=block.horizon_years,
            outcome=outcome,
            category=decoded.category,
            effective=max(times)[1] if times else _run_time(record),
            evidence=evidence,
            contributions=contributions,
            explanation=explanation,
            cautions=(
                *((DEMONSTRATION,) if self.demonstration else ()),
                *decoded.cautions,
                *undecided(self.manifest, record, features),
            ),
            interval=decoded.interval,
            output=decoded.output,
            population=block.population,
            guideline=block.guideline,
        )

    def _explained(
        self, features: Features, decoded: Decoded
    ) -> tuple[tuple[Contribution, ...], Explanation | None]:
        """Shapley values of the inputs that have a baseline, on the scale of the answer; and what decided."""
        items = [item for item in self.manifest.inputs if item.baseline is not None]
        if not items:
            return (), None
        block = self.manifest.output
        base = {
            item.name: _baseline(features[item.name], prepare(item, float(item.baseline or 0)))
            for item in items
        }

        def outputs_of(chosen: Sequence[frozenset[str]]) -> Mapping[str, Tensor]:
            return self.answer(
                [
                    {
                        name: feature if name in some or name not in base else base[name]
                        for name, feature in features.items()
                    }
                    for some in chosen
                ]
            )

        def value_of(chosen: Sequence[frozenset[str]]) -> list[float]:
            tensor = outputs_of(chosen)[block.tensor]
            return [the_number(block, tensor, number, decoded) for number in range(len(chosen))]

        values = shapley([item.name for item in items], value_of)
        modalities: dict[str, float] = {}
        for name, value in values.items():
            modality = features[name].modality
            modalities[modality] = round(modalities.get(modality, 0.0) + value, 6)
        # Nothing as it is: the baseline; then without one modality after the other.
        without = [frozenset(n for n in base if features[n].modality != modality) for modality in modalities]
        others = outputs_of([frozenset(), *without])
        compared = decode(block, others, 0)
        decided = [
            cast("Modality", modality)
            for place, modality in enumerate(modalities, start=1)
            if _class_of(decode(block, others, place)) != _class_of(decoded)
        ]
        names = {item.name: item for item in items}
        contributions = tuple(
            Contribution(
                f"contribution-{name.replace('_', '-')}",
                f"Contribution of {name.replace('_', ' ')}",
                round(value, 6),
                features[name].modality,
                _first(features[name]),
            )
            for name, value in values.items()
        )
        return contributions, Explanation(
            baseline=", ".join(f"{name.replace('_', ' ')} {item.baseline:f}" for name, item in names.items()),
            method="shapley",
            baseline_result="" if compared.percent is None else f"{compared.percent:f} %",
            modalities=modalities,
            decided_by=tuple(decided),
        )


def _class_of(decoded: Decoded) -> Any:
    """What counts as another answer: the category or class, else the value."""
    if decoded.category is not None:
        return decoded.category
    return (
        decoded.output.code if isinstance(decoded.output, ClassOutput) else (decoded.percent, decoded.output)
    )


def _first(feature: Feature) -> Evidence | None:
    return feature.evidence[0] if feature.evidence else None


def _baseline(feature: Feature, value: float) -> Feature:
    return Feature(feature.name, feature.modality, (value,) * len(feature.values))


def _run_time(record: PatientRecord) -> str:
    return record.as_of.astimezone(UTC).isoformat(timespec="seconds")


def _files(manifest: Manifest, path: Path) -> list[Path]:
    folder = path.parent
    files = [folder / item.view for item in manifest.inputs if item.type == "view"]
    if isinstance(manifest.model, OnnxBlock):
        files.append(folder / manifest.model.onnx)
    return files


def _tensor(block: TensorBlock, features: Sequence[Features]) -> Tensor:
    """One input of the model for a batch.

    Raises:
        ModelFailure: the features do not fill its shape.
    """
    if block.type == "string":
        texts = [one[name].text for one in features for name in block.inputs]
        return Tensor(block.name, (len(features), *(block.shape or [len(block.inputs)])), "BYTES", texts)
    rows = [[value for name in block.inputs for value in one[name].values] for one in features]
    size = math.prod(block.shape) if block.shape else len(rows[0])
    if any(len(row) != size for row in rows):
        raise ModelFailure(f"the inputs of tensor {block.name} do not fill its shape")
    values = [value for row in rows for value in row]
    shape = (len(features), *(block.shape or [size]))
    if block.type == "int64":
        if not all(math.isfinite(value) and value == int(value) for value in values):
            raise ModelFailure(f"an input of tensor {block.name} is no whole number")
        return Tensor(block.name, shape, "INT64", [int(value) for value in values])
    return Tensor(block.name, shape, DATATYPES[block.type], values)
