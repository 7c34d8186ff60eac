"""Files that are read from their bytes give what pydicom reads of them, element by element, and the same issues."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pydicom
import pytest

from fhir_bridge.adapters.imaging import dicom_file
from fhir_bridge.adapters.imaging.attributes import TAGS
from fhir_bridge.adapters.imaging.dicom_file import Refused, read_elements
from fhir_bridge.adapters.imaging.scan import scan
from tests.adapters.imaging.raw_files import CT, EXPLICIT, IMPLICIT, elements, encoded, everything

EXAMPLES = Path(pydicom.__file__).parent / "data"
WANTED = frozenset((*TAGS.values(), 0x00080005))
MARKS = (b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"SQ", b"CS", b"UI", b"\x08\0\x05\0")
VRS = (b"AE", b"AS", b"CS", b"DA", b"DS", b"OB", b"OW", b"SQ", b"UN", b"UT", b"XX", b"\0\0", b"US", b"LO")


def real_files(limit: int = 300_000) -> Iterator[Path]:
    for path in sorted(EXAMPLES.rglob("*")):
        if path.is_file() and path.stat().st_size <= limit:
            yield path


def read(path: Path, tags: frozenset[int] | None) -> tuple[object, list[str]]:
    issues: list[dicom_file.Issue] = []
    try:
        return read_elements(path, "x", tags, issues), list(map(str, issues))
    except Refused as refused:
        return (refused.outcome, str(refused.issue)), list(map(str, issues))


def agrees(path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the file is read from its bytes; it then says what pydicom says."""
    data = path.read_bytes()
    if scan(data[: 1 << 18], whole=len(data) <= 1 << 18) is None:
        return False
    for tags in (None, WANTED):
        from_bytes = read(path, tags)
        with monkeypatch.context() as without:
            without.setattr(dicom_file, "scan", lambda *_arguments, **_options: None)
            assert from_bytes == read(path, tags), path.name
    return True


def test_real_files_are_read_as_pydicom_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with_prefix = [path for path in real_files() if path.read_bytes()[128:132] == b"DICM"]
    seen = sum(agrees(path, monkeypatch) for path in with_prefix)
    assert seen > 0.7 * len(with_prefix) > 50


@pytest.mark.shared
def test_real_files_of_other_makers_are_read_as_pydicom_reads_them(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [path for path in sorted((shared / "data" / "dicom").rglob("*")) if path.is_file()]
    assert sum(agrees(path, monkeypatch) for path in paths) > 20


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_every_attribute_that_a_study_has_is_read_from_bytes(
    syntax: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "all.dcm"
    path.write_bytes(whole_file(syntax))
    assert agrees(path, monkeypatch)


def whole_file(syntax: str) -> bytes:
    """A file with all that a study has."""
    meta = encoded(elements(MediaStorageSOPClassUID=CT, TransferSyntaxUID=syntax))
    length = encoded(elements(FileMetaInformationGroupLength=len(meta)))
    return b"\0" * 128 + b"DICM" + length + meta + encoded(everything(), syntax)


def mutated(data: bytes, chance: Random) -> bytes:
    """The file with a few bytes changed, taken out or put in, most of them where its structure is."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(132, min(len(result) - 8, chance.choice((400, 2000, 6000))))
        kind = chance.randrange(8)
        mark = result.find(chance.choice(MARKS), at)
        if kind == 0:
            result[at] = chance.randrange(256)
        elif kind == 1:
            result[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del result[at : at + chance.choice((1, 2, 4, 8, 40))]
        elif kind == 3:
            result[at:at] = bytes(chance.choice((0, 255, 32)) for _ in range(chance.choice((1, 2, 4, 8))))
        elif kind == 4:
            result[at : at + 2] = chance.choice(VRS)
        elif kind == 5 and 0 < mark < len(result) - 8:
            result[mark + chance.randrange(8)] = chance.choice((0, 1, 2, 8, 255, chance.randrange(256)))
        elif kind == 6:
            del result[max(200, at) :]
            break
        elif mark > 0:
            result[mark : mark + 2] = chance.choice(VRS)
    return bytes(result)


def test_damaged_files_are_read_as_pydicom_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_damaged(600, 1, tmp_path, monkeypatch)


@pytest.mark.soak
def test_many_damaged_files_are_read_as_pydicom_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_damaged(50_000, 2, tmp_path, monkeypatch)


def check_damaged(count: int, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, path = Random(seed), folder / "damaged.dcm"
    bases = [data for file in real_files(60_000) if (data := file.read_bytes())[128:132] == b"DICM"]
    bases += [whole_file(syntax) for syntax in (EXPLICIT, IMPLICIT)]
    seen = 0
    for _ in range(count):
        path.write_bytes(mutated(chance.choice(bases), chance))
        seen += agrees(path, monkeypatch)
    assert seen > count // 10


@pytest.mark.parametrize(
    "content", [b"", b"x" * 200, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\x08\0\x05\0CS"]
)
def test_other_files_are_left_to_pydicom(content: bytes) -> None:
    assert scan(content, whole=True) is None
