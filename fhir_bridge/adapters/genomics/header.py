"""The header of a VCF: meta-information lines and the column line (VCF 4.3 §1.2–1.5)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from fhir_bridge.adapters.genomics.assembly import Contig
from fhir_bridge.adapters.genomics.definition import Definition
from fhir_bridge.adapters.genomics.departures import (
    Departure,
    of_definition,
    of_structured,
    of_unstructured,
    structured,
)
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.reserved import reserved_format, reserved_info
from fhir_bridge.fhir.issues import Issue

__all__ = ["Header", "HeaderError", "HeaderParser"]

FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
TYPES = frozenset(("Integer", "Float", "Flag", "Character", "String"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What neither FHIR nor a database holds in a text."""
_NUMBER = re.compile(r"[0-9]+|[ARGP.]|LA|LR|LG|M")
_VERSION = re.compile(r"VCFv4\.[0-5]")
MOST, MOST_LINES = 1 << 24, 500_000
"""Characters and lines of meta-information: a small compressed file may hold gigabytes of it."""
_STRUCTURED = frozenset(("INFO", "FORMAT", "FILTER", "ALT", "contig"))


class HeaderError(ValueError):
    """The header can't be read; the file is refused whole."""

    def __init__(self, result: Issue) -> None:
        super().__init__(result.message)
        self.issue = result


@dataclass(slots=True)
class Header:
    """What a header says.

    `meta` holds unstructured lines by key, as `##source`, in order; `departures` names what the specification has
    otherwise and can be read all the same.
    """

    version: str = ""
    info: dict[str, Definition] = field(default_factory=dict)
    format: dict[str, Definition] = field(default_factory=dict)
    filters: set[str] = field(default_factory=set)
    contigs: dict[str, Contig] = field(default_factory=dict)
    meta: dict[str, list[str]] = field(default_factory=dict)
    departures: list[Departure] = field(default_factory=list)
    samples: tuple[str, ...] = ()
    has_format: bool = False
    lines: int = 0

    @property
    def columns(self) -> int:
        """Number of columns that a record has."""
        return 8 + (1 + len(self.samples) if self.has_format else 0)

    def last_position(self, contig: str) -> int:
        """The last position of a contig, its far telomere; of one without a declared length as good as none."""
        declared = self.contigs.get(contig)
        return 1 << 60 if declared is None or declared.length is None else declared.length + 1

    def info_definition(self, key: str) -> Definition | None:
        """The declaration of an INFO key; without one, what the file's version reserves the key for."""
        return self.info.get(key) or reserved_info(self.version).get(key)

    def format_definition(self, key: str) -> Definition | None:
        """The declaration of a FORMAT key; without one, what the file's version reserves the key for."""
        return self.format.get(key) or reserved_format(self.version).get(key)


class HeaderParser:
    """Takes header lines one by one; `header` is whole once `feed` returns True (the column line).

    `version`: by which a file without `##fileformat` is read; None refuses it.
    """

    def __init__(self, version: str | None = None) -> None:
        self.header = Header()
        self._line = self._size = 0
        self._version = version

    def feed(self, text: str) -> bool:
        """Read one line.

        Raises:
            HeaderError: with FB-VCF-001 (no VCF), -002 (a line is wrong) or -003 (samples of one name).
        """
        self._line += 1
        if self._line == 1:
            if text.startswith("\ufeff"):
                text = text[1:]
                self._departs("the file begins with a byte order mark (§1)")
            key, _, value = text.partition("=")
            if key != "##fileformat" and self._version and text.startswith("#"):
                self.header.version = self._version
                self._departs(f"no ##fileformat (§1.4.1); read as {self._version}, as the option says")
                return self._take(text)
            if key != "##fileformat":
                raise HeaderError(issue("FB-VCF-001", "the first line is not ##fileformat=VCFv4.x", "line 1"))
            if not _VERSION.fullmatch(value):
                raise HeaderError(issue("FB-VCF-001", "##fileformat is none of VCFv4.0 to VCFv4.5", "line 1"))
            self.header.version = value
            return False
        return self._take(text)

    def _take(self, text: str) -> bool:
        if text.startswith("##"):
            self._size += len(text)
            if self._size > MOST or self._line > MOST_LINES:
                raise self.error(f"the header has more than {MOST >> 20} MB, or {MOST_LINES} lines")
            self._meta(text[2:])
            return False
        if text.startswith("#"):
            self._columns(text)
            self.header.lines = self._line
            return True
        raise self.error("a record or an empty line is before the column line #CHROM", "FB-VCF-002")

    def error(self, message: str, code: str = "FB-VCF-002") -> HeaderError:
        """An error at the present line."""
        return HeaderError(issue(code, message, f"line {self._line}"))

    def _meta(self, text: str) -> None:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise self.error("a meta-information line is ##key=value")
        if key not in _STRUCTURED:
            self.header.meta.setdefault(key, []).append(value)
            self.header.departures += of_unstructured(self._line, key, value, self.header.version)
            return
        try:
            pairs = list(structured(value))
        except ValueError as error:
            raise self.error(f"##{key}: {error}") from None
        attributes = dict(pairs)
        if len(attributes) != len(pairs):
            raise self.error(f"##{key}: a key is given twice")
        identifier = attributes.get("ID")
        if not identifier:
            raise self.error(f"##{key} without ID")
        self.header.departures += of_structured(
            self._line, key, identifier, pairs, value, self.header.version
        )
        if key in ("INFO", "FORMAT"):
            self._definition(key, identifier, attributes)
        elif key == "FILTER":
            self.header.filters.add(identifier)
        elif key == "contig":
            self._contig(identifier, attributes)

    def _departs(self, message: str, kind: Literal["error", "remark"] = "error") -> None:
        self.header.departures.append(Departure(self._line, message, kind))

    def _definition(self, key: str, identifier: str, attributes: dict[str, str]) -> None:
        number, kind = attributes.get("Number", ""), attributes.get("Type", "")
        if not _NUMBER.fullmatch(number):
            raise self.error(f"##{key} {identifier}: Number is a count, A, R, G or .")
        if kind not in TYPES:
            raise self.error(f"##{key} {identifier}: Type is one of {', '.join(sorted(TYPES))}")
        if kind == "Flag" and key == "FORMAT":
            raise self.error(f"##FORMAT {identifier}: Flag is for INFO only")
        if "Description" not in attributes:
            raise self.error(f"##{key} {identifier}: Description is missing")
        self.header.departures += of_definition(
            self._line, key, identifier, number, kind, self.header.version
        )
        target = self.header.info if key == "INFO" else self.header.format
        definition = Definition(identifier, number, kind, attributes["Description"])
        first = target.setdefault(identifier, definition)
        if first is definition:
            return
        if (first.number, first.kind) == (number, kind):
            # An ID is unique within its key since 4.3 (§1.4).
            severity: Literal["error", "remark"] = "error" if self.header.version >= "VCFv4.3" else "remark"
            self._departs(f"{key}/{identifier} is declared twice, the first counts", severity)
        else:
            self._departs(
                f"{key}/{identifier} is declared twice with different Number or Type; it is read as text"
            )
            target[identifier] = Definition(identifier, ".", "String", "")

    def _contig(self, identifier: str, attributes: dict[str, str]) -> None:
        length = attributes.get("length") or attributes.get("Length")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise self.error(f"##contig {identifier}: length is a whole number")
        assembly = attributes.get("assembly") or attributes.get("Assembly")
        contig = Contig(identifier, int(length) if length else None, assembly)
        first = self.header.contigs.setdefault(identifier, contig)
        if first is not contig:
            if None not in (first.length, contig.length) and first.length != contig.length:
                # Which of the two is right can't be known: neither says anything of the build.
                self._departs(
                    f"##contig {identifier} is declared twice with different lengths; neither counts"
                )
                self.header.contigs[identifier] = Contig(identifier, None, None)
            else:
                self._departs(f"##contig {identifier} is declared twice", "remark")

    def _columns(self, text: str) -> None:
        names = text.split("\t")
        if tuple(names[:8]) != FIXED:
            raise self.error(f"the column line begins with {' '.join(FIXED)}, separated by tabs")
        if len(names) > 8 and names[8] != "FORMAT":
            raise self.error("the ninth column is FORMAT")
        samples = names[9:]
        if not all(samples):
            raise self.error("a sample column has no name")
        if unusable := [str(place) for place, name in enumerate(samples, 10) if _CONTROL.search(name)]:
            raise self.error(f"the name of the sample in column {', '.join(unusable)} has control characters")
        if len(set(samples)) < len(samples):
            counts = Counter(samples)
            twice = [str(position) for position, name in enumerate(samples, 10) if counts[name] > 1]
            more = f" and {len(twice) - 20} others" if len(twice) > 20 else ""
            raise self.error(f"columns {', '.join(twice[:20])}{more} have the same sample name", "FB-VCF-003")
        if len(names) == 9:
            self._departs("FORMAT is without a sample")
        self.header.samples = tuple(samples)
        self.header.has_format = len(names) > 8
