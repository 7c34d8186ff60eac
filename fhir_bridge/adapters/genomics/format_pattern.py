"""A pattern for each FORMAT of a file: a sample's column that it matches has no value that is wrong."""

from __future__ import annotations

import re
from collections.abc import Container

from fhir_bridge.adapters.genomics.call_values import checked_keys
from fhir_bridge.adapters.genomics.definition import CheckedKey
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.usage import FRACTIONS

__all__ = ["format_pattern", "repeated", "sample_pattern"]

_INTEGER, _FLOAT = "[0-9]{1,9}+", r"[0-9]++(?:\.[0-9]++)?+"
_FRACTION = r"(?:0(?:\.[0-9]++)?+|1(?:\.0++)?+)"


def format_pattern(line: Line) -> re.Pattern[str] | None:
    """The pattern for a line's FORMAT and number of ALTs, built once; None for a check of the syntax.

    Columns that it does not match are looked at value by value: it knows the usual ways of writing alone.
    """
    file = line.file
    at = line.columns[8], len(line.alternates)
    if at not in file.patterns:
        if len(file.patterns) > 4096:
            file.patterns.clear()
        file.patterns[at] = None if file.options.check else re.compile(sample_pattern(line))
    return file.patterns[at]


def sample_pattern(line: Line, genotype: str = "[^:]*", grouped: Container[str] = ()) -> str:
    """The pattern, as text, of a sample's column with nothing wrong in its values; those of some keys as groups."""
    checked = {each.key: each for each in checked_keys(line)}
    result = ""
    for key in reversed(line.keys[1:]):  # values at the end may be left out (VCF 4.3 §1.6.2)
        value = _value(checked[key]) if key in checked else "[^:]*"
        if key in grouped:
            value = f"({value})"
        result = f"(?::{value}{result})?"
    return genotype + result


def _value(key: CheckedKey) -> str:
    definition = key.definition
    if definition.numeric:
        one = _FRACTION if key.key in FRACTIONS else _INTEGER if definition.kind == "Integer" else _FLOAT
    else:
        one = "[^:,]" if definition.kind == "Character" else "[^:,]+"
    return repeated(one, key.needed if key.needed is not None else key.wanted)


def repeated(one: str, count: int | None) -> str:
    """The pattern of as many values (None: any number), or of a missing one."""
    if count is not None and count < 2:
        return rf"(?:\.|{one})"
    more = "*" if count is None else f"{{{count - 1}}}"
    return rf"(?:\.|{one}(?:,{one}){more})"
