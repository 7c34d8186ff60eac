"""What authors of mappings work with: explanations, coverage, golden examples, differences, audits.

Above the pipeline, since all of it looks at what a run reads and writes; the command line shows it.
"""

__all__: list[str] = []

PUBLIC_MODULES = ("audit", "first_mapping", "mutating", "shrinking", "trial")
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
