"""The functions of the language, by subject; importing this registers them."""

from fhir_bridge.mapping.functions import coded, conversions, lists, quantities, references, text, times

__all__ = ["coded", "conversions", "lists", "quantities", "references", "text", "times"]
