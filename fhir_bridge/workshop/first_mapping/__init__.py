"""A first mapping from a sample table: types, formats and units guessed and stated, codes suggested."""

from fhir_bridge.workshop.first_mapping.drafting import Draft, draft_mapping
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.table import SampleError

__all__ = ["Draft", "Guess", "SampleError", "draft_mapping"]
