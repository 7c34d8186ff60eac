"""Predictors by name. Needs no store: listing them and looking one up works in the core install."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.plugins import Predictor, predictors

__all__ = ["PredictionError", "find_predictor", "known_predictors", "model_names", "predictors"]


class PredictionError(Exception):
    """A prediction that can't be made or stored; `code` is the issue code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def known_predictors(parameters: Mapping[str, Any] | None = None) -> dict[str, Predictor]:
    """Predictors by name: those of plug-ins, and the model.yaml files that a site names.

    Args:
        parameters: of the site; `predictions: NAME: model: PATH` names a file.

    Raises:
        PredictionError: FB-PRED-007, such a file can't be used.
    """
    known: dict[str, Predictor] = dict(predictors())
    for name, path in _files_of(parameters).items():
        known[name] = _of_file(name, path)
    return known


def model_names(parameters: Mapping[str, Any] | None) -> frozenset[str]:
    """Names of all models here, whether or not the site enables them, and can use their files."""
    return frozenset({*predictors(), *_files_of(parameters)})


def _files_of(parameters: Mapping[str, Any] | None) -> dict[str, Path]:
    blocks = (parameters or {}).get("predictions") or {}
    return {
        str(name): Path(str(block["model"]))
        for name, block in blocks.items()
        if isinstance(block, Mapping) and block.get("model")
    }


def _of_file(name: str, path: Path) -> Predictor:
    if name in predictors():
        raise PredictionError(
            "FB-PRED-007",
            f"{path}: {name} is the name of a model that is installed; name the model.yaml otherwise at this site, "
            f"such as own-{name}",
        )
    try:
        state = path.stat()
    except OSError as error:
        raise PredictionError("FB-PRED-007", f"{path}: can't be read: {error.strerror}") from error
    return _read_file(name, path, (state.st_ino, state.st_mtime_ns, state.st_size))


# Read once in each state: reading YAML takes longer than most models take to answer.
@lru_cache(maxsize=64)
def _read_file(name: str, path: Path, _state: tuple[int, int, int]) -> Predictor:
    # Here: listing models that are Python needs none of what reads files.
    from fhir_bridge.predictions.manifest_file import ManifestError
    from fhir_bridge.predictions.manifest_predictor import ManifestPredictor

    try:
        predictor = ManifestPredictor(path)
    except ManifestError as error:
        raise PredictionError("FB-PRED-007", str(error)) from error
    # Two versions side by side have one logical name in their files, and one each at the site.
    predictor.name = name
    return predictor


def find_predictor(name: str, parameters: Mapping[str, Any] | None = None) -> Predictor:
    """The predictor of this name.

    Raises:
        PredictionError: FB-PRED-002, there is none; FB-PRED-007, its model.yaml can't be used.
    """
    files = _files_of(parameters)
    if name in files:
        return _of_file(name, files[name])
    known = predictors()
    if name not in known:
        names = ", ".join(sorted({*known, *files}))
        raise PredictionError("FB-PRED-002", f'there is no predictor "{name}"; there are {names}')
    predictor: Predictor = known[name]
    return predictor
