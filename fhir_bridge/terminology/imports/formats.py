"""The forms that are read here, as importers: names alone, whose readers are imported when one is asked."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_bridge.terminology.imports.options import Options
    from fhir_bridge.terminology.imports.sources import Source
    from fhir_bridge.terminology.store.staging import Staging

__all__ = ["BUILTIN", "Format"]


@dataclass(frozen=True)
class Format:
    """One form, read by a module of this package with `recognizes` and `read`."""

    name: str
    module: str
    # Part of an import's digest: a reader that reads more of its files has a higher one,
    # so that they are imported anew.
    version: int = 2

    @cached_property
    def _reader(self) -> Any:
        return importlib.import_module(f"fhir_bridge.terminology.imports.{self.module}")

    def recognizes(self, source: Source) -> bool:
        """Whether a file is of this form, by its content."""
        return bool(self._reader.recognizes(source))

    def read(self, source: Source, staging: Staging, options: Options) -> None:
        """Read it into the staging."""
        self._reader.read(source, staging, options)


BUILTIN = (
    Format("loinc", "loinc"),
    Format("rf2", "rf2"),
    Format("rxnorm", "rxnorm"),
    Format("omop", "omop"),
    Format("claml", "claml"),
    Format("icd10cm", "icd10cm"),
    Format("obo", "obo"),
    Format("hgnc", "hgnc"),
    Format("usagi", "usagi"),
    Format("stcm", "stcm"),
    Format("sssom", "sssom"),
    Format("atc", "atc"),
    Format("iso-codes", "iso_codes"),
    Format("fhir", "fhir_json"),
)
"""In the order in which they are asked whether they know a file."""
