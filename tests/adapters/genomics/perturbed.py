"""Another plausible value in each column, INFO key and FORMAT key of a VCF's lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.perturbation import Tally, convert, other_text

__all__ = ["perturb", "places"]

_BASES = {"A": "C", "C": "G", "G": "T", "T": "A"}
_CONTIGS = {"1": "2", "2": "3", "X": "Y"}


def places(columns: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The name of each populated place of a line, and the line with another value there."""

    def with_(number: int, text: str) -> list[str]:
        return [*columns[:number], text, *columns[number + 1 :]]

    prefix = "chr" if columns[0].startswith("chr") else ""
    contig = columns[0].removeprefix("chr")
    yield "CHROM", with_(0, prefix + _CONTIGS.get(contig, "1"))
    yield "POS", with_(1, str(int(columns[1]) + 1))
    if columns[2] != ".":
        yield "ID", with_(2, other_text(columns[2]))
    yield "REF", with_(3, _BASES.get(columns[3][0].upper(), "A") + columns[3][1:])
    if re.fullmatch("[ACGTacgt]+", columns[4]):
        yield "ALT", with_(4, columns[4] + "A")
    if columns[5] != ".":
        yield "QUAL", with_(5, other_text(columns[5]))
    if columns[6] != ".":
        yield "FILTER", with_(6, "q10" if columns[6] != "q10" else "PASS")
    entries = [] if columns[7] == "." else columns[7].split(";")
    for at, entry in enumerate(entries):
        key, equals, value = entry.partition("=")
        if equals and not value.strip(".,"):
            continue
        other = [f"{key}={other_text(value)}"] if equals else []
        yield f"INFO/{key}", with_(7, ";".join([*entries[:at], *other, *entries[at + 1 :]]) or ".")
    sample = next((at for at in range(9, len(columns)) if re.match(r"[./|0-9]*[1-9]", columns[at])), 0)
    if not sample:
        return
    values = columns[sample].split(":")
    for at, (key, value) in enumerate(zip(columns[8].split(":"), values, strict=False)):
        if not value.strip(".,"):
            continue
        other_value = {"0/1": "1/1", "1/1": "0/1", "0|1": "1|1", "1|1": "0|1"}.get(value, other_text(value))
        yield f"FORMAT/{key}", with_(sample, ":".join([*values[:at], other_value, *values[at + 1 :]]))


def perturb(
    path: Path, folder: Path, tally: Tally, choose: Callable[[int], bool], most: int = 10_000
) -> None:
    """Perturb the chosen lines of a file, each in a file of its own below the file's header."""
    text = path.read_text().splitlines()
    header = [line for line in text if line.startswith("#")]
    target = folder / "one.vcf"

    def run(columns: list[str]) -> object:
        target.write_text("\n".join([*header, "\t".join(columns), ""]))
        return convert("genomics/vcf", [target])

    done = 0
    for number, line in enumerate(row for row in text if row and not row.startswith("#")):
        columns = line.split("\t")
        if not choose(number) or len(columns) < 10 or done >= most:
            continue
        before = run(columns)
        if not any("VCF" in str(r.get("note", "")) for r in before.resources):  # type: ignore[attr-defined]
            continue  # nothing came of it, and the record says why
        done += 1
        for place, other in places(columns):
            names = re.compile(rf"(?<![\w/]){re.escape(place)}(?![\w/])")
            tally.compare(
                place, before, run(other), lambda m, names=names: bool(names.search(m)), links=False
            )  # type: ignore
