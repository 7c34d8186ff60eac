"""Items of a list that are written for every object: their bytes around the few values that differ, made beforehand.

What is constant in an item is found by running its own statements once, with marks in place of the values; where the
statements need anything else, the item is made as a dict as it otherwise is.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import dumps, plain_value
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.writer import Writer

__all__ = ["item_lines", "leaf_bytes"]

leaf_bytes = partial(orjson.dumps, default=plain_value)
"""The JSON of a value within an element."""

_VALUE = re.compile(r"(t\d+) = .*")
_COERCED = re.compile(r"if (t\d+) is not None\b.*: (t\d+) = .*")
_PUT = re.compile(r"if (.+): \w+\['\w+'\] = (t\d+)")
_MARK = b"\x01%d\x01"


def item_lines(writer: Writer, lines: list[str]) -> list[str]:
    """The statements of items (`l1 = []`, those that append, `if l1: …`), which append bytes instead of dicts."""
    name = lines[0].split()[0]
    result: list[str] = []
    for block in _blocks(name, lines[1:-1]):
        head, body = _headed(block)
        result += head + (_templated(writer, name, body) or [_in_bytes(name, line) for line in body])
    return result


def _blocks(name: str, lines: list[str]) -> list[list[str]]:
    """Statements that belong together: from one that creates a dict, or from a condition of one, to what appends it."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        blocks[-1].append(line)
        if f"{name}.append(" in line and (_depth(line) == 1 or _opens(blocks[-1])):
            blocks.append([])
    return [block for block in blocks if block]


def _opens(block: list[str]) -> bool:
    """Whether all of a block is within its first statement."""
    return block[0].endswith(":") and all(_depth(line) > 1 for line in block[1:])


def _headed(block: list[str]) -> tuple[list[str], list[str]]:
    """The conditions and loops around all of a block, and what is within."""
    head: list[str] = []
    while (
        len(block) > 1
        and block[0].endswith(":")
        and all(_depth(line) > _depth(block[0]) for line in block[1:])
    ):
        head.append(block[0])
        block = block[1:]
    return head, block


def _templated(writer: Writer, name: str, body: list[str]) -> list[str] | None:
    """The item as constant bytes and values; None where it holds anything else."""
    indent = " " * (len(body[0]) - len(body[0].lstrip()))
    values: list[str] = []
    rest: list[str] = []
    tests: dict[str, str] = {}
    for line in body:
        text = line.strip()
        own = line[: len(indent) + 1] == indent + text[0]
        if own and (_VALUE.fullmatch(text) or _COERCED.fullmatch(text)):
            values.append(line)
            continue
        rest.append(line)
        if put := _PUT.fullmatch(text):
            if not own or put[2] in tests:
                return None
            tests[put[2]] = put[1]
    names = dict.fromkeys(match[1] for line in values if (match := _VALUE.fullmatch(line.strip())))
    if not names or names.keys() != tests.keys():
        return None
    sample = _sample(writer, name, [line[len(indent) :] for line in rest], list(names))
    if sample is None:
        return None
    parts = re.split(rb"\x01(\d+)\x01", sample)
    order = list(names)
    if sorted(parts[1::2]) != sorted(b"%d" % number for number in range(len(order))):
        return None
    pieces = [
        f"leaf_bytes({order[int(part)]})" if place % 2 else writer.object("B", part, ("bytes", part))
        for place, part in enumerate(parts)
    ]
    return [
        *values,
        f"{indent}if {' and '.join(f'({tests[each]})' for each in names)}: {name}.append({' + '.join(pieces)})",
        f"{indent}else:",
        *(f"    {_in_bytes(name, line)}" for line in rest),
    ]


def _sample(writer: Writer, name: str, lines: list[str], values: list[str]) -> bytes | None:
    """The bytes of the one item that statements append, with marks in place of values."""
    items: list[Any] = []
    given: dict[str, Any] = {value: orjson.Fragment(_MARK % number) for number, value in enumerate(values)}
    space = {**writer.namespace, **given, name: items, "CLEARED": CLEARED}
    try:
        exec("\n".join([*writer.constants, *lines]), space)  # noqa: S102 - the text is ours, as in `Program`
    except NameError:
        return None
    return dumps(items[0]) if len(items) == 1 else None


def _in_bytes(name: str, line: str) -> str:
    """The statement, with bytes appended to the list."""
    before, append, item = line.partition(f"{name}.append(")
    return f"{before}{append}dumps({item})" if append else line


def _depth(line: str) -> int:
    return (len(line) - len(line.lstrip())) // 4
