"""Bindings: codes against value sets and code systems (R4 terminologies.html#strength)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fhir_bridge.fhir import definitions, ucum
from fhir_bridge.fhir.definitions import Binding
from fhir_bridge.fhir.validation.run import Check, Path, Run

__all__ = ["binding_check", "check_coding", "check_unit", "in_value_set"]

MAX_LISTED = 12


def in_value_set(value_set: str, system: str | None, code: str, run: Run) -> bool | None:
    """Whether the code is a member: by the tables, and where they can't tell, by the terminology port."""
    known = definitions.value_set(value_set)
    answer = known.member(system, code) if known is not None else None
    if answer is None and run.terminology is not None:
        return run.terminology.member(value_set, system, code)
    return answer


@lru_cache(8192)
def _allowed(value_set: str) -> str:
    """The codes of a small value set, for messages."""
    known = definitions.value_set(value_set)
    if known is None or not known.complete or len(known) > MAX_LISTED:
        return ""
    return ": " + ", ".join(sorted(code for codes in known.codes.values() for code in codes))


def _report(binding: Binding, required: bool, found: str, path: Path, run: Run) -> None:
    value_set = binding.value_set or ""
    if required:
        run.add(
            "FB-FHIR-020", f"{found} is not in the required value set {value_set}{_allowed(value_set)}", path
        )
    else:
        run.add(
            "FB-FHIR-021",
            f"{found} is not in the extensible value set {value_set}{_allowed(value_set)}",
            path,
        )


def binding_check(binding: Binding | None, kind: str) -> Check | None:
    """A check of values of this type against a required or extensible binding; None where nothing is to check."""
    if binding is None or not binding.value_set or binding.strength not in ("required", "extensible"):
        return None
    maker = {
        "code": _code_check,
        "string": _code_check,
        "uri": _code_check,
        "Coding": _coding_check,
        "CodeableConcept": _concept_check,
        "Quantity": _quantity_check,
    }.get(kind)
    return maker(binding, binding.value_set, binding.strength == "required") if maker else None


def _code_check(binding: Binding, value_set: str, required: bool) -> Check:
    known = definitions.value_set(value_set)
    listed = frozenset[str]()
    if known is not None:
        listed = listed.union(*known.codes.values())

    def check(value: Any, path: Path, run: Run) -> None:
        if (
            isinstance(value, str)
            and value not in listed
            and in_value_set(value_set, None, value, run) is False
        ):
            _report(binding, required, f"the code '{value}'", path, run)

    return check


def _coding_check(binding: Binding, value_set: str, required: bool) -> Check:
    def check(value: Any, path: Path, run: Run) -> None:
        if not isinstance(value, dict):
            return
        code, system = value.get("code"), value.get("system")
        if not isinstance(code, str):
            if required:
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
            if required and "extension" not in value:
                _report(binding, required, "a CodeableConcept without coding", path, run)
            return
        found = []
        for coding in codings:
            if not isinstance(coding, dict):
                return
            code, system = coding.get("code"), coding.get("system")
            if isinstance(code, str):
                if in_value_set(value_set, system if isinstance(system, str) else "", code, run) is not False:
                    return
                found.append(f"{system or 'no system'}|{code}")
        if found or required:
            _report(binding, required, ", ".join(found) or "a CodeableConcept without code", path, run)

    return check


def _quantity_check(binding: Binding, value_set: str, required: bool) -> Check:
    def check(value: Any, path: Path, run: Run) -> None:
        code, system = (value.get("code"), value.get("system")) if isinstance(value, dict) else (None, None)
        if not isinstance(code, str):
            return  # a Quantity without coded unit is bound to nothing
        if in_value_set(value_set, system if isinstance(system, str) else "", code, run) is False:
            _report(binding, required, f"the unit {system or 'no system'}|{code}", path, run)

    return check


@lru_cache(8192)
def _displays(system: str) -> tuple[dict[str, str], bool] | None:
    """Codes of a system and their displays, folded for comparison, and whether the case of codes counts.

    None where the system is not at hand. Where case does not count, the codes are in lower case too.
    """
    known = definitions.code_system(system)
    if known is None:
        return None
    displays = {c.code: _folded(c.display or "") for c in known.concepts.values()}
    if not known.case_sensitive:
        displays = {**{code.lower(): display for code, display in displays.items()}, **displays}
    return displays, known.case_sensitive


def _folded(display: str) -> str:
    return " ".join(display.casefold().split())


def check_coding(value: dict[str, Any], path: Path, run: Run) -> None:
    """A Coding against its code system, where the whole of that is at hand."""
    system, code = value.get("system"), value.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return
    if system == ucum.SYSTEM:
        check_unit(value, path, run)
        return
    found = _displays(system)
    if found is not None:
        displays, case_counts = found
        known = displays.get(code)
        if known is None and not case_counts:
            known = displays.get(code.lower())
        if known is None:
            if run.terminology is None or run.terminology.lookup(system, code) is None:
                run.add("FB-FHIR-022", f"{system} has no code '{code}'", path)
        elif known and "language" not in run.resource:
            display = value.get("display")
            if isinstance(display, str) and display.casefold() != known and _folded(display) != known:
                run.add("FB-FHIR-023", f"the display of {system}|{code} is '{known}'", path)
    elif (
        run.terminology is not None
        and run.terminology.knows_system(system)
        and run.terminology.lookup(system, code) is None
    ):
        run.add("FB-FHIR-022", f"{system} has no code '{code}'", path)


def check_unit(value: dict[str, Any], path: Path, run: Run) -> None:
    """A Quantity or Coding in UCUM: its code must be a UCUM expression."""
    code = value.get("code")
    if value.get("system") == ucum.SYSTEM and isinstance(code, str) and not ucum.is_valid(code):
        run.add("FB-FHIR-022", f"'{code[:64]}' is no UCUM code", path)
