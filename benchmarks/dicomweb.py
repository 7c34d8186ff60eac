"""Requests and seconds of reading an archive over DICOMweb at both depths, of a real Orthanc (Debian packages).

    python benchmarks/dicomweb.py [--instances 2000]

One study of so many instances in ten series is stored in an Orthanc that is started for it, and read at both depths:
`series` and `full`. The requests are those that the client sends.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from fhir_bridge.adapters.imaging import StudyRecord
from fhir_bridge.adapters.imaging.dicomweb_archives import Archive
from fhir_bridge.adapters.imaging.dicomweb_client import ArchiveClient
from fhir_bridge.adapters.imaging.dicomweb_reader import read_archive
from fhir_bridge.adapters.imaging.dicomweb_state import States
from tests.dicom_files import with_pixels
from tests.e2e.test_composites import instance
from tests.orthanc import orthanc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=2000)
    options = parser.parse_args()
    requests: list[str] = []
    plain = ArchiveClient._get

    async def counted(self: ArchiveClient, url: str, *more: object) -> tuple[bytes, str]:
        requests.append(url)
        return await plain(self, url, *more)  # type: ignore[arg-type]

    ArchiveClient._get = counted  # type: ignore[assignment,method-assign]
    with tempfile.TemporaryDirectory() as name, orthanc(Path(name)) as archive:
        os.environ |= {"FHIR_BRIDGE_EGRESS": archive.root, "FHIR_BRIDGE_EGRESS_NETWORKS": "127.0.0.0/8"}
        for number in range(options.instances):
            created = instance(number)
            created.SeriesInstanceUID = f"{created.StudyInstanceUID}.{1 + number % 10}"
            archive.store(with_pixels(created, 2))
        print(f"{'depth':<8}{'instances':>10}{'requests':>10}{'seconds':>9}{'processor':>11}")
        for depth in ("series", "full"):
            requests.clear()
            start, used = time.perf_counter(), time.process_time()
            entry = Archive("main", archive.dicomweb, depth=depth)
            records = [each for each in read_archive(entry, States(None)) if isinstance(each, StudyRecord)]
            seconds, processor = time.perf_counter() - start, time.process_time() - used
            counted_instances = sum(each.records for each in records)
            print(f"{depth:<8}{counted_instances:>10,}{len(requests):>10,}{seconds:>9.2f}{processor:>11.2f}")


if __name__ == "__main__":
    main()
