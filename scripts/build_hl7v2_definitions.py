"""Build the text files of `fhir_bridge/adapters/ehr/hl7v2`: what segments and types consist of, and are called.

    python -m pip install --target DIR hl7apy==1.3.5
    PYTHONPATH=DIR python scripts/build_hl7v2_definitions.py [--check]

hl7apy (MIT) carries the definitions of HL7 v2.2 to v2.8.2; `LATER` has what v2.9 adds and mappings read. A line names
a segment, or a data type after `=`, and then each field or component as types and table (`CWE/IS:0001`), the newest
version's first; `-` is one that no version describes. `field_names.txt` has the names of fields, with `|` between
them; `widths.txt` has how many there are in each version. `--check` fails where a file on disk is not what would be
written.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "fhir_bridge" / "adapters" / "ehr" / "hl7v2"
TABLES = {"=MSG": {1: "ID:0076", 2: "ID:0003", 3: "ID:0354"}}
"""Tables of components that hl7apy does not state."""

LATER = {"OBX": {31: "ID:0206", 32: "CWE", 33: "EIP"}}
"""Fields of v2.9 (chapter 7: action code, reason of an absent value, related specimen), which hl7apy does not have."""

VERSIONS = ("v2_2", "v2_3", "v2_3_1", "v2_4", "v2_5", "v2_5_1", "v2_6", "v2_7", "v2_8", "v2_8_1", "v2_8_2")


def described(definition: Sequence[Any] | None) -> str:
    """Type and table of a field or component; `-` of one that was withdrawn."""
    if definition is None:
        return "-"
    kind, table = definition[2], definition[4]
    if not kind or kind == "WD":
        return "-"
    return f"{kind}:{table[3:].zfill(4)}" if table else str(kind)


def joined(newer: str, older: str) -> str:
    """All types that a field has had, the newest first, with the newest table."""
    if newer == "-" or older == "-":
        return older if newer == "-" else newer
    kind, _, table = newer.partition(":")
    before, _, former = older.partition(":")
    kinds = "/".join(dict.fromkeys([*kind.split("/"), *before.split("/")]))
    return f"{kinds}:{table or former}" if table or former else kinds


def collect() -> dict[str, dict[int, str]]:
    """Lines by name; later versions go over earlier ones."""
    lines: dict[str, dict[int, str]] = {}
    for version in VERSIONS:
        segments = importlib.import_module(f"hl7apy.{version}.segments").SEGMENTS
        types = importlib.import_module(f"hl7apy.{version}.datatypes").DATATYPES_STRUCTS
        named = [(name, body[1]) for name, body in segments.items() if len(body) > 1]
        named += [(f"={name}", body) for name, body in types.items()]
        for name, parts in named:
            if not name.startswith("Z") and name.strip("=").isalnum():
                line = lines.setdefault(name, {})
                for part in parts:
                    text, digits = described(part[1]), part[0].rpartition("_")[2]
                    if not digits.isdigit():
                        continue
                    number = int(digits)
                    line[number] = joined(text, line.get(number, "-"))
    for name, parts in (*TABLES.items(), *LATER.items()):
        lines[name] |= parts
    return lines


def text() -> str:
    """The file's content."""
    rows = []
    for name, parts in sorted(collect().items()):
        if parts:
            rows.append(" ".join([name, *(parts.get(number, "-") for number in range(1, max(parts) + 1))]))
    return "\n".join(rows) + "\n"


def widths() -> str:
    """How many fields a segment and components a type has in each version."""
    counted: dict[str, list[int]] = {}
    for place, version in enumerate(VERSIONS):
        segments = importlib.import_module(f"hl7apy.{version}.segments").SEGMENTS
        types = importlib.import_module(f"hl7apy.{version}.datatypes").DATATYPES_STRUCTS
        named = [(name, body[1]) for name, body in segments.items() if len(body) > 1]
        named += [(f"={name}", body) for name, body in types.items()]
        for name, parts in named:
            if name.startswith("Z") or not name.strip("=").isalnum():
                continue
            endings = [part[0].rpartition("_")[2] for part in parts]
            numbers = [int(ending) for ending in endings if ending.isdigit()]
            counted.setdefault(name, [0] * len(VERSIONS))[place] = max(numbers, default=0)
    return "".join(f"{name} {' '.join(map(str, row))}\n" for name, row in sorted(counted.items()) if any(row))


def names() -> str:
    """What the fields of segments are called, by the newest version that describes them."""
    lines: dict[str, dict[int, str]] = {}
    for version in VERSIONS:
        segments = importlib.import_module(f"hl7apy.{version}.segments").SEGMENTS
        for name, body in segments.items():
            if len(body) < 2 or name.startswith("Z") or not name.isalnum():
                continue
            for part in body[1]:
                digits = part[0].rpartition("_")[2]
                if part[1] is not None and part[1][3] and digits.isdigit():
                    words = part[1][3].replace("_", " ").capitalize()
                    lines.setdefault(name, {})[int(digits)] = words.removesuffix(f" {name.lower()}")
    rows = (
        "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])
        for name, fields in sorted(lines.items())
    )
    return "".join(f"{row}\n" for row in rows)


def main() -> int:
    """Write the files, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    contents = {"definitions.txt": text(), "field_names.txt": names(), "widths.txt": widths()}
    if parser.parse_args().check:
        same = True
        for name, content in contents.items():
            as_is = (FOLDER / name).is_file() and (FOLDER / name).read_text(encoding="utf-8") == content
            print(f"{name} is {'as' if as_is else 'not as'} it would be written")
            same = same and as_is
        return 0 if same else 1
    for name, content in contents.items():
        (FOLDER / name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
