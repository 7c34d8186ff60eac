"""The files of a LOINC release by their names, which changed over the years (`loinc.csv`, `LoincTable/Loinc.csv`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import Row, csv_rows

__all__ = ["COPYRIGHT", "SYSTEM", "LoincFiles"]

SYSTEM = "http://loinc.org"
COPYRIGHT = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief Institute, Inc. "
    "and the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the "
    "license at http://loinc.org/license."
)

_OLDER = {
    "loinc.csv": ("loinctablecore.csv",),
    "mapto.csv": ("map_to.csv",),
    "componenthierarchybysystem.csv": ("multiaxialhierarchy.csv", "multi-axial_hierarchy.csv"),
}
"""Other names of a file, in lower case, the preferred one first."""

_RELEASE = re.compile(r"(?:loinc_?)?v?_?[0-9]\.?[0-9]{2}_", re.IGNORECASE)
"""What some older files have before their name: `LOINC_2.65_MultiAxialHierarchy.csv`."""


class LoincFiles:
    """Files of a release, wherever they are in it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._by_name: dict[str, str] = {}
        for path in source.names:
            name = _RELEASE.sub("", path.rsplit("/", 1)[-1].lower(), count=1)
            known = self._by_name.get(name)
            if known is None or len(path) < len(known):
                self._by_name[name] = path

    def find(self, name: str) -> str | None:
        """The path of a file, that nearest to the top where it occurs several times; None where it isn't there."""
        lower = name.lower()
        return next(
            (self._by_name[item] for item in (lower, *_OLDER.get(lower, ())) if item in self._by_name), None
        )

    def terms(self) -> str | None:
        """The table of terms: Loinc.csv, the core table, or a table with its columns under another name."""
        result = self.find("Loinc.csv")
        if result is not None:
            return result
        for path in self.source.files(".csv", ".txt"):
            header = self.source.first_line(path).upper()
            if all(column in header for column in ("LOINC_NUM", "LONG_COMMON_NAME", "STATUS")):
                return path
        return None

    def rows(self, name: str, wanted: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Row]:
        """Rows of a file; none where it isn't there.

        Raises:
            ImportProblem: a column is missing, or a line is broken.
        """
        result = self.find(name)
        return csv_rows(self.source, result, wanted, optional) if result else iter(())
