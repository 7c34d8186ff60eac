"""Reference sets of SNOMED CT that lead from a code to another: historical associations and maps (RF2 5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from fhir_bridge.terminology.store.staging import MapHeader, MapRow, PropertyRow, Staging, SystemHeader

if TYPE_CHECKING:
    from fhir_bridge.terminology.imports.rf2_files import Files

__all__ = ["read_maps"]

ASSOCIATIONS = {
    "900000000000523009": ("POSSIBLY EQUIVALENT TO", "inexact"),
    "900000000000524003": ("MOVED TO", "inexact"),
    "900000000000525002": ("MOVED FROM", "inexact"),
    "900000000000526001": ("REPLACED BY", "equivalent"),
    "900000000000527005": ("SAME AS", "equal"),
    "900000000000528000": ("WAS A", "wider"),
    "900000000000530003": ("ALTERNATIVE", "inexact"),
    "900000000000531004": ("REFERS TO", "inexact"),
    "1186921001": ("POSSIBLY REPLACED BY", "inexact"),
    "1186924009": ("PARTIALLY EQUIVALENT TO", "inexact"),
}
"""Association reference sets and the equivalence of their targets (R4 snomedct.html 4.3.1.0.8)."""

TARGETS = {
    "447562003": "http://hl7.org/fhir/sid/icd-10",
    "6011000124106": "http://hl7.org/fhir/sid/icd-10-cm",
    "447563008": "http://hl7.org/fhir/sid/icd-9-cm",
    "446608001": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "900000000000497000": "http://read.info/ctv3",
}
"""Code systems that map reference sets lead to; those of others are named by the reference set."""

_CORRELATIONS = {
    "447557004": "equivalent",
    "447558009": "wider",
    "447559001": "narrower",
    "447560006": "inexact",
    "447556008": "unmatched",
}

_TABLES = """
CREATE TABLE x_map (refset TEXT, component TEXT, target TEXT, time TEXT, active INTEGER, equivalence TEXT, comment TEXT,
    place INTEGER, id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def read_maps(files: Files, staging: Staging, system: int, header: SystemHeader) -> None:
    """Put historical associations and maps into the staging as concept maps, and associations as properties too."""
    staging.db.executescript(_TABLES)
    staging.insert(
        "INSERT INTO x_map VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET time = excluded.time,"
        " active = excluded.active, target = excluded.target, equivalence = excluded.equivalence,"
        " comment = excluded.comment WHERE excluded.time > time",
        _rows(files),
    )
    for (refset,) in list(staging.rows("SELECT DISTINCT refset FROM x_map WHERE active = 1 ORDER BY refset")):
        named = ASSOCIATIONS.get(refset)
        number = staging.concept_map(_header(refset, named[0] if named else None, header))
        target = header.url if named else TARGETS.get(refset, f"http://snomed.info/id/{refset}")
        query = (
            "SELECT component, target, equivalence, comment FROM x_map WHERE active = 1 AND refset = ?"
            " ORDER BY component, place"
        )
        staging.map_rows(
            number,
            (
                MapRow(
                    header.url,
                    code,
                    None,
                    target if to else None,
                    to or None,
                    None,
                    equivalence,
                    comment or None,
                )
                for code, to, equivalence, comment in staging.rows(query, refset)
            ),
        )
        if named:
            name = named[0].lower().replace(" ", "-")
            staging.properties(
                system,
                (PropertyRow(code, name, to, "code") for code, to, _, _ in staging.rows(query, refset) if to),
            )


def _rows(files: Files) -> Iterator[tuple[Any, ...]]:
    member = ("refsetId", "referencedComponentId")
    for _, _, row in files.rows("_cRefset_.*Association", (*member, "targetComponentId")):
        identity, time, active, _, refset, component, target = row
        _, equivalence = ASSOCIATIONS.get(refset, ("", "relatedto"))
        yield refset, component, target, time, active, equivalence, "", 0, identity
    for _, _, row in files.rows("_sRefset_.*SimpleMap", (*member, "mapTarget")):
        identity, time, active, _, refset, component, target = row
        yield refset, component, target, time, active, "relatedto", "", 0, identity
    columns = (*member, "mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget", "correlationId")
    for _, _, row in files.rows("_i+s+c+Refset_.*Map", columns):
        identity, time, active, _, refset, component, group, priority, rule, advice, target, correlation = row
        equivalence = _CORRELATIONS.get(correlation, "relatedto") if target else "unmatched"
        comment = advice if rule in ("TRUE", "OTHERWISE TRUE", "") else f"{rule}: {advice}"
        location = int(group) * 1000 + int(priority) if group.isdigit() and priority.isdigit() else 0
        yield refset, component, target, time, active, equivalence, comment, location, identity


def _header(refset: str, name: str | None, header: SystemHeader) -> MapHeader:
    url = f"{header.url}?fhir_cm={refset}"
    resource: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "url": url,
        "version": header.version,
        "name": f"SNOMEDCTMap{refset}",
        "title": f"SNOMED CT {name}" if name else f"SNOMED CT map {refset}",
        "status": "active",
        "copyright": header.metadata.get("copyright"),
    }
    return MapHeader(url, header.version, resource["name"], orjson.loads(orjson.dumps(resource)))
