"""Whether a content of a model may run: what was promoted, by whom, until when."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.predictions.registry import PredictionError
from fhir_bridge.storage.model_versions import ModelVersion

__all__ = ["AlteredModel", "check_approval"]


class AlteredModel(PredictionError):
    """The files of a promoted version are not those that were promoted: what it says of a patient is no result."""

    def __init__(self, message: str) -> None:
        super().__init__("FB-PRED-008", message)


def check_approval(versions: Iterable[ModelVersion], model: str, version: str, content: str) -> None:
    """Nothing where the content may run: no version of the model was ever promoted or retired, or this one is active.

    Raises:
        AlteredModel: it calls itself the promoted version, and is not what was promoted.
        PredictionError: FB-PRED-008, it may not.
    """
    known = [item for item in versions if item.model == model]
    own = next((item for item in known if item.content == content), None)
    active = next((item for item in known if item.state == "active"), None)
    if own is not None and own.state == "retired":
        raise PredictionError(
            "FB-PRED-008", f"this content of {model} was retired: {own.reason or own.approver}"
        )
    if active is None:
        return
    if active.content != content and active.version == version:
        raise AlteredModel(
            f"its files are not those that were promoted as version {version} ({active.content[:12]}, now "
            f"{content[:12]}): put them back, or promote these"
        )
    if active.content != content:
        raise PredictionError(
            "FB-PRED-008",
            f"version {active.version} of {model} is the one that was promoted; this one has another content "
            f"({content[:12]}): `fhir-bridge model promote {model}`",
        )
    if active.expired:
        raise PredictionError(
            "FB-PRED-008", f"the approval of {model} by {active.approver} ended {active.expires:%Y-%m-%d}"
        )
