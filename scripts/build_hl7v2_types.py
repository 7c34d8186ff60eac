"""Builds `fhir_bridge/workshop/audit/hl7v2_types.json`: the type and table of each field and component of HL7 v2.

    pip download hl7apy==1.3.5 --no-deps && unzip hl7apy-*.whl -d FOLDER && python scripts/build_hl7v2_types.py FOLDER

From PyPI hl7apy (MIT), which holds the structures of HL7 v2.3 to v2.8.2 as published. A field has its type of 2.6,
else of the first version that has it, so that withdrawn fields (PID-2, ORC-7) keep theirs; its table is the
first that is stated.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

VERSIONS = ("2_6", "2_5_1", "2_8_2", "2_8", "2_7", "2_5", "2_4", "2_3_1", "2_3")
OUT = Path(__file__).parents[1] / "fhir_bridge" / "workshop" / "audit" / "hl7v2_types.json"


def typed(row: Any) -> tuple[str, str]:
    """The type and the table (`0001`) of a row of hl7apy."""
    return row[2] or "", (row[4] or "").removeprefix("HL7")


def main() -> None:
    """Write the table."""
    sys.path.insert(0, sys.argv[1])
    segments: dict[str, dict[int, list[str]]] = {}
    types: dict[str, dict[int, list[str]]] = {}
    for version in VERSIONS:
        fields = importlib.import_module(f"hl7apy.v{version}.fields").FIELDS
        data_types = importlib.import_module(f"hl7apy.v{version}.datatypes").DATATYPES
        for rows, out in ((fields, segments), (data_types, types)):
            for name, row in rows.items():
                owner, _, number = name.rpartition("_")
                if not number.isdigit() or not owner:
                    continue
                kind, table = typed(row)
                if kind.upper() in ("", "WD", "NUL"):
                    continue
                known = out.setdefault(owner, {}).setdefault(int(number), [kind, table])
                known[1] = known[1] or table
    result = {
        part: {
            owner: [rows.get(n, ["", ""]) for n in range(1, max(rows) + 1)]
            for owner, rows in sorted(table.items())
        }
        for part, table in (("segments", segments), ("types", types))
    }
    text = {
        part: {
            owner: " ".join(f"{kind or '-'}:{table}" if table else kind or "-" for kind, table in rows)
            for owner, rows in table.items()
        }
        for part, table in result.items()
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(text, indent=0, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
