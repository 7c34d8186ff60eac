"""Models with one defect each, as a plug-in may bring them: module-level classes, sent to a process of their own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from fhir_bridge.predictions import ModelCard, PatientRecord, Prediction, PredictorSettings, Refusal

CARD = ModelCard("machine-learned", *("-" for _ in range(8)))


def prediction(record: PatientRecord, **changes: Any) -> Prediction:
    """A good answer, of the Patient alone."""
    values: dict[str, Any] = {
        "code": "prediction",
        "display": "A risk",
        "percent": Decimal("12.5"),
        "horizon_years": 1,
        "outcome": ("cardiovascular-event", "An event"),
        "category": None,
        "effective": "2026-03-01",
        "evidence": (),
        "contributions": (),
    }
    return Prediction(**(values | changes))


def _spin() -> None:
    while True:
        pass


def _exit() -> None:
    sys.exit("a value of the patient")


BAD: dict[str, Callable[[PatientRecord], Any]] = {
    "nothing": lambda record: None,
    "a float": lambda record: 0.125,
    "a text": lambda record: "12.5 %",
    "NaN": lambda record: float("nan"),
    "percent NaN": lambda record: prediction(record, percent=Decimal("NaN")),
    "percent infinite": lambda record: prediction(record, percent=Decimal("Infinity")),
    "percent None": lambda record: prediction(record, percent=None),
    "percent float": lambda record: prediction(record, percent=12.5),
    "percent text": lambda record: prediction(record, percent="12.5"),
    "-3 %": lambda record: prediction(record, percent=Decimal(-3)),
    "250 %": lambda record: prediction(record, percent=Decimal(250)),
    "2000 digits": lambda record: prediction(record, percent=Decimal("1." + "3" * 2000)),
    "in 2399": lambda record: prediction(record, effective="2399-01-01"),
    "no horizon": lambda record: prediction(record, horizon_years=0),
    "no time": lambda record: prediction(record, effective=None),
    "outcome": lambda record: prediction(record, outcome="death"),
    "invalid code": lambda record: prediction(record, code=" two  spaces "),
    "unknown input": lambda record: prediction(
        record, evidence=(record.evidence({"resourceType": "Observation", "id": "elsewhere"}, "x"),)
    ),
    "contribution": lambda record: prediction(record, contributions=("age",)),
    "half a character": lambda record: prediction(record, display="\ud800"),
    "too long": lambda record: prediction(record, cautions=("x" * 20_000_000,)),
    "own reason": lambda record: Refusal("", "A risk", "because", "-", "ehr", None),  # type: ignore[arg-type]
    "exception": lambda record: 1 / 0,
    "deep": lambda record: BAD["deep"](record),
    "SystemExit": lambda record: _exit(),
    "os._exit": lambda record: os._exit(3),
    "abort": lambda record: os.abort(),
    "memory": lambda record: prediction(record, display="x" * len(bytearray(3_000_000_000))),
    "loop": lambda record: _spin(),
    "sleep": lambda record: time.sleep(1000),
}
"""What goes wrong, by name."""


class Model:
    """Answers well, but for a patient whose family name is one of `BAD`."""

    name = "model"
    version = "1"
    title = "A model"
    manufacturer = "nobody"
    card = CARD

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        return [self._one(record) for record in records]

    def _one(self, record: PatientRecord) -> Any:
        family = record.patient["name"][0]["family"]
        return BAD[family](record) if family in BAD else prediction(record)


class Counting(Model):
    """Says which process it is in, and how many records came with the call."""

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        return [prediction(record, display=f"{os.getpid()} {len(records)}") for record in records]


class Sleeping(Model):
    """Never answers."""

    name = "sleeping"

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        time.sleep(1000)


class Marking(Sleeping):
    """Says that it is in a call, by a file that the environment names, and never answers."""

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        Path(os.environ["MARK"]).touch()
        return super().predict(records, settings)


class Wrong(Model):
    """Gives one answer, however many patients it is asked about."""

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        return [] if len(records) == 1 else [prediction(records[0])]


class NotAList(Model):
    """Answers with a number."""

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        return 0.5


class Unloadable(Model):
    """Can't be loaded where it is sent to."""

    def __init__(self) -> None:
        self.weights = "weights.bin"

    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("the weights are not there")


class Weighted(Model):
    """Reads its file once, and says what is in it."""

    files: tuple[Path, ...] = ()
    said = ""

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        self.said = self.said or self.files[0].read_text()
        return [prediction(record, display=self.said) for record in records]


class Typed(Model):
    """Reads the record by objects of `fhir.resources`."""

    name = "typed"

    def predict(
        self, records: Sequence[PatientRecord], settings: PredictorSettings
    ) -> list[Prediction | Refusal]:
        return [self._of(record) for record in records]

    def _of(self, record: PatientRecord) -> Prediction | Refusal:
        (patient,) = record.models("Patient")
        (measured,) = record.models("Observation")
        evidence = record.evidence(measured, patient.name[0].family, str(measured.valueQuantity.value))
        return prediction(record, evidence=(evidence,))
