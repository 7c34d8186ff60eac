"""FORMAT values against their declaration: what is not what it is declared as is left out, and never computed from."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.checks import fits
from fhir_bridge.adapters.genomics.definition import CheckedKey, Definition
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line import Call, Line
from fhir_bridge.adapters.genomics.local_alleles import wrong_local
from fhir_bridge.adapters.genomics.reserved import NOT_NEGATIVE
from fhir_bridge.adapters.genomics.usage import FRACTIONS, several_alts
from fhir_bridge.adapters.genomics.values import decimal
from fhir_bridge.fhir.issues import Issue

__all__ = ["checked_keys", "misdeclared", "wrong_values"]


def misdeclared(line: Line) -> tuple[tuple[str, str], ...]:
    """Code and words for the FORMAT keys that a line has and that can't be used as declared."""
    file = line.file
    at = line.columns[8], len(line.alternates) > 1
    entry = file.misdeclared.get(at)
    if entry is None:
        used = [(key, file.uses[key]) for key in line.keys if key in file.uses]
        problems = [use.problem or (several_alts(key, use) if at[1] else "") for key, use in used]
        entry = file.misdeclared[at] = tuple(("FB-VCF-036", problem) for problem in problems if problem)
    return entry


def checked_keys(line: Line) -> list[CheckedKey]:
    """The keys of a FORMAT whose values can be wrong, worked out once for each FORMAT of a file."""
    file = line.file
    at = line.columns[8], len(line.alternates)
    checked_key = file.checked_keys.get(at)
    if checked_key is None:
        known = ((key, file.header.format_definition(key)) for key in line.keys if key != "GT")
        checked_key = file.checked_keys[at] = [
            _checked(line, key, definition)
            for key, definition in known
            if definition is not None
            and (definition.numeric or definition.kind == "Character" or definition.number not in ("1", "."))
        ]
    return checked_key


def _checked(line: Line, key: str, definition: Definition) -> CheckedKey:
    alternates = len(line.alternates)
    use = line.file.uses.get(key)
    needed = None
    if use is not None and definition.number == "." and alternates:
        needed = {"R": alternates + 1, "A": alternates, "1": 1}.get(use.layout)
    digits = definition.number == "1" and definition.numeric and key not in FRACTIONS
    wanted = definition.count(alternates)
    # Without an ALT some write a value for the one that there might be.
    open_count = definition.number in "ARG" and not alternates
    return CheckedKey(key, definition, digits, None if open_count else wanted, needed)


def wrong_values(call: Call, column: int, locator: str) -> list[Issue]:
    """FORMAT values that are not of their declared type, or not as many as their Number says; they are left out."""
    issues: list[Issue] = []
    fields = call.fields
    for key, definition, digits, wanted, needed in checked_keys(call.line):
        value = fields.get(key)
        if (
            value is None
            or value == "."
            or (not value and key == "LAA")
            or (digits and value.isdecimal() and len(value) < 10)
        ):
            continue
        wrong = _wrong(value, key, definition)
        if wrong is None:
            input_value = value.count(",") + 1
            if needed is not None and input_value != needed:
                count = f"{input_value} values; to be read it needs {needed}"
                message = f"FORMAT/{key} ({definition.declaration}) of column {column + 1} has {count}"
                issues.append(issue("FB-VCF-036", message, locator))
            if wanted is None or (input_value == wanted and definition.number != "G"):
                continue
            wrong = _miscounted(input_value, wanted, definition, call)
        if wrong:
            message = (
                f"FORMAT/{key} of column {column + 1} {wrong[1]}; the value is left out (VCF 4.3 §1.6.2)"
            )
            issues.append(issue(wrong[0], message, locator))
            del fields[key]
    if call.file.local and (problem := wrong_local(fields, len(call.line.alternates))):
        message = f"{problem} (column {column + 1}); reads are left out (VCF 4.5 §1.6.2)"
        issues.append(issue("FB-VCF-034", message, locator))
        fields.pop("LAD", None)
    return issues


def _wrong(value: str, key: str, definition: Definition) -> tuple[str, str] | None:
    """Code and words for what is wrong with a value itself; None where nothing is."""
    if definition.numeric:
        if not fits(value, definition.kind):
            return "FB-VCF-031", "is not of its declared type"
        if key in FRACTIONS and not _fractions(value):
            return "FB-VCF-034", "is no fraction from 0 to 1"
        if "-" in value and key in NOT_NEGATIVE and any(part[:1] == "-" for part in value.split(",")):
            return "FB-VCF-034", "is negative"
    elif definition.kind == "Character" and any(len(part) > 1 for part in value.split(",")):
        return "FB-VCF-034", "is no character"
    return None


def _miscounted(value: int, wanted: int, definition: Definition, call: Call) -> tuple[str, str] | None:
    """Code and words for a wrong count of values; those of genotypes depend on the copies that a call has."""
    copies = len(call.genotype.alleles)
    if definition.number == "G" and copies != 2:
        own = definition.count(len(call.line.alternates), copies)
        # Programs write the values of one copy, or of two.
        if call.genotype.no_call or own == value or (wanted == value and not call.file.options.check):
            return None
        return "FB-VCF-034", f"has {value} values, not {own}"
    return None if value == wanted else ("FB-VCF-034", f"has {value} values, not {wanted}")


def _fractions(value: str) -> bool:
    numbers = [decimal(part) for part in value.split(",") if part != "."]
    return all(number is not None and 0 <= number <= 1 for number in numbers)
