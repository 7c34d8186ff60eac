"""docs/peers.md: by element, how often both say the same and who says more, with the reasons why and who is right."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.peers.comparing import OUTCOMES, Finding
from scripts.peers.verdicts import Verdict, verdict_for

__all__ = ["Comparison", "page", "unexplained"]

_NAMES = {"hl7v2": "HL7 v2", "ccda": "C-CDA"}
_HEAD = Path(__file__).parent / "head.md"
_BACKBONE = re.compile(r"[A-Z]\w+\.\w+(\[x\])?")


@dataclass(slots=True)
class Comparison:
    """What was found of the inputs of one adapter.

    Attributes:
        engines: who made the other FHIR, and of how many inputs.
        resources: type -> pairs, ours alone, theirs alone.
    """

    adapter: str
    engines: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    resources: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def unexplained(comparisons: Iterable[Comparison], rows: Sequence[Verdict]) -> list[tuple[str, Finding]]:
    """Differences of which no row speaks."""
    return [
        (each.adapter, finding)
        for each in comparisons
        for finding in each.findings
        if finding.outcome != "equal" and verdict_for(each.adapter, finding, rows) is None
    ]


def page(comparisons: Sequence[Comparison], rows: Sequence[Verdict]) -> str:
    """The page."""
    parts, used = [_HEAD.read_text("utf-8")], Counter[str]()
    for each in comparisons:
        parts += _of_adapter(each, rows, used)
    parts.append("## Reasons\n")
    parts.append(
        "| reason | values | right | why |\n|---|---|---|---|\n" + "".join(_reason(row, used) for row in rows)
    )
    return "\n".join(parts)


def _of_adapter(each: Comparison, rows: Sequence[Verdict], used: Counter[str]) -> list[str]:
    engines = ", ".join(f"{engine} ({count})" for engine, count in sorted(each.engines.items()))
    totals = Counter(finding.outcome for finding in each.findings)
    elsewhere = Counter(finding.outcome for finding in each.findings if finding.elsewhere)
    right: Counter[str] = Counter()
    fields: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    rights: dict[str, Counter[str]] = defaultdict(Counter)
    for finding in each.findings:
        name = _field(finding.element)
        fields[name][finding.outcome] += 1
        fields[name][f"{finding.outcome} elsewhere"] += finding.elsewhere
        row = verdict_for(each.adapter, finding, rows) if finding.outcome != "equal" else None
        if row is not None:
            used[row.name] += 1
            right[row.right] += 1
            rights[name][row.right] += 1
            if finding.outcome != "we":
                reasons[name][row.name] += 1
    pairs, ours, theirs = (
        sum(c[kind] for c in each.resources.values()) for kind in ("both", "ours", "theirs")
    )
    summary = (
        f"Inputs by engine: {engines}. {pairs:,} resources have a partner, {ours:,} of ours and {theirs:,} of theirs "
        f"have none. Of values, {totals['equal']:,} are equal; {totals['we']:,} are ours alone ({elsewhere['we']:,} "
        f"elsewhere in theirs), {totals['they']:,} theirs alone ({elsewhere['they']:,} elsewhere in ours), "
        f"{totals['different']:,} differ. Of the differences ours is right in {right['ours']:,}, the other engine in "
        f"{right['peer']:,}, both in {right['both']:,}.\n"
    )
    lines = [
        f"## {_NAMES.get(each.adapter, each.adapter)}\n",
        summary,
        "| element | equal | we more | they more | different | reasons |",
        "|---|---|---|---|---|---|",
    ]
    for name, counts in sorted(fields.items()):
        cells = [_cell(counts, outcome) for outcome in OUTCOMES]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {', '.join(name for name, _ in reasons[name].most_common(3))} |"
        )
    return [*lines, ""]


def _cell(counts: Counter[str], outcome: str) -> str:
    count, elsewhere = counts[outcome], counts[f"{outcome} elsewhere"]
    return f"{count:,} ({elsewhere:,})" if elsewhere else f"{count:,}" if count else ""


def _field(element: str) -> str:
    """A type and its element; what is below is counted with it."""
    match = _BACKBONE.match(element)
    name = match[0] if match else element
    return re.sub(r"\._(\w)", r".\1", name)


def _reason(row: Verdict, used: Counter[str]) -> str:
    return f"| {row.name} | {used[row.name]:,} | {row.right} | {row.why.replace('|', chr(92) + '|')} |\n"
