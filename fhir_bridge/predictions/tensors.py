"""Numbers on their way to a model and back, whatever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["MOST_VALUES", "Backend", "ModelFailure", "Tensor"]

MOST_VALUES: Final = 1_000_000
"""Of all outputs of one call: more is no answer about patients."""


class ModelFailure(Exception):
    """A model that gave no usable answer. The text holds no value of a patient: it is recorded and printed."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Values in row-major order. shape: with the batch first. datatype: of the Open Inference Protocol (`FP32`)."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    values: Sequence[float] | Sequence[int] | Sequence[str]

    def row(self, number: int) -> Sequence[float] | Sequence[int] | Sequence[str]:
        """The values of one patient."""
        size = len(self.values) // self.shape[0]
        return self.values[number * size : (number + 1) * size]


class Backend(Protocol):
    """What runs a model."""

    def run(self, inputs: Sequence[Tensor], wanted: Sequence[str]) -> Mapping[str, Tensor]:
        """The wanted outputs of one batch.

        Raises:
            ModelFailure: there is none.
        """
        ...
