"""Files for keeping: bgzip with a CSI index, of the samples that are stored; and the same without a sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.bcf import bcf_lines, is_bcf
from fhir_bridge.adapters.genomics.options import Options
from fhir_bridge.adapters.genomics.pedigree import rows_of
from fhir_bridge.adapters.genomics.regions import written_out
from fhir_bridge.adapters.genomics.stream import BGZF_END, Break, OverlongLine, lines
from fhir_bridge.plugins.extras import require

__all__ = ["lasting", "without_samples", "write_kept"]

Item = bytes | OverlongLine | Break


def lasting(options: Options) -> dict[str, Any]:
    """Options of a reader that differ from the defaults, in JSON; regions written out."""
    values: dict[str, Any] = {}
    for field in fields(Options):
        value = getattr(options, field.name)
        if field.name in ("keep", "samples", "stored_variants") or value == field.default:
            continue
        if field.name in ("regions", "stored_regions"):
            value = written_out(value)
        if field.name == "pedigree":
            value = rows_of(value)
        values[field.name] = str(value) if isinstance(value, Path | Decimal) else value
    return values


_BGZF_START = b"\x1f\x8b\x08\x04"


def write_kept(
    path: Path, target: Path, samples: Collection[str], *, whole: bool, longest: int
) -> tuple[Path, Path]:
    """Write a file that was read, for keeping.

    Args:
        target: where it goes; its index is beside it.
        samples: names of those that are stored: nobody may come by the others.
        whole: these are all samples of the file.
        longest: bytes that a line may have.

    Raises:
        ValueError: it is not sorted, or has a line that can't be read.
    """
    if whole and not is_bcf(path) and _is_bgzip(path):
        target.write_bytes(b"")
        with path.open("rb") as source, target.open("wb") as copy:
            while piece := source.read(1 << 20):
                copy.write(piece)
    else:
        items = bcf_lines(path) if is_bcf(path) else lines(path, longest)
        _compress(target, _selected(items, lambda name: name in samples))
    return target, _index(target)


def without_samples(source: Path, target: Path, samples: Collection[str]) -> tuple[Path, Path] | None:
    """Write a kept file without the columns of samples; None where no sample is left.

    Lines on which nobody who stays has an ALT go as well: they would say what the others had.
    """
    left: list[str] = []

    def stays(name: str) -> bool:
        if name not in samples:
            left.append(name)
        return name not in samples

    _compress(target, _selected(lines(source), stays, called=True))
    if not left:
        target.unlink()
        return None
    return target, _index(target)


def _is_bgzip(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(16)
        if start[:4] != _BGZF_START or start[12:14] != b"BC":
            return False
        file.seek(-len(BGZF_END), 2)
        return file.read() == BGZF_END


_CALLED = re.compile(rb"(?:^|[/|])[1-9]")


def _selected(
    items: Iterable[Item], stays: Callable[[str], bool], *, called: bool = False
) -> Iterator[bytes]:
    """The lines with some columns of samples.

    Args:
        stays: whether the column of a name does.
        called: only lines on which a sample that stays has an ALT.
    """
    columns: list[int] | None = None
    gone: re.Pattern[bytes] | None = None
    head: list[bytes] = []
    for item in items:
        if not isinstance(item, bytes):
            if isinstance(item, Break) and not item.certain:
                continue
            raise ValueError("the file has a line that can't be read: it can't be kept")
        if columns is None:
            head.append(item)
            if item.startswith(b"#CHROM"):
                fields = item.split(b"\t")
                kept = [number for number, name in enumerate(fields) if number < 9 or stays(name.decode())]
                columns = kept if len(kept) < len(fields) else []
                names = [re.escape(fields[number]) for number in range(9, len(fields)) if number not in kept]
                gone = re.compile(rb"(?<![\w.-])(?:" + b"|".join(names) + rb")(?![\w.-])") if names else None
                # Header lines may name samples as well (SAMPLE, PEDIGREE, a command line).
                yield from (line for line in head[:-1] if gone is None or not gone.search(line))
                yield b"\t".join(fields[number] for number in kept)
            continue
        if not item.strip():
            continue
        if not columns:
            yield item
            continue
        fields = item.split(b"\t")
        if len(fields) <= columns[-1]:
            continue
        if called and not any(_CALLED.search(fields[number].partition(b":")[0]) for number in columns[9:]):
            continue
        yield b"\t".join(fields[number] for number in columns)


def _compress(target: Path, content: Iterable[bytes]) -> None:
    require("vcf")
    import pysam

    with pysam.BGZFile(str(target), "wb") as file:
        _write(file, content)


def _write(file: Any, content: Iterable[bytes]) -> None:
    waiting: list[bytes] = []
    size = 0
    for line in content:
        waiting.append(line)
        size += len(line) + 1
        if size >= 1 << 20:
            file.write(b"\n".join(waiting) + b"\n")
            waiting, size = [], 0
    if waiting:
        file.write(b"\n".join(waiting) + b"\n")


def _index(path: Path) -> Path:
    require("vcf")
    import pysam

    index = path.with_name(f"{path.name}.csi")
    before = pysam.set_verbosity(0)  # htslib's own words go to standard error
    try:
        pysam.tabix_index(str(path), preset="vcf", csi=True, force=True, keep_original=True, index=str(index))
    except (OSError, ValueError) as error:
        raise ValueError(f"{_unindexed(path)}: it can't be kept") from error
    finally:
        pysam.set_verbosity(before)
    return index


_FARTHEST = (1 << 31) - 1
_EXTENT = re.compile(rb"(?:^|;)(?:END|SVLEN)=([^;]+)")


def _unindexed(path: Path) -> str:
    """Why a file has no index, and where."""
    contig, position, seen = b"", 0, set[bytes]()
    for item in lines(path):
        columns = item.split(b"\t", 8) if isinstance(item, bytes) else []
        if len(columns) < 8 or columns[0][:1] == b"#" or not columns[1].isdigit():
            continue
        place = f"{columns[0].decode(errors='replace')}:{int(columns[1])}"
        if columns[0] != contig and columns[0] in seen:
            return f"the file is not sorted: {place} is after lines of another contig"
        if columns[0] == contig and int(columns[1]) < position:
            return f"the file is not sorted: {place} is after position {position}"
        contig, position = columns[0], int(columns[1])
        seen.add(contig)
        numbers = re.findall(rb"[0-9]+", b",".join(_EXTENT.findall(columns[7])))
        if max(position, *map(int, numbers), 0) > _FARTHEST:
            return f"{place} has a POS, END or SVLEN above {_FARTHEST}, which no index has room for"
    return "no index can be made of it (is it sorted by contig and position?)"
