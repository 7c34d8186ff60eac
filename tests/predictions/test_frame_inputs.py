"""DICOM frames as inputs of a model: from files, an archive or the Endpoint of the study, and of the patient alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from onnx import TensorProto, helper

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import PredictionRun, PredictorSettings
from fhir_bridge.predictions.features import read_features
from fhir_bridge.predictions.inputs import UnusableInput
from fhir_bridge.predictions.manifest_predictor import ManifestPredictor
from fhir_bridge.storage import Store
from tests.predictions.made_models import manifest, save, with_inputs, write
from tests.predictions.records import record


def image(path: Path) -> None:
    """An instance of 4 by 4 grey values, 0 to 150."""
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = "1.2.3"
    file.StudyInstanceUID, file.SeriesInstanceUID = "1.1", "1.2"
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    file.Rows = file.Columns = 4
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = (np.arange(16, dtype="uint8").reshape(4, 4) * 10).tobytes()
    file.save_as(path, enforce_file_format=True)


def study(instance: str = "1.2.3", **more: Any) -> dict[str, Any]:
    series = {"uid": "1.2", "modality": {"code": "US"}, "instance": [{"uid": instance, "number": 1}]}
    return {
        "resourceType": "ImagingStudy",
        "id": "s",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.1"}],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "modality": [{"code": "US"}],
        "series": [series],
        **more,
    }


ECHO = {"name": "echo", "type": "frames", "modality": "US", "height": 2, "width": 2, "max_age_days": 100}


def test_frames_come_from_the_kept_file_of_the_study(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    image(kept / "1.2.3.dcm")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    settings = PredictorSettings(enabled=True, options={"dicom": str(kept)})

    read = read_features(model.manifest, record(study()), model.source(settings))["echo"]
    assert read.values == pytest.approx([0, 0.2, 0.8, 1])
    (refused,) = model.predict([record(study("9.9"))], settings)
    assert "has 0 frames here" in refused.text
    other = study(identifier=[{"system": "urn:dicom:uid", "value": "urn:oid:1.9"}])
    (refused,) = model.predict([record(other)], settings)
    assert "echo is in a file of another study" in refused.text


def test_raw_values_are_those_of_the_modality(tmp_path: Path) -> None:
    from pydicom import dcmread
    from pydicom.dataset import Dataset

    kept = tmp_path / "kept"
    kept.mkdir()
    file = kept / "1.2.3.dcm"
    model = ManifestPredictor(with_inputs(tmp_path, ECHO | {"scale": "none"}))
    settings = PredictorSettings(enabled=True, options={"dicom": str(kept)})

    def read(**tags: Any) -> tuple[float, ...]:
        image(file)
        content = dcmread(file)
        for name, value in tags.items():
            setattr(content, name, value)
        content.save_as(file)
        return read_features(model.manifest, record(study()), model.source(settings))["echo"].values

    assert read() == (0, 30, 120, 150)
    units = {"RescaleSlope": 2, "RescaleIntercept": -1024}
    assert read(**units, PhotometricInterpretation="MONOCHROME1") == (-1024, -964, -784, -724)
    transformed, group = Dataset(), Dataset()
    transformed.RescaleSlope, transformed.RescaleIntercept = 1, 5
    group.PixelValueTransformationSequence = [transformed]
    assert read(PerFrameFunctionalGroupsSequence=[group], **units) == (5, 35, 125, 155)
    with pytest.raises(UnusableInput, match="modality LUT"):
        read(ModalityLUTSequence=[Dataset()])


class Archive(BaseHTTPRequestHandler):
    """A DICOMweb archive, as good as its `mode`."""

    content = b""
    mode = "good"
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        Archive.asked.append((self.path, self.headers["Authorization"]))
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + Archive.content + b"\r\n--b--\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        if Archive.mode == "alone":
            kind, body = "application/dicom", Archive.content
        if Archive.mode == "cut":
            body = body[:200]
        if Archive.mode == "garbage":
            kind, body = "text/html", b"<p>sign in</p>"
        self.send_response({"gone": 404, "closed": 401}.get(Archive.mode, 200))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    image(tmp_path / "image")
    Archive.content, Archive.mode = (tmp_path / "image").read_bytes(), "good"
    Archive.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Archive) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("FHIR_BRIDGE_EGRESS", origin)
        monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "127.0.0.0/8")
        yield f"{origin}/dicom-web"
        server.shutdown()


def test_frames_come_from_an_archive_that_the_site_lists(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_MODEL_ARCHIVE_TOKEN", "of-the-model")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    assert model.reads_elsewhere
    settings = PredictorSettings(enabled=True, options={"dicomweb": archive})

    def read(of: dict[str, Any]) -> Any:
        return read_features(model.manifest, record(of), model.source(settings))["echo"].values

    for mode in ("good", "alone"):
        Archive.mode = mode
        assert read(study()) == pytest.approx([0, 0.2, 0.8, 1])
    assert Archive.asked[0] == ("/dicom-web/studies/1.1/series/1.2/instances/1.2.3", "Bearer of-the-model")
    for mode, reason in (
        ("gone", "has 0 frames here"),
        ("closed", "answers 401"),
        ("cut", "answer can't be read"),
        ("garbage", "can't be read from its DICOM file"),
    ):
        Archive.mode = mode
        with pytest.raises(UnusableInput, match=reason):
            read(study())
    with pytest.raises(UnusableInput, match="without a UID"):
        read(study(identifier=[]))
    Archive.mode = "good"
    with pytest.raises(UnusableInput, match="file of another instance"):
        read(study("1.2.4"))
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS", "")
    with pytest.raises(UnusableInput, match="may not be asked"):
        read(study())


def endpoint(address: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Endpoint",
        "id": "pacs",
        "status": "active",
        "connectionType": {"code": "dicom-wado-rs"},
        "address": address,
        **more,
    }


def test_frames_come_from_the_endpoint_of_a_study_where_its_address_is_listed(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_MODEL_ARCHIVE_TOKEN", "of-the-model")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    settings = PredictorSettings(enabled=True)
    named = study(endpoint=[{"reference": "Endpoint/pacs"}])

    def read(*resources: dict[str, Any]) -> Any:
        return read_features(model.manifest, record(*resources), model.source(settings))["echo"].values

    assert read(named, endpoint(archive)) == pytest.approx([0, 0.2, 0.8, 1])
    # Whoever writes an Endpoint chooses its address: the token of the site's own archive does not go there.
    assert Archive.asked == [("/dicom-web/studies/1.1/series/1.2/instances/1.2.3", None)]
    of_series = study()
    of_series["series"][0]["endpoint"] = [
        {"reference": "https://fhir.example.org/r4/Endpoint/pacs/_history/2"}
    ]
    assert read(of_series, endpoint(archive)) == pytest.approx([0, 0.2, 0.8, 1])
    contained = study(contained=[endpoint(archive)], endpoint=[{"reference": "#pacs"}])
    assert read(contained) == pytest.approx([0, 0.2, 0.8, 1])

    refused = "the study no Endpoint"
    for other in (
        endpoint(archive, status="suspended"),
        endpoint(archive, connectionType={"code": "dicom-qido-rs"}),
        endpoint(archive + "?to=elsewhere"),
    ):
        with pytest.raises(UnusableInput, match=refused):
            read(named, other)
    with pytest.raises(UnusableInput, match=refused):
        read(named)
    for address in ("http://169.254.169.254/latest", "https://pacs.example.org", "file:///etc"):
        (answer,) = model.predict([record(named, endpoint(address))], settings)
        assert "may not be asked (FHIR_BRIDGE_EGRESS)" in answer.text
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "")
    with pytest.raises(UnusableInput, match="may not be asked"):
        read(named, endpoint(archive))


def test_a_frame_of_another_patient_is_refused(tmp_path: Path) -> None:
    from pydicom import dcmread

    kept = tmp_path / "kept"
    kept.mkdir()
    image(kept / "1.2.3.dcm")
    file = dcmread(kept / "1.2.3.dcm")
    file.PatientID = "0815 "
    file.save_as(kept / "1.2.3.dcm")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    settings = PredictorSettings(enabled=True, options={"dicom": str(kept)})

    def read(*numbers: str, also: tuple[dict[str, Any], ...] = ()) -> Any:
        person = record(study(), *also)
        person.patient["identifier"] = [{"system": "urn:oid:1.2", "value": number} for number in numbers]
        return read_features(model.manifest, person, model.source(settings))["echo"].values

    assert read("4711", "0815") == pytest.approx([0, 0.2, 0.8, 1])
    merged = {"resourceType": "Patient", "id": "old", "identifier": [{"value": "0815"}]}
    assert read("4711", also=(merged,)) == pytest.approx([0, 0.2, 0.8, 1])
    for numbers in (("4711",), ("815",), ()):
        with pytest.raises(UnusableInput, match="in a file of another patient"):
            read(*numbers)


def mean_of_frame(path: Path) -> None:
    """The mean of a frame of 2 by 2 grey values."""
    node = helper.make_node("ReduceMean", ["x"], ["risk"], axes=[1], keepdims=0)
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])
    save(
        helper.make_graph(
            [node], "mean", [shape], [helper.make_tensor_value_info("risk", TensorProto.FLOAT, None)]
        ),
        path,
    )


def test_a_run_over_the_store_reads_frames_by_endpoint_and_records_that_a_file_is_anothers(
    archive: str, fresh_database_url: str, tmp_path: Path
) -> None:
    from io import BytesIO

    from pydicom import dcmread

    file = dcmread(BytesIO(Archive.content))
    file.PatientID = "0815"
    changed = BytesIO()
    file.save_as(changed, enforce_file_format=True)
    Archive.content = changed.getvalue()
    inputs = {"inputs": [ECHO], "tensors": [{"name": "x", "inputs": ["echo"]}]}
    model = ManifestPredictor(write(tmp_path, manifest(**inputs), mean_of_frame))
    born = record().patient | {"meta": {}}
    people = [
        born | {"id": name, "identifier": [{"system": "urn:oid:1.2", "value": number}]}
        for name, number in (("own", "0815"), ("other", "4711"))
    ]
    studies = [
        study(id=f"s-{each['id']}", endpoint=[{"reference": "Endpoint/pacs"}])
        | {"subject": {"reference": f"Patient/{each['id']}"}}
        for each in people
    ]

    async def run() -> dict[str, Any]:
        async with await Store.open(fresh_database_url) as store:
            await store.load([*people, endpoint(archive), *studies], adapter="test")
            site = {"predictions": {"own-risk": {"enabled": True}}}
            answers = PredictionRun(model, site, IdKey(DEMO_KEY), store).for_all()
            return {item.patient_id: item.result async for item in answers}

    results = asyncio.run(run())
    assert float(results["own"].percent) == pytest.approx(50)
    assert "echo is in a file of another patient" in results["other"].text
