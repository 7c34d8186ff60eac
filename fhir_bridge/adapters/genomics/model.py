"""What a mapping may name in a VCF, scope by scope, and the Python that reads it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from fhir_bridge.adapters.genomics.genes import HGNC_SYSTEM, gene
from fhir_bridge.adapters.genomics.options import Options
from fhir_bridge.adapters.genomics.term import Term
from fhir_bridge.fhir.datatypes import Identifier, Reference
from fhir_bridge.fhir.ports import FormerNamesPort, NamingPort
from fhir_bridge.mapping import Context, Scope, function

__all__ = [
    "VcfModel",
    "coded_by_name",
    "coded_gene",
    "gene_named",
    "identifier_of_vcf",
    "read_selector",
    "sample_identifier",
    "sample_of_vcf",
]


_SCOPES = {
    "File": Scope("File", None),
    "Subject": Scope("Subject", "File"),
    "Line": Scope("Line", "File"),
    "Sample": Scope("Sample", "Line"),
    "Allele": Scope("Allele", "Sample"),
    "Effect": Scope("Effect", "Allele"),
    "Phase": Scope("Phase", "Sample"),
    "Junction": Scope("Junction", "Sample"),
    "Study": Scope("Study", "File"),
}
_FILE = ("name", "id", "assembly", "date", "caller", "note", "source_class")
_LINE = {
    "CHROM": "chrom",
    "POS": "pos",
    "ID": "identifiers",
    "REF": "ref",
    "ALT": "alt",
    "QUAL": "qual",
    "FILTER": "filters",
    "line.number": "number",
    "line.chromosome": "chromosome",
    "line.genomic_reference": "genomic_reference",
    "line.accession": "accession",
    "line.end": "end",
    "line.failed_filters": "failed_filters",
    "line.restated": "restated",
}
_CALL = ("phased", "phase_set", "depth", "quality", "evidence", "failed_filters", "filtered", "confidence")
_CALL_ALLELE = (
    "allelic_state",
    "allele_depth",
    "fraction",
    "copy_number",
    "evidence",
    "filtered",
    "confidence",
)
_VARIANT = (
    "alt",
    "begins",
    "change_type",
    "end",
    "first",
    "frequencies",
    "gene",
    "hgvs_g",
    "identifiers",
    "inheritance",
    "inner",
    "key",
    "last",
    "length",
    "other_genes",
    "outermost",
    "repeats",
    "restated",
    "source_class",
    "spdi",
    "symbolic",
)
_CONSEQUENCE = ("gene", "hgvs_c", "hgvs_p", "impact", "named", "names", "symbol", "terms", "transcript")
_CLINVAR = (
    "classification",
    "conditions",
    "reportable",
    "review_status",
    "significance",
    "stars",
    "variation",
)
_ACMG = ("classification", "criteria", "significance", "stated", "text")
_PHASE = ("first", "note", "relation", "second", "set")
_JUNCTION = ("chromosomes", "first", "fusion", "genes", "second", "text")
_STUDY = (
    "called_bed",
    "change_types",
    "complete",
    "conclusion",
    "findings",
    "findings_count",
    "genes",
    "kept_calls",
    "left_out",
    "lost_calls",
    "no_calls",
    "reference",
    "regions",
    "studied_bed",
    "uncalled_bed",
    "unclear",
    "variants",
)
_TO_LINE = {
    "Line": "s",
    "Sample": "s.line",
    "Allele": "s.line",
    "Effect": "s.call.line",
    "Phase": "s.call.line",
    "Junction": "s.call.line",
}
_TO_CALL = {"Sample": "s", "Allele": "s.call", "Effect": "s.call", "Phase": "s.call", "Junction": "s.call"}


def _table(scope: str) -> dict[str, str]:
    """All selectors of a scope but INFO and FORMAT, with their Python."""
    names = {f"file.{name}": f"s.file.{name}" for name in _FILE}
    names["file.consequences"] = "s.file.options.consequences"
    names["file.restate"] = "s.file.options.restate"
    if scope in _TO_LINE:
        names |= {name: f"{_TO_LINE[scope]}.{attribute}" for name, attribute in _LINE.items()}
    if scope in _TO_CALL:
        names |= {f"call.{name}": f"{_TO_CALL[scope]}.{name}" for name in _CALL}
        names["call.genotype"] = f"{_TO_CALL[scope]}.genotype.text"
        names["sample.name"] = f"{_TO_CALL[scope]}.name"
    if scope in ("Subject", "Study"):
        names["sample.name"] = "s.name"
    if scope == "Allele":
        names |= {f"call.{name}": f"s.{name}" for name in _CALL_ALLELE}
        names |= {f"variant.{name}": f"s.{name}" for name in _VARIANT}
        names |= {f"consequence.{name}": f"s.consequence.{name}" for name in _CONSEQUENCE}
        names |= {f"clinvar.{name}": f"s.clinvar.{name}" for name in _CLINVAR}
        names |= {f"acmg.{name}": f"s.acmg.{name}" for name in _ACMG}
    if scope == "Effect":
        names |= {f"consequence.{name}": f"s.consequence.{name}" for name in _CONSEQUENCE}
        names["effect.key"] = "s.key"
    if scope == "Phase":
        names |= {f"phase.{name}": f"s.{name}" for name in _PHASE}
    if scope == "Junction":
        names |= {f"junction.{name}": f"s.{name}" for name in _JUNCTION}
    if scope == "Study":
        names |= {f"study.{name}": f"s.{name}" for name in _STUDY}
    return names


@function
def gene_named(symbol: Any) -> Any:
    """A gene by its symbol, as a value for `concept()`."""
    return gene(symbol) if isinstance(symbol, str) and symbol else None


@function(context=True, pure=True)
def coded_gene(ctx: Context, term: Any) -> Any:
    """A gene with the code that the terminology store has for its symbol, where it has none.

    A symbol that a gene had, or has beside its own, gives the gene of today; the text states what the source says.
    """
    coded = coded_by_name(ctx, term, HGNC_SYSTEM)
    if (
        not isinstance(coded, Term)
        or coded.code is not None
        or not isinstance(ctx.terminology, FormerNamesPort)
    ):
        return coded
    former = ctx.terminology.code_by_other_name(HGNC_SYSTEM, coded.display, tuple(_FORMER))
    if former is None:
        return coded
    code, symbol, use = former
    return Term(HGNC_SYSTEM, code, symbol, f"{coded.display} ({_FORMER[use]} of {symbol})")


_FORMER = {"prev_symbol": "previous symbol", "alias_symbol": "alias"}
"""Designations of HGNC's import by which a gene is known, first those that it was approved by."""


def coded_by_name(ctx: Context, term: Any, system: str) -> Any:
    """A term with the code that the terminology store has for its display, where it has none."""
    if not isinstance(term, Term) or term.code is not None or not isinstance(ctx.terminology, NamingPort):
        return term
    code = ctx.terminology.code_of(system, term.display)
    return Term(system, code, term.display) if code else term


def read_selector(table: Mapping[str, str], text: str, scope: str, source: str) -> str:
    """Python that reads `text` from the scope object `s`, of a table of all selectors.

    Args:
        source: what the selectors are of, for the message.

    Raises:
        LookupError: the table has no such selector.
    """
    if text in table:
        return table[text]
    near = difflib.get_close_matches(text, table, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise LookupError(f"{source} has no {text} in scope {scope}{hint}")


@function(context=True, returns="Identifier")
def sample_identifier(ctx: Context, name: Any) -> Any:
    """The business identifier of the Patient whom the crosswalk names for a sample."""
    link = ctx.identity.sample(name, source=ctx.bounds, adapter=ctx.adapter)
    return Identifier(system=link.system, value=link.value)


@function(context=True, returns="Reference")
def sample_of_vcf(ctx: Context, name: Any) -> Any:
    """The Patient whom the adapter `vcf` makes of a sample of this very file, for adapters that read VCFs as well."""
    link = ctx.identity.sample(name, source=ctx.bounds, adapter="vcf")
    return Reference(reference=f"Patient/{link.id}")


@function(context=True, returns="Identifier")
def identifier_of_vcf(ctx: Context, name: Any) -> Any:
    """The business identifier of that Patient."""
    link = ctx.identity.sample(name, source=ctx.bounds, adapter="vcf")
    return Identifier(system=link.system, value=link.value)


_SELECTORS = {scope: _table(scope) for scope in _SCOPES}

_LISTED = (
    "s.line.qual",
    "s.line.filters",
    "s.line.failed_filters",
    "s.line.identifiers",
    "s.line.alt",
    "s.call.quality",
    "s.call.failed_filters",
    "s.clinvar.conditions",
    "s.copy_number",
    "s.fraction",
    "s.frequencies",
    "s.identifiers",
    "s.other_genes",
    "s.repeats",
)
"""Lists, and decimals, of which equal ones may be written differently: what is printed of them decides."""
_VARYING = (
    "s.line.pos",
    "s.line.ref",
    "s.line.end",
    "s.line.number",
    *_LISTED[:5],
    "s.call.depth",
    "s.call.evidence",
    "s.call.quality",
    "s.copy_number",
    "s.fraction",
    "s.frequencies",
    "s.identifiers",
    "s.other_genes",
    "s.repeats",
    "s.second",
    "s.allele_depth",
    "s.alt",
    "s.begins",
    "s.end",
    "s.evidence",
    "s.first",
    "s.hgvs_g",
    "s.inner",
    "s.key",
    "s.last",
    "s.length",
    "s.outermost",
    "s.spdi",
    "s.consequence.hgvs_c",
    "s.consequence.hgvs_p",
    "s.consequence.named",
    "s.consequence.names",
    "s.clinvar.variation",
)
"""What differs from allele to allele; the rest has few values in a file, or the same for many neighbours."""


_LINES = {"Allele": "s.line", "Effect": "s.call.line", "Phase": "s.call.line"}
"""Scopes of whose outputs parts are remembered, and where their line is."""


def _key(source: str, scope: str = "Allele") -> str | None:
    """Source of a text that decides what a selector of a scope gives."""
    if scope not in _LINES or source not in _DECIDING[scope]:
        return None
    short = source.replace(f"{_LINES[scope]}.", "line.")
    return f"repr({short})" if source.replace("s.call.line.", "s.line.") in _LISTED else short


_DECIDING = {
    scope: frozenset(_SELECTORS[scope].values()) - {f"s.acmg.{name}" for name in _ACMG} for scope in _LINES
}
"""Sources of selectors whose values are texts, terms, whole numbers and the like."""


class VcfModel:
    """The source model of the adapter `vcf`.

    The record is a line, or the file itself before its first line (scope `Subject`) and after its last (`Study`);
    the root scope `File` is the same in all three.
    """

    root = "File"
    scopes: Mapping[str, Scope] = _SCOPES
    functions: Mapping[str, Callable[..., Any]] = {
        "gene": gene_named,
        "hgnc": coded_gene,
        "sample_identifier": sample_identifier,
    }
    token = ""
    single = True
    """Groups around an allele mostly have no other: nothing is remembered by group."""
    varying = frozenset(_key(source, scope) or "" for source in _VARYING for scope in _LINES)
    parts: Mapping[str, str] = {
        "Subject": "s.name",
        "Study": "s.name",
        "Sample": "s.name",
        "Allele": "s.call.name",
        "Effect": "s.call.name",
        "Phase": "s.call.name",
        "Junction": "s.call.name",
    }
    """Scopes whose outputs are of one sample, and its name: a newer file of the sample replaces them."""

    def with_options(self, options: Mapping[str, Any]) -> VcfModel:
        """The same for all options.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        Options.parse(options)
        return self

    def key(self, source: str, scope: str) -> str | None:
        """Source of a text that decides what a selector's source gives; None where none is known."""
        return _key(source, scope)

    def key_head(self, scope: str) -> list[str]:
        """Statements that `key` needs."""
        return [f"line = {_LINES[scope]}"] if scope in _LINES else []

    def selector(self, text: str, scope: str) -> str:
        """Python that reads `text` from the scope object `s`.

        Raises:
            LookupError: the scope has no such selector; the message names the nearest, or the scope that has it.
        """
        source = _SELECTORS[scope].get(text)
        if source is not None:
            return source
        group, dot, key = text.partition(".")
        if dot and key and group == "INFO" and scope in _TO_LINE:
            return f"s.info({key!r})" if scope == "Allele" else f"{_TO_LINE[scope]}.info({key!r})"
        if dot and key and group == "FORMAT" and scope in _TO_CALL:
            return f"s.format({key!r})" if scope == "Allele" else f"{_TO_CALL[scope]}.format({key!r})"
        raise LookupError(_complaint(text, scope))


def _complaint(text: str, scope: str) -> str:
    elsewhere = [name for name, table in _SELECTORS.items() if text in table]
    if text.startswith("INFO."):
        elsewhere = list(_TO_LINE)
    elif text.startswith("FORMAT."):
        elsewhere = list(_TO_CALL)
    if elsewhere:
        return f"{text} is not in scope {scope}; it is in {', '.join(elsewhere)}"
    near = difflib.get_close_matches(text, _SELECTORS[scope], 1)
    return f"a VCF has no {text} in scope {scope}" + (f"; did you mean {near[0]}?" if near else "")
