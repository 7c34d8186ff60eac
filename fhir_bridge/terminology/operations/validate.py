"""`$validate-code` on a value set or a code system (R4 valueset-operation-validate-code.html)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.checked import Checked, CodingAt
from fhir_bridge.terminology.operations.coded import Coded
from fhir_bridge.terminology.operations.displays import check_display
from fhir_bridge.terminology.operations.membership import MembershipChecker
from fhir_bridge.terminology.operations.names import Names
from fhir_bridge.terminology.operations.outcomes import Findings, OperationError, TxIssue, outcome
from fhir_bridge.terminology.operations.parameters import Parameters, answer
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.operations.status import reference_state
from fhir_bridge.terminology.supplemented import canonical
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = [
    "code_system_to_validate",
    "refuse_code_system",
    "validate_in_code_system",
    "validate_in_value_set",
]


def validate_in_value_set(scope: Scope, value_set: ValueSetDefinition, coded: Coded) -> dict[str, Any]:
    """The answer to `ValueSet/$validate-code`.

    Raises:
        OperationError: the value set can't be used.
    """
    scope.see(value_set)
    checker = MembershipChecker(scope)
    try:
        checker.prepare(value_set)
    except OperationError as error:
        if not error.answerable:
            raise
        return _refusal(scope, error, coded)
    return _Validation(scope, checker, value_set, coded, whole_system=False).run()


def validate_in_code_system(scope: Scope, content: CodeSystemContent, coded: Coded) -> dict[str, Any]:
    """The answer to `CodeSystem/$validate-code`."""
    return _Validation(scope, MembershipChecker(scope), scope.whole(content), coded, whole_system=True).run()


def _refusal(scope: Scope, error: OperationError, coded: Coded) -> dict[str, Any]:
    """A result of false for a value set or code system that can't be used."""
    entries: list[tuple[str, str, Any]] = [
        ("result", "valueBoolean", False),
        ("message", "valueString", str(error)),
    ]
    coding = coded.first()
    if coded.mode == "codeableConcept":
        entries.append(("codeableConcept", "valueCodeableConcept", coded.concept))
    else:
        system = coding.get("system")
        content = scope.code_system(system) if isinstance(system, str) else None
        version = coding.get("version") or (content.version if content is not None else None)
        entries += [
            ("code", "valueCode", coding.get("code")),
            ("system", "valueUri", system),
            ("version", "valueString", version),
        ]
    if error.unknown_system:
        entries.append(("x-caused-by-unknown-system", "valueCanonical", error.unknown_system))
    entries.append(("issues", "resource", error.json()))
    return answer(entries)


def refuse_code_system(scope: Scope, error: OperationError, coded: Coded) -> dict[str, Any]:
    """The answer of `CodeSystem/$validate-code` where the code system is not one."""
    return _refusal(scope, error, coded)


class _Validation:
    """One request: every coding, then the answer."""

    __slots__ = (
        "best", "checker", "coded", "display", "findings", "first", "member", "options", "scope", "unknown",
        "value_set", "whole_system",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        checker: MembershipChecker,
        value_set: ValueSetDefinition,
        coded: Coded,
        *,
        whole_system: bool,
    ) -> None:
        self.scope = scope
        self.options = scope.options
        self.checker = checker
        self.value_set = value_set
        self.coded = coded
        self.whole_system = whole_system
        self.findings = Findings()
        self.unknown: dict[str, None] = {}
        self.member: bool | None = False
        self.best: tuple[CodingAt, Checked] | None = None
        self.first: tuple[CodingAt, Checked] | None = None
        self.display: str | None = None

    def run(self) -> dict[str, Any]:
        if not self.whole_system:
            self._reference()
        named = []
        for location, coding in self.coded.codings:
            path = self.coded.path(location)
            code = coding.get("code")
            if not isinstance(code, str) or not code:
                text = f"Coding has no code for system {coding.get('system')} and cannot be validated"
                self.findings.add(TxIssue("error", "invalid", "invalid-data", text, path))
                continue
            coding_at = CodingAt(
                path, coding.get("system"), coding.get("version"), code, coding.get("display")
            )
            named.append(self._one(coding_at, coding))
        self._conclude(named)
        return self._answer()

    def _reference(self) -> None:
        state = reference_state(self.value_set.resource, self.value_set.resource)
        if state is not None:
            self.findings.add(messages.reference_status(state, "ValueSet", self.value_set.canonical))

    # --- one coding ---

    def _one(self, coding_at: CodingAt, raw: dict[str, Any]) -> str:
        """Check it; the name by which messages call it."""
        checked: Checked
        if not coding_at.system and not self.options.infer_system:
            issue = messages.no_system(coding_at.path)
            self.findings.add(issue, tell=True)
            checked = Checked(False)
        else:
            if not coding_at.system:
                coding_at = self._infer(coding_at)
            checked = self.checker.check(self.value_set, coding_at) if coding_at.system else Checked(False)
        for issue in checked.issues:
            self.findings.add(issue)
        for system in checked.unknown:
            self.unknown[system] = None
        if checked.why is not None:
            self.findings.add_message(checked.why)
        name = _named(coding_at)
        if checked.member is False and not self.whole_system and self.coded.mode == "codeableConcept":
            self.findings.add(
                messages.this_coding_not_in_value_set(coding_at.path, name, self.value_set.canonical)
            )
        if self.first is None:
            self.first = (coding_at, checked)
        if checked.member:
            self.member = True
            if self.best is None:
                self.best = (coding_at, checked)
                self.display = self._shown(checked.names)
            if coding_at.display and checked.names.all and checked.content is not None:
                check_display(
                    coding_at, coding_at.display, checked.names, checked.content, self.options, self.findings
                )
        else:
            if self.member is not True and checked.member is None:
                self.member = None
            if coding_at.system and not self.options.membership_only:
                self._elsewhere(coding_at, checked, raw)
        return name

    def _infer(self, coding_at: CodingAt) -> CodingAt:
        systems = self.checker.systems_of(self.value_set, coding_at.code)
        if len(systems) == 1:
            return coding_at._replace(system=systems[0])
        canonical_ = self.value_set.canonical
        if systems:
            self.findings.add(messages.not_inferred_many(coding_at.code, canonical_, systems))
        else:
            self.findings.add(messages.not_inferred(coding_at.code, canonical_))
        return coding_at

    def _shown(self, names: Names) -> str | None:
        name = names.preferred(self.options.languages) or names.preferred(None)
        return None if name is None else name.value

    # --- a coding that is not in the value set ---

    def _elsewhere(self, coding_at: CodingAt, checked: Checked, raw: dict[str, Any]) -> None:
        """What its own code system says of it."""
        system = str(coding_at.system)
        if not _is_absolute(system):
            self.findings.add(messages.relative_system(coding_at.path))
        version = self.scope.rule_version(system, coding_at.version)
        content = self.scope.code_system(system, version)
        if content is None:
            self._no_code_system(coding_at, system, version)
            return
        if checked.content is None:
            checked.content = content
        code = content.find(coding_at.code)
        detail = content.get(code) if code is not None else None
        if detail is None and checked.detail is not None and checked.content is not None:
            content, detail = checked.content, checked.detail  # the version that the value set takes has it
        if detail is None:
            result = Checked(False)
            self.checker.unknown_code(content, coding_at, result)
            for issue in result.issues:
                self.findings.add(issue)
            return
        if self.coded.mode == "codeableConcept" and not coding_at.version and content.version:
            raw["version"] = content.version  # the answer says which version was looked in
        names = checked.names if checked.names.all else Names.of(content, detail)
        if checked.detail is None:
            checked.detail, checked.names, checked.content = detail, names, content
        if self.display is None:
            self.display = self._shown(names)
        if coding_at.display and names.all:
            check_display(coding_at, coding_at.display, names, content, self.options, self.findings)

    def _no_code_system(self, coding_at: CodingAt, system: str, version: str | None) -> None:
        if self.scope.library.value_set_versions(system):
            self.findings.add(messages.not_a_code_system(coding_at.path, system))
            return
        supplement = self.scope.library.supplement(system)
        if supplement is not None:
            self.findings.add(messages.supplement_as_system(coding_at.path, canonical(supplement)))
            return
        known = self.scope.versions_of(system) if version else []
        named = f"{system}|{version}" if version and known else system
        if named not in self.unknown:
            self.unknown[named] = None
            self.findings.add(messages.unknown_system(coding_at.path, system, version, known))

    # --- the answer ---

    def _conclude(self, named: list[str]) -> None:
        if self.member is False and not self.whole_system:
            where = self.value_set.canonical
            if self.coded.mode == "codeableConcept":
                self.findings.add(messages.no_valid_coding(where))
            elif named:
                self.findings.add(messages.not_in_value_set(self.coded.path(0), named[0], where))
        elif self.member is False and named and not self.findings.failed:
            url = self.value_set.includes[0].system
            text = f"The code system '{url}' was asked, and no coding is of it: {', '.join(named)}"
            self.findings.add(TxIssue("error", "code-invalid", "invalid-code", text, self.coded.path(0)))
        reported = self.best or self.first
        if reported is None:
            return
        value, checked = reported
        status = checked.status
        where = value.path or "code"
        if checked.inactive:
            self.findings.add(messages.inactive_concept(where, value.code, status or "inactive"), tell=True)
        elif status.casefold() == "deprecated" and checked.member:
            issue = messages.deprecated_concept(where, value.code)
            self.findings.add(issue, tell=True)

    def _answer(self) -> dict[str, Any]:
        single = self.coded.mode != "codeableConcept"
        reported = self.best or (self.first if single else None)
        value, checked = reported if reported is not None else (None, None)
        content = checked.content if checked is not None else None
        version = content.version if content is not None else None
        if value is not None and version is None:
            version = value.version
        shown = self.display if value is not None else None
        status = checked.status if checked is not None else ""
        inactive = checked is not None and checked.inactive
        entries: list[tuple[str, str, Any]] = [
            ("result", "valueBoolean", self.member is True and not self.findings.failed)
        ]
        if value is not None:
            entries += [("code", "valueCode", value.code), ("system", "valueUri", value.system)]
        entries += [("version", "valueString", version), ("display", "valueString", shown)]
        if checked is not None and checked.normalized is not None:
            entries.append(("normalized-code", "valueCode", checked.normalized))
        if inactive:
            entries.append(("inactive", "valueBoolean", True))
        if (inactive and status and status != "inactive") or status.casefold() == "deprecated":
            entries.append(("status", "valueCode", status))
        # HL7's guide distinguishes a system whose absence decides the result from one that is only not known.
        kind = "x-unknown-system" if self.member is False else "x-caused-by-unknown-system"
        entries += [(kind, "valueCanonical", system) for system in self.unknown]
        if not single:
            entries.append(("codeableConcept", "valueCodeableConcept", self.coded.concept))
        entries.append(("message", "valueString", self.findings.message()))
        if self.findings.issues:
            entries.append(("issues", "resource", outcome(self.findings.issues)))
        return answer(entries)


def _is_absolute(uri: str) -> bool:
    return uri.startswith(("http://", "https://", "urn:")) or bool(urlsplit(uri).scheme)


def _named(coding_at: CodingAt) -> str:
    """`system|version#code ('display')`, as messages call a coding."""
    name = coding_at.system or ""
    if coding_at.version:
        name += f"|{coding_at.version}"
    name += f"#{coding_at.code}"
    return f"{name} ('{coding_at.display}')" if coding_at.display else name


def code_system_to_validate(scope: Scope, parameters: Parameters, coded: Coded) -> CodeSystemContent:
    """The code system that `CodeSystem/$validate-code` asks of.

    Raises:
        OperationError: it is not available, is a supplement, or is not named at all.
    """
    coding = coded.first()
    url = parameters.text("url") or coding.get("system")
    path = coded.path(0)
    if not isinstance(url, str) or not url:
        raise OperationError(messages.no_system(path), answerable=True)
    named, stated = versions.split_canonical(url)
    version = parameters.text("version") or stated
    if version is None and parameters.text("url") is None:
        version = coding.get("version")
    version = scope.rule_version(named, version)
    content = scope.code_system(named, version)
    if content is not None:
        return content
    issues = [] if _is_absolute(named) else [messages.relative_system(path)]
    if scope.library.value_set_versions(named):
        raise OperationError(messages.not_a_code_system(path, named), *issues, answerable=True)
    supplement = scope.library.supplement(named)
    if supplement is not None:
        raise OperationError(
            messages.supplement_as_system(path, canonical(supplement)),
            *issues,
            answerable=True,
            unknown_system=named,
        )
    known = scope.versions_of(named) if version else []
    raise OperationError(
        messages.unknown_system(path, named, version, known),
        *issues,
        answerable=True,
        unknown_system=f"{named}|{version}" if version and known else named,
    )
