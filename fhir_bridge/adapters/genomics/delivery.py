"""What a VCF is, whatever it is called: the hash of what it says; and which of its samples INFO/SOMATIC speaks of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from hashlib import blake2b

from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.runs import Run, run_of
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine

__all__ = ["begin_digest", "content_digest", "place_of", "somatic_samples", "update_digest"]

_SIZE = 16
_BATCH = 1 << 16
"""Bytes of lines that are looked at together."""

Item = bytes | OverlongLine | Break


def begin_digest(header: Header) -> blake2b:
    """A hash of sample names and `##fileDate`: other lines of a header change with each program that writes it."""
    words = [*header.samples, "", *header.meta.get("fileDate", ()), ""]
    return blake2b("\t".join(words).encode(), digest_size=_SIZE)


def content_digest(
    header: Header,
    lines: Iterable[Item],
    look: Callable[[bytes], None] = lambda _line: None,
    look_at_run: Callable[[Run], None] = lambda _run: None,
) -> blake2b:
    """The hash of what the file says: sample names, `##fileDate` and all lines that are no header. To be copied.

    Args:
        lines: of the file, from its first one or from the first after the header.
        look, look_at_run: are given the lines that are no header, one by one, or many where they are a run.
    """
    digest = begin_digest(header)
    for batch in _batches(lines):
        whole = [line for line in batch if isinstance(line, bytes)]
        run = run_of(whole) if len(whole) == len(batch) else None
        if run is not None:
            digest.update(run.text)
            look_at_run(run)
            continue
        for line in batch:
            update_digest(digest, line)
            if isinstance(line, bytes) and line[:2] != b"##":
                look(line)
    return digest


def _batches(lines: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += 1 + (len(line) if isinstance(line, bytes) else 0)  # with its end: an empty line has one too
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def update_digest(digest: blake2b, line: bytes | OverlongLine | Break) -> None:
    """Take a line of a file into its hash."""
    if isinstance(line, bytes):
        if line[:2] != b"##":
            digest.update(line)
            digest.update(b"\n")
    elif isinstance(line, OverlongLine):
        digest.update(b"%d\n" % line.length)


def place_of(assembly: str, contig: str, position: int, reference: str, kinds: Set[str]) -> int | None:
    """What a line speaks of, as a number of 64 bits: build, contig, POS and REF, and whether an ALT is only named.

    Two files that have lines of one place both say something of the sample there, be it that it has no ALT.

    Args:
        kinds: of its ALTs (`Alternate.kind`).

    Returns:
        None for a block of a gVCF, which names no ALT.
    """
    if kinds == {"unknown"}:
        return None
    named = not kinds.isdisjoint(("symbolic", "breakend"))
    text = f"{assembly}\t{contig}\t{position}\t{reference}\t{named:d}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def somatic_samples(header: Header) -> frozenset[str] | None:
    """The samples of which INFO/SOMATIC speaks; None where the header does not distinguish them from the normal ones.

    Callers of tumour and normal name them (`##tumor_sample`, `##normal_sample` by Mutect2; columns TUMOR and NORMAL
    by Strelka, VarScan and others). A sample that is alone is the one.
    """
    samples = frozenset(header.samples)
    if len(samples) == 1:
        return samples
    by_name = {name.upper(): name for name in header.samples}
    tumours = samples & {name.strip() for name in header.meta.get("tumor_sample", ())}
    tumours = tumours or samples & {by_name.get("TUMOR"), by_name.get("TUMOUR")}
    if tumours:
        return frozenset(tumours)
    normals = samples & {name.strip() for name in header.meta.get("normal_sample", ())}
    normals = normals or samples & {by_name.get("NORMAL")}
    return samples - normals if normals else None
