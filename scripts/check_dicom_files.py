"""Which DICOM files convert and validate: a table of folders, and every file that does not, with its reason.

    python scripts/check_dicom_files.py [FOLDER ...]

Without folders: the files that pydicom, pydicom-data and highdicom carry.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from fhir_bridge.fhir.validation import Validator
from tests.adapters.imaging.conversion import Converted, convert

__all__ = ["Row", "main", "rows_of"]

NEWER_THAN_R4 = ("'RWV'", "'ANN'")
"""Modalities that DICOM added after the copy of its codes in R4."""


class Row(NamedTuple):
    """One file: `converted`, `invalid`, `skipped` or `rejected`, and why."""

    path: Path
    outcome: str
    reason: str


def rows_of(folder: Path) -> Iterator[Row]:
    """A row a file below a folder that may be DICOM."""
    validator = Validator()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        if path.suffix in (".py", ".pyc", ".json", ".txt", ".md", ".zip"):
            continue
        yield _row(path, convert([path]), validator)


def _row(path: Path, converted: Converted, validator: Validator) -> Row:
    outcome = converted.outcomes[0] if converted.outcomes else "rejected"
    if outcome not in ("converted", "partial"):
        return Row(path, outcome, "; ".join(f"{each.code} {each.message}" for each in converted.issues))
    wrong = [
        f"{resource['resourceType']}: {issue.message}"
        for resource in converted.resources
        for issue in validator.validate(resource)
        if issue.severity in ("error", "fatal") and not any(code in issue.message for code in NEWER_THAN_R4)
    ]
    return Row(path, "invalid" if wrong else "converted", "; ".join(wrong[:3]))


def main(folders: list[Path]) -> int:
    """Print the table; 1 where fewer than 98 in 100 of the readable files convert and validate."""
    if not folders:
        specs = (find_spec(name) for name in ("pydicom", "data_store", "highdicom"))
        folders = [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin]
    total: Counter[str] = Counter()
    for folder in folders:
        counts: Counter[str] = Counter()
        for row in rows_of(folder):
            counts[row.outcome] += 1
            if row.outcome != "converted":
                print(f"{row.outcome:10} {row.path.relative_to(folder)}: {row.reason}")
        print(f"{folder}: {dict(counts)}")
        total += counts
    readable = total["converted"] + total["invalid"]
    share = total["converted"] / readable if readable else 0.0
    print(f"all: {dict(total)}; of {readable} readable files {share:.1%} convert and validate")
    return 0 if share >= 0.98 else 1


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]]))
