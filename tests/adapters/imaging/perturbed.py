"""Another plausible value in each attribute of a DICOM instance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement

from tests.perturbation import Outcome, Tally, convert, other_text

__all__ = ["perturb"]

_TEXT = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
_NUMBERS = frozenset("FD FL SL SS UL US SV UV".split())
_CODES = {
    "PatientSex": "M F O",
    "Modality": "CT MR US",
    "Laterality": "L R",
    "ImageLaterality": "L R",
    "CompletionFlag": "PARTIAL COMPLETE",
    "VerificationFlag": "UNVERIFIED VERIFIED",
    "UniversalEntityIDType": "ISO URI",
    "ValueType": "",
    "RelationshipType": "",
}
"""Terms that DICOM defines; none: the attribute is the form of what is around it."""
_FORM = frozenset(("SpecificCharacterSet", "SOPClassUID"))


def _places(
    dataset: Dataset, around: tuple[str, ...] = ()
) -> Iterator[tuple[Dataset, DataElement, tuple[str, ...]]]:
    """The populated attributes, those of items with the sequences around them."""
    for element in dataset:
        if element.tag.element == 0 or (element.tag.is_private and element.tag.element < 0x100):
            continue
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _places(item, (*around, element.keyword or "private attributes"))
        elif (
            element.keyword not in _FORM
            and element.VR in _TEXT | _NUMBERS
            and element.value not in (None, "")
        ):
            yield dataset, element, around


def _other(element: DataElement) -> object:
    value = element.value
    if element.VM > 1:
        first, *rest = value
    else:
        first, rest = value, []
    codes = _CODES.get(element.keyword)
    if codes is not None:
        new: object = next((code for code in codes.split() if code != first), None)
    elif element.VR in _NUMBERS:
        new = first + 1
    elif element.VR in ("DS", "IS"):
        new = str(int(float(first)) + 1)
    elif element.VR == "PN":
        new = other_text(str(first).split("=", maxsplit=1)[0]) if str(first) else "A^B"
    elif element.VR == "TM":
        new = f"{(int(str(first)[:2]) + 1) % 24:02d}{str(first)[2:]}"
    elif element.VR == "DA":
        new = f"{str(first)[:7]}{2 if str(first)[7:] != '2' else 3}"
    else:
        new = other_text(str(first))
    return new if element.VM <= 1 or new is None else [new, *rest]


def perturb(
    path: Path, folder: Path, tally: Tally, every: int = 1, start: int = 0, most: int = 1_000_000
) -> None:
    """Perturb every n-th populated attribute of an instance, items of sequences included, and about `most` of them."""
    target = folder / "one.dcm"

    def run(dataset: Dataset) -> Outcome:
        dataset.save_as(target, enforce_file_format=False)
        return convert("imaging/dicom", [target])

    dataset = dcmread(path, force=True)
    before = run(dataset)
    if not before.resources:
        return
    places = list(_places(dataset))
    every = max(every, len(places) // most)
    for at, (holder, element, around) in enumerate(places):
        if at % every != start:
            continue
        stated = element.value
        try:
            new = _other(element)
        except (ValueError, TypeError, IndexError):
            continue
        if new is None or new == stated:
            continue
        holder[element.tag] = DataElement(element.tag, element.VR, new)
        names = (*around, element.keyword or "private attributes")
        after = run(dataset)
        holder[element.tag] = element
        words = re.compile("|".join(rf"\b{name}\b" for name in names))
        tally.compare(
            ".".join(names),
            before,
            after,
            lambda m, w=words: bool(w.search(m)),
            links=False,  # type: ignore
        )
