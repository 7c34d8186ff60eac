"""From a sample to the text of a mapping."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fhir_bridge.workshop.first_mapping.document import mapping_text, name_of
from fhir_bridge.workshop.first_mapping.guessing import Guess, guess_columns
from fhir_bridge.workshop.first_mapping.headers import language_of
from fhir_bridge.workshop.first_mapping.suggestions import suggest_codes
from fhir_bridge.workshop.first_mapping.table import read_sample
from fhir_bridge.workshop.first_mapping.tables import plan_of

__all__ = ["Draft", "draft_mapping"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A first mapping.

    Attributes:
        text: the YAML document.
        guesses: what each column is taken for.
    """

    name: str
    text: str
    guesses: tuple[Guess, ...]

    @property
    def questions(self) -> int:
        """How many questions the document asks."""
        return len(re.findall(r"^# \d+\. ", self.text, re.MULTILINE))


def draft_mapping(path: Path, name: str = "") -> Draft:
    """A first mapping of a table.

    Raises:
        SampleError: the file is no table.
        OSError: it can't be read.
    """
    sample = read_sample(path)
    guesses = guess_columns(sample)
    plan = plan_of(path, sample, guesses)
    suggest_codes([g for g in plan.measures if not g.measure], language_of(sample.columns))
    name = name or name_of(sample)
    return Draft(name, mapping_text(sample, guesses, plan, name), tuple(guesses))
