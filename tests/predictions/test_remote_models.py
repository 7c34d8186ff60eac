"""A model behind the Open Inference Protocol v2: batches, retries, a circuit that opens, and servers that misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fhir_bridge.predictions import PredictorSettings
from fhir_bridge.predictions.manifest import RemoteBlock
from fhir_bridge.predictions.manifest_predictor import ManifestPredictor
from fhir_bridge.predictions.remote_model import FAILURES, LONGEST_PAUSE, PAUSE_SECONDS, RemoteModel
from fhir_bridge.predictions.tensors import ModelFailure, Tensor
from tests.predictions.clinic import SBP, Clinic, in_clinic
from tests.predictions.made_models import manifest, risk, write
from tests.predictions.records import blood_pressure, record


class Stand(BaseHTTPRequestHandler):
    """An inference server, as good as its `mode`."""

    mode = "good"
    asked: ClassVar[list[tuple[str, Any]]] = []

    def log_message(self, *_: Any) -> None:
        return

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Stand.asked.append((self.path, body))
        mode = Stand.mode
        if mode == "flaky" and len(Stand.asked) < 3:
            return self._say(503, b"{}")
        if mode.startswith("busy") and len(Stand.asked) < 2:
            return self._say(429, b"{}", mode.removeprefix("busy "))
        if mode == "hangs":
            time.sleep(1.2)
        if mode == "redirects":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            return None
        if mode == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(40):
                    self.wfile.write(b" " * 1024 * 1024)
            except OSError:
                return None
            return None
        rows = body["inputs"][0]["shape"][0]
        data = body["inputs"][0]["data"]
        risks = [risk(*data[3 * row : 3 * row + 3]) for row in range(rows)]
        answer: dict[str, Any] = {
            "model_name": "m",
            "model_version": "3",
            "outputs": [{"name": "risk", "shape": [rows, 1], "datatype": "FP32", "data": risks}],
        }
        output = answer["outputs"][0]
        if mode == "nested":
            output["data"] = [[value] for value in risks]
        if mode == "shape":
            output["shape"] = [rows + 1, 1]
        if mode == "null":
            output["data"] = [None] * rows
        if mode == "integers":
            output |= {"datatype": "INT64", "data": [1] * rows}
        if mode == "not a number":
            return self._say(200, json.dumps(answer).replace(str(risks[0]), "NaN").encode())
        if mode == "ends":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            self.connection.close()
            return None
        if mode == "truth":
            output["data"] = [True] * rows
        if mode == "nothing":
            return self._say(200, b"null")
        if mode == "nameless":
            output["name"] = "other"
        if mode == "version":
            answer["model_version"] = "4"
        if mode == "another":
            answer["model_name"] = "another"
        if mode == "twice":
            answer["outputs"].append(output | {"data": [0.5] * rows})
        if mode == "of another":
            answer["id"] = "another"
        if mode == "of this":
            answer["id"] = body["id"]
        if mode == "doubled key":
            text = json.dumps(answer)
            return self._say(200, text.replace('"data": ', '"data": [0.5], "data": ', 1).encode())
        if mode == "text":
            return self._say(200, b"<html>")
        if mode == "refuses":
            return self._say(400, b'{"error": "no"}')
        return self._say(200, json.dumps(answer).encode())

    def _say(self, status: int, content: bytes, later: str = "") -> None:
        with suppress(OSError):  # who asked is gone
            self.send_response(status)
            if later:
                self.send_header("Retry-After", later)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stand)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def listed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS", address)
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "127.0.0.0/8")
    Stand.mode, Stand.asked = "good", []


def block(address: str, **changes: Any) -> RemoteBlock:
    values = {"url": address, "model": "m", "version": "3", "seconds": 0.5, "attempts": 3} | changes
    return RemoteBlock.model_validate(values)


def of(rows: int) -> Tensor:
    return Tensor("x", (rows, 3), "FP32", [60.0, 150.0, 1.0] * rows)


def test_a_patient_is_asked_about_as_with_the_same_model_here(address: str, tmp_path: Path) -> None:
    document = manifest(model={"url": address, "model": "m", "version": "3"})
    model = ManifestPredictor(write(tmp_path, document, None))
    answers = model.predict(
        [record(blood_pressure(150), age=60), record(blood_pressure(120), age=40)],
        PredictorSettings(enabled=True),
    )
    assert [float(item.percent) for item in answers] == pytest.approx(  # type: ignore[union-attr, arg-type]
        [100 * risk(60, 150, 0), 100 * risk(40, 120, 0)], abs=0.06
    )
    assert [path for path, _ in Stand.asked] == ["/v2/models/m/versions/3/infer"]
    Stand.mode = "of this"
    RemoteModel(block(address)).run([of(1)], ["risk"])
    assert len({body["id"] for _, body in Stand.asked}) == 2


def test_a_batch_is_cut_to_the_servers_size_and_put_together_again(address: str) -> None:
    Stand.mode = "nested"
    answer = RemoteModel(block(address, batch=4)).run([of(10)], ["risk"])["risk"]
    assert (answer.shape, len(answer.values)) == ((10, 1), 10)
    assert [body["inputs"][0]["shape"] for _, body in Stand.asked] == [[4, 3], [4, 3], [2, 3]]


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(address: str) -> None:
    Stand.mode = "flaky"
    assert RemoteModel(block(address)).run([of(1)], ["risk"])["risk"].shape == (1, 1)
    assert len(Stand.asked) == 3
    Stand.mode, Stand.asked = "refuses", []
    with pytest.raises(ModelFailure, match="answers 400"):
        RemoteModel(block(address)).run([of(1)], ["risk"])
    assert len(Stand.asked) == 1


def later(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("wanted", ["1", "date", "soon", "-5", ""])
def test_a_server_says_after_how_many_seconds_it_is_asked_again(address: str, wanted: str) -> None:
    """A short wait is waited, and what can't be read is no wait."""
    Stand.mode = f"busy {later(1.9) if wanted == 'date' else wanted}"
    begun = time.monotonic()
    assert RemoteModel(block(address)).run([of(1)], ["risk"])["risk"].shape == (1, 1)
    assert len(Stand.asked) == 2
    # Of a date whole seconds are sent: at least 0.9 s are left of it.
    assert (time.monotonic() - begun > 0.85) == (wanted in ("1", "date"))


@pytest.mark.parametrize(("wanted", "seconds"), [("40", 40), ("date", 100), ("99999999999", LONGEST_PAUSE)])
def test_a_server_that_wants_to_be_left_alone_is_not_asked_until_then(
    address: str, wanted: str, seconds: float
) -> None:
    now = [0.0]
    model = RemoteModel(block(address), clock=lambda: now[0])
    Stand.mode = f"busy {later(seconds) if wanted == 'date' else wanted}"
    for _ in range(2):
        with pytest.raises(ModelFailure, match=r"answers 429, and is not to be asked for \d+ s"):
            model.run([of(1)], ["risk"])
    now[0] = seconds - 5
    with pytest.raises(ModelFailure, match="answers 429"):
        model.run([of(1)], ["risk"])
    assert len(Stand.asked) == 1
    now[0] = seconds + 1
    assert model.run([of(1)], ["risk"])["risk"].shape == (1, 1)


BAD = {
    "hangs": "did not answer within 0.5 s",
    "redirects": "answers 302",
    "endless": "larger than",
    "shape": "another shape",
    "null": "no number",
    "nameless": "no output risk",
    "truth": "no number",
    "nothing": "no outputs",
    "version": "another version",
    "text": "JSON",
    "another": "another model",
    "of another": "another request",
    "doubled key": "one key twice",
    "twice": "the output risk twice",
    "not a number": "JSON",
    "ends": "does not answer",
}


@pytest.mark.parametrize("mode", BAD)
def test_an_answer_that_can_not_be_used_is_a_failure_with_its_reason(mode: str, address: str) -> None:
    Stand.mode = mode
    with pytest.raises(ModelFailure, match=BAD[mode]):
        RemoteModel(block(address, attempts=1, seconds=0.5 if mode == "hangs" else 30)).run([of(2)], ["risk"])


def test_after_failures_in_a_row_the_server_is_left_alone_for_a_while(address: str) -> None:
    now = [0.0]
    model = RemoteModel(block(address, attempts=1), clock=lambda: now[0])
    Stand.mode = "refuses"
    for _ in range(FAILURES):
        with pytest.raises(ModelFailure, match="answers 400"):
            model.run([of(1)], ["risk"])
    with pytest.raises(ModelFailure, match=r"answers 400 \(3 times in a row; it is left alone"):
        model.run([of(1)], ["risk"])
    assert len(Stand.asked) == FAILURES
    now[0], Stand.mode = PAUSE_SECONDS + 1, "good"
    assert model.run([of(1)], ["risk"])["risk"].shape == (1, 1)


def test_nothing_is_sent_to_an_address_that_the_site_does_not_list(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS", "https://elsewhere.example")
    with pytest.raises(ModelFailure, match="not listed"):
        RemoteModel(block(address)).run([of(1)], ["risk"])
    assert Stand.asked == []


@pytest.mark.parametrize("mode", ["good", "hangs", "not a number", "ends", "integers", "doubled key"])
def test_whatever_a_server_answers_is_a_recorded_run(
    mode: str, address: str, tmp_path: Path, fresh_database_url: str
) -> None:
    """A failed run is an Observation that says why, and what it was about; no answer of another shape gets through."""
    seconds = 0.5 if mode == "hangs" else 9
    remote = {"url": address, "model": "m", "version": "3", "seconds": seconds, "attempts": 1}
    model = ManifestPredictor(write(tmp_path, manifest(model=remote), None))
    settings = {"predictions": {model.name: {"enabled": True}}}
    Stand.mode = mode

    async def scenario(clinic: Clinic) -> None:
        done = await clinic.predict(settings, model=model)
        stored = await clinic.read("Observation", done.observation_id)
        if mode == "good":
            assert "valueQuantity" in stored
            return
        assert (stored["dataAbsentReason"]["coding"][0]["code"], "valueQuantity" in stored) == (
            "error",
            False,
        )
        assert (BAD | {"integers": "INT64"})[mode] in stored["dataAbsentReason"]["text"]
        assert f"Observation/{SBP}/_history/1" in {item["reference"] for item in stored["derivedFrom"]}

    in_clinic(fresh_database_url, scenario)
