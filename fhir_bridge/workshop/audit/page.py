"""An audit as one self-contained HTML page: summary by field and kind, then each record with its findings."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import Final

from fhir_bridge.workshop.audit.auditing import Audit
from fhir_bridge.workshop.audit.outcomes import Kind
from fhir_bridge.workshop.audit.record_audit import Finding, RecordAudit
from fhir_bridge.workshop.html_document import html_document

__all__ = ["as_page"]

_COLOURS: Final = {
    Kind.NEVER: "#b3261e",
    Kind.UNIT: "#8a4b00",
    Kind.ZONE: "#6a3ea1",
    Kind.STATUS: "#00639b",
    Kind.VALUE: "#7a5900",
    Kind.COLLIDED: "#9c1c6b",
    Kind.INVENTED: "#2e6b30",
}
_STYLE: Final = """
:root{color-scheme:light dark;--line:#8886;--soft:#8882}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem}
h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2rem}
.numbers{display:flex;flex-wrap:wrap;gap:.5rem;padding:0;list-style:none}
.numbers li{border:1px solid var(--line);border-radius:.5rem;padding:.4rem .8rem;min-width:6rem}
.numbers b{display:block;font-size:1.3rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.kind{white-space:nowrap;font-weight:600}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer;overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);padding:.5rem;border-radius:.4rem;font-size:13px}
mark{background:#ffd54f;color:#000;border-radius:.2rem}
code{overflow-wrap:anywhere}
@media(max-width:40rem){
body{padding:.6rem}
thead{display:none}
tr{display:block;border-bottom:1px solid var(--line);padding:.4rem 0}
td{display:block;border:0;padding:.1rem 0}
td.n{text-align:left}
td[data-name]:not(:empty)::before{content:attr(data-name) ": ";opacity:.7}
}
"""


def as_page(audit: Audit, *, with_values: bool, source: str, fhir: str) -> str:
    """The page. Without `with_values` it has places and kinds alone."""
    parts = [
        f"<h1>Audit of {escape(fhir)} against {escape(source)}</h1>",
        _numbers(audit),
        _fields(audit),
        *_twins(audit),
        *_invented(audit, with_values=with_values),
        "<h2>Records</h2>",
        *(_record(record, with_values=with_values) for record in audit.records if record.findings),
        _appendix(audit),
    ]
    return html_document(f"Audit of {fhir}", _STYLE, "\n".join(part for part in parts if part))


def _numbers(audit: Audit) -> str:
    items = [
        ("records", len(audit.records)),
        ("values compared", audit.leaves),
        ("arrived", audit.arrived),
        *audit.by_kind().items(),
    ]
    cells = "".join(f"<li><b>{count:,}</b>{escape(name)}</li>" for name, count in items)
    return f"<ul class='numbers'>{cells}</ul>"


def _fields(audit: Audit) -> str:
    rows = [
        "<tr>"
        f"<td data-name='field'><code>{escape(field)}</code></td>{_kind(kind)}"
        f"<td data-name='what'>{escape(detail)}</td><td class='n' data-name='count'>{count:,}</td>"
        f"<td data-name='first place'>{escape(first)}</td></tr>"
        for field, kind, detail, count, first in audit.by_field()
    ]
    if not rows:
        return "<p>Every value arrived, and none was invented.</p>"
    return (
        "<h2>By field</h2><div class='wide'><table><thead>"
        "<tr><th>field<th>kind<th>what<th>count<th>first place</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _kind(kind: Kind) -> str:
    return f"<td class='kind' data-name='kind' style='color:{_COLOURS[kind]}'>{escape(kind.value)}</td>"


def _twins(audit: Audit) -> list[str]:
    if not audit.twins:
        return []
    rows = "".join(
        f"<li><code>{escape(name)}</code>: {escape(first)} and {escape(second)}</li>"
        for name, first, second in audit.twins
    )
    return [f"<h2>Two contents under one id</h2><ul>{rows}</ul>"]


def _invented(audit: Audit, *, with_values: bool) -> list[str]:
    if not audit.invented:
        return []
    rows = "".join(
        f"<tr><td data-name='resource'>{escape(each.place)}</td><td data-name='element'><code>{escape(each.element)}"
        f"</code></td><td data-name='what'>{each.what}</td>"
        + (f"<td data-name='in FHIR'>{escape(each.value)}</td>" if with_values else "")
        + "</tr>"
        for each in audit.invented
    )
    values = "<th>in FHIR" if with_values else ""
    return [
        "<h2>What no source says</h2><div class='wide'><table><thead><tr><th>resource<th>element<th>what"
        f"{values}</tr></thead><tbody>{rows}</tbody></table></div>"
    ]


def _record(audit: RecordAudit, *, with_values: bool) -> str:
    rows = "".join(_finding(finding, with_values=with_values) for finding in audit.findings)
    values = "<th>source<th>in FHIR" if with_values else ""
    text = _source(audit) if with_values else ""
    return (
        f"<details><summary>{escape(audit.record.file)}: {escape(audit.record.locator)} "
        f"({len(audit.findings):,} of {audit.leaves:,} values)</summary>{text}<div class='wide'><table>"
        f"<thead><tr><th>place<th>kind<th>what<th>FHIR element{values}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _finding(finding: Finding, *, with_values: bool) -> str:
    values = (
        f"<td data-name='source'>{escape(finding.value)}</td><td data-name='in FHIR'>{escape(finding.seen)}</td>"
        if with_values
        else ""
    )
    return (
        f"<tr><td data-name='place'><code>{escape(finding.locator)}</code></td>{_kind(finding.kind)}"
        f"<td data-name='what'>{escape(finding.detail)}</td>"
        f"<td data-name='FHIR element'><code>{escape(finding.place)}</code></td>{values}</tr>"
    )


def _source(audit: RecordAudit) -> str:
    """The source lines, with what was lost or changed marked."""
    wanted: dict[int, list[str]] = defaultdict(list)
    leaves = {leaf.number: leaf for leaf in audit.record.leaves}
    for finding in audit.findings:
        for number in finding.leaves:
            leaf = leaves[number]
            wanted[leaf.unit].append(leaf.value)
    lines = [_marked(line, wanted[number]) for number, line in audit.record.text.items() if number in wanted]
    return f"<pre>{'<br>'.join(lines)}</pre>"


def _marked(line: str, values: list[str]) -> str:
    """A line, escaped, each value marked once, in the order in which they stand in it."""
    out: list[str] = []
    position = 0
    for value in values:
        start = line.find(value, position)
        if start < 0:
            continue  # an escape sequence in the source
        out.append(f"{escape(line[position:start])}<mark>{escape(value)}</mark>")
        position = start + len(value)
    return "".join(out) + escape(line[position:])


def _appendix(audit: Audit) -> str:
    structure = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td class='n'>{count:,}</td></tr>"
        for field, count in audit.structure.items()
    )
    parts = [
        "<h2>Appendix</h2><details><summary>Fields that carry a record and mean nothing about a patient: not compared"
        f" ({sum(audit.structure.values()):,} values)</summary><table><tbody>{structure}</tbody></table></details>"
    ]
    if audit.problems:
        rows = "".join(f"<li>{escape(item.place)}: {escape(item.reason)}</li>" for item in audit.problems)
        parts.append(f"<h3>What could not be read</h3><ul>{rows}</ul>")
    if audit.unpaired:
        rows = "".join(f"<li>{escape(name)}</li>" for name in audit.unpaired)
        parts.append(f"<h3>Files that belong to no source, or hold no FHIR</h3><ul>{rows}</ul>")
    return "".join(parts)
