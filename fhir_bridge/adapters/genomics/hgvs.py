"""HGVS at the genomic level, where REF and ALT alone prove it (HGVS nomenclature 21.0, DNA recommendations).

A substitution, an inversion and a deletion-insertion can't move. A deletion, duplication or insertion must be placed
as far 3' as the sequence allows, and called a duplication where it copies what is before it: it is written only
where REF shows enough of the sequence on both sides to decide both.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["canonical_spdi", "genomic_hgvs", "placed", "trim"]

_BASES = frozenset("ACGT")
_WINDOWS = (64, 1024, 16384)
"""Bases around a variant that are looked at to place it, a few first."""
Fetch = Callable[[int, int], str | None]

_COMPLEMENT = str.maketrans("ACGT", "TGCA")


def trim(position: int, reference: str, alternate: str) -> tuple[int, str, str]:
    """Take away the common end, then the common beginning; the position moves along."""
    end = 0
    shortest = min(len(reference), len(alternate))
    while end < shortest and reference[-1 - end] == alternate[-1 - end]:
        end += 1
    if end:
        reference, alternate = reference[:-end], alternate[:-end]
    start = 0
    shortest -= end
    while start < shortest and reference[start] == alternate[start]:
        start += 1
    return position + start, reference[start:], alternate[start:]


def placed(
    describe: Callable[[str, int, str, str], str | None],
    accession: str,
    variant: tuple[int, str, str],
    fetch: Fetch | None = None,
) -> str | None:
    """What `describe` (g.HGVS or SPDI) says of position, REF and ALT; with more of the reference where it needs that.

    Args:
        fetch: gives the reference's bases from a first to a last position, from 1; None without a reference.
    """
    position, reference, alternate = variant
    result = describe(accession, position, reference, alternate)
    if result is not None or fetch is None or not (set(reference) | set(alternate)) <= set("ACGT"):
        return result
    last = position + len(reference) - 1
    if fetch(position, last) != reference:
        return None
    for width in _WINDOWS:
        before, after = fetch(max(position - width, 1), position - 1), fetch(last + 1, last + width)
        if before is None or after is None:
            return None
        # Bases that are none can't be placed over.
        before, after = before.rpartition("N")[2], after.partition("N")[0]
        at = position - len(before)
        result = describe(accession, at, before + reference + after, before + alternate + after)
        if result is not None:
            return result
    return None


def canonical_spdi(accession: str, position: int, reference: str, alternate: str) -> str | None:
    """The canonical SPDI (NCBI's variant overprecision correction), or None where it needs more of the reference.

    A substitution is what it is. A deletion or insertion covers all places where it could be: it is written only where
    REF shows the bases that end its shifting on both sides. Positions count from 0. Arguments as of `genomic_hgvs`.
    """
    if reference == alternate or not _BASES.issuperset(reference + alternate):
        return None
    if len(reference) == len(alternate) == 1:
        return f"{accession}:{position - 1}:{reference}:{alternate}"
    start, old, new = trim(position, reference, alternate)
    if old and new:
        return f"{accession}:{start - 1}:{old}:{new}"
    moved = old or new
    # Of REF (with the deletion, without the insertion) what is before and after the change.
    left = start - position
    farthest = _moved_right(reference, left + len(old), moved)
    if farthest is None:
        return None
    right, _ = farthest
    unit = moved
    while True:
        if left == 0:
            return None
        if reference[left - 1] != unit[-1]:
            break
        unit = unit[-1] + unit[:-1]
        left -= 1
    deleted = reference[left:right]
    inserted = deleted[: len(deleted) - len(old)] if old else unit + deleted
    return f"{accession}:{position - 1 + left}:{deleted}:{inserted}"


def genomic_hgvs(accession: str, position: int, reference: str, alternate: str) -> str | None:
    """The g. (m. for a mitochondrion) description, or None where it needs more of the reference sequence.

    Args:
        accession: RefSeq accession with version.
        position: POS, from 1.
        reference: REF, upper case.
        alternate: ALT, upper case; bases only.
    """
    kind = "m" if accession in ("NC_012920.1", "NC_001807.4", "CP068254.1") else "g"
    if len(reference) == len(alternate) == 1:
        if reference == alternate or reference == "N" or alternate == "N":
            return None
        return f"{accession}:{kind}.{position}{reference}>{alternate}"
    if not (set(reference) | set(alternate)) <= set("ACGT"):
        return None
    start, old, new = trim(position, reference, alternate)
    change: str | None
    if old and new:
        change = _replaced(start, old, new)
    elif old:
        change = _deleted(position, reference, start, old)
    elif new:
        change = _inserted(position, reference, start, new)
    else:
        return None
    return f"{accession}:{kind}.{change}" if change else None


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}_{last}"


def _replaced(start: int, old: str, new: str) -> str:
    if len(old) == len(new) == 1:
        return f"{start}{old}>{new}"
    span = _span(start, start + len(old) - 1)
    if len(old) == len(new) and new == old.translate(_COMPLEMENT)[::-1]:
        return f"{span}inv"
    return f"{span}delins{new}"


def _deleted(position: int, reference: str, start: int, old: str) -> str | None:
    """Move the deleted stretch right while the base after it equals its first; REF must show the base that stops it."""
    length = len(old)
    offset = start - position
    while True:
        after = offset + length
        if after >= len(reference):
            return None
        if reference[after] != reference[offset]:
            break
        offset += 1
    return f"{_span(position + offset, position + offset + length - 1)}del"


def _moved_right(reference: str, offset: int, bases: str) -> tuple[int, str] | None:
    """Bases moved right over the reference from an offset while that changes nothing: where they end up, and as what.

    None where REF does not show the base that stops them.
    """
    while offset < len(reference):
        if reference[offset] != bases[0]:
            return offset, bases
        bases = bases[1:] + bases[0]
        offset += 1
    return None


def _inserted(position: int, reference: str, start: int, new: str) -> str | None:
    """Move the insertion right, then see whether it copies the bases before it (a duplication)."""
    length = len(new)
    farthest = _moved_right(reference, start - position, new)
    if farthest is None:
        return None
    offset, new = farthest
    last = position + offset - 1
    before = reference[max(0, offset - length) : offset]
    if before == new:
        return f"{_span(last - length + 1, last)}dup"
    if len(before) < length and new.endswith(before):
        return None
    return f"{last}_{last + 1}ins{new}"
