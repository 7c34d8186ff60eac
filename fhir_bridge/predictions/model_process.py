"""The process that a model runs in; `model_workers` starts it, with the number of an open socket.

It gets the predictor once and then call after call of records (a line of JSON that says how many there are, then a
line for each resource), and answers each as JSON. It has no database,
its output goes nowhere, and it ends with the process that started it.
"""

from __future__ import annotations

import gc
import pickle
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import loads_own
from fhir_bridge.parent_death import end_with_parent_thread
from fhir_bridge.plugins.protocols import Predictor
from fhir_bridge.predictions import death
from fhir_bridge.predictions.answers import encoded, plain
from fhir_bridge.predictions.contract import PredictorSettings
from fhir_bridge.predictions.record import PatientRecord, declared_codes
from fhir_bridge.predictions.tensors import ModelFailure

__all__ = ["LARGEST_ANSWER", "main"]

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of one answer, whatever the number of patients."""


def main(number: int) -> None:
    """Serve calls on an open socket until it is closed."""
    connection = Connection(number)
    end_with_parent_thread(signal.SIGKILL)
    first = connection.recv_bytes()
    try:
        predictor = _load(first)
    except BaseException as error:  # noqa: BLE001 - whatever a plug-in's import raises is said, not raised here
        reason = f"{type(error).__name__}: {error}"
        connection.send_bytes(orjson.dumps({"failed": reason.encode("utf-8", "replace").decode()[:2000]}))
        return
    gc.collect()
    # What was imported lives as long as the process, so later collections need not look through it.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # a call makes many objects, which go with it
    connection.send_bytes(b"{}")
    while True:
        try:
            call = connection.recv_bytes()
        except (EOFError, OSError):
            return
        connection.send_bytes(_answered(predictor, call))


def _load(first: bytes) -> Predictor:
    """The predictor, from where the parent imports; its memory is bounded from here on."""
    message = orjson.loads(first)
    sys.path[:] = message["path"]
    _limit_memory(message["memory_mb"])
    predictor: Predictor = pickle.loads(bytes.fromhex(message["predictor"]))  # noqa: S301 - of the process that started us
    death.prepare()
    prepare = getattr(predictor, "prepare", None)
    if prepare is not None:
        with suppress(Exception):  # what is wrong is said by each answer, where a person sees it
            prepare()
    return predictor


def _answered(predictor: Predictor, call: bytes) -> bytes:
    """The answer to a call: what the model says of each record, or why it says nothing at all."""
    try:
        answer = encoded(_call(predictor, call))
    except ModelFailure as failure:
        return orjson.dumps({"failed": str(failure)[:2000]})
    except BaseException as error:  # noqa: BLE001 - also SystemExit and MemoryError; the message may hold a value
        return orjson.dumps({"failed": type(error).__name__})
    if len(answer) > LARGEST_ANSWER:
        return orjson.dumps({"failed": "its answer is too long"})
    return answer


def _call(predictor: Predictor, call: bytes) -> dict[str, Any]:
    first, *lines = call.split(b"\n")
    message = orjson.loads(first)
    resources = map(loads_own, lines)
    codes = declared_codes(predictor)
    records = [
        PatientRecord(
            next(resources),
            islice(resources, item["resources"]),
            datetime.fromisoformat(item["as_of"]),
            codes,
        )
        for item in message["records"]
    ]
    refused = [death.refusal_of_death(predictor, record) for record in records]
    living = [record for record, refusal in zip(records, refused, strict=True) if refusal is None]
    results: Any = predictor.predict(living, PredictorSettings(**message["settings"])) if living else []
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        kind = "None" if results is None else f"a {type(results).__name__}"
        return {"failed": f"it returned {kind}, not a list of results"}
    answered = list(islice(results, len(living) + 1))
    if len(answered) != len(living):
        return {"failed": "it did not return one result for each patient"}
    following = iter(answered)
    return {
        "answers": [
            plain(next(following) if refusal is None else refusal, record)
            for refusal, record in zip(refused, records, strict=True)
        ]
    }


def _limit_memory(megabytes: int) -> None:
    """Bound the address space: an allocation beyond it fails in the model, and nowhere else."""
    try:
        import resource
    except ImportError:  # no such limit on this platform
        return
    limit = megabytes * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    # A core file would hold the records of patients.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
