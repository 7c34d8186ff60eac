"""What a mapping may name of a polygenic score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhir_bridge.adapters.genomics.model import identifier_of_vcf, read_selector, sample_of_vcf
from fhir_bridge.adapters.genomics.pgs.options import PgsOptions
from fhir_bridge.mapping import Scope

__all__ = ["PgsModel"]

_FILE = {f"file.{name}": f"s.file.{name}" for name in ("name", "id", "assembly", "date", "caller", "note")}
_OF_THE_SCORE = (
    "id",
    "name",
    "title",
    "trait",
    "ontology",
    "citation",
    "license",
    "outcome",
    "total",
    "build",
)
_OF_THE_SAMPLE = (
    "account",
    "alleles",
    "average",
    "imputed",
    "interpretable",
    "interpretation",
    "no_calls",
    "percentile",
    "reference",
    "sum",
    "used",
    "z_score",
)
_SELECTORS = {
    "File": _FILE,
    "Subject": _FILE | {"sample.name": "s.name"},
    "Score": _FILE
    | {"sample.name": "s.name"}
    | {f"score.{name}": f"s.totals.score.{name}" for name in _OF_THE_SCORE}
    | {f"result.{name}": f"s.{name}" for name in _OF_THE_SAMPLE},
}


class PgsModel:
    """The source model of the adapter `pgs`: the file, its samples, and each sample's scores."""

    root = "File"
    scopes: Mapping[str, Scope] = {
        "File": Scope("File", None),
        "Subject": Scope("Subject", "File"),
        "Score": Scope("Score", "File"),
    }
    functions: Mapping[str, Callable[..., Any]] = {
        "vcf_sample": sample_of_vcf,
        "sample_identifier": identifier_of_vcf,
    }
    token = ""

    def with_options(self, options: Mapping[str, Any]) -> PgsModel:
        """The same for all options.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        PgsOptions.parse(options)
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python that reads `text` from the scope object `s`.

        Raises:
            LookupError: the scope has no such selector.
        """
        return read_selector(_SELECTORS[scope], text, scope, "a polygenic score")
