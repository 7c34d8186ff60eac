"""Whether one coding is in a value set, with all that there is to say about it: the core of `$validate-code`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.grammars import GrammarContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.checked import Checked, CodingAt
from fhir_bridge.terminology.operations.names import Names
from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.operations.scope import MAX_IMPORTS, Scope
from fhir_bridge.terminology.operations.status import reference_state, standards_status
from fhir_bridge.terminology.supplemented import canonical
from fhir_bridge.terminology.value_set_definitions import Part, ValueSetDefinition

__all__ = ["MembershipChecker"]


class MembershipChecker:
    """Asks the value sets of one request."""

    __slots__ = ("_checked", "_options", "_prepared", "_scope")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._options = scope.options
        self._prepared: dict[int, int] = {}
        self._checked: dict[tuple[int, CodingAt], Checked] = {}

    # --- before any coding ---

    def prepare(self, value_set: ValueSetDefinition, pathway: tuple[str, ...] = ()) -> int:
        """See that all value sets that it imports are available, and that its filters can be used; the length of the
        longest chain of imports below it.

        Raises:
            OperationError: they aren't, import each other in a circle, or a filter is wrong.
        """
        known = self._prepared.get(id(value_set))
        if known is None:
            known = self._scope.sound_height(value_set)
        # In order by itself; with what imports it the chain may yet be too long.
        if known is not None and len(pathway) + known <= MAX_IMPORTS:
            return known
        here, height = self._scope.follow(value_set, pathway), 0
        for part in (*value_set.includes, *value_set.excludes):
            for reference in part.value_sets:
                height = max(height, 1 + self.prepare(self.imported(reference, value_set), here))
            if part.system and part.filters:
                version = self._scope.rule_version(part.system, part.version)
                content = self._scope.code_system(part.system, version)
                if content is not None:
                    self._scope.filters(part, content)
        self._prepared[id(value_set)] = height
        self._scope.keep_validated(value_set, height)
        return height

    def imported(self, reference: str, within: ValueSetDefinition) -> ValueSetDefinition:
        """An imported value set.

        Raises:
            OperationError: it is not available.
        """
        value_set = self._scope.value_set(reference, within)
        if value_set is None:
            url, version = self._scope.pinned(reference)
            named = f"{url}|{version}" if version else url
            raise OperationError(messages.unknown_value_set(named), answerable=True)
        return value_set

    # --- one coding ---

    def check(self, value_set: ValueSetDefinition, coding: CodingAt) -> Checked:
        """The coding in the value set."""
        self._scope.tick(value_set)
        if value_set.expanded is not None:
            return self._in_expansion(value_set, coding)
        chosen = self._included(value_set, coding)
        if chosen.member:
            for part in value_set.excludes:
                if self._excluded(value_set, part, coding, chosen):
                    chosen.member = False
                    break
        return chosen

    def _check_imported(self, value_set: ValueSetDefinition, coding: CodingAt) -> Checked:
        """As `check`; worked out once however many value sets import this one."""
        key = (id(value_set), coding)
        known = self._checked.get(key)
        if known is None:
            known = self._checked[key] = self.check(value_set, coding)
        # The lists are copied, since the caller adds to them.
        return replace(known, issues=[*known.issues], unknown=[*known.unknown])

    def _included(self, value_set: ValueSetDefinition, coding: CodingAt) -> Checked:
        results: list[Checked] = []
        for part in self._candidates(value_set, coding):
            imports = self._part(value_set, part, coding)
            results.append(imports)
            # Of the includes of several versions one whose concept has the display goes before.
            if imports.member and (not coding.display or self._display_right(imports, coding.display)):
                return imports
        for part in value_set.includes:
            if part.system is None and part.value_sets:
                imports = self._imports(value_set, part, coding, None)
                results.append(imports)
                if imports.member:
                    return imports
        for wanted in (True, None, False):
            for imports in results:
                if imports.member is wanted:
                    return imports
        return Checked(False)

    def _candidates(self, value_set: ValueSetDefinition, coding: CodingAt) -> Sequence[Part]:
        """The includes of the coding's system: those of its version where there are some, the newest version first."""
        mine = [
            part for part in value_set.includes if part.system is not None and part.system == coding.system
        ]
        if len(mine) < 2:
            return mine
        resolved = []
        for part in mine:
            version = self._scope.rule_version(str(part.system), part.version)
            content = self._scope.code_system(str(part.system), version)
            resolved.append((part, (content.version or "") if content is not None else version or ""))
        if coding.version:
            suited = [
                (p, v) for p, v in resolved if v == coding.version or versions.matches(coding.version, v)
            ]
            resolved = suited or resolved
        resolved.sort(key=lambda pair: versions.order(pair[1]), reverse=True)
        return [part for part, _ in resolved]

    def _display_right(self, checked: Checked, display: str) -> bool:
        match, _ = checked.names.matching(display, self._options.languages)
        return match is not None

    def _part(self, value_set: ValueSetDefinition, part: Part, coding: CodingAt) -> Checked:
        """One include with a system."""
        system = str(part.system)
        checked = Checked(False)
        version = self._version(part, coding, checked)
        content = self._content(checked, coding.path, system, version)
        if content is None:
            return checked
        for required in self._scope.refused_versions(content):
            checked.issues.append(
                messages.version_checked(coding.path, system, content.version or "", required)
            )
        state = reference_state(content.metadata, value_set.resource)
        if state is not None:
            checked.issues.append(messages.reference_status(state, "CodeSystem", canonical(content)))
        self._concept(value_set, part, content, coding, checked)
        if checked.member and part.value_sets:
            return self._imports(value_set, part, coding, checked)
        return checked

    def _content(
        self, checked: Checked, path: str, system: str, version: str | None
    ) -> CodeSystemContent | None:
        """The code system, which is noted in what is found; without it membership can't be determined."""
        checked.content = self._scope.code_system(system, version)
        if checked.content is None and not self._options.membership_only:
            self._unknown(checked, path, system, version)
            checked.member = None
        return checked.content

    def _unknown(self, checked: Checked, path: str, system: str, version: str | None) -> None:
        known = self._scope.versions_of(system) if version else []
        checked.issues.append(messages.unknown_system(path, system, version, known))
        checked.unknown.append(f"{system}|{version}" if version and known else system)

    def _version(self, part: Part, coding: CodingAt, checked: Checked) -> str | None:
        """The version to look in, and what is to be said where the coding names another."""
        system = str(part.system)
        result = self._scope.rule_version(system, part.version)
        wanted = coding.version
        if not wanted:
            return result
        if result and wanted != result and versions.matches(result, wanted):
            result = wanted
        known = self._scope.library.code_system_versions(system)
        if not result and any(wanted == item or versions.matches(wanted, item) for item in known):
            result = wanted
        content = self._scope.code_system(system, result)
        if content is None:
            if result != wanted:
                checked.issues.append(
                    messages.version_differs(coding.path, system, result or "", result, wanted, default=False)
                )
            return result
        used = content.version or ""
        if used != wanted and not versions.matches(wanted, used):
            checked.issues.append(
                messages.version_differs(
                    coding.path, system, result or used, part.version, wanted, default=not result
                )
            )
            if self._scope.library.code_system(system, wanted) is None:
                self._unknown(checked, coding.path, system, wanted)
        return result

    # --- one concept ---

    def _concept(
        self,
        value_set: ValueSetDefinition,
        part: Part,
        content: CodeSystemContent,
        coding: CodingAt,
        checked: Checked,
    ) -> None:
        code = content.find(coding.code)
        entry: Mapping[str, Any] | None = None
        if part.concepts is not None:
            listed = part.listed(coding.code, case_sensitive=content.case_sensitive)
            if listed is None or code is None:
                return
            entry = part.concepts[listed]
        elif code is None:
            if part.whole and not self._options.membership_only:
                self.unknown_code(content, coding, checked)
            return
        for item, spec in zip(self._scope.filters(part, content), part.filters, strict=True):
            if not item.matches(code):
                if isinstance(content, GrammarContent):
                    checked.why = content.unmet(code, spec.property, spec.value)
                return
        if code != coding.code:
            checked.normalized = code
            issue = messages.case_differs(coding.path, coding.code, code, canonical(content))
            checked.issues.append(issue)
        detail = content.get(code)
        if detail is None:
            return
        checked.detail = detail
        checked.names = Names.of(content, detail, entry, value_set.resource.get("language"))
        checked.inactive = not detail.active
        if detail.abstract and not self._options.abstract:
            if not self._options.membership_only:
                checked.issues.append(messages.abstract_code(coding.path, content.url, coding.code))
        elif not detail.active and (value_set.active_only or self._options.active_only):
            checked.issues.append(messages.inactive_code(coding.path, coding.code))
        else:
            checked.member = True
            if entry is not None and "extension" in entry:
                self._entry_status(value_set, content, coding, entry, checked)

    def unknown_code(self, content: CodeSystemContent, coding: CodingAt, checked: Checked) -> None:
        """The code is not in the content: wrong where all of it is available, else a warning and taken as right."""
        if content.content != "complete":
            issue = messages.unknown_code_in_fragment(coding.path, coding.code, content.url, content.version)
            checked.issues.append(issue)
            checked.member = True
            return
        checked.issues.append(messages.unknown_code(coding.path, coding.code, content.url, content.version))
        problem = content.problem(coding.code) if isinstance(content, GrammarContent) else None
        if problem:
            where = f"{coding.path}.code" if coding.path else "code"
            checked.issues.append(TxIssue("information", "code-invalid", "invalid-code", problem, where))

    def _entry_status(
        self,
        value_set: ValueSetDefinition,
        content: CodeSystemContent,
        coding: CodingAt,
        entry: Mapping[str, Any],
        checked: Checked,
    ) -> None:
        """An entry that the value set marks as deprecated or withdrawn."""
        status = standards_status(entry)
        if status not in ("deprecated", "withdrawn"):
            marked = any(
                item.get("url") == "http://hl7.org/fhir/StructureDefinition/valueset-deprecated"
                for item in entry.get("extension", ())
            )
            status = "deprecated" if marked else None
        if status is not None:
            checked.issues.append(
                messages.concept_deprecated_in_value_set(
                    coding.path, content.url, coding.code, status, value_set.canonical
                )
            )

    # --- imports, exclusion, expansions ---

    def _imports(
        self, value_set: ValueSetDefinition, part: Part, coding: CodingAt, outcome: Checked | None
    ) -> Checked:
        """The coding in every value set that the include names; `outcome`: what its own system gave."""
        result = outcome
        for reference in part.value_sets:
            other = self.imported(reference, value_set)
            checked = self._check_imported(other, coding)
            state = reference_state(other.resource, value_set.resource)
            if state is not None:
                checked.issues.append(messages.reference_status(state, "ValueSet", other.canonical))
            if result is None:
                result = checked
            else:
                result.issues.extend(checked.issues)
                result.unknown.extend(checked.unknown)
                result.member = checked.member if result.member else result.member
            if result.member is not True:
                return result
        return result if result is not None else Checked(False)

    def _excluded(self, value_set: ValueSetDefinition, part: Part, coding: CodingAt, chosen: Checked) -> bool:
        if part.system is not None:
            if part.system != coding.system:
                return False
            version = self._scope.rule_version(part.system, part.version)
            content = self._scope.code_system(part.system, version)
            if content is None:
                self._unknown(chosen, coding.path, part.system, version)
                return False
            if not self._same_version(value_set, part, content, chosen):
                return False
            code = content.find(coding.code)
            if code is None:
                return False
            if part.concepts is not None and part.listed(code, case_sensitive=content.case_sensitive) is None:
                return False
            if not all(item.matches(code) for item in self._scope.filters(part, content)):
                return False
        return all(
            self._check_imported(self.imported(reference, value_set), coding).member is True
            for reference in part.value_sets
        )

    def _same_version(
        self, value_set: ValueSetDefinition, part: Part, content: CodeSystemContent, chosen: Checked
    ) -> bool:
        """Whether an exclusion speaks of the version that the coding was found in.

        One that names a version of which nothing is included speaks of all versions: it would do nothing else.
        """
        if chosen.content is None or content.version == chosen.content.version:
            return True
        if self._options.versions_match is not None:
            return self._options.versions_match
        included = {include.version for include in value_set.includes if include.system == part.system}
        return part.version not in included

    def _in_expansion(self, value_set: ValueSetDefinition, coding: CodingAt) -> Checked:
        entries = value_set.expanded or {}
        entry = entries.get((coding.system or "", coding.code))
        checked = Checked(False)
        system = coding.system or ""
        if entry is None:
            checked.member = False if value_set.expansion_whole else None
            return checked
        version = self._scope.rule_version(system, entry.get("version") or coding.version)
        content = self._content(checked, coding.path, system, version)
        if content is None:
            return checked
        code = content.find(coding.code)
        detail = content.get(code) if code is not None else None
        if detail is None:
            if not self._options.membership_only:
                self.unknown_code(content, coding, checked)
            return checked
        checked.detail, checked.names = detail, Names.of(content, detail, entry)
        checked.inactive = not detail.active
        if detail.abstract and not self._options.abstract:
            checked.issues.append(messages.abstract_code(coding.path, content.url, coding.code))
        else:
            checked.member = True
        return checked

    # --- a code without system ---

    def systems_of(self, value_set: ValueSetDefinition, code: str) -> list[str]:
        """The code systems of the value set that have the code as a member, each once."""
        results = {}
        for system in dict.fromkeys(self._systems(value_set)):
            checked = self.check(value_set, CodingAt("", system, None, code, None))
            if checked.member and checked.detail is not None:
                results[system] = True
        return list(results)

    def _systems(self, value_set: ValueSetDefinition) -> Iterator[str]:
        for system, _ in value_set.expanded or ():
            yield system
        for part in value_set.includes:
            if part.system is not None:
                yield part.system
            else:
                for reference in part.value_sets:
                    yield from self._systems(self.imported(reference, value_set))
