"""A web viewer made of npm's dicomweb-client and dicom-parser, launched by SMART, shows a study in headless Chromium.

The archive behind the server is made up; what Orthanc answers is in tests/e2e/test_dicom_receiving.py.
"""

from __future__ import annotations

import asyncio
import shutil
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server import Settings
from fhir_bridge.storage import Store
from tests.browser.conftest import HERE, Site, _furnish, _Quiet, serving
from tests.dicom_files import file_bytes, with_pixels
from tests.e2e.test_composites import instance
from tests.npm import packed
from tests.server.conftest import free_port
from tests.server.test_dicomweb_access import STUDIES, study

LIBRARIES = (
    ("dicomweb-client", "0.11.3", "build/dicomweb-client.js"),
    ("dicom-parser", "1.8.21", "dist/dicomParser.js"),
)
OBJECT = f"/dicom-web/studies/{STUDIES['anna']}/series/{STUDIES['anna']}.1/instances/{STUDIES['anna']}.1.1"


class _Archive(BaseHTTPRequestHandler):
    """WADO-RS of one object; whoever asks for another gets nothing."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        found = self.path.partition("?")[0] == OBJECT
        part = b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + file_bytes(with_pixels(instance(1)))
        body = part + b"\r\n--edge--\r\n" if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", 'multipart/related; type="application/dicom"; boundary=edge')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _listening(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def archive() -> Iterator[str]:
    yield from _listening(_Archive)


@pytest.fixture(scope="module")
def app_files(tmp_path_factory: pytest.TempPathFactory, npm_packages: Path) -> Iterator[str]:
    """The application with the libraries of a viewer, from an origin of its own."""
    folder = tmp_path_factory.mktemp("viewer")
    shutil.copytree(HERE / "app", folder, dirs_exist_ok=True)
    shutil.copy(npm_packages / "node_modules/fhirclient/build/fhir-client.js", folder)
    for name, version, path in LIBRARIES:
        with tarfile.open(packed(name, version)) as opened:
            member = opened.extractfile(f"package/{path}")
            assert member is not None
            (folder / Path(path).name).write_bytes(member.read())
    yield from _listening(partial(_Quiet, directory=str(folder)))


async def _with_studies(url: str) -> None:
    async with await Store.open(url) as store:
        for patient in STUDIES:
            made = study(patient)
            await store.update("ImagingStudy", made["id"], made, EVERYTHING)


@pytest.fixture(scope="module")
def site(
    database_url: str, app_files: str, archive: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The server with DICOMweb, and the archive that it passes requests on to."""
    asyncio.run(_furnish(database_url, app_files))
    asyncio.run(_with_studies(database_url))
    listed = tmp_path_factory.mktemp("archives") / "archives.yaml"
    listed.write_text(f"archives:\n  main:\n    url: {archive}/dicom-web\n")
    settings = Settings(
        database_url=database_url,
        port=free_port(),
        pages=False,
        dicomweb=True,
        dicomweb_archive=listed,
        egress=archive,
        egress_networks="127.0.0.0/8",
    )
    with serving(settings):
        yield Site(settings.root, app_files)


def test_a_viewer_shows_the_patients_study_and_no_other(drive: Any) -> None:
    shown = drive("viewer")
    assert shown.get("patient") == "anna", shown
    assert shown["studies"] == [STUDIES["anna"]]
    assert shown["sopInstanceUID"] == f"{STUDIES['anna']}.1.1"
    assert (shown["width"], shown["height"], shown["greys"]) == (16, 16, [0, 1, 2, 3, 255])
    assert shown["other"] == 404
