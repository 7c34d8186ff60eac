"""Suggestions: which standard codes the names of a local catalogue may mean."""

from fhir_bridge.terminology.suggest.lexicon import Lexicon, get_lexicon
from fhir_bridge.terminology.suggest.query import LocalTerm
from fhir_bridge.terminology.suggest.suggesting import ENOUGH, Suggester, Suggestion, Suggestions

__all__ = ["ENOUGH", "Lexicon", "LocalTerm", "Suggester", "Suggestion", "Suggestions", "get_lexicon"]
