"""The results for docs/terminology-operations.md: `python -m tests.conformance.tx.report FOLDER [--write]`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.conformance.tx.run import Result, run
from tests.conformance.tx.suite import LICENSED, cases

PAGE = Path(__file__).parents[3] / "docs" / "terminology-operations.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

REASONS = {
    "langcodes/expand-langcodes-all": "tx.fhir.org cuts a name of the IANA language registry short",
    "bugs/provenance": "the definition tables do not keep that a resource of R4 is a draft or experimental",
    "UCUM/expand-ucum-all-4": "the definition tables do not keep that a resource of R4 is a draft or experimental",
    "UCUM/lookup-with-annotation": "tx.fhir.org's own way to spell a unit out",
}
"""Why a case that needs no licensed content is missed."""


def table(results: Iterable[Result], root: Path) -> str:
    """Pass counts by suite, misses by reason, and what was left out."""
    result = list(results)
    lines = ["| Suite | Passed | Cases |", "|---|--:|--:|"]
    free = [item for item in result if item.case.content is None]
    for suite in dict.fromkeys(item.case.suite for item in free):
        mine = [item for item in free if item.case.suite == suite]
        lines.append(f"| {suite} | {sum(item.difference is None for item in mine)} | {len(mine)} |")
    passed = sum(item.difference is None for item in free)
    lines += [f"| **all** | **{passed}** | **{len(free)}** ({passed / len(free):.1%}) |", ""]
    lines += ["| Missed | Why |", "|---|---|"]
    lines += [
        f"| {item.case.key} | {REASONS.get(item.case.key, item.difference)} |"
        for item in free
        if item.difference is not None
    ]
    lines += ["", "| Left out: needs | Cases | Passed all the same |", "|---|--:|--:|"]
    needs = Counter(item.case.content for item in result if item.case.content is not None)
    lucky = Counter(
        item.case.content for item in result if item.case.content is not None and item.difference is None
    )
    for case in cases(root):
        if case.suite in LICENSED and case.applies:
            needs[LICENSED[case.suite]] += 1
    lines += [f"| {whose} | {count} | {lucky[whose]} |" for whose, count in sorted(needs.items(), key=str)]
    return "\n".join(lines)


def written(page: str, results: str) -> str:
    """The page with these results."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{results}\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Print the table, or write it into the page."""
    root = Path(arguments[0])
    result = table(run(root), root)
    if "--write" in arguments:
        PAGE.write_text(written(PAGE.read_text("utf-8"), result), "utf-8")
    else:
        print(result)


if __name__ == "__main__":
    main(sys.argv[1:])
