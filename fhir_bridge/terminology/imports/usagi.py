"""Usagi's export (CSV) as a ConceptMap from local codes to OMOP concept ids.

Rows that nobody approved are read as well, as `relatedto` with the status in the comment. A concept id of 0, or the
equivalence UNMATCHED, says that there is no target.
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.terminology.imports.curies import OMOP
from fhir_bridge.terminology.imports.omop_maps import part_of_url, put_map
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import csv_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import MapRow, Staging

__all__ = ["read", "recognizes"]

_WANTED = ("sourceCode", "sourceName", "conceptId", "mappingStatus")
_OPTIONAL = ("conceptName", "equivalence", "statusSetBy", "statusSetOn", "comment", "mappingType")
_EQUIVALENCES = {
    "EQUAL": "equal",
    "EQUIVALENT": "equivalent",
    "WIDER": "wider",
    "NARROWER": "narrower",
    "INEXACT": "inexact",
    "UNMATCHED": "unmatched",
    "UNREVIEWED": "relatedto",
}


def recognizes(source: Source) -> bool:
    """Whether a CSV has Usagi's columns."""
    return _file(source) is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the mapping into the staging; `options.system` names the source code system.

    Raises:
        ImportProblem: a column is missing or a row is broken.
    """
    name = _file(source)
    if name is None:
        raise ImportProblem(str(source.path), None, "holds no CSV with Usagi's columns")
    stem = part_of_url(source.path.stem, "usagi")
    system = options.system or f"urn:fhir-bridge:usagi:{stem}"
    number = put_map(
        staging,
        f"urn:fhir-bridge:map:usagi:{stem}",
        options.version,
        name=f"Usagi_{stem}",
        title=f"Usagi mapping {source.path.name}",
        status="draft",
        source=system,
    )
    staging.map_rows(number, _rows(source, name, system, staging))


def _rows(source: Source, name: str, system: str, staging: Staging) -> Iterator[MapRow]:
    label = source.label(name)
    for line, row in csv_rows(source, name, _WANTED, _OPTIONAL):
        code, text, concept, status, concept_name, equivalence, by, on, comment, kind = (
            item.strip() for item in row
        )
        if not code:
            raise ImportProblem(label, line, "has no sourceCode")
        if concept and not concept.lstrip("-").isdigit():
            raise ImportProblem(label, line, f'has "{concept[:40]}" where a conceptId is expected')
        wanted = equivalence.upper() or ("EQUIVALENT" if status == "APPROVED" else "UNREVIEWED")
        r4 = _EQUIVALENCES.get(wanted)
        if r4 is None:
            raise ImportProblem(
                label, line, f'has the equivalence "{equivalence}", which Usagi does not have'
            )
        if status != "APPROVED":
            r4 = "relatedto" if r4 != "unmatched" else r4
            comment = f"{status or 'UNCHECKED'}{': ' + comment if comment else ''}"
            staging.note("rows that nobody approved, kept as related")
        elif kind not in ("", "MAPS_TO"):  # the target is a value or unit of what the code says
            r4 = "relatedto" if r4 != "unmatched" else r4
            comment = f"{kind}{': ' + comment if comment else ''}"
            staging.note(f"rows of mapping type {kind}, kept as related")
        elif by:
            comment = f"{comment + '; ' if comment else ''}approved by {by}{_when(on)}"
        target = concept if concept not in ("", "0", "-1") and r4 != "unmatched" else None
        yield MapRow(
            system,
            code,
            text or None,
            OMOP if target else None,
            target,
            concept_name or None if target else None,
            r4 if target else "unmatched",
            comment or None,
        )


def _when(stamp: str) -> str:
    """Milliseconds since 1970, as a day."""
    import datetime

    if not stamp.isdigit() or len(stamp) > 14:
        return ""
    return f" on {datetime.datetime.fromtimestamp(int(stamp) / 1000, datetime.UTC):%Y-%m-%d}"


def _file(source: Source) -> str | None:
    for name in source.files(".csv"):
        header = source.first_line(name).lower()
        if all(column in header for column in ("sourcecode", "conceptid", "mappingstatus")):
            return name
    return None
