"""Speed and memory of the DICOM reader: instances a second on one core, peak memory of the process; then the contents
that a store keeps of the instances, and composing the studies from them.

    python benchmarks/dicom.py [--instances 20000] [--series 200] [--pixels]

It copies the header of pydicom's CT_small.dcm with new UIDs into a temporary folder, reads it as the adapter does,
and prints a table. `--pixels` keeps the 32 KB of pixel data, so that each file is 39 KB as in an archive.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import pydicom
from pydicom import dcmread

from fhir_bridge.adapters.imaging import read_studies
from fhir_bridge.adapters.imaging.composition import compose


def make_files(folder: Path, instances: int, series: int, *, pixels: bool) -> None:
    """Write the files; 100 series make a study. UIDs keep their length, so that one template can be patched."""
    template = dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    marks = {"study": f"1.2.3.{10**20}", "series": f"1.2.4.{10**20}", "instance": f"1.2.5.{10**20}"}
    template.StudyInstanceUID, template.SeriesInstanceUID = marks["study"], marks["series"]
    template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = marks["instance"]
    if not pixels:
        template.PixelData = b"\0\0"
    path = folder / "template"
    template.save_as(path)
    stored = path.read_bytes()
    path.unlink()
    per_series = max(1, instances // series)
    for number in range(instances):
        location = number // per_series
        file = stored
        for key, value in (("study", location // 100), ("series", location), ("instance", number)):
            mark = marks[key].encode()
            file = file.replace(mark, mark[: -len(str(value))] + str(value).encode())
        target = folder / f"{location:05}"
        target.mkdir(exist_ok=True)
        (target / f"{number:07}.dcm").write_bytes(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=20_000)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--pixels", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, options.instances, options.series, pixels=options.pixels)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        counted = 0
        records = []
        for record in read_studies([folder]):
            counted += record.records
            records.append(record)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        contents = size = composing = 0.0
        for record in records:
            start = time.process_time()
            parts = record.parts
            contents += time.process_time() - start
            size += sum(len(part.content) for part in parts)
            start = time.process_time()
            compose(parts)
            composing += time.process_time() - start
    print(
        f"{'instances':>10} {'studies':>8} {'seconds':>8} {'per s':>8} {'ms each':>8} {'peak MB':>8} {'before':>7}"
    )
    print(
        f"{counted:>10,} {len(records):>8} {seconds:>8.2f} {counted / seconds:>8,.0f} {1000 * seconds / counted:>8.3f} "
        f"{peak / 1024:>8.0f} {before / 1024:>7.0f}"
    )
    print(
        f"processor time, ms each: content {1000 * contents / counted:.3f} ({size / counted:,.0f} bytes), "
        f"composing {1000 * composing / counted:.3f}"
    )


if __name__ == "__main__":
    main()
