"""What a code says that a plain name does not: a sequela, a history, a pregnancy, one side, a guided biopsy."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["unrequested_meaning"]

_UNASKED: dict[str, float] = {
    "sequela": 0.5,
    "sequelae": 0.6,
    "subsequent": 0.55,
    "open": 0.75,
    "history": 0.6,
    "encounter": 1.0,
    "screening": 0.7,
    "observation": 0.7,
    "vaccination": 0.6,
    "immunization": 0.6,
    "carrier": 0.8,
    "pregnancy": 0.7,
    "childbirth": 0.75,
    "puerperium": 0.85,
    "trimester": 0.7,
    "maternal": 0.75,
    "newborn": 0.75,
    "neonatal": 0.75,
    "fetal": 0.75,
    "congenital": 0.75,
    "juvenile": 0.8,
    "poisoning": 0.6,
    "adverse": 0.6,
    "underdosing": 0.6,
    "postprocedural": 0.7,
    "intraoperative": 0.7,
    "complicating": 0.75,
    "following": 0.8,
    "secondary": 0.85,
    "elsewhere": 0.7,
    "drug": 0.85,
    "induced": 0.85,
    "due": 0.9,
    "in": 0.97,
    "remission": 0.85,
    "transplant": 0.75,
    "atypical": 0.9,
    "other": 0.95,
    "guidance": 0.6,
    "biopsy": 0.7,
    "limited": 0.85,
    "portable": 0.85,
    "anesthesia": 0.7,
    "dynamic": 0.85,
    "3d": 0.85,
    "left": 0.9,
    "right": 0.9,
    "unilateral": 0.93,
}
"""Words that make a special case of a code, and how much less it fits a name that has none of them."""
_SIDES = frozenset({"left", "right", "bilateral", "unilateral"})
_PLAIN = 1.02
"""For the code of the unspecified case, or of the first encounter."""


_OTHER_SIDE = 0.6
_CONTRARY = 0.75
"""For `with complications` where a name says `without`."""


def unrequested_meaning(requested: Collection[str], results: Collection[str]) -> float:
    """How much less (or a little more) a name fits for what it says that was not asked.

    Args:
        requested: words of the local name, in English.
        results: words of the concept's name.
    """
    factor = _PLAIN if "unspecified" in results and "unspecified" not in requested else 1.0
    for word in set(results):
        if word in _UNASKED and word not in requested:
            factor *= _UNASKED[word]
    if "without" in requested and "with" in results and "without" not in results:
        factor *= _CONTRARY
    side = _SIDES.intersection(requested)
    return factor * _OTHER_SIDE if side and _SIDES.intersection(results) - side else factor
