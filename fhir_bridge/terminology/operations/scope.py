"""What one operation may use: the library, with the version rules, supplements, time and cost of the request."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.implicit_value_sets import whole_system
from fhir_bridge.terminology.library import Library, put
from fhir_bridge.terminology.memory import ResourceContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.filters import Filter, compile_filter
from fhir_bridge.terminology.operations.options import Options, VersionRule
from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.supplemented import SupplementedContent, canonical
from fhir_bridge.terminology.value_set_definitions import FilterSpec, Part, ValueSetDefinition

__all__ = ["MAX_IMPORTS", "Scope"]

MAX_IMPORTS = 50
"""A chain of value sets that import each other may have so many links."""

VALUE_SET_SUPPLEMENT = "http://hl7.org/fhir/StructureDefinition/valueset-supplement"
_SUPPLEMENT_TYPE = "http://hl7.org/fhir/StructureDefinition/codesystem-supplement-type"


class _Common:
    """What is built from a library once for all the requests that come while it is the present one.

    Attributes:
        contents: code systems with their language packs, by url and version as they are asked for.
        filters: the compiled filters of includes, by identity; each with what they were built from, so that it stays.
        wholes: the value set of all codes of a code system, by the identity of that; each with its code system.
        sound: value sets whose imports and filters are known to be in order without version rules, by identity; each
            with the length of the longest chain of imports below it.
    """

    def __init__(self) -> None:
        self.contents: dict[tuple[str, str | None], CodeSystemContent | None] = {}
        self.filters: dict[int, tuple[Part, CodeSystemContent, Sequence[Filter]]] = {}
        self.wholes: dict[int, tuple[CodeSystemContent, ValueSetDefinition]] = {}
        self.sound: dict[int, tuple[ValueSetDefinition, int]] = {}


class Scope:
    """The terminology of one request.

    Attributes:
        used_rules: version rules that took part, in the order in which they did.
    """

    __slots__ = ("_common", "_contents", "_end", "_filters", "_required", "library", "options", "used_rules")

    def __init__(self, library: Library, options: Options) -> None:
        self.library = library
        self.options = options
        self.used_rules: dict[VersionRule, None] = {}
        self._required: dict[str, ResourceContent] = {}
        common: _Common | None = library.kept.get(_Common)
        if common is None:
            # Another thread may have put one there meanwhile: the first one counts.
            common = library.kept.setdefault(_Common, _Common())
        self._common = common
        self._contents = common.contents
        self._filters: dict[tuple[str, str | None, FilterSpec], Filter] = {}
        self._end = time.monotonic() + options.limits.seconds

    # --- time ---

    def tick(self, value_set: ValueSetDefinition | None = None) -> None:
        """Give up where the operation takes too long.

        Raises:
            OperationError: too-costly.
        """
        deadline = self.options.limits.deadline
        if time.monotonic() > self._end or (deadline is not None and deadline.over):
            what = value_set.canonical if value_set is not None else "?"
            text = f"The value set '{what}' took too long to process (>{self.options.limits.seconds:g}sec)"
            raise OperationError(TxIssue("error", "too-costly", None, text, "", "VALUESET_TOO_COSTLY_TIME"))

    # --- supplements ---

    def see(self, value_set: ValueSetDefinition) -> None:
        """Heed what the value set asks for itself: expansion parameters, a language, supplements.

        Raises:
            OperationError: a supplement is not available, or a parameter can't be read.
        """
        if value_set.has_no_requests and not self.options.supplements:
            return
        self.options = self.options.seeing(value_set)
        self.require_supplements(
            (*self.options.supplements, *map(str, value_set.extension(VALUE_SET_SUPPLEMENT)))
        )

    def require_supplements(self, canonicals: Sequence[str]) -> None:
        """Use these supplements.

        Raises:
            OperationError: one of them is not available.
        """
        if not canonicals:
            return
        missing = []
        for item in canonicals:
            supplement = self.library.supplement(item)
            if supplement is None:
                missing.append(item)
            else:
                self._required[canonical(supplement)] = supplement
        if missing:
            raise OperationError(messages.supplements_missing(missing))
        self._contents = {}  # from here on they are those of this request alone

    def supplements_of(self, content: CodeSystemContent) -> list[ResourceContent]:
        """The supplements to use of a code system: the required ones, and language packs."""
        chosen = {}
        for supplement in self.library.supplements(content.url):
            url, version = versions.split_canonical(supplement.supplements or "")
            suits = url == content.url and (
                version is None or versions.matches(version, content.version or "")
            )
            if suits and (canonical(supplement) in self._required or _is_language_pack(supplement)):
                chosen[canonical(supplement)] = supplement
        return list(chosen.values())

    # --- code systems ---

    def rule_version(self, url: str, stated: str | None, *, value_sets: bool = False) -> str | None:
        """The version to look for, after the version rules: forced, as it is stated, by default, as it is checked."""
        rules = self.options.rules_for(url, value_sets=value_sets)
        if not rules:
            return stated or None
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
        try:
            # None is kept as well: that there is no such code system.
            return self._contents[key]
        except KeyError:
            content = self.library.code_system(url, version)
            if content is not None:
                more = self.supplements_of(content)
                content = SupplementedContent(content, more) if more else content
            put(self._contents, key, content)
            return content

    def whole(self, content: CodeSystemContent) -> ValueSetDefinition:
        """The value set of all codes of a code system."""
        known = self._common.wholes.get(id(content))
        if known is not None and known[0] is content:
            return known[1]
        definition = whole_system(f"{content.url}/vs", content)
        # Kept of what all requests share; a code system that one request brings would be held for ever.
        if content is self._common.contents.get((content.url, None)):
            put(self._common.wholes, id(content), (content, definition))
        return definition

    def versions_of(self, url: str) -> list[str]:
        """The available versions, in the order in which a message lists them."""
        known = (
            code_system_version
            for code_system_version in self.library.code_system_versions(url)
            if code_system_version
        )
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
        """The value set that is named: contained in the one that names it, or available."""
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

    def sound_height(self, value_set: ValueSetDefinition) -> int | None:
        """The length of the chain of imports below a value set whose imports and filters were found in order by a
        request without version rules, as this one is; None where that is not known.
        """
        # Version rules change which versions are taken, so the answer of a request without them says nothing.
        known = None if self.options.rules else self._common.sound.get(id(value_set))
        return None if known is None or known[0] is not value_set else known[1]

    def keep_validated(self, value_set: ValueSetDefinition, height: int) -> None:
        """Note that they are, and keep the filters, for one of the library: what a request brings is not kept."""
        url, common = value_set.url, self._common
        if self.options.rules or not url or self.library.value_set(url, value_set.version) is not value_set:
            return
        for part in (*value_set.includes, *value_set.excludes):
            content = self.code_system(part.system, part.version) if part.system and part.filters else None
            if content is not None:
                filters = self._compiled(part, content)
                if not any(item.timed for item in filters):
                    put(common.filters, id(part), (part, content, filters))
        put(common.sound, id(value_set), (value_set, height))

    def filters(self, part: Part, content: CodeSystemContent) -> Sequence[Filter]:
        """The compiled filters of an include.

        Raises:
            OperationError: a filter can't be used.
        """
        if not part.filters:
            return ()
        known = self._common.filters.get(id(part))
        if known is not None and known[0] is part and known[1] is content:
            return known[2]
        return self._compiled(part, content)

    def _compiled(self, part: Part, content: CodeSystemContent) -> Sequence[Filter]:
        filters = []
        for spec in part.filters:
            key = (content.url, content.version, spec)
            entry = self._filters.get(key)
            if entry is None:
                entry = self._filters[key] = compile_filter(content, spec, self.tick)
            filters.append(entry)
        return filters


def _is_language_pack(supplement: ResourceContent) -> bool:
    return any(
        entry.get("url") == _SUPPLEMENT_TYPE and entry.get("valueCode") == "lang-pack"
        for entry in supplement.resource.get("extension", ())
    )
