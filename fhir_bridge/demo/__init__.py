"""The sample cohort: synthetic people and the hospital files that speak of them."""
