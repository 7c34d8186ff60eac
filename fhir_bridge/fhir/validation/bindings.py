"""Bindings: codes against value sets and code systems (R4 terminologies.html#strength)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from fhir_bridge.fhir import grammar_codes, ucum
from fhir_bridge.fhir.definitions import Binding, Definitions, ValueSet
from fhir_bridge.fhir.definitions.versions import split
from fhir_bridge.fhir.issues import Severity
from fhir_bridge.fhir.validation.run import Check, Path, Run

__all__ = ["binding_check", "check_coding", "check_unit", "in_value_set", "lacks"]

MAX_LISTED = 12
MAXIMUM = "maximum"
"""The strength of a maximum value set: codes are of it (R4 extension elementdefinition-maxValueSet), texts are free."""
LOINC = "http://loinc.org"
LOINC_ANSWERS = "http://loinc.org/vs/"
"""Where LOINC's own value sets are; they list codes of LOINC alone."""
VITAL_SIGNS_UNITS = "http://hl7.org/fhir/ValueSet/ucum-vitals-common"
"""Twelve units that R4 requires of every component of a vital sign, so that an oxygen flow (L/min) beside a saturation
could not be reported. R5 drops the binding, and HL7's own validator takes R4's as extensible, as is done here."""

_HL7 = "http://hl7.org/fhir/"
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.")
_R4_OWN = re.compile(r"http://hl7\.org/fhir/(CodeSystem/)?[^/]+")
"""Where R4 names its own code systems; `sid/` has those of others, `uv/` and `us/` those of guides."""
_WITHOUT_CODES = frozenset({_HL7 + "message-events", _HL7 + "CodeSystem/summary"})
"""Code systems of R4 that it names and lists no codes of."""


def in_value_set(value_set: str, system: str | None, code: str, run: Run) -> bool | None:
    """Whether the code is a member: by the tables, and where they can't decide, by the terminology port."""
    known = run.definitions.value_set(value_set)
    answer = known.member(system, code) if known is not None else None
    if answer is None and known is not None:
        answer = _by_grammar(known, system, code)
    if answer is None and run.terminology is not None:
        answer = run.terminology.member(value_set, system, code)
    # LOINC's answer lists hold codes of LOINC alone, so another system's code is out even
    # where the list is not available.
    if (
        answer is None
        and known is None
        and system not in (None, LOINC)
        and value_set.startswith(LOINC_ANSWERS)
    ):
        return False
    return answer


def _by_grammar(known: ValueSet, system: str | None, code: str) -> bool | None:
    """Membership by the systems that are identified by a grammar (BCP 13, BCP 47, ISO 4217); None for others."""
    answers = []
    for include in known.open:
        if system in (None, include.system):
            # A filter on such a system (a language that begins with `de`) is not what the grammar knows.
            answer = grammar_codes.known(include.system, code)
            if answer is not None and include.filters and answer:
                answer = None
            answers.append(answer)
    if True in answers:
        return True
    return None if None in answers or not answers else False


def _allowed(value_set: str, run: Run) -> str:
    """The codes of a small value set, for messages."""
    known = run.definitions.value_set(value_set)
    if known is None or not known.complete or len(known) > MAX_LISTED:
        return ""
    return ": " + ", ".join(sorted(code for codes in known.codes.values() for code in codes))


def _report(binding: Binding, required: bool, result: str, path: Path, run: Run) -> None:
    value_set = binding.value_set or ""
    if required:
        run.add(
            "FB-FHIR-020",
            f"{result} is not in the required value set {value_set}{_allowed(value_set, run)}",
            path,
        )
    else:
        run.add(
            "FB-FHIR-021",
            f"{result} is not in the extensible value set {value_set}{_allowed(value_set, run)}",
            path,
        )


def binding_check(binding: Binding | None, kind: str, definitions: Definitions) -> Check | None:
    """A check of values of this type against a required or extensible binding; None where nothing is to check."""
    if binding is None:
        return None
    if binding.strength == "required" and split(binding.value_set or "")[0] == VITAL_SIGNS_UNITS:
        binding = replace(binding, strength="extensible")
    if binding.max_value_set and binding.strength != "required":
        return _both(
            binding_check(Binding(MAXIMUM, binding.max_value_set), kind, definitions),
            binding_check(Binding(binding.strength, binding.value_set), kind, definitions),
        )
    if not binding.value_set or binding.strength not in ("required", "extensible", MAXIMUM):
        return None
    if kind in ("code", "string", "uri"):
        known = definitions.value_set(binding.value_set)
        # Codes without regard to their systems: a code by itself has none, and most
        # are listed, so one look decides.
        listed = frozenset[str]().union(*known.codes.values()) if known is not None else frozenset[str]()
        return _code_check(binding, binding.value_set, listed)
    maker = {
        "Coding": _coding_check,
        "CodeableConcept": _concept_check,
        "Quantity": _quantity_check,
    }.get(kind)
    return maker(binding, binding.value_set, binding.strength != "extensible") if maker else None


def _both(first: Check | None, second: Check | None) -> Check | None:
    if first is None or second is None:
        return first or second

    def check(value: Any, path: Path, run: Run) -> None:
        result = len(run.issues)
        first(value, path, run)
        if len(run.issues) == result:  # what is out of the maximum is out of the value set too
            second(value, path, run)

    return check


def _code_check(binding: Binding, value_set: str, listed: frozenset[str]) -> Check:
    required = binding.strength != "extensible"

    def check(value: Any, path: Path, run: Run) -> None:
        if (
            isinstance(value, str)
            and value not in listed
            and in_value_set(value_set, None, value, run) is False
        ):
            _report(binding, required, f"the code '{value}'", path, run)

    return check


def _coding_check(binding: Binding, value_set: str, required: bool) -> Check:
    # `""`, not None, for a Coding without system: None is for a plain code, which any system may have.
    def check(value: Any, path: Path, run: Run) -> None:
        if not isinstance(value, dict):
            return
        code, system = value.get("code"), value.get("system")
        if not isinstance(code, str):
            if binding.strength == "required":
                _report(binding, required, "a Coding without code", path, run)
        elif in_value_set(value_set, system if isinstance(system, str) else "", code, run) is False:
            _report(binding, required, f"{system or 'no system'}|{code}", path, run)

    return check


def _concept_check(binding: Binding, value_set: str, required: bool) -> Check:
    def check(value: Any, path: Path, run: Run) -> None:
        if not isinstance(value, dict):
            return
        codings = value.get("coding")
        if not isinstance(codings, list) or not codings:
            # An extension (data-absent-reason) may say why there is no coding.
            if binding.strength == "required" and "extension" not in value:
                _report(binding, required, "a CodeableConcept without coding", path, run)
            return
        results = []
        for coding in codings:
            # The structure check reports it.
            if not isinstance(coding, dict):
                return
            code, system = coding.get("code"), coding.get("system")
            if isinstance(code, str):
                # One coding of the set is enough; of one that can't be decided nothing is claimed.
                if in_value_set(value_set, system if isinstance(system, str) else "", code, run) is not False:
                    return
                results.append(f"{system or 'no system'}|{code}")
        if results or binding.strength == "required":
            _report(binding, required, ", ".join(results) or "a CodeableConcept without code", path, run)

    return check


def _quantity_check(binding: Binding, value_set: str, required: bool) -> Check:
    def check(value: Any, path: Path, run: Run) -> None:
        code, system = (value.get("code"), value.get("system")) if isinstance(value, dict) else (None, None)
        if not isinstance(code, str):
            return  # a Quantity without coded unit is bound to nothing
        if in_value_set(value_set, system if isinstance(system, str) else "", code, run) is False:
            _report(binding, required, f"the unit {system or 'no system'}|{code}", path, run)

    return check


def _displays(system: str, run: Run) -> tuple[dict[str, str], bool] | None:
    """Codes of a system and their displays, folded for comparison, and whether the case of codes counts.

    None where the system is not here. Where case does not count, the codes are in lower case too.
    """
    if run.definitions.code_system(system) is None:
        return None
    return run.definitions.derived(_folded_displays, system)


def _folded_displays(definitions: Definitions, system: str) -> tuple[dict[str, str], bool]:
    known = definitions.code_system(system)
    assert known is not None, "it is asked for only then"
    displays = {c.code: _folded(c.display or "") for c in known.concepts.values()}
    if not known.case_sensitive:
        # Original case last, so that an exact code keeps its own display.
        displays = {**{code.lower(): display for code, display in displays.items()}, **displays}
    return displays, known.case_sensitive


def _folded(display: str) -> str:
    return " ".join(display.casefold().split())


def check_coding(value: dict[str, Any], path: Path, run: Run) -> None:
    """A Coding against its code system, where the whole of that is available."""
    system, code = value.get("system"), value.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return
    if system == ucum.SYSTEM:
        check_unit(value, path, run)
        return
    if grammar_codes.known(system, code) is False:
        run.add("FB-FHIR-022", f"{system} has no code '{code[:80]}'", path)
        return
    displays = _displays(system, run)
    if displays is not None:
        known = _display_of(code, *displays)
        if known is None:
            _unknown(system, code, path, run)
        elif known and "language" not in run.resource:
            # In another language the display is another one, by right.
            display = value.get("display")
            if isinstance(display, str) and display.casefold() != known and _folded(display) != known:
                run.add("FB-FHIR-023", f"the display of {system}|{code} is '{known}'", path)
    elif run.terminology is not None and run.terminology.knows_system(system):
        # Only where the port has the system: else every code of it would seem unknown.
        if run.terminology.lookup(system, code) is None:
            run.add("FB-FHIR-022", f"{system} has no code '{code}'", path)
    else:
        _check_system(system, path, run)


def _check_system(system: str, path: Path, run: Run) -> None:
    """A system that is not available: it is absolute, and in R4's own namespace it would be.

    A CodeableConcept says the same by its text or in other codes; a Coding or a unit by itself says nothing then.
    """
    # `coding` is the list of a CodeableConcept; anything else is a Coding or unit by itself.
    severity: Severity = "warning" if path[1] == "coding" else "error"
    if system.startswith(_HL7):
        if _is_missing(system) and not _in_extension(path):
            run.add("FB-FHIR-024", f"R4 has no code system {system[:200]}", (path, "system", -1), severity)
    elif not _ABSOLUTE.match(system) and not system.isspace():
        message = f"the system '{system[:80]}' is no absolute URI, which would indicate what its codes mean"
        run.add("FB-FHIR-016", message, (path, "system", -1), severity)


def _is_missing(system: str) -> bool:
    """Whether a system without content here would be one of R4's own."""
    return _R4_OWN.fullmatch(system) is not None and system not in _WITHOUT_CODES


def _in_extension(path: Path | None) -> bool:
    """Whether it is part of an extension, which may hold an element of another version of FHIR with its systems."""
    while path is not None:
        if path[1] in ("extension", "modifierExtension"):
            return True
        path = path[0]
    return False


def check_unit(value: dict[str, Any], path: Path, run: Run) -> None:
    """The unit of a Quantity, or a Coding in UCUM: a UCUM expression, or a code of the system it names."""
    system, code = value.get("system"), value.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return
    if system == ucum.SYSTEM:
        if not ucum.is_valid(code):
            run.add("FB-FHIR-022", f"'{code[:64]}' is no UCUM code", path)
        return
    displays = _displays(system, run)
    if displays is None:
        _check_system(system, path, run)
    elif _display_of(code, *displays) is None:
        _unknown(system, code, path, run)


def lacks(system: str, code: str, run: Run) -> bool:
    """Whether a system, whose whole content is available, doesn't have the code; systems of a grammar are left be."""
    displays = _displays(system, run)
    if displays is None or _display_of(code, *displays) is not None:
        return False
    # The terminology may have a newer version of the system than the tables.
    return run.terminology is None or run.terminology.lookup(system, code) is None


def _display_of(code: str, displays: dict[str, str], case_counts: bool) -> str | None:
    """The display of a code, None where the system doesn't have the code."""
    known = displays.get(code)
    return displays.get(code.lower()) if known is None and not case_counts else known


def _unknown(system: str, code: str, path: Path, run: Run) -> None:
    if run.terminology is None or run.terminology.lookup(system, code) is None:
        run.add("FB-FHIR-022", f"{system} has no code '{code[:80]}'", path)
