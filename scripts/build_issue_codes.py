"""Write docs/issue-codes.md from the codes that the packages declare. A test fails where the page is behind."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import fhir_bridge
from fhir_bridge.fhir.issues import declared

PAGE = Path(__file__).parent.parent / "docs" / "issue-codes.md"


def page() -> str:
    """The page as it should be."""
    for module in pkgutil.walk_packages(fhir_bridge.__path__, "fhir_bridge."):
        if module.name.endswith("issues"):
            importlib.import_module(module.name)
    lines = [
        "# Issue codes",
        "",
        "Every finding carries one of these codes; a code never changes its meaning. "
        "Made by `scripts/build_issue_codes.py` from the code that reports them.",
        "",
        "| code | severity | what is wrong | what to do |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {code.code} | {code.severity} | {_cell(code.title)} | {_cell(code.remedy)} |"
        for _, code in sorted(declared().items())
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
