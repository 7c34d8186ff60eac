"""INFO/AS_FilterStatus: the filters of each ALT of a line, as Mutect2 and ApplyVQSR write them (GATK 4).

Mutect2 separates ALTs by `|` and the filters of one by commas, though the header has Number=A; ApplyVQSR separates ALTs
by commas. `SITE` says that no filter of the ALT itself failed.
"""

from __future__ import annotations

__all__ = ["STATUS", "allele_filters", "counted"]

STATUS = "AS_FilterStatus"
_PASSED = frozenset(("SITE", "PASS", ".", ""))


def allele_filters(text: str, alternates: int) -> list[tuple[str, ...]] | None:
    """The filters that each ALT of a line fails; None where they can't be tied to the ALTs."""
    parts = [text] if alternates == 1 else text.split("|" if "|" in text else ",")
    if len(parts) != alternates or (alternates == 1 and "|" in text):
        return None
    names = (part.replace(";", ",").split(",") for part in parts)
    return [tuple(name.strip() for name in each if name.strip() not in _PASSED) for each in names]


def counted(text: str, alternates: int) -> bool:
    """Whether a value that is not as many as Number=A says is one for each ALT all the same."""
    return allele_filters(text, alternates) is not None
