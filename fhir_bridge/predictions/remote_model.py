"""A model behind a server of the Open Inference Protocol v2, over the egress port: `POST /v2/models/NAME/infer`.

It runs in the model's process: a server that hangs or sends without end reaches nothing else. Addresses must be listed
(FHIR_BRIDGE_EGRESS), as for everything that leaves.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from fhir_bridge.predictions.manifest import RemoteBlock
from fhir_bridge.predictions.tensors import MOST_VALUES, ModelFailure, Tensor

__all__ = ["RemoteModel"]

LARGEST_ANSWER: Final = 16 * 1024 * 1024
FAILURES: Final = 3
"""Calls in a row without an answer after which the server is left alone for a while."""
PAUSE_SECONDS: Final = 30.0
LONGEST_WAIT: Final = 2.0
"""Seconds between two attempts of one call, at most: a server that wants more (Retry-After) is left alone instead."""
LONGEST_PAUSE: Final = 600.0
"""For so long a server is left alone at most, whatever it wants."""
_AGAIN: Final = frozenset({429, 502, 503, 504})
_KINDS: Final = frozenset({"FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "BOOL", "BYTES"})


class _Busy(ModelFailure):
    """A server that wants to be left alone for so many seconds (RFC 9110 §10.2.3)."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


class RemoteModel:
    """The server, as one process sees it: after failures in a row it is not asked for a while (circuit breaker), and
    as long as it says itself (Retry-After).

    Args:
        clock: seconds.
    """

    def __init__(self, block: RemoteBlock, clock: Callable[[], float] = time.monotonic) -> None:
        self._block = block
        self._clock = clock
        self._failures = 0
        self._until = -math.inf
        self._reason = ""

    def run(self, inputs: Sequence[Tensor], wanted: Sequence[str]) -> Mapping[str, Tensor]:
        """See `Backend.run`. A batch that is larger than the server's is sent in several."""
        if self._clock() < self._until:
            raise ModelFailure(self._reason)
        total = inputs[0].shape[0]
        try:
            parts = asyncio.run(self._all(inputs, wanted, total))
        except _Busy as busy:
            self._leave(min(busy.seconds, LONGEST_PAUSE), str(busy))
            raise
        except ModelFailure as failure:
            self._failures += 1
            if self._failures >= FAILURES:
                reason = f"{failure} ({FAILURES} times in a row; it is left alone for a while)"
                self._leave(PAUSE_SECONDS, reason)
            raise
        self._failures = 0
        return {name: _joined(name, [part[name] for part in parts]) for name in wanted}

    def _leave(self, seconds: float, reason: str) -> None:
        self._until, self._failures, self._reason = self._clock() + seconds, 0, reason

    async def _all(
        self, inputs: Sequence[Tensor], wanted: Sequence[str], total: int
    ) -> list[Mapping[str, Tensor]]:
        from fhir_bridge.egress import Allowed, client

        # Of the environment, as the server's own settings: a model.yaml must not widen where data go.
        try:
            allowed = Allowed.of(
                os.environ.get("FHIR_BRIDGE_EGRESS", ""), os.environ.get("FHIR_BRIDGE_EGRESS_NETWORKS", "")
            )
        except ValueError as error:
            raise ModelFailure(f"FHIR_BRIDGE_EGRESS or FHIR_BRIDGE_EGRESS_NETWORKS: {error}") from error
        size = self._block.batch
        async with client(allowed, seconds=self._block.seconds) as http:
            return [
                await self._batch(http, [_part(item, start, size) for item in inputs], wanted)
                for start in range(0, total, size)
            ]

    async def _batch(
        self, http: Any, inputs: Sequence[Tensor], wanted: Sequence[str]
    ) -> Mapping[str, Tensor]:
        block = self._block
        version = f"/versions/{block.version}" if block.version else ""
        url = f"{block.url}/v2/models/{block.model}{version}/infer"
        body = {
            "id": secrets.token_hex(16),
            "inputs": [
                {
                    "name": item.name,
                    "shape": list(item.shape),
                    "datatype": item.datatype,
                    "data": list(item.values),
                }
                for item in inputs
            ],
            "outputs": [{"name": name} for name in wanted],
        }
        wait: float | None = None
        for attempt in range(block.attempts):
            if attempt:
                await asyncio.sleep(max(min(0.1 * 2**attempt, LONGEST_WAIT), wait or 0.0))
            try:
                async with asyncio.timeout(block.seconds):
                    answer, again, reason, wait = await _post(http, url, body)
            except TimeoutError:
                again, answer, wait = True, None, None
                reason = f"its server did not answer within {block.seconds:g} s"
            if answer is not None:
                _check_id(answer, str(body["id"]))
                return _outputs(answer, wanted, inputs[0].shape[0], block)
            if wait is not None and (wait > LONGEST_WAIT or attempt + 1 == block.attempts):
                raise _Busy(f"{reason}, and is not to be asked for {math.ceil(wait)} s", wait)
            if not again:
                break
        raise ModelFailure(reason)


def _wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After, which has seconds or a date; None where there is none that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # HTTP dates are of GMT
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


async def _post(http: Any, url: str, body: Mapping[str, Any]) -> tuple[Any, bool, str, float | None]:
    """The answer; or whether to try again, why there is none, and how long the server wants to be left alone."""
    import httpx
    import orjson

    from fhir_bridge.egress import EgressRefused

    content = bytearray()
    try:
        # NaN is no JSON: what is missing goes as null.
        sent = orjson.dumps(body)
        headers = {"Content-Type": "application/json"}
        async with http.stream("POST", url, content=sent, headers=headers) as answer:
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > LARGEST_ANSWER:
                    return None, False, f"its server's answer is larger than {LARGEST_ANSWER} bytes", None
            if answer.status_code != 200:
                again = answer.status_code in _AGAIN
                wait = _wait_of(answer.headers) if again else None
                return None, again, f"its server answers {answer.status_code}", wait
    except EgressRefused as error:
        return None, False, f"its server may not be asked: {error}", None
    except httpx.HTTPError as error:
        return None, True, f"its server does not answer ({type(error).__name__})", None
    try:
        answered = orjson.loads(content)
    except ValueError:
        return None, False, "its server does not answer with JSON", None
    try:  # of two values under one key each reader takes another
        json.loads(content, object_pairs_hook=_once, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        return None, False, f"its server's answer can't be read: {error}"[:200], None
    return answered, False, "its server's answer has no outputs" if answered is None else "", None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("it has one key twice in an object")
    return result


def _part(tensor: Tensor, start: int, size: int) -> Tensor:
    row = len(tensor.values) // tensor.shape[0]
    count = min(size, tensor.shape[0] - start)
    values: Any = tensor.values[start * row : (start + count) * row]
    return Tensor(tensor.name, (count, *tensor.shape[1:]), tensor.datatype, values)


def _check_id(answer: Any, sent: str) -> None:
    """Refuse the answer to another request; a server need not repeat the id (Open Inference Protocol v2)."""
    stated = answer.get("id") if isinstance(answer, dict) else None
    if stated not in (None, "", sent):
        raise ModelFailure("its server answers another request than this one (id)")


def _outputs(answer: Any, wanted: Sequence[str], count: int, block: RemoteBlock) -> Mapping[str, Tensor]:
    outputs = answer.get("outputs") if isinstance(answer, dict) else None
    if not isinstance(outputs, list):
        raise ModelFailure("its server's answer has no outputs")
    stated = answer.get("model_version")
    if block.version and stated is not None and str(stated) != block.version:
        raise ModelFailure("its server answers with another version of the model")
    stated = answer.get("model_name")
    if stated is not None and str(stated) != block.model:
        raise ModelFailure("its server answers with another model than asked")
    names = [item.get("name") for item in outputs if isinstance(item, dict)]
    if twice := sorted({str(name) for name in names if name in wanted and names.count(name) > 1}):
        raise ModelFailure(f"its server's answer has the output {twice[0]} twice")
    matching = {item.get("name"): item for item in outputs if isinstance(item, dict)}
    result = {}
    for name in wanted:
        item = matching.get(name)
        if item is None:
            raise ModelFailure(f"its server's answer has no output {name}")
        result[name] = _output(name, item, count)
    return result


def _output(name: str, item: Mapping[str, Any], count: int) -> Tensor:
    shape, values, kind = item.get("shape"), item.get("data"), item.get("datatype")
    values = _flat(values) if isinstance(values, list) else None
    whole = isinstance(shape, list) and bool(shape) and all(type(size) is int and size >= 0 for size in shape)
    if values is None or not whole or kind not in _KINDS:
        raise ModelFailure(f"the output {name} of its server can't be read")
    assert isinstance(shape, list)
    if shape[0] != count or math.prod(shape) != len(values) or len(values) > MOST_VALUES:
        raise ModelFailure(f"the output {name} of its server has another shape than asked")
    if kind == "BYTES":
        return Tensor(name, tuple(shape), "BYTES", [str(value) for value in values])
    if not all(type(value) in (int, float) for value in values):
        raise ModelFailure(f"the output {name} of its server is no number")
    return Tensor(name, tuple(shape), str(kind), [float(value) for value in values])


def _flat(values: list[Any]) -> list[Any]:
    # Both forms are allowed: one list, or lists in lists.
    while values and isinstance(values[0], list):
        if not all(isinstance(value, list) for value in values):
            return []
        values = [item for value in values for item in value]
    return values


def _joined(name: str, parts: Sequence[Tensor]) -> Tensor:
    values: Any = [value for part in parts for value in part.values]
    rows = sum(part.shape[0] for part in parts)
    return Tensor(name, (rows, *parts[0].shape[1:]), parts[0].datatype, values)
