"""The newest note, recording or value decides: where it can't be read, or two may be the newest, no other is taken."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

from tests.predictions.made_models import save
from tests.predictions.records import quantity, smoking
from tests.predictions.test_bounded import model
from tests.predictions.test_manifest_models import SIGNAL, ecg
from tests.predictions.ward import Ward, ward

__all__ = ["ward"]

PROGRESS = {"coding": [{"system": "http://loinc.org", "code": "11506-3"}]}
NEW = datetime.now(UTC) - timedelta(days=3)


def echo(path: Path) -> None:
    """The text as it is."""
    node = helper.make_node("Identity", ["x"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.STRING, [None, 1])
    y = helper.make_tensor_value_info("y", TensorProto.STRING, [None, 1])
    save(helper.make_graph([node], "echo", [x], [y]), path)


def attachment(content: bytes, kind: str = "text/plain") -> dict[str, Any]:
    return {"contentType": kind, "data": base64.b64encode(content).decode()}


def note(*attachments: dict[str, Any], days: int = 3, **more: Any) -> dict[str, Any]:
    found = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": PROGRESS,
        "date": (NEW - timedelta(days=days - 3)).isoformat(timespec="seconds"),
        "content": [{"attachment": item} for item in attachments],
    }
    return found | more


def test_no_older_note_takes_the_place_of_the_newest(ward: Ward) -> None:
    block = {"name": "note", "type": "text", "codes": ["loinc|11506-3"], "max_age_days": 300}
    output = {"kind": "text", "code": "own-risk", "display": "Echo", "tensor": "y"}
    tensors = [{"name": "x", "type": "string", "inputs": ["note"]}]
    model(ward, block, make=echo, output=output, tensors=tensors)
    old, latin = note(attachment(b"old"), days=9), "text/plain; charset=ISO-8859-1"
    plain = attachment("Größe".encode())
    report: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": PROGRESS,
        "conclusion": "Another.",
    }
    report["effectiveDateTime"] = NEW.date().isoformat()
    unread = {
        "pdf": (note(attachment(b"%PDF-1.7", "application/pdf")), "application/pdf, not text/plain"),
        "html": (note(attachment(b"<p>new</p>", "text/html")), "text/html, not text/plain"),
        "bytes": (note(attachment("Größe".encode("latin-1"))), "its data are not utf-8"),
        "charset": (note(attachment(b"new", "text/plain; charset=klingon")), "charset that is not known"),
        "url": (note({"contentType": "text/plain", "url": "https://example.org/1"}), "by url"),
        "undated": (note(attachment(b"new"), date=None), "note has no time"),
        "two": (note(attachment(b"another")), "two texts at one time"),
        "day": (report, "which may be newer"),
    }
    ward.load(
        {name: [old, found] for name, (found, _) in unread.items() if name not in ("two", "day")}
        | {name: [old, note(plain), unread[name][0]] for name in ("two", "day")}
        | {
            "latin": [old, note(attachment("Größe".encode("latin-1"), latin))],
            "both": [old, note(attachment(b"%PDF-1.7", "application/pdf"), plain)],
            "same": [old, note(plain), note(plain)],
            "replaced": [old, note(attachment(b"%PDF", "application/pdf"), status="superseded")],
            "other": [old, note(attachment(b"%PDF", "application/pdf"), type={"text": "Letter"})],
        }
    )
    said = ward.ask("own-risk")
    for name, (_, reason) in unread.items():
        assert "valueString" not in said[name].observation, name
        assert reason in said[name].text, said[name].text
        assert f": {'DiagnosticReport' if name == 'day' else 'DocumentReference'}/" in said[name].text
    texts = {name: said[name].observation.get("valueString") for name in said if name not in unread}
    right = {"latin": "Größe", "both": "Größe", "same": "Größe", "replaced": "old", "other": "old"}
    assert texts == right


def test_two_recordings_of_one_lead_or_time_are_refused(ward: Ward) -> None:
    model(ward, SIGNAL)
    one, other = ecg([0, 100, 200, 300, 400, 500, 600]), ecg([0, 100, 200, 300, 400, 500, 700])
    for part in (*one["component"], *other["component"]):
        part["valueSampledData"]["origin"]["system"] = "http://unitsofmeasure.org"
    twice = one | {"component": [*one["component"], other["component"][1]]}
    third = [part | {"code": {"text": "III"}} for part in other["component"][:1]]
    ward.load(
        {
            "lead": [twice],
            "time": [one, other],
            "same": [one, one],
            "leads": [one, other | {"component": third}],
            "more": [one | {"component": [*one["component"], *third, *third]}],
        }
    )
    said = ward.ask("own-risk")
    assert "two recordings of lead ii: Observation/" in said["lead"].text
    assert "two recordings at one time: Observation/" in said["time"].text
    assert said["same"].value is not None
    assert said["more"].value == said["same"].value


def test_a_day_beside_a_time_of_that_day_may_be_newer(ward: Ward) -> None:
    block = {
        "name": "glucose",
        "type": "quantity",
        "codes": ["loinc|14749-6"],
        "unit": "mmol/L",
        "max_age_days": 365,
        "plausible": [1, 60],
    }
    smokes = {"name": "smokes", "type": "smoking", "missing": 0}
    model(ward, block, smokes)
    time, day = "2026-05-06T10:00:00Z", "2026-05-06"

    def glucose(value: float, when: str) -> dict[str, Any]:
        return quantity("14749-6", value, "mmol/L", when=when)

    def status(code: str, when: str) -> dict[str, Any]:
        return smoking(code) | {"effectiveDateTime": when}

    ward.load(
        {
            "other": [glucose(5, time), glucose(9, day)],
            "same": [glucose(5, time), glucose(5, day)],
            "before": [glucose(5, time), glucose(9, "2026-05-05")],
            "next": [glucose(5, "2026-05-07"), glucose(9, day)],
            "smokes": [glucose(5, time), status("77176002", time), status("266919005", day)],
            "stopped": [glucose(5, time), status("77176002", day), status("266919005", "2026-05-07")],
        }
    )
    said = ward.ask("own-risk")
    assert "glucose has another value, whose date (2026-05-06) may be newer" in said["other"].text
    assert "two smoking statuses at one time" in said["smokes"].text
    assert [said[name].value for name in ("same", "before", "next", "stopped")] == [5, 5, 5, 5]
