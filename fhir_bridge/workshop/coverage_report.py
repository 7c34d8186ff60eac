"""Coverage for people: lines of text, and one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from fhir_bridge.workshop.covering import KINDS, Coverage
from fhir_bridge.workshop.html_document import html_document
from fhir_bridge.workshop.showing import plain

__all__ = ["coverage_lines", "coverage_page"]

_WORDS = {
    "rules": "rules",
    "branches": "branches",
    "rows": "ConceptMap rows",
    "leaves": "source leaves that a rule reads",
}


def coverage_lines(coverage: Coverage, most: int | None = None) -> Iterator[str]:
    """The totals, then what was never exercised; at most so many of each kind."""
    yield f"{coverage.mapping.name} {coverage.mapping.version}: {coverage.records} records"
    for kind, (covered, total) in coverage.totals().items():
        yield f"  {_WORDS[kind]:<32} {covered:>6} of {total:<6} {coverage.percent(kind):5.1f} %"
    for title, lines in _missing(coverage):
        if lines:
            yield f"  {title}"
            yield from (f"    {line}" for line in lines[:most])
            if most is not None and len(lines) > most:
                yield f"    … and {len(lines) - most} more"


def _missing(coverage: Coverage) -> Iterator[tuple[str, list[str]]]:
    yield (
        "rules that gave nothing",
        [f"{item.rule}  {item.position}" for item in coverage.rules.values() if not item.count],
    )
    yield (
        "branches never entered",
        [
            f"{item.position}  rule {item.rule}: {plain(item.text)}"
            for item in coverage.branches.values()
            if not item.count and coverage.rules[item.rule].count
        ],
    )
    rows = []
    for name, codes in coverage.row_totals.items():
        unused = [code for code in codes if code not in coverage.rows[name]]
        if unused:
            rows.append(f"{name}: {len(unused)} of {len(codes)}, such as {', '.join(map(plain, unused[:8]))}")
    yield "ConceptMap rows never used", rows
    yield (
        "source leaves that no rule reads (values, first record)",
        [
            f"{plain(label)}  {count.values}  {plain(count.example)}"
            for label, count in sorted(coverage.leaves.items(), key=lambda entry: -entry[1].values)
            if not count.read
        ],
    )
    yield (
        "source leaves that are read and never show",
        [
            f"{plain(label)}  {count.values}"
            for label, count in sorted(coverage.leaves.items(), key=lambda entry: -entry[1].values)
            if count.read and not count.written
        ],
    )


_STYLE = """:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:0 1rem 3rem}
table{border-collapse:collapse}
td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}td.n{text-align:right}
li{overflow-wrap:anywhere;font:13px/1.6 ui-monospace,monospace}meter{width:8rem}"""


def coverage_page(coverages: Sequence[Coverage]) -> str:
    """One page for several mappings, without anything from elsewhere."""
    sections = "".join(_section(coverage) for coverage in coverages)
    return html_document("Coverage", _STYLE, f"<h1>Coverage</h1>{sections}")


def _section(coverage: Coverage) -> str:
    totals = coverage.totals()
    rows = "".join(
        f"<tr><th scope='row'>{_WORDS[kind]}</th><td class='n'>{totals[kind][0]} of {totals[kind][1]}</td>"
        f"<td><meter min='0' max='100' value='{coverage.percent(kind):.1f}'></meter> "
        f"{coverage.percent(kind):.1f} %</td></tr>"
        for kind in KINDS
    )
    details = "".join(
        f"<details><summary>{escape(title)}: {len(lines)}</summary><ul>"
        + "".join(f"<li>{escape(line)}</li>" for line in lines)
        + "</ul></details>"
        for title, lines in _missing(coverage)
        if lines
    )
    head = escape(f"{coverage.mapping.name} {coverage.mapping.version}, {coverage.records} records")
    return f"<section><h2>{head}</h2><table>{rows}</table>{details}</section>"
