"""What a mapping may name of a PharmCAT file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from fhir_bridge.adapters.genomics.model import coded_gene, sample_identifier
from fhir_bridge.adapters.genomics.pharmcat.content import gene_of
from fhir_bridge.adapters.genomics.pharmcat.medications import RXNORM
from fhir_bridge.adapters.genomics.pharmcat.record import PharmcatOptions
from fhir_bridge.adapters.genomics.term import Term
from fhir_bridge.fhir.ports import NamingPort
from fhir_bridge.mapping import Context, Scope, function, nearest
from fhir_bridge.plugins import OptionError

__all__ = ["PharmcatModel", "parse_options"]

_FILE = {
    f"file.{name}": f"s.file.{name}"
    for name in (
        "annotations",
        "build",
        "caller",
        "conclusion",
        "date",
        "diplotypes",
        "id",
        "kind",
        "name",
        "not_called",
    )
} | {"sample.name": "s.file.sample", "file.recommendations": "s.file.options.recommendations"}
_OF = {
    "Haplotype": ("haplotype", ("activity", "copies", "function", "gene", "name", "note", "title")),
    "Genotype": (
        "genotype",
        ("activity", "gene", "haplotypes", "label", "note", "number", "phenotype", "phenotypes", "title"),
    ),
    "Annotation": (
        "annotation",
        (
            "actionable",
            "alternative",
            "conclusion",
            "diplotypes",
            "drug",
            "effects",
            "evidence",
            "guideline",
            "key",
            "medication",
            "population",
            "recommendation",
            "source",
            "url",
        ),
    ),
}
_SELECTORS = {"File": _FILE} | {
    scope: _FILE | {f"{prefix}.{name}": f"s.of.{name}" for name in names}
    for scope, (prefix, names) in _OF.items()
}


@function
def _gene(symbol: Any) -> Any:
    """A gene by its symbol, as a value for `concept()`."""
    return gene_of(symbol) if isinstance(symbol, str) and symbol else None


@function(context=True)
def _rxnorm(ctx: Context, term: Any) -> Any:
    """A drug with the code that the terminology store has for its name, where it has none."""
    if not isinstance(term, Term) or term.code is not None or not isinstance(ctx.terminology, NamingPort):
        return term
    code = ctx.terminology.code_of(RXNORM, term.display)
    return Term(RXNORM, code, term.display) if code else term


def parse_options(values: Mapping[str, Any]) -> PharmcatOptions:
    """Read options as YAML or `--set` gives them.

    Raises:
        OptionError: an unknown name, or a value that is not allowed.
    """
    known = ("drugs", "recommendations", "sample", "sources")
    result: dict[str, Any] = {}
    for name, value in values.items():
        if name in ("adapter", "ignore", "check") or value is None:
            continue
        if name not in known:
            raise OptionError(name, f'option "{name}" is none of {", ".join(known)}', nearest(name, known))
        if name in ("drugs", "sources"):
            parts = value if isinstance(value, list | tuple) else str(value).split(",")
            result[name] = tuple(str(part).strip() for part in parts if str(part).strip())
        else:
            result[name] = str(value).strip()
    if result.get("recommendations", "all") not in ("actionable", "all"):
        raise OptionError("recommendations", "option recommendations is `actionable` or `all`")
    return PharmcatOptions(**result)


class PharmcatModel:
    """The source model of the adapter `pharmcat`: the file, its alleles, diplotypes and annotations of drugs."""

    root = "File"
    scopes: Mapping[str, Scope] = {"File": Scope("File", None)} | {name: Scope(name, "File") for name in _OF}
    functions: Mapping[str, Callable[..., Any]] = {
        "gene": _gene,
        "hgnc": coded_gene,
        "rxnorm": _rxnorm,
        "sample_identifier": sample_identifier,
    }
    token = ""
    parts: Mapping[str, str] = dict.fromkeys(("File", *_OF), "s.file.sample")
    """Everything is of the file's sample: a newer file of the sample replaces it."""

    def with_options(self, options: Mapping[str, Any]) -> PharmcatModel:
        """The same for all options.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        parse_options(options)
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python that reads `text` from the scope object `s`.

        Raises:
            LookupError: the scope has no such selector.
        """
        source = _SELECTORS[scope].get(text)
        if source is not None:
            return source
        near = difflib.get_close_matches(text, _SELECTORS[scope], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise LookupError(f"a PharmCAT file has no {text} in scope {scope}{hint}")
