"""HGNC's complete set of gene names (tab separated, from genenames.org). Codes are HGNC ids, displays the symbols."""

from __future__ import annotations

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import separated_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, Staging, SystemHeader

__all__ = ["SYSTEM", "read", "recognizes"]

SYSTEM = "http://www.genenames.org"

_WANTED = ("hgnc_id", "symbol", "name", "status")
_NAMES = ("alias_symbol", "alias_name", "prev_symbol", "prev_name")
_LISTS = (
    "gene_group",
    "gene_family",
    "ucsc_id",
    "ena",
    "refseq_accession",
    "ccds_id",
    "uniprot_ids",
    "omim_id",
    "mane_select",
)
_VALUES = ("locus_group", "locus_type", "location", "entrez_id", "ensembl_gene_id", "orphanet")
_DATES = ("date_approved_reserved", "date_symbol_changed", "date_name_changed", "date_modified")


def recognizes(source: Source) -> bool:
    """Whether a table has HGNC's columns."""
    return _file(source) is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the set into the staging; its version is the newest date in it.

    Raises:
        ImportProblem: a column is missing, or a line is broken.
    """
    name = _file(source)
    if name is None:
        raise ImportProblem(str(source.path), None, "holds no table with the columns hgnc_id, symbol, name")
    header = SystemHeader(
        options.system or SYSTEM,
        options.version,
        "HGNC",
        "HUGO Gene Nomenclature Committee gene names",
        language="en",
        hierarchy_meaning=None,
        metadata={"publisher": "HUGO Gene Nomenclature Committee", "status": "active"},
    )
    system = staging.system(header)
    newest = ""
    optional = (*_NAMES, *_LISTS, *_VALUES, *_DATES)
    with Batch(staging, system) as batch:
        for line, row in separated_rows(source, name, "\t", _WANTED, optional):
            code, symbol, full, status = (_bare(item) for item in row[:4])
            metadata = dict(zip(optional, row[4:], strict=True))
            if not code.startswith("HGNC:") or not code[5:].isdigit():
                raise ImportProblem(
                    source.label(name), line, f'has "{code[:40]}" where an HGNC id is expected'
                )
            batch.concept(ConceptRow(code, symbol, full or None, status == "Approved", False, line))
            if full:
                batch.name(DesignationRow(code, full, "en", None, "name"))
            for column in _NAMES:
                for text in _list(metadata[column]):
                    batch.name(DesignationRow(code, text, None if "symbol" in column else "en", None, column))
            for column in _LISTS:
                for text in _list(metadata[column]):
                    batch.value(code, column, text)
            for column in _VALUES:
                batch.value(code, column, _bare(metadata[column]))
            batch.value(code, "status", status, "code")
            newest = max(newest, *(_bare(metadata[column])[:10] for column in _DATES))
    header.version = header.version or newest or None


def _file(source: Source) -> str | None:
    for name in source.files(".txt", ".tsv", ".gz"):
        if {"hgnc_id", "symbol", "name"} <= set(source.first_line(name).split("\t")):
            return name
    return None


def _bare(text: str) -> str:
    """A field without the quotes that some fields have."""
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def _list(text: str) -> list[str]:
    return [part.strip() for part in _bare(text).split("|") if part.strip()]
