"""How a header line departs from the specification and can be read all the same (VCF 4.3 §1.4; §1.2 of 4.1 and 4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from fhir_bridge.adapters.genomics.reserved import DEPTHS, FORMAT, INFO

__all__ = ["Departure", "of_definition", "of_structured", "of_unstructured", "structured"]

Pairs = Sequence[tuple[str, str]]
_IDENTIFIED = re.compile(r"<ID=[^\s,<>]+[,>]")
_NO_NAME = re.compile(r"[\s,<>]")
_CONTIG = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_SYMBOLS = frozenset(("DEL", "INS", "DUP", "INV", "CNV", "BND"))
_ORDER = ("ID", "Number", "Type", "Description")
_SAMPLE = ["ID", "Genomes", "Mixture", "Description"]


class Departure(NamedTuple):
    """What a header line has otherwise.

    Attributes:
        line: its number.
        message: what it is.
        kind: `error` is wrong by the specification; `check` as well, but so usual that only a check of the syntax
            reports it; `remark` is worth a look and nothing more.
    """

    line: int
    message: str
    kind: Literal["error", "check", "remark"] = "error"


def structured(text: str) -> Iterator[tuple[str, str]]:
    """Keys and values of `<ID=…,Description="a, \\"b\\"">`, quotes resolved.

    Raises:
        ValueError: brackets, quotes or `=` are missing.
    """
    if not (text.startswith("<") and text.endswith(">")):
        raise ValueError("no < … > around the value")
    position, end = 1, len(text) - 1
    while position < end:
        equals = text.find("=", position, end)
        if equals < 0:
            raise ValueError(f'no = in "{text[position:end]}"')
        key = text[position:equals].strip()
        if not key or any(mark in key for mark in ',"<>'):
            raise ValueError(f'"{key}" is no key')
        position = equals + 1
        if text[position : position + 1] == '"':
            value, position = _quoted(text, position + 1, end)
        else:
            comma = text.find(",", position, end)
            stop = end if comma < 0 else comma
            value, position = text[position:stop], stop
        yield key, value
        if position < end:
            if text[position] != ",":
                raise ValueError("a comma is missing")
            position += 1
            if position == end:
                raise ValueError("a comma ends the line")


def _quoted(text: str, position: int, end: int) -> tuple[str, int]:
    parts: list[str] = []
    while position < end:
        mark = text[position]
        if mark == '"':
            return "".join(parts), position + 1
        if mark == "\\" and position + 1 < end and text[position + 1] in '"\\':
            position += 1
            mark = text[position]
        parts.append(mark)
        position += 1
    raise ValueError("a quotation mark is not closed")


def of_structured(
    line: int, key: str, identifier: str, pairs: Pairs, text: str, version: str
) -> Iterator[Departure]:
    """INFO, FORMAT, FILTER, ALT and contig: order of the keys, quotation marks, and names."""
    names = [name for name, _ in pairs]
    if names[0] != "ID":
        yield Departure(line, f"ID is not the first key of {key}/{identifier}")
    elif key != "contig" and [name for name in _ORDER if name in names] != [
        name for name in names if name in _ORDER
    ]:
        yield Departure(
            line, f"the keys of {key}/{identifier} are not in the order {', '.join(_ORDER)}", "check"
        )
    if "Description" in names and 'Description="' not in text:
        yield Departure(line, f"the Description of {key}/{identifier} has no quotation marks")
    if key == "ALT" and not {"Number", "Type"}.isdisjoint(names):
        yield Departure(line, f"ALT/{identifier} has a Number or Type")
    if key == "FILTER" and identifier == "0":
        yield Departure(line, "0 is reserved and no FILTER (§1.6.1)", "check")
    if key != "contig":
        if _NO_NAME.search(identifier):
            yield Departure(line, f"the ID of ##{key} has white space, a comma or an angle bracket")
    elif version >= "VCFv4.3":
        if not _CONTIG.fullmatch(identifier):
            yield Departure(
                line, "the ID of ##contig has characters that no contig name has (§1.4.7)", "check"
            )
        elif identifier in _SYMBOLS:
            yield Departure(line, "the ID of ##contig is a reserved symbolic allele (§1.4.7)", "check")


def of_definition(
    line: int, key: str, identifier: str, number: str, kind: str, version: str
) -> Iterator[Departure]:
    """Number and Type of a reserved INFO or FORMAT key."""
    if kind == "Flag" and number.isdecimal() and number != "0" and version >= "VCFv4.3":
        yield Departure(line, f"{key}/{identifier} is a Flag, of which Number is 0 (§1.4.2)", "check")
    if key == "FORMAT" and identifier == "GLE" and version < "VCFv4.3" and (number, kind) != ("G", "String"):
        yield Departure(line, "FORMAT/GLE is reserved as Number=G,Type=String", "check")
    reserved = (INFO if key == "INFO" else FORMAT).get(identifier)
    if reserved is None or reserved == (number, kind) or (identifier in DEPTHS and version < "VCFv4.3"):
        return
    # `Number=.` of a FORMAT key is older than the reservation (AD, VCF 4.2), and promises nothing wrong.
    loose = key == "FORMAT" and number == "." and reserved[1] == kind
    message = f"{key}/{identifier} is reserved as Number={reserved[0]},Type={reserved[1]}"
    yield Departure(line, message, "check" if loose else "error")


def of_unstructured(line: int, key: str, value: str, version: str) -> Iterator[Departure]:
    """A line has a value; SAMPLE, PEDIGREE and META begin with an ID; META describes strings; URLs are some."""
    if not value or value == "<>":
        yield Departure(line, f"##{key} has no value")
        return
    if key in ("SAMPLE", "META") or (key == "PEDIGREE" and version >= "VCFv4.3"):
        if not _IDENTIFIED.match(value):
            yield Departure(line, f"##{key} does not begin with an ID")
            return
        if key == "META" and not ("Type=String" in value and "Number=." in value):
            yield Departure(line, "##META is not of Type=String,Number=.")
    if key == "SAMPLE" and version < "VCFv4.3":
        yield from _sample(line, value)
    elif key == "PEDIGREE":
        yield from _pedigree(line, value)
    elif key == "META" and "Values=" in value and not re.search(r"Values=\[[^\[\]]*\]", value):
        yield Departure(line, "the Values of ##META are not in square brackets", "check")
    elif (key == "assembly" and not _URL.fullmatch(value)) or (
        key == "pedigreeDB" and not _URL.fullmatch(value.removeprefix("<").removesuffix(">"))
    ):
        yield Departure(line, f"##{key} is no URL", "check")


def _sample(line: int, value: str) -> Iterator[Departure]:
    try:
        names = [name for name, _ in structured(value)]
    except ValueError as error:
        yield Departure(line, f"##SAMPLE: {error}", "check")
        return
    if names != _SAMPLE:
        yield Departure(line, f"##SAMPLE has not the keys {', '.join(_SAMPLE)} (4.1 §1.2.8)", "check")
    elif 'Genomes="' in value or 'Mixture="' in value:
        yield Departure(line, "Genomes or Mixture of ##SAMPLE have quotation marks", "check")


def _pedigree(line: int, value: str) -> Iterator[Departure]:
    try:
        pairs = list(structured(value))
    except ValueError as error:
        yield Departure(line, f"##PEDIGREE: {error}", "check")
        return
    if not all(name.strip() and text.strip() for name, text in pairs) or re.search(r"\s", value):
        yield Departure(line, "##PEDIGREE has an empty name or white space", "check")
