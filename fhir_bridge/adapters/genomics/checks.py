"""What a line must be before it is read: VCF 4.3 §1.6, as far as a line alone shows."""

from __future__ import annotations

import re

from fhir_bridge.adapters.genomics.allele_filters import STATUS, counted
from fhir_bridge.adapters.genomics.alleles import Alternate, parse_alternate
from fhir_bridge.adapters.genomics.definition import Definition
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.reserved import NOT_NEGATIVE, reserved_info
from fhir_bridge.adapters.genomics.values import decimal, whole

__all__ = [
    "LONGEST",
    "Entries",
    "LineError",
    "alternates",
    "check_end",
    "check_fixed",
    "check_format",
    "check_info",
    "check_length",
    "fits",
    "named_once",
    "position",
    "sound_quality",
]

_REFERENCE = re.compile(r"[ACGTNacgtn]+")
_QUALITY = re.compile(
    r"\.|[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:inf|infinity|nan)", re.IGNORECASE
)
_INTEGERS = re.compile(r"(?:\.|[-+]?[0-9]+)(?:,(?:\.|[-+]?[0-9]+))*")
_FLOATS = re.compile(rf"(?:{_QUALITY.pattern})(?:,(?:{_QUALITY.pattern}))*", re.IGNORECASE)
_INFO_KEY = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*|1000G")
_FORMAT_KEY = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")
_CIGAR = re.compile(r"(?:\.|(?:[0-9]+[MIDNSHPX=])+)(?:,(?:\.|(?:[0-9]+[MIDNSHPX=])+))*")
_SPACE = re.compile(r"\s")
_BASES = frozenset("ACGTN")


LONGEST = 1_048_576
"""Characters of a FHIR string (R4 datatypes.html#string)."""


class LineError(ValueError):
    """A line is wrong; it is rejected alone."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check_length(line: bytes) -> None:
    """REF and ALTs, before any of a long line is read.

    Raises:
        LineError: one has more characters than FHIR can hold.
    """
    if len(line) > LONGEST:
        alleles = line.split(b"\t", 5)[3:5]
        if any(len(part) > LONGEST for text in alleles for part in text.split(b",")):
            raise LineError("FB-VCF-055", f"REF or an ALT has more than {LONGEST} characters")


def position(text: str) -> int:
    """POS; 0 and length + 1 stand for telomeres."""
    if not (text.isascii() and text.isdigit() and len(text) < 11):
        raise LineError("FB-VCF-024", "POS is not a whole number from 0")
    return int(text)


def alternates(text: str, reference: str) -> list[Alternate]:
    """The ALTs of a line; `.` gives none. A symbolic ALT may occur twice: its length can differ (VCF 4.3 §3).

    One of several that is wrong is of the kind `invalid`, with what is wrong with it as its symbol.

    Raises:
        LineError: all are wrong, or one is given twice.
    """
    if text == ".":
        return []
    results = []
    parts = text.split(",")
    wrong = ""
    for part in parts:
        alternate = parse_alternate(part)
        if alternate is None or alternate.kind == "missing":
            wrong = "an ALT is neither bases, *, <ID> nor a breakend"
            alternate = Alternate(part, "invalid", (wrong,))
        elif alternate.kind == "bases" and part.upper() == reference.upper():
            wrong = "an ALT equals REF"
            alternate = Alternate(part, "invalid", (wrong,))
        results.append(alternate)
    if wrong and all(alternate.kind == "invalid" for alternate in results):
        raise LineError("FB-VCF-026", wrong)
    if len(parts) > 1 and len(set(parts)) < len(parts):
        named = [alternate.text for alternate in results if alternate.kind != "symbolic"]
        if len(set(named)) < len(named):
            raise LineError("FB-VCF-026", "an ALT is given twice")
    return results


def named_once(columns: list[str]) -> list[tuple[str, str]]:
    """Leave of the names of ID and FILTER that are given twice one each; what is to be reported of that."""
    problems = []
    for number, column in ((2, "ID"), (6, "FILTER")):
        if ";" in columns[number]:
            names = columns[number].split(";")
            once = list(dict.fromkeys(names))
            if len(once) < len(names):
                columns[number] = ";".join(once)
                problems.append(("FB-VCF-093", f"{column} gives a name twice: it is taken once"))
    return problems


def sound_quality(columns: list[str]) -> list[tuple[str, str]]:
    """Leave out a QUAL that is no finite number, which says nothing of the call; what is to be reported of that."""
    quality = columns[5]
    if (
        (quality.isdecimal() and len(quality) < 30)
        or quality == "."
        or not _QUALITY.fullmatch(quality)
        or decimal(quality) is not None
    ):
        return []
    columns[5] = "."
    return [("FB-VCF-034", "QUAL is no finite number; the value is left out (VCF 4.3 §1.6.1)")]


def check_fixed(columns: list[str], header: Header, location: int) -> None:
    """CHROM, POS within the contig, ID, REF, QUAL and FILTER.

    Raises:
        LineError: the first column that is wrong.
    """
    contig, _, identifier, reference, _, quality, filters, _ = columns[:8]
    if (
        not contig
        or not contig.isprintable()
        or " " in contig
        or "," in contig
        or (contig[0] == "<") != (contig[-1] == ">")
    ):
        raise LineError("FB-VCF-023", "CHROM is empty or has white space or a comma")
    last = header.last_position(contig)
    if location > last:
        raise LineError("FB-VCF-024", "POS lies beyond the end of the contig")
    if reference not in _BASES and not _REFERENCE.fullmatch(reference):
        raise LineError("FB-VCF-025", "REF has something else than A, C, G, T, N")
    if location + len(reference) - 1 > last:
        raise LineError("FB-VCF-025", "REF goes beyond the end of the contig")
    if identifier != "." and (not identifier or _SPACE.search(identifier) or "" in identifier.split(";")):
        raise LineError("FB-VCF-027", "ID is empty or has white space")
    if (
        identifier != "."
        and ";" in identifier
        and len(set(identifier.split(";"))) < identifier.count(";") + 1
    ):
        raise LineError("FB-VCF-027", "ID gives a name twice")
    if quality != "." and not _QUALITY.fullmatch(quality):
        raise LineError("FB-VCF-027", "QUAL is no number")
    if filters not in ("PASS", "."):
        names = filters.split(";")
        if not all(names) or _SPACE.search(filters) or "0" in names or "." in names:
            raise LineError("FB-VCF-027", "FILTER is not PASS, . or names separated by semicolons")
        if len(set(names)) < len(names):
            raise LineError("FB-VCF-027", "FILTER gives a name twice")


Entries = dict[str, tuple[str, str | bool]]
"""INFO entries that are as declared on lines of one number of ALTs, with key and value."""

_ENTRIES = 20_000
"""So many are remembered: those that recur from line to line (`AN=2`)."""


def check_info(
    text: str, undeclared: set[str], header: Header, alternates: int, known: Entries
) -> tuple[dict[str, str | bool], list[str], list[tuple[str, str]]]:
    """INFO's keys and values; keys that the header lacks are added to `undeclared`.

    Returns:
        INFO as text by key (a flag is True); the keys whose values are left out, as they are not what is declared;
        code and message of what is wrong with single values. The line is kept.

    Raises:
        LineError: a key is given twice.
    """
    results: list[tuple[str, str]] = []
    lost: list[str] = []
    if text == ".":
        return {}, lost, results
    pairs: dict[str, str | bool] = {}
    declared = header.info
    single = "1A" if alternates == 1 else "1"
    untidy = not text
    for entry in text.split(";"):
        if (pair := known.get(entry)) is not None and pair[0] not in pairs and pair[0] not in lost:
            pairs[pair[0]] = pair[1]
            continue
        before = untidy
        key, equals, value = entry.partition("=")
        if key in pairs or key in lost:
            raise LineError("FB-VCF-028", f"INFO gives {key.strip()} twice")
        pairs[key] = value if equals else True
        definition = declared.get(key)
        if definition is None:
            if _INFO_KEY.fullmatch(key):
                undeclared.add(f"INFO/{key}")
            else:
                untidy = True
            definition = reserved_info(header.version).get(key)
            if definition is None:
                continue
        wrong = None
        if equals and definition.numeric:
            if not fits(value, definition.kind):
                wrong = "FB-VCF-031", f"is not of type {definition.kind}"
            elif definition.number not in single or "," in value or value[0] == "-":
                wrong = _impossible(value, definition, alternates)
        elif equals and definition.number not in _OPEN and value != "." and value:
            if not (key == STATUS and counted(value, alternates)):
                wrong = _miscounted(value, definition, alternates)
            untidy |= key == "CIGAR" and not _CIGAR.fullmatch(value)
        elif (
            (equals and not value)
            or (value not in "01" and definition.kind == "Flag")
            or (key == "CIGAR" and not _CIGAR.fullmatch(value))
        ):
            untidy = True
        if wrong:
            results.append((wrong[0], f"INFO/{key} {wrong[1]}; the value is left out (VCF 4.3 §1.4.2)"))
            del pairs[key]
            lost.append(key)
        elif untidy == before and len(entry) < 40:
            if len(known) >= _ENTRIES:
                known.clear()
            known[entry] = key, pairs[key]
    # Spaces are allowed since 4.3 (§1.6.1).
    if (
        untidy
        or (" " in text and header.version < "VCFv4.3")
        or (not text.isprintable() and _SPACE.search(text))
    ):
        results.append(
            ("FB-VCF-033", "INFO has white space, an empty entry, an unusual key, or a value that is none")
        )
    return pairs, lost, results


_OPEN = frozenset(("0", "1", "."))
"""Numbers of text whose values are not counted: a text of one value may hold commas all the same."""


def check_end(info: dict[str, str | bool], header: Header, chrom: str, location: int) -> str | None:
    """END against POS and the contig, where all are of one contig: some callers give the mate's position with CHR2.

    Returns:
        why END can't be what it says; None where it can.

    Raises:
        LineError: END lies before POS.
    """
    text = info.get("END")
    if not isinstance(text, str) or info.get("CHR2", chrom) != chrom:
        return None
    definition = header.info_definition("END")
    if definition is None or definition.number != "1" or definition.kind != "Integer":
        return None
    end = whole(text)
    if end is None:
        return None
    if end < location:
        raise LineError("FB-VCF-029", "END lies before POS")
    return "lies beyond the end of the contig" if end > header.last_position(chrom) else None


def _miscounted(value: str, definition: Definition, alternates: int) -> tuple[str, str] | None:
    wanted, input_value = definition.count(alternates), value.count(",") + 1
    # Without an ALT some write a value for the one that there might be.
    if not wanted or wanted == input_value:
        return None
    return "FB-VCF-034", f"has {input_value} values, not {wanted}"


def _impossible(value: str, definition: Definition, alternates: int) -> tuple[str, str] | None:
    """Code and words for what is wrong with a numeric INFO value that is of its type; None where nothing is."""
    if value == ".":
        return None
    if definition.number != "G" and (wrong := _miscounted(value, definition, alternates)):
        return wrong
    if "-" in value and definition.key in NOT_NEGATIVE and any(part[:1] == "-" for part in value.split(",")):
        return "FB-VCF-034", "is negative"
    return None


def fits(text: str, kind: str) -> bool:
    """Whether a list of values is of a numeric type; missing values fit."""
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return True
    if kind == "Integer":
        if len(text) < 10 and text.isascii() and all(map(str.isdecimal, text.split(","))):
            return True
        return _INTEGERS.fullmatch(text) is not None and (
            len(text) < 10 or all(part == "." or _in_range(part) for part in text.split(","))
        )
    return _FLOATS.fullmatch(text) is not None and ("e" not in text.lower() or _is_written_out(text))


def _is_written_out(text: str) -> bool:
    """Whether no number of a list is beyond those of 32 bits (`1e400`); NaN and infinity are written as such."""
    return all(
        decimal(part) is not None or part.lower().lstrip("+-") in (".", "nan", "inf", "infinity")
        for part in text.split(",")
    )


def _in_range(number: str) -> bool:
    """Whether a number is an Integer of VCF: 32 bits without the eight lowest values (VCF 4.3 §1.3)."""
    digits = number.lstrip("+-").lstrip("0")
    if len(digits) > 10:
        return False
    value = int(digits or "0")
    return value <= 2**31 - 8 if number[0] == "-" else value < 2**31


def check_format(text: str, undeclared: set[str], header: Header) -> None:
    """FORMAT's shape: keys, each once, GT first."""
    keys = text.split(":")
    if len(set(keys)) < len(keys):
        raise LineError("FB-VCF-030", "FORMAT gives a key twice")
    if "GT" in keys[1:]:
        raise LineError("FB-VCF-030", "GT is not the first key of FORMAT")
    for key in keys:
        if key not in header.format:
            if not _FORMAT_KEY.fullmatch(key):
                raise LineError("FB-VCF-030", "FORMAT has a key that is none")
            undeclared.add(f"FORMAT/{key}")
