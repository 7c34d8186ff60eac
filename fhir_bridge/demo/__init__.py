"""The sample cohort: synthetic people and the hospital files that speak of them."""

PUBLIC_MODULES = (
    "access",
    "run",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
