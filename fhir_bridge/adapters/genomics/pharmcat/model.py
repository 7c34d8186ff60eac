"""What a mapping may name of a PharmCAT file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhir_bridge.adapters.genomics.model import (
    coded_by_name,
    coded_gene,
    gene_named,
    read_selector,
    sample_identifier,
)
from fhir_bridge.adapters.genomics.pharmcat.medications import RXNORM
from fhir_bridge.adapters.genomics.pharmcat.record import PharmcatOptions
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
        (
            "activity",
            "gene",
            "haplotypes",
            "label",
            "note",
            "number",
            "phenotype",
            "phenotypes",
            "title",
            "uncalled",
        ),
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


@function(context=True)
def _rxnorm(ctx: Context, term: Any) -> Any:
    """A drug with the code that the terminology store has for its name, where it has none."""
    return coded_by_name(ctx, term, RXNORM)


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
        "gene": gene_named,
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
        return read_selector(_SELECTORS[scope], text, scope, "a PharmCAT file")
