"""A real archive for tests: Orthanc (Debian packages orthanc and orthanc-dicomweb), one for a module."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom.dataset import Dataset

from tests.dicom_files import file_bytes

__all__ = ["Orthanc", "needs_orthanc", "orthanc"]

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

needs_orthanc = pytest.mark.skipif(
    shutil.which("Orthanc") is None or not _PLUGIN.exists(),
    reason="the Debian packages orthanc and orthanc-dicomweb are not installed",
)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Orthanc:
    """An archive that runs; `log` has the paths of the queries it was sent."""

    root: str
    port: int
    dicom_port: int
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))

    @property
    def dicomweb(self) -> str:
        return f"{self.root}/dicom-web"

    def store(self, *instances: Dataset) -> None:
        for each in instances:
            answer = self.http.post(f"{self.root}/instances", content=file_bytes(each))
            assert answer.status_code == 200, answer.text

    def delete(self, uid: str) -> None:
        """Delete the study, series or instance of a UID."""
        for found in self.http.post(f"{self.root}/tools/lookup", content=uid).json():
            self.http.delete(f"{self.root}{found['Path']}").raise_for_status()

    def clear(self) -> None:
        for identity in self.http.get(f"{self.root}/patients").json():
            self.http.delete(f"{self.root}/patients/{identity}").raise_for_status()

    def studies(self) -> list[Any]:
        found: list[Any] = self.http.get(f"{self.root}/studies").json()
        return found


@contextmanager
def orthanc(folder: Path, **settings: Any) -> Iterator[Orthanc]:
    """Start an archive, wait until it answers (8 s at most), and end it."""
    port, dicom_port = free_port(), free_port()
    configuration = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomPort": dicom_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StableAge": 1,
        "Plugins": [str(_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    running = Orthanc(f"http://127.0.0.1:{port}", port, dicom_port)
    try:
        until = time.monotonic() + 8
        while True:
            try:
                running.http.get(f"{running.root}/system")
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "orthanc.log").read_text()[-2000:]
                assert time.monotonic() < until, "Orthanc does not answer within 8 s"
                time.sleep(0.05)
        yield running
    finally:
        running.http.close()
        process.kill()  # it takes seconds to end by itself, and nothing of it stays
        process.wait()
