"""`ValueSet/$expand` (R4 valueset-operation-expand.html)."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.grammars import GrammarContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.contains import Entry, PropertyTable, contains
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.scope import VALUE_SET_SUPPLEMENT, Scope
from fhir_bridge.terminology.operations.selection import Selector
from fhir_bridge.terminology.operations.status import reference_state
from fhir_bridge.terminology.operations.tree import nested, several_parents
from fhir_bridge.terminology.supplemented import SupplementedContent, canonical
from fhir_bridge.terminology.value_set_definitions import Part, ValueSetDefinition

__all__ = ["Expander", "expand"]

_SD = "http://hl7.org/fhir/StructureDefinition/"
_DEFINITION = ("compose", "description", "purpose", "copyright", "publisher", "contact", "extension", "text")
"""What `includeDefinition` asks for; left out without it."""


def expand(scope: Scope, value_set: ValueSetDefinition) -> dict[str, Any]:
    """The expanded value set, in its R5 form.

    Raises:
        OperationError: a code system, value set or supplement is missing, a filter can't be used, value sets import
            each other in a circle, or it would be too costly.
    """
    scope.options = scope.options.seeing(value_set)
    scope.require_supplements(
        (*scope.options.supplements, *map(str, value_set.extension(VALUE_SET_SUPPLEMENT)))
    )
    return Expander(scope).run(value_set)


class Expander:
    """One expansion."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._options = scope.options
        self._selector = Selector(scope)
        self._parameters: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._unclosed: list[str] = []
        self._endless = False
        self._cut = False
        self._across_versions = False
        self._followed: set[int] = set()
        self._of_imports: dict[int, list[Entry]] = {}
        self._table = PropertyTable()

    # --- the answer ---

    def run(self, value_set: ValueSetDefinition) -> dict[str, Any]:
        """The value set with its expansion."""
        options = self._options
        self._echo()
        self._state(value_set, value_set.resource, value_set.canonical)
        with_version = _several_versions(value_set)
        total, page, tree = self._selected(value_set, with_version)
        expansion: dict[str, Any] = {
            "identifier": f"urn:uuid:{uuid.uuid4()}",
            "timestamp": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        }
        tree = tree and not several_parents(page)
        listed = self._tree(page, with_version) if tree else self._flat(page, with_version)
        for reason in dict.fromkeys(self._unclosed):
            expansion.setdefault("extension", []).append(
                {"url": f"{_SD}valueset-unclosed-reason", "valueString": reason}
            )
        if self._unclosed:
            expansion["extension"].insert(0, {"url": f"{_SD}valueset-unclosed", "valueBoolean": True})
        if total is not None and not self._endless:
            expansion["total"] = total
        if options.offset is not None:
            expansion["offset"] = options.offset
        if self._across_versions or options.versions_match:
            self._parameter("versionsMatch", "valueBoolean", True)
        for rule in self._scope.used_rules:
            self._parameter(rule.name, "valueUri", f"{rule.url}|{rule.version}")
        if self._parameters:
            expansion["parameter"] = list(self._parameters.values())
        if self._table.uris:
            expansion["property"] = self._table.json()
        if listed:
            expansion["contains"] = listed
        return {**self._head(value_set), "expansion": expansion}

    def _head(self, value_set: ValueSetDefinition) -> dict[str, Any]:
        left_out = {"expansion", "text", "contained", "meta"}
        if not self._options.include_definition:
            left_out.update(_DEFINITION)
        found = {key: value for key, value in value_set.resource.items() if key not in left_out}
        found.setdefault("resourceType", "ValueSet")
        found.setdefault("status", "unknown")
        return found

    def _echo(self) -> None:
        """The options of the request as expansion parameters."""
        options = self._options
        if options.filter:
            self._parameter("filter", "valueString", options.filter)
        if options.languages is not None:
            self._parameter("displayLanguage", "valueCode", options.languages.text)
        for token in options.designations:
            self._parameter("designation", "valueString", token)
        for name, flag in (
            ("excludeNested", options.exclude_nested),
            ("activeOnly", options.active_only),
            ("includeDesignations", options.include_designations),
            ("includeDefinition", options.include_definition),
            ("excludeNotForUI", options.exclude_not_for_ui),
            ("excludePostCoordinated", options.exclude_post_coordinated),
        ):
            if flag is not None:
                self._parameter(name, "valueBoolean", flag)
        for name, number in (("offset", options.offset), ("count", options.count)):
            if number is not None:
                self._parameter(name, "valueInteger", number)

    def _parameter(self, name: str, kind: str, value: Any) -> None:
        self._parameters.setdefault((name, kind, str(value)), {"name": name, kind: value})

    def _state(self, source: ValueSetDefinition, resource: Mapping[str, Any], named: str) -> None:
        state = reference_state(resource, source.resource)
        if state is not None:
            self._parameter(f"warning-{state}", "valueUri", named)

    # --- selecting ---

    def _selected(
        self, value_set: ValueSetDefinition, with_version: bool
    ) -> tuple[int | None, Sequence[Entry], bool]:
        """The total, the entries of the page, and whether they may be shown as a tree."""
        options = self._options
        limit = options.limits.codes
        if options.limit:
            limit = min(limit, options.limit)
        if options.count is not None and options.count > options.limits.page:
            raise self._too_costly(value_set, options.limits.page)
        offset = options.offset or 0
        whole = self._whole_system(value_set)
        if whole is not None and options.count is not None and (offset or options.count <= len(whole)):
            codes = islice(whole.codes(), offset, offset + options.count)
            return len(whole), [Entry(whole, code, {}) for code in codes], False
        entries = self._entries(value_set, (), None if options.count is not None else limit, with_version)
        total = None if self._cut else len(entries)
        if options.count is not None or offset:
            end = None if options.count is None else offset + options.count
            page = entries[offset:end]
            tree = not offset and options.count is not None and options.count > len(entries)
        else:
            page, tree = entries, True
        return total, page, tree and not self._endless and self._may_nest(value_set)

    def _whole_system(self, value_set: ValueSetDefinition) -> CodeSystemContent | None:
        """The code system of which the value set is all, where that can be paged without listing it."""
        options = self._options
        if len(value_set.includes) != 1 or value_set.excludes or value_set.active_only:
            return None
        part = value_set.includes[0]
        if not part.whole or part.value_sets or options.active_only or options.exclude_not_for_ui:
            return None
        if options.filter:
            return None
        content = self._content(value_set, part)
        return content if self._selector.listable(content) else None

    def _may_nest(self, value_set: ValueSetDefinition) -> bool:
        if self._options.exclude_nested or self._options.offset:
            return False
        return all(
            not part.value_sets
            and part.concepts is None
            and len(part.filters) < 2
            and not (part.whole and self._options.filter)
            for part in (*value_set.includes, *value_set.excludes)
        )

    def _entries(
        self,
        value_set: ValueSetDefinition,
        pathway: tuple[str, ...],
        limit: int | None,
        with_version: bool,
    ) -> list[Entry]:
        """All entries, each once. More than `limit` is too costly."""
        here = self._scope.follow(value_set, pathway)
        excluded = self._exclusion(value_set, here)
        found: dict[tuple[str, str, str], Entry] = {}
        for entry in self._included(value_set, here):
            if excluded(entry):
                continue
            system, version, code = entry.key
            key = (system, version if with_version and not self._options.versions_match else "", code)
            kept = found.get(key)
            if kept is None:
                found[key] = entry
                if limit is not None and len(found) > limit and not self._endless:
                    raise self._too_costly(value_set, limit)
            elif versions.order(version) > versions.order(kept.content.version or ""):
                found[key] = entry
        return list(found.values())

    def _too_costly(self, value_set: ValueSetDefinition, limit: int) -> OperationError:
        issue = messages.too_costly(value_set.canonical, limit)
        hint = f"Ask for a page with count and offset, or narrow it with filter; the limit is {limit} codes"
        return OperationError(replace(issue, diagnostics=hint))

    def _included(self, value_set: ValueSetDefinition, pathway: tuple[str, ...]) -> Iterator[Entry]:
        expanded = value_set.expanded
        if expanded is not None:
            yield from self._of_expansion(value_set, expanded)
            return
        language = value_set.resource.get("language")
        for part in _newest_first(value_set.includes):
            if part.system is None:
                yield from self._imported(value_set, part, pathway)
                continue
            content = self._content(value_set, part)
            others = self._imports(value_set, part, pathway)

            def let_in(
                code: str,
                content: CodeSystemContent = content,
                others: Sequence[ValueSetDefinition] = others,
            ) -> bool:
                return all(self._selector.member(one, content.url, code) for one in others) and self._shown(
                    value_set, content, code
                )

            for code in self._codes(value_set, part, content, pathway, let_in):
                listed = part.listed(code, case_sensitive=content.case_sensitive)
                reference = (part.concepts or {}).get(listed or "", {})
                yield Entry(content, code, reference, language)

    def _codes(
        self,
        value_set: ValueSetDefinition,
        part: Part,
        content: CodeSystemContent,
        pathway: tuple[str, ...],
        let_in: Callable[[str], bool],
    ) -> Iterable[str]:
        """The codes of an include that are let in."""
        options = self._options
        if isinstance(content, GrammarContent) and part.concepts is None:
            return filter(let_in, self._of_grammar(value_set, part, content, pathway))
        if options.filter:
            most = max(options.limits.codes, (options.offset or 0) + (options.count or 0)) + 1
            hits = self._selector.found_by_text(
                part, content, options.filter, most, active_only=options.active_only is True, also=let_in
            )
            if len(hits) >= most:
                self._cut = True
            return hits
        return filter(let_in, self._selector.codes(part, content, value_set))

    def _of_grammar(
        self,
        value_set: ValueSetDefinition,
        part: Part,
        content: GrammarContent,
        pathway: tuple[str, ...],
    ) -> Iterator[str]:
        """A grammar has no end: a value set of its common codes stands for it."""
        common = None if content.enumeration is None else self._scope.library.value_set(content.enumeration)
        if common is None:
            raise OperationError(messages.not_enumerable(content.url))
        self._unclosed.append(
            f"The code System '{content.url}' has a grammar and so has infinite members. "
            f"This extension is based on {content.enumeration}"
        )
        self._endless = self._endless or part.whole
        self._state(value_set, common.resource, common.canonical)
        filters = self._scope.filters(part, content)
        text = (self._options.filter or "").casefold()
        for entry in self._entries(common, pathway, None, with_version=False):
            if all(one.matches(entry.code) for one in filters) and text in entry.code.casefold():
                yield entry.code

    def _shown(self, value_set: ValueSetDefinition, content: CodeSystemContent, code: str) -> bool:
        """Whether the state of the concept lets it in."""
        options = self._options
        active = options.active_only or value_set.active_only
        if not active and not options.exclude_not_for_ui:
            return True
        detail = content.get(code)
        if detail is None:
            return False
        return not (active and not detail.active) and not (options.exclude_not_for_ui and detail.abstract)

    def _of_expansion(
        self, value_set: ValueSetDefinition, expanded: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> Iterator[Entry]:
        for (system, code), entry in expanded.items():
            content = self._scope.code_system(system, self._scope.rule_version(system, entry.get("version")))
            if content is None or content.find(code) is None:
                continue
            self._used(value_set, content)
            if self._shown(value_set, content, code):
                yield Entry(content, code, entry)

    # --- code systems and imports ---

    def _content(self, value_set: ValueSetDefinition, part: Part) -> CodeSystemContent:
        system = str(part.system)
        version = self._scope.rule_version(system, part.version)
        content = self._scope.code_system(system, version)
        if content is None:
            known = self._scope.versions_of(system) if version else []
            raise OperationError(messages.unknown_system_expansion(system, version, known))
        for required in self._scope.refused_versions(content):
            issue = messages.version_checked("", system, content.version or "", required)
            raise OperationError(replace(issue, expression=""), status=400)
        self._used(value_set, content)
        return content

    def _used(self, value_set: ValueSetDefinition, content: CodeSystemContent) -> None:
        self._parameter("used-codesystem", "valueUri", canonical(content))
        if isinstance(content, SupplementedContent):
            for one in content.supplements:
                self._parameter("used-supplement", "valueUri", canonical(one))
        self._state(value_set, content.metadata, canonical(content))
        if content.content != "complete":
            self._parameter(f"used-{content.content}", "valueUri", canonical(content))
            self._unclosed.append(
                f"This extension is based on a {content.content} of the code system {content.url}"
            )

    def _imports(
        self, value_set: ValueSetDefinition, part: Part, pathway: tuple[str, ...]
    ) -> list[ValueSetDefinition]:
        """The value sets that an include or exclude names.

        Raises:
            OperationError: one is not at hand, or they import each other in a circle.
        """
        found = []
        for reference in part.value_sets:
            other = self._scope.value_set(reference, value_set)
            if other is None:
                raise OperationError(messages.import_unknown(*self._scope.pinned(reference)))
            if other.url and other.canonical in pathway:
                raise OperationError(messages.circular(other.canonical, pathway))
            if other.url and not reference.startswith("#"):
                self._parameter("used-valueset", "valueUri", other.canonical)
            self._state(value_set, other.resource, other.canonical)
            found.append(other)
        return found

    def _imported(
        self, value_set: ValueSetDefinition, part: Part, pathway: tuple[str, ...]
    ) -> Iterator[Entry]:
        """An include of value sets alone: what they have in common."""
        imports = self._imports(value_set, part, pathway)
        if not imports:
            return
        first, *others = imports
        entries = self._of_imports.get(id(first))
        if entries is None:
            limit = self._options.limits.imported
            entries = self._entries(first, pathway, limit, _several_versions(first))
            self._of_imports[id(first)] = entries
        for entry in entries:
            if all(
                self._selector.member(one, entry.content.url, entry.code) for one in others
            ) and self._shown(value_set, entry.content, entry.code):
                yield entry

    def _exclusion(self, value_set: ValueSetDefinition, pathway: tuple[str, ...]) -> Any:
        """A test of whether an entry is excluded."""
        tests = [self._excluder(value_set, part, pathway) for part in value_set.excludes]
        return lambda entry: any(test(entry) for test in tests)

    def _excluder(self, value_set: ValueSetDefinition, part: Part, pathway: tuple[str, ...]) -> Any:
        others = self._imports(value_set, part, pathway)
        for one in others:
            self._cycles(one, pathway)

        def imported(entry: Entry) -> bool:
            return all(self._selector.member(one, entry.content.url, entry.code) for one in others)

        if part.system is None:
            return imported if others else lambda _: False
        content = self._content(value_set, part)
        included = {one.version for one in value_set.includes if one.system == part.system}
        across = self._options.versions_match
        if across is None:
            across = part.version not in included and part.version is not None and included != {None}
            self._across_versions = self._across_versions or across

        def test(entry: Entry) -> bool:
            if entry.content.url != content.url:
                return False
            if entry.content.version != content.version and not across:
                return False
            return bool(self._selector.in_content(part, content, entry.code)) and imported(entry)

        return test

    def _cycles(self, value_set: ValueSetDefinition, pathway: tuple[str, ...]) -> None:
        """Refuse value sets that lead back to one that is being expanded."""
        if id(value_set) in self._followed:
            return
        here = self._scope.follow(value_set, pathway)
        for part in (*value_set.includes, *value_set.excludes):
            for reference in part.value_sets:
                other = self._scope.value_set(reference, value_set)
                if other is not None:
                    self._cycles(other, here)
        self._followed.add(id(value_set))

    # --- shapes ---

    def _json(self, entry: Entry, with_version: bool) -> dict[str, Any] | None:
        detail = entry.content.get(entry.code)
        if detail is None:
            return None
        return contains(entry, detail, self._options, self._table, with_version=with_version)

    def _flat(self, page: Sequence[Entry], with_version: bool) -> list[dict[str, Any]]:
        found = (self._json(entry, with_version) for entry in page)
        return [one for one in found if one is not None]

    def _tree(self, page: Sequence[Entry], with_version: bool) -> list[dict[str, Any]]:
        """Each entry below the nearest of its ancestors that is there too."""
        made = {entry.key: self._json(entry, with_version) for entry in page}
        nodes = {key: node for key, node in made.items() if node is not None}
        return nested(page, nodes) or list(nodes.values())


def _several_versions(value_set: ValueSetDefinition) -> bool:
    """Whether the value set names different versions of one code system, so that entries have to say theirs."""
    stated: dict[str, set[str | None]] = {}
    for part in (*value_set.includes, *value_set.excludes):
        if part.system is not None:
            stated.setdefault(part.system, set()).add(part.version)
    return any(len(found) > 1 for found in stated.values())


def _newest_first(parts: Sequence[Part]) -> Sequence[Part]:
    """The includes in their order, several versions of one code system from the newest on."""
    places: dict[str | None, int] = {}
    for place, part in enumerate(parts):
        places.setdefault(part.system, place)
    if len(places) == len(parts):
        return parts
    found = sorted(parts, key=lambda part: versions.order(part.version or ""), reverse=True)
    return sorted(found, key=lambda part: places[part.system])
