"""`mapping schema`: the JSON Schema of mappings, for editors."""

from __future__ import annotations

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of mappings for an editor's YAML language server (docs/mapping-language.md says how)."""
    import json
    import sys

    from fhir_bridge.mapping import json_schema

    sys.stdout.write(json.dumps(json_schema(), ensure_ascii=False) + "\n")
