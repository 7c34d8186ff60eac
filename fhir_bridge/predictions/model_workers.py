"""Models in processes of their own, started ahead or when first used, kept, replaced when they hang or crash.

A model is somebody's code: it may never return, end its process or take all memory. None of it reaches a web worker or
a job: a call that takes too long ends with its process, and the next one starts another. A process serves one model,
so one that hangs delays no other.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

import orjson

from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.answers import Answer, answer_of
from fhir_bridge.predictions.contract import PredictorSettings
from fhir_bridge.predictions.model_process import LARGEST_ANSWER
from fhir_bridge.terminology.store import open_store, store_path

__all__ = ["MOST_PROCESSES", "ModelRecord", "ModelUnavailable", "ModelWorkers", "model_workers"]

START_SECONDS = 120.0
"""How long a model's process may take to start: its imports, and files that it reads."""

MOST_PROCESSES = 16

MOST_LATE = 3
"""Patients in a row of one call without an answer in time, after whom a model that hangs is asked about no other."""

_MAIN = "import sys; from fhir_bridge.predictions.model_process import main; main(int(sys.argv[1]))"

_SECRET = ("FHIR_BRIDGE_DATABASE", "PG")
"""Beginnings of names in the environment that a model has no use for."""


class ModelUnavailable(Exception):
    """The model can't be run at all, for any patient; the message says why."""


class _Lost(Exception):
    """A call that brought no answer; the message says why. before: the process had ended when it began."""

    def __init__(self, message: str, *, before: bool = False) -> None:
        super().__init__(message)
        self.before = before


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A patient's record on its way to a model: stored JSON, not read on this side. as_of: see `PatientRecord`."""

    patient: bytes
    resources: Sequence[bytes]
    as_of: datetime


class ModelWorkers:
    """The model processes of this process. Safe for use from several threads and event loops."""

    def __init__(self) -> None:
        self._workers: dict[bytes, _Worker] = {}
        self._lock = threading.Lock()

    async def predict(
        self,
        predictor: Predictor,
        settings: PredictorSettings,
        records: Sequence[ModelRecord],
        content: str = "",
    ) -> list[Answer]:
        """What the model says of each record. Waits without holding up the event loop.

        All go in one call; where that fails, each is asked alone, so that one record's failure is its own.

        Args:
            content: hash of what the model is; another one gets another process.

        Raises:
            ModelUnavailable: the model can't be loaded in a process of its own.
        """
        worker = self._worker(predictor, settings, content)
        return await worker.run(records)

    async def start(self, predictor: Predictor, settings: PredictorSettings, content: str = "") -> None:
        """Start the model's process where it does not run, so that the first question finds it; args as in `predict`.

        Raises:
            ModelUnavailable: the model can't be loaded in a process of its own.
        """
        await self._worker(predictor, settings, content, anew=False).start()

    def _worker(
        self, predictor: Predictor, settings: PredictorSettings, content: str, *, anew: bool = True
    ) -> _Worker:
        """anew: this is a use, after which others are older."""
        try:
            pickled = pickle.dumps(predictor)
        except Exception as error:  # a plug-in's class may raise anything here
            raise ModelUnavailable(
                f"{predictor.name} can't be sent to a process of its own ({type(error).__name__}: {error}); it has to "
                "be a class of an importable module, without open files"
            ) from error
        # What a process decided by a terminology it remembers: after an import another one decides.
        stored = open_store(store_path()).fingerprint()
        text = orjson.dumps([asdict(settings), content, stored], default=str, option=orjson.OPT_SORT_KEYS)
        key = hashlib.blake2b(pickled + text, digest_size=16).digest()
        with self._lock:
            worker = self._workers.get(key)
            if worker is None or anew:
                # Taken out and put in again: the last ones are those that were used last.
                worker = self._workers.pop(key, None) or _Worker(pickled, settings)
                self._workers[key] = worker
            spare = [self._workers.pop(old) for old in list(self._workers)[:-MOST_PROCESSES]]
        # Outside of the lock: closing waits for a call that may hang.
        for old in spare:
            old.close()
        return worker

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.close()


@lru_cache(maxsize=1)
def model_workers() -> ModelWorkers:
    """Those of this process; they end with it."""
    workers = ModelWorkers()
    atexit.register(workers.close)
    return workers


class _Worker:
    """One model's process, and the thread that waits for it. Calls are taken one after another."""

    def __init__(self, predictor: bytes, settings: PredictorSettings) -> None:
        self._predictor = predictor
        self._settings = settings
        self._settings_text = orjson.dumps(asdict(settings), default=str)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fhir-bridge-model")
        self._process: _Process | None = None
        self._closed = False

    async def run(self, records: Sequence[ModelRecord]) -> list[Answer]:
        """See `ModelWorkers.predict`."""
        loop = asyncio.get_running_loop()
        if len(records) > 1:
            answers = await loop.run_in_executor(self._thread, self._call, records)
            if not isinstance(answers, str):
                return answers
        results: list[Answer] = []
        late = _late(self._settings.seconds)
        for record in records:  # each waits anew for its turn, so that other callers come between
            if results[-MOST_LATE:] == [late] * MOST_LATE:
                # Of a cohort it would take days; the next run asks again.
                return [*results, *[f"{late}, {MOST_LATE} times in a row"] * (len(records) - len(results))]
            answers = await loop.run_in_executor(self._thread, self._call, [record])
            results.append(answers if isinstance(answers, str) else answers[0])
        return results

    async def start(self) -> None:
        """See `ModelWorkers.start`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._started)

    def _started(self) -> None:
        """In the worker's own thread only."""
        if self._process is not None and not self._process.running:
            self._stop()
        self._process = self._process or self._start()

    def _call(self, records: Sequence[ModelRecord]) -> list[Answer] | str:
        """Answers to all, or why the call failed. Blocks; in the worker's own thread only."""
        request = self._request(records)
        while True:
            try:
                process = self._process = self._process or self._start()
                return _read(process.exchange(request, self._settings.seconds), len(records))
            except _Lost as lost:
                self._stop()
                if not lost.before:
                    return str(lost)

    def _request(self, records: Sequence[ModelRecord]) -> bytes:
        counts = [
            {"as_of": record.as_of.isoformat(), "resources": len(record.resources)} for record in records
        ]
        lines = [orjson.dumps({"settings": orjson.Fragment(self._settings_text), "records": counts})]
        for record in records:
            # A line end is white space in JSON, and stored resources have none.
            lines += [text.replace(b"\n", b" ") for text in (record.patient, *record.resources)]
        return b"\n".join(lines)

    def _start(self) -> _Process:
        if self._closed:
            raise ModelUnavailable("the model workers are closed")
        # Known from here on, so that closing ends it in the middle of its start.
        process = self._process = _Process()
        message = {
            "path": sys.path,
            "memory_mb": self._settings.memory_mb,
            "predictor": self._predictor.hex(),
        }
        try:
            answer = process.exchange(orjson.dumps(message), START_SECONDS)
        except _Lost as lost:
            self._process = None
            process.stop()
            raise ModelUnavailable(f"the model's process did not start: {lost}") from lost
        failed = answer.get("failed")
        if failed is not None:
            self._process = None
            process.stop()
            raise ModelUnavailable(f"the model can't be loaded: {failed}")
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def close(self) -> None:
        """End the process, whatever it does, and the thread."""
        self._closed = True
        self._stop()
        self._thread.shutdown(wait=True, cancel_futures=True)
        # A call that was under way may have started another one.
        self._stop()


def _late(seconds: float) -> str:
    return f"it did not answer within {seconds:g} seconds"


def _read(answer: Mapping[str, Any], count: int) -> list[Answer] | str:
    answers = answer.get("answers")
    if isinstance(answers, list) and len(answers) == count:
        return [answer_of(item) for item in answers]
    return str(answer.get("failed", "its answer can't be read"))


class _Process:
    """A started process and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRET)}
        with theirs:
            # -P: modules of the current folder take nobody's place.
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
                [sys.executable, "-P", "-c", _MAIN, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a model may print what it reads
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # the terminal's Ctrl-C is for us; and what it starts ends with it
                env=environment | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        self._connection = Connection(ours.detach())
        self._ending = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def exchange(self, request: bytes, seconds: float) -> dict[str, Any]:
        """Send, and wait for the answer; kill the process when the time is up.

        Raises:
            _Lost: there is no answer.
        """
        if not self.running:
            raise _Lost("its process had ended", before=True)
        late = threading.Event()

        def end() -> None:
            late.set()
            self._kill()

        # Reading blocks without a time-out; ending the process ends it.
        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            self._connection.send_bytes(request)
            answer = self._connection.recv_bytes(LARGEST_ANSWER)
            return dict(orjson.loads(answer))
        except (EOFError, OSError, ValueError) as error:
            if late.is_set():
                raise _Lost(_late(seconds)) from error
            raise _Lost("its process ended") from error
        finally:
            timer.cancel()

    def _kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def stop(self) -> None:
        """Kill it, with whatever it started."""
        with self._ending:  # who closes all, and the thread whose call ended by that
            self._kill()
            self._process.wait()
            if not self._connection.closed:
                self._connection.close()
