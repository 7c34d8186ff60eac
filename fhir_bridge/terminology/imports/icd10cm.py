"""ICD-10-CM as CDC/NCHS distributes it: the tabular XML (with notes and 7th characters), or the order file.

Codes carry their dot (`S72.001A`). Chapters and sections are abstract; so is a category that is not valid for use
(the order file says so, the tabular by having codes below it). CMS gives ICD-10-PCS as an order file too; its codes
have no dot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import decoded_lines, likely_encoding
from fhir_bridge.terminology.imports.xml import feed
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, Staging, SystemHeader

__all__ = ["PCS", "SYSTEM", "read", "recognizes"]

SYSTEM = "http://hl7.org/fhir/sid/icd-10-cm"

PCS = "http://www.cms.gov/Medicare/Coding/ICD10"

_ORDER_LINE = re.compile(
    r"[0-9]{5} (?:[A-Z][0-9][0-9A-Z]{1,5}|[0-9A-HJ-NP-Z]{3}|[0-9A-HJ-NP-Z]{7}) {1,5}[01] "
)
_PCS_LINE = re.compile(r"[0-9]{5} [0-9]")
_ROOT = re.compile(rb"<ICD10CM\.tabular[\s>]")
_NOT_APPLICABLE = re.compile(
    r"7th characters? ([A-Z](?:(?:, | and |, and )[A-Z])*) do(?:es)? not apply to codes .* with 6th character (.*)"
)
_MAX_DEPTH = 60
_LEVELS = ("chapter", "section", "diag")
_NOTES = ("includes", "excludes1", "excludes2", "codeFirst", "useAdditionalCode", "codeAlso", "notes")


def recognizes(source: Source) -> bool:
    """Whether it holds a tabular XML or an order file."""
    return _tabular(source) is not None or _order(source) is not None


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read a release into the staging; the tabular where both are there.

    Raises:
        ImportProblem: not well-formed, or a line of another form.
    """
    tabular, order = _tabular(source), _order(source)
    procedures = tabular is None and order is not None and _is_pcs(source, order)
    header = SystemHeader(
        options.system or (PCS if procedures else SYSTEM),
        options.version,
        "ICD10PCS" if procedures else "ICD10CM",
        "International Classification of Diseases, 10th Revision, "
        + ("Procedure Coding System (ICD-10-PCS)" if procedures else "Clinical Modification (ICD-10-CM)"),
        case_sensitive=False,
        language="en",
        metadata={
            "publisher": "Centers for Medicare and Medicaid Services (CMS)"
            if procedures
            else "Centers for Disease Control and Prevention (CDC)",
            "status": "active",
        },
    )
    system = staging.system(header)
    with Batch(staging, system) as batch:
        if tabular is not None:
            result = _Tabular(source, tabular, batch).read()
            header.version = header.version or result or _year(source, tabular)
        elif order is not None:
            _read_order(source, order, batch, str if procedures else dotted)
            header.version = header.version or _year(source, order)
        else:
            raise ImportProblem(str(source.path), None, "holds neither the tabular XML nor an order file")


def dotted(code: str) -> str:
    """`A000` -> `A00.0`."""
    return code if len(code) <= 3 or "." in code else f"{code[:3]}.{code[3:]}"


def _tabular(source: Source) -> str | None:
    return next((name for name in source.files(".xml") if _ROOT.search(source.start(name, 4096))), None)


def _order(source: Source) -> str | None:
    """The order file; lists of what was added since (addenda) have other lines."""
    return next((name for name in source.files(".txt") if _ORDER_LINE.match(source.first_line(name))), None)


def _is_pcs(source: Source, name: str) -> bool:
    """Whether the codes begin with digits, as ICD-10-PCS's first section does and no code of ICD-10-CM."""
    return _PCS_LINE.match(source.start(name, 200).decode("utf-8-sig", "replace")) is not None


def _year(source: Source, name: str) -> str | None:
    match = re.search(r"(?<!\d)(20[0-9]{2})(?!\d)", name) or re.search(
        r"(?<!\d)(20[0-9]{2})(?!\d)", source.path.name
    )
    return match[1] if match else None


def _read_order(source: Source, name: str, batch: Batch, written: Callable[[str], str]) -> None:
    above: list[str] = []
    label = source.label(name)
    for line, text in decoded_lines(source, name, likely_encoding(source, name)):
        if not text.strip():
            continue
        if not _ORDER_LINE.match(text):
            raise ImportProblem(
                label, line, "is not a line of the order file (number, code, 0 or 1, descriptions)"
            )
        code, valid = text[6:13].strip(), text[14] == "1"
        short, long_name = text[16:76].strip(), text[77:].strip()
        # The order file has each code right below those that it begins with.
        while above and not code.startswith(above[-1]):
            above.pop()
        batch.concept(
            ConceptRow(written(code), long_name or short, None, True, not valid, line),
            [written(above[-1])] if above else [],
        )
        if short and short != long_name:
            batch.name(DesignationRow(written(code), short, "en", None, "short"))
        above.append(code)


def _without(note: str) -> list[tuple[str, str]]:
    """7th characters that a note takes from codes with a certain 6th: (7th characters, 6th characters)."""
    match = _NOT_APPLICABLE.match(note)
    if match is None:
        return []
    sixth = "".join(re.findall(r"(?:^| or )([0-9A-Z])(?= - |,|$)", match[2]))
    return [("".join(re.findall(r"\b[A-Z]\b", match[1])), sixth)]


@dataclass
class _Node:
    """A chapter, section or diagnosis that is being read."""

    kind: str
    line: int
    name: str = ""
    description: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    inclusions: list[str] = field(default_factory=list)
    seventh: dict[str, str] = field(default_factory=dict)
    without: list[tuple[str, str]] = field(default_factory=list)
    written: bool = False
    kept: bool = True


class _Tabular:
    """Follows the tabular's nesting: chapter, section, diag within diag."""

    def __init__(self, source: Source, name: str, batch: Batch) -> None:
        self.source, self.name, self.batch = source, name, batch
        self.label = source.label(name)
        self.parser: Any = expat.ParserCreate()
        self.version: str | None = None
        self.nodes: list[_Node] = []
        self.path: list[str] = []
        self.text: list[str] = []
        self.character = ""

    def read(self) -> str | None:
        """Read the file; returns the version that it shows."""
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler = self.text.append
        feed(self.parser, self.source, self.name)
        return self.version

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.path) >= _MAX_DEPTH:
            raise ImportProblem(self.label, self.parser.CurrentLineNumber, "is nested too deep")
        self.path.append(tag)
        if tag in _LEVELS:
            if self.nodes:
                self._write(self.nodes[-1], has_below=True)
            self.nodes.append(_Node(tag, self.parser.CurrentLineNumber, name=attributes.get("id", "")))
        elif tag == "extension":
            self.character = attributes.get("char", "")
        self.text.clear()

    def _end(self, tag: str) -> None:
        self.path.pop()
        text = " ".join("".join(self.text).split())
        above = self.path[-1] if self.path else ""
        node = self.nodes[-1] if self.nodes else None
        if node is None:
            if tag == "version":
                self.version = text or None
        elif tag == "name" and above == node.kind:
            node.name = text
        elif tag == "desc" and above == node.kind:
            node.description = text
        elif tag == "note" and above == "inclusionTerm":
            node.inclusions.append(text)
        elif tag == "note" and above in _NOTES:
            node.notes.append((above, text))
            node.without.extend(_without(text))
        elif tag == "extension" and above == "sevenChrDef" and self.character:
            node.seventh[self.character] = text
        elif tag in _LEVELS:
            self._write(node, has_below=False)
            self.nodes.pop()
        self.text.clear()

    def _write(self, node: _Node, *, has_below: bool) -> None:
        """Write a concept when something below it begins, or when it ends: then all that is its own is read."""
        if node.written:
            return
        node.written = True
        code = node.name
        if not code:
            raise ImportProblem(self.label, node.line, f"has a {node.kind} without a code")
        if node.kind == "section" and "-" not in code:  # of one category, which has the same code
            node.kept = False
            return
        below = next(([item.name] for item in reversed(self.nodes[:-1]) if item.kept), [])
        seventh = next((item.seventh for item in reversed(self.nodes) if item.seventh), {})
        extended = seventh if not has_below and node.kind == "diag" and len(code) < 8 else {}
        abstract = has_below or bool(extended) or node.kind != "diag"
        self.batch.concept(ConceptRow(code, node.description or code, None, True, abstract, node.line), below)
        self.batch.value(code, "kind", {"diag": "category"}.get(node.kind, node.kind), "code")
        for text in node.inclusions:
            self.batch.name(DesignationRow(code, text, "en", None, "inclusionTerm"))
        for kind, text in node.notes:
            self.batch.value(code, kind, text)
        # ICD-10-CM fills shorter codes with X before a 7th character.
        plain = code.replace(".", "").ljust(6, "X")
        for character, text in extended.items():
            if any(
                character in characters and plain[5] in sixth
                for item in self.nodes
                for characters, sixth in item.without
            ):
                continue
            full = dotted(plain + character)
            self.batch.concept(
                ConceptRow(full, f"{node.description}, {text}", None, True, False, node.line), [code]
            )
