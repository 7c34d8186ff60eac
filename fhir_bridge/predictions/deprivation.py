"""The Social Deprivation Index of a postal code of the United States, from a file that the site names."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.predictions.inputs import UnusableInput

__all__ = ["decile_of"]


def decile_of(patient: Mapping[str, Any], file: object) -> int | None:
    """The decile, 1 to 10, of the patient's present home; None without a file, an address or a row.

    Args:
        file: path of a CSV with the columns `zip` and `sdi_decile`.

    Raises:
        UnusableInput: the file can't be read.
    """
    if not file:
        return None
    try:
        deciles = _read(str(file))
    except (OSError, KeyError, ValueError) as error:
        raise UnusableInput(f"the site's sdi_file can't be read ({type(error).__name__})") from error
    for address in patient.get("address", ()):
        if address.get("use") in ("old", "billing", "temp", "work"):
            continue
        decile = deciles.get(str(address.get("postalCode", ""))[:5])
        if decile is not None:
            return decile
    return None


@lru_cache(maxsize=4)
def _read(file: str) -> dict[str, int]:
    with Path(file).open(encoding="utf-8", newline="") as rows:
        return {
            row["zip"].strip(): round(float(row["sdi_decile"]))
            for row in csv.DictReader(rows)
            if row["sdi_decile"].strip() not in ("", "NA")
        }
