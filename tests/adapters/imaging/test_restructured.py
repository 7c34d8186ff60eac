"""Files of another structure: no traceback, each listed with its reason, and no value that pydicom does not read."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from pydicom.data import get_testdata_file

from fhir_bridge.adapters.imaging import StudyRecord, read_studies
from tests.adapters.imaging.conversion import convert
from tests.adapters.imaging.raw_files import EXPLICIT
from tests.adapters.imaging.restructured import elements_of, restructured
from tests.adapters.imaging.test_scan import agrees as agrees_with_pydicom
from tests.adapters.imaging.test_scan import read, whole_file

NAMES = (
    "CT_small.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
    "nested_priv_SQ.dcm",
    "reportsi.dcm",
    "rtplan.dcm",
)

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of what it reads


def bases() -> list[bytes]:
    paths = [Path(found) for name in NAMES if (found := get_testdata_file(name, download=False))]
    files = [*(path.read_bytes() for path in paths), whole_file(EXPLICIT)]
    return [data for data in files if data[128:132] == b"DICM" and len(elements_of(data)) > 5]


def check(count: int, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, path, seen, converted = Random(seed), folder / "one.dcm", 0, 0
    known = bases()
    assert len(known) >= 4
    for _ in range(count):
        path.write_bytes(restructured(chance.choice(known), chance))
        seen += agrees_with_pydicom(path, monkeypatch)
        (outcome,) = convert([path]).outcomes
        converted += outcome in ("converted", "partial")
        for record in read_studies([path]):
            assert isinstance(record, StudyRecord) or record.issues
    assert seen > count // 4
    assert converted > count // 4


def test_files_of_another_structure_are_converted_or_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(80, 1, tmp_path, monkeypatch)


@pytest.mark.soak
def test_many_files_of_another_structure_are_converted_or_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(2_000, 2, tmp_path, monkeypatch)


def test_the_file_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(bases()[0])
    assert not isinstance(read(tmp_path / "one.dcm", None)[0], tuple)
