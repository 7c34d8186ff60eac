"""What only a check of the syntax looks at in INFO and FORMAT: flags, characters, structural variants, phase sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from fhir_bridge.adapters.genomics.alleles import Alternate
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.values import decimal

__all__ = ["wrong_format", "wrong_info", "wrong_structure"]

_CHARACTER = re.compile(r"[^%]|%[0-9A-Fa-f]{2}|%")
_LOCAL = frozenset("LAD LADF LADR LEC LGL LGP LPL LPP".split())
_LENGTHS = frozenset(("DEL", "DUP", "INV", "CNV"))
_CLAIMS = {
    "DEL": ("D", "J", "DJ"),
    "DUP": ("D", "J", "DJ"),
    "CNV": ("D", "."),
    "INV": ("J", "DJ", "."),
    "INS": ("J", "DJ", "."),
    "BND": ("J", "."),
}
"""What SVCLAIM can be of an ALT (VCF 4.5 §3)."""
Problem = tuple[str, str]


def wrong_info(line: Line) -> Iterator[Problem]:
    """Flags with a value (since 4.4: files that hts-specs has as valid ones of 4.3 give 0 or 1), texts that are no
    character, and frequencies above 1."""
    header = line.file.header
    for key, value in line.raw_info.items():
        definition = header.info_definition(key)
        if definition is None or value is True or not isinstance(value, str):
            continue
        if definition.kind == "Flag" and header.version >= "VCFv4.4":
            yield "FB-VCF-034", f"INFO/{key} is a Flag and has a value (VCF 4.4 §1.4.2)"
        elif definition.kind == "Character" and not all(map(_CHARACTER.fullmatch, value.split(","))):
            yield "FB-VCF-034", f"INFO/{key} is no character (VCF 4.3 §1.3)"
        elif key == "AF" and definition.kind == "Float":
            numbers = map(decimal, value.split(","))
            if any(number is not None and number > Decimal(1) for number in numbers):
                yield "FB-VCF-034", "INFO/AF is a frequency above 1 (VCF 4.3 §1.6.1)"


def wrong_structure(line: Line) -> Iterator[Problem]:
    """Claim and length of structural variants, since 4.4."""
    if line.file.header.version < "VCFv4.4":
        return
    roots = [_root(each) for each in line.alternates]
    claims = _each(line, "SVCLAIM", len(roots))
    for root, claim in zip(roots, claims, strict=False):
        if root in _CLAIMS and claim not in _CLAIMS[root]:
            stated = f"is {claim}" if claim != "." else "is missing"
            yield "FB-VCF-034", f"INFO/SVCLAIM of a {root} {stated} (VCF 4.4 §3)"
            break
    if line.text("END") is None:
        lengths = _each(line, "SVLEN", len(roots))
        if any(root in _LENGTHS and length == "." for root, length in zip(roots, lengths, strict=False)):
            yield "FB-VCF-034", "a structural variant has neither SVLEN nor END (VCF 4.4 §3)"


def _root(alternate: Alternate) -> str:
    if alternate.kind == "breakend":
        return "BND"
    return alternate.symbol[0] if alternate.kind == "symbolic" else ""


def _each(line: Line, key: str, alternates: int) -> list[str]:
    """The values of a key, one for each ALT; those of another count are reported as such."""
    text = line.text(key)
    values = ["."] * alternates if text is None else text.split(",")
    return [] if len(values) != alternates or key in line.lost else values


def wrong_format(line: Line) -> Iterator[Problem]:
    """PS beside PSL (since 4.4), and local alleles without LAA (since 4.5)."""
    version = line.file.header.version
    if len(line.columns) < 10 or version < "VCFv4.4":
        return
    keys = line.keys
    if "PS" in keys and "PSL" in keys:
        for column, _ in line.file.columns:
            fields = dict(zip(keys, line.columns[column].split(":"), strict=False))
            if fields.get("PS", ".") != "." and fields.get("PSL", ".").strip(".,"):
                yield "FB-VCF-034", f"column {column + 1} has both PS and PSL (VCF 4.4 §1.6.2)"
    if version >= "VCFv4.5" and not _LOCAL.isdisjoint(keys):
        first = keys[1:2] if keys[0] == "GT" else keys[:1]
        if first != ["LAA"]:
            yield "FB-VCF-030", "LAA is not before the other keys of FORMAT but GT (VCF 4.5 §1.6.2)"
