"""RxNorm as the National Library of Medicine distributes it: RRF files (release zip or folder).

Codes are the RXCUIs that have a name of RxNorm's own (SAB=RXNORM; rxnorm.html in R4), displays the name of the best
term type; other atoms are designations. Relations (`has_ingredient`, `tradename_of`, …), semantic types, NDCs and codes
of the sources are properties. Codes of the archive of atoms are inactive and lead to what they were merged into. There
is no hierarchy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import separated_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import (
    ConceptRow,
    DesignationRow,
    PropertyRow,
    Staging,
    SystemHeader,
)

__all__ = ["SYSTEM", "read", "recognizes"]

SYSTEM = "http://www.nlm.nih.gov/research/umls/rxnorm"

_CONSO = "RXCUI LAT TS LUI STT SUI ISPREF RXAUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF -".split()
_REL = "RXCUI1 RXAUI1 STYPE1 REL RXCUI2 RXAUI2 STYPE2 RELA RUI SRUI SAB SL DIR RG SUPPRESS CVF -".split()
_SAT = "RXCUI LUI SUI RXAUI STYPE CODE ATUI SATUI ATN SAB ATV SUPPRESS CVF -".split()
_STY = "RXCUI TUI STN STY ATUI CVF -".split()
_ARCHIVE = (
    "RXAUI AUI STR ARCHIVE_TIMESTAMP CREATED_TIMESTAMP UPDATED_TIMESTAMP CODE IS_BRAND LAT LAST_RELEASED SAUI VSAB "
    "RXCUI SAB TTY MERGED_TO_RXCUI -"
).split()
_TERM_TYPES = (
    "SCD SBD GPCK BPCK SCDC SBDC SCDF SCDFP SCDG SCDGP SBDF SBDFP SBDG IN PIN MIN BN DF DFG PSN SY TMSY ET"
).split()
_RANKS = {term_type: rank for rank, term_type in enumerate(_TERM_TYPES)}
_LANGUAGES = {"ENG": "en", "SPA": "es", "FRE": "fr", "GER": "de", "ITA": "it", "DUT": "nl"}
_DATE = re.compile(r"(?<!\d)([01]\d[0-3]\d20\d\d)(?!\d)")


def recognizes(source: Source) -> bool:
    """Whether it holds RXNCONSO.RRF."""
    return _file(source, "RXNCONSO") is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a release into the staging.

    Raises:
        ImportProblem: a file is missing or broken.
    """
    main = _file(source, "RXNCONSO")
    if main is None:
        raise ImportProblem(str(source.path), None, "holds no RXNCONSO.RRF")
    header = SystemHeader(
        options.system or SYSTEM,
        options.version or _version(source),
        "RxNorm",
        "RxNorm",
        language="en",
        hierarchy_meaning=None,
        metadata={"publisher": "National Library of Medicine (NLM)", "status": "active"},
    )
    system = staging.system(header)
    staging.db.execute(
        "CREATE TABLE x_atom (cui TEXT, place INTEGER, name TEXT, kind TEXT, language TEXT, source TEXT, code TEXT,"
        " gone INTEGER, line INTEGER)"
    )
    columns = ("RXCUI", "LAT", "SAB", "TTY", "CODE", "STR", "SUPPRESS")
    staging.insert(
        "INSERT INTO x_atom VALUES (?,?,?,?,?,?,?,?,?)",
        (
            (
                row[0],
                _RANKS.get(row[3], 99)
                + (0 if row[2] == "RXNORM" else 500)
                + (200 if row[6] in "OEY" and row[6] else 0),
                row[5],
                row[3],
                _LANGUAGES.get(row[1], row[1].lower()),
                row[2],
                row[4],
                row[6] in ("O", "E", "Y"),
                line,
            )
            for line, row in separated_rows(source, main, "|", columns, header=_CONSO)
        ),
    )
    staging.db.execute("CREATE INDEX x_atom_cui ON x_atom (cui, place)")
    with Batch(staging, system) as batch:
        for cui, group in groupby(
            staging.rows("SELECT * FROM x_atom ORDER BY length(cui), cui, place, rowid"), itemgetter(0)
        ):
            atoms = list(group)
            if any(atom[5] == "RXNORM" for atom in atoms):
                _concept(batch, cui, atoms)
            else:
                staging.note("concepts without a name of RxNorm's own, left out")
        _archived(source, staging, batch)
    staging.properties(system, _relations(source))
    staging.properties(system, _attributes(source))


def _concept(batch: Batch, cui: str, atoms: list[tuple[Any, ...]]) -> None:
    _, _, display, kind, _, sab, _, _, _ = atoms[0]
    active = any(atom[5] == "RXNORM" and not atom[7] for atom in atoms)
    batch.concept(ConceptRow(cui, display, None, active, False, min(atom[8] for atom in atoms), atoms[0][1]))
    batch.value(cui, "TTY", kind, "code")
    batch.value(cui, "SAB", sab, "code")
    seen = {(display, "en")}
    for _, _, name, kind, language, sab, code, gone, _ in atoms:
        if sab != "RXNORM":
            batch.value(cui, f"{sab}_CODE", code)
        if (name, language) not in seen and not gone:
            seen.add((name, language))
            batch.name(DesignationRow(cui, name, language, SYSTEM, kind))


def _archived(source: Source, staging: Staging, batch: Batch) -> None:
    """Codes that were given up; of several atoms of a code, the name of the best term type."""
    name = _file(source, "RXNATOMARCHIVE")
    if name is None:
        return
    results: dict[str, tuple[int, str, str, str, int]] = {}
    columns = ("RXCUI", "STR", "SAB", "TTY", "MERGED_TO_RXCUI")
    for line, (cui, text, sab, kind, into) in separated_rows(source, name, "|", columns, header=_ARCHIVE):
        location = _RANKS.get(kind, 99)
        if sab == "RXNORM" and cui and (cui not in results or location < results[cui][0]):
            results[cui] = (location, text, kind, into, line)
    for cui, (location, text, kind, into, line) in results.items():
        if next(staging.rows("SELECT 1 FROM x_atom WHERE cui = ? AND source = 'RXNORM'", cui), None) is None:
            batch.concept(ConceptRow(cui, text, None, False, False, line, location))
            batch.value(cui, "TTY", kind, "code")
            if into != cui:
                batch.value(cui, "MERGED_TO_RXCUI", into, "code")


def _relations(source: Source) -> Iterator[PropertyRow]:
    """Relations between concepts; in RRF the second is in the relation to the first (`RXCUI2 RELA RXCUI1`)."""
    name = _file(source, "RXNREL")
    if name is None:
        return
    columns = ("RXCUI1", "REL", "RXCUI2", "RELA", "SUPPRESS")
    for _, row in separated_rows(source, name, "|", columns, header=_REL):
        target, relation, cui, label, suppressed = row
        if cui and target and suppressed in ("", "N"):
            yield PropertyRow(cui, label or relation, target, "code")


def _attributes(source: Source) -> Iterator[PropertyRow]:
    name = _file(source, "RXNSTY")
    if name is not None:
        columns = ("RXCUI", "TUI", "STY")
        for _, (cui, code, kind) in separated_rows(source, name, "|", columns, header=_STY):
            yield PropertyRow(cui, "STY", orjson.dumps({"code": code, "display": kind}).decode(), "Coding")
    name = _file(source, "RXNSAT")
    if name is not None:
        wanted = ("RXCUI", "ATN", "SAB", "ATV", "SUPPRESS")
        for _, (cui, attribute, sab, value, suppressed) in separated_rows(
            source, name, "|", wanted, header=_SAT
        ):
            if cui and value and sab == "RXNORM" and suppressed in ("", "N"):
                yield PropertyRow(cui, attribute, value, "string")


def _version(source: Source) -> str | None:
    """The release's day as MMDDYYYY, from the name of the archive or of a file in it."""
    for name in (source.path.name, *source.names):
        match = _DATE.search(name)
        if match:
            return match[1]
    return None


def _file(source: Source, name: str) -> str | None:
    results = [item for item in source.names if item.rsplit("/", 1)[-1].upper() == f"{name}.RRF"]
    preferred = [item for item in results if "prescribe" not in item.lower()]
    return min(preferred or results, key=len) if results else None
