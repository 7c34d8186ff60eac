"""What one operation may use: the library, with the version rules, supplements, time and cost of the request."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.memory import ResourceContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.filters import Filter, compile_filter
from fhir_bridge.terminology.operations.options import Options, VersionRule
from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.supplemented import SupplementedContent, canonical
from fhir_bridge.terminology.value_set_definitions import FilterSpec, Part, ValueSetDefinition

__all__ = ["MAX_IMPORTS", "VALUE_SET_SUPPLEMENT", "Scope"]

MAX_IMPORTS = 50
"""A chain of value sets that import each other may have so many links."""

VALUE_SET_SUPPLEMENT = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"
_SUPPLEMENT_TYPE = "http://hl7.org/fhir/StructureDefinition/codesystem-supplement-type"


class Scope:
    """The terminology of one request.

    Attributes:
        used_rules: version rules that took part, in the order in which they did.
    """

    def __init__(self, library: Library, options: Options) -> None:
        self.library = library
        self.options = options
        self.used_rules: dict[VersionRule, None] = {}
        self._required: dict[str, ResourceContent] = {}
        self._contents: dict[tuple[str, str | None], CodeSystemContent | None] = {}
        self._filters: dict[tuple[str, str | None, FilterSpec], Filter] = {}
        self._end = time.monotonic() + options.limits.seconds

    # --- time ---

    def tick(self, value_set: ValueSetDefinition | None = None) -> None:
        """Give up where the operation takes too long.

        Raises:
            OperationError: too-costly.
        """
        if time.monotonic() > self._end:
            what = value_set.canonical if value_set is not None else "?"
            text = f"The value set '{what}' took too long to process (>{self.options.limits.seconds:g}sec)"
            raise OperationError(TxIssue("error", "too-costly", None, text, "", "VALUESET_TOO_COSTLY_TIME"))

    # --- supplements ---

    def require_supplements(self, canonicals: Sequence[str]) -> None:
        """Use these supplements.

        Raises:
            OperationError: one of them is not at hand.
        """
        missing = []
        for one in canonicals:
            found = self.library.supplement(one)
            if found is None:
                missing.append(one)
            else:
                self._required[canonical(found)] = found
        if missing:
            raise OperationError(messages.supplements_missing(missing))

    def supplements_of(self, content: CodeSystemContent) -> list[ResourceContent]:
        """The supplements to use of a code system: the required ones, and language packs."""
        chosen = {}
        for one in self.library.supplements(content.url):
            url, version = versions.split_canonical(one.supplements or "")
            suits = url == content.url and (
                version is None or versions.matches(version, content.version or "")
            )
            if suits and (canonical(one) in self._required or _is_language_pack(one)):
                chosen[canonical(one)] = one
        return list(chosen.values())

    # --- code systems ---

    def rule_version(self, url: str, stated: str | None, *, value_sets: bool = False) -> str | None:
        """The version to look for, after the version rules: forced, as it is stated, by default, as it is checked."""
        rules = self.options.rules_for(url, value_sets=value_sets)
        for rule in rules:
            if rule.mode == "force":
                self.used_rules[rule] = None
                return rule.version
        if stated:
            return stated
        for mode in ("default", "check"):
            for rule in rules:
                if rule.mode == mode:
                    self.used_rules[rule] = None
                    return rule.version
        return None

    def code_system(self, url: str, version: str | None = None) -> CodeSystemContent | None:
        """The code system, with its supplements; `version` is one that the rules have been applied to."""
        key = (url, version)
        if key not in self._contents:
            found = self.library.code_system(url, version)
            if found is not None:
                more = self.supplements_of(found)
                found = SupplementedContent(found, more) if more else found
            self._contents[key] = found
        return self._contents[key]

    def versions_of(self, url: str) -> list[str]:
        """The versions at hand, in the order in which a message lists them."""
        known = (one for one in self.library.code_system_versions(url) if one)
        return sorted(known, key=versions.order)

    def refused_versions(self, content: CodeSystemContent) -> list[str]:
        """The versions that `check-system-version` requires and this one is not."""
        return [
            rule.version
            for rule in self.options.rules_for(content.url)
            if rule.mode == "check" and not versions.matches(rule.version, content.version or "")
        ]

    # --- value sets ---

    def pinned(self, reference: str) -> tuple[str, str | None]:
        """Url and version of a value set that is named, after the version rules."""
        url, version = versions.split_canonical(reference)
        return url, self.rule_version(url, version, value_sets=True)

    def value_set(
        self, reference: str, within: ValueSetDefinition | None = None
    ) -> ValueSetDefinition | None:
        """The value set that is named: contained in the one that names it, or at hand."""
        if within is not None and reference.startswith("#"):
            return within.contained.get(reference)
        url, version = self.pinned(reference)
        return self.library.value_set(url, version)

    def follow(self, value_set: ValueSetDefinition, pathway: tuple[str, ...]) -> tuple[str, ...]:
        """The pathway of imports with this value set at its end.

        Raises:
            OperationError: it is on the pathway already, or that is too long.
        """
        if value_set.url and value_set.canonical in pathway:
            raise OperationError(messages.circular(value_set.canonical, pathway))
        if len(pathway) > MAX_IMPORTS:
            raise OperationError(messages.imports_too_deep(value_set.canonical, MAX_IMPORTS))
        return (*pathway, value_set.canonical) if value_set.url else pathway

    # --- filters ---

    def filters(self, part: Part, content: CodeSystemContent) -> list[Filter]:
        """The compiled filters of an include.

        Raises:
            OperationError: a filter can't be used.
        """
        found = []
        for spec in part.filters:
            key = (content.url, content.version, spec)
            made = self._filters.get(key)
            if made is None:
                made = self._filters[key] = compile_filter(content, spec, self.tick)
            found.append(made)
        return found


def _is_language_pack(supplement: ResourceContent) -> bool:
    return any(
        entry.get("url") == _SUPPLEMENT_TYPE and entry.get("valueCode") == "lang-pack"
        for entry in supplement.resource.get("extension", ())
    )
