"""The entries of an expansion: what value sets include, without what they exclude, each code once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.grammars import GrammarContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.contains import Entry
from fhir_bridge.terminology.operations.notes import Notes
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.parameters import invalid
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.operations.selection import Selector
from fhir_bridge.terminology.value_set_definitions import Part, ValueSetDefinition

__all__ = ["Entries", "several_versions"]


class Entries:
    """Finds the entries of the value sets of one expansion."""

    def __init__(self, scope: Scope, notes: Notes) -> None:
        self._scope = scope
        self._options = scope.options
        self._notes = notes
        self._selector = Selector(scope)
        self._followed: set[int] = set()
        self._of_imports: dict[int, list[Entry]] = {}
        self._walked: set[int] = set()

    def of(
        self,
        value_set: ValueSetDefinition,
        pathway: tuple[str, ...],
        limit: int | None,
        with_version: bool,
    ) -> list[Entry]:
        """All entries, each once.

        Args:
            pathway: the value sets that import this one, outermost first.
            with_version: codes of several versions of one code system are kept apart.

        Raises:
            OperationError: there are more than `limit`, or something that is needed is missing or wrong.
        """
        entries: dict[tuple[str, str, str], Entry] = {}
        for entry in self.walk(value_set, pathway):
            system, version, code = entry.key
            key = (system, version if with_version and not self._options.versions_match else "", code)
            kept = entries.get(key)
            if kept is None:
                entries[key] = entry
                if limit is not None and len(entries) > limit and not self._notes.endless:
                    raise self.too_costly(value_set, limit)
            elif versions.order(version) > versions.order(kept.content.version or ""):
                # Where versions are not kept apart, the entry of the newest is shown.
                entries[key] = entry
        return list(entries.values())

    def walk(self, value_set: ValueSetDefinition, pathway: tuple[str, ...] = ()) -> Iterator[Entry]:
        """The entries as they come; one that several includes have comes several times."""
        here = self._scope.follow(value_set, pathway)
        excluded = self._exclusion(value_set, here)
        return (entry for entry in self._included(value_set, here) if not excluded(entry))

    def come_once(self, value_set: ValueSetDefinition, pathway: tuple[str, ...] = ()) -> bool:
        """Whether `walk` has each entry once, so that a page can be cut out without listing all.

        Raises:
            OperationError: something that the value set needs is missing or wrong.
        """
        if self._options.filter or value_set.expanded is not None:
            return False
        here = self._scope.follow(value_set, pathway)
        systems = [part.system for part in value_set.includes if part.concepts is None]
        if systems == [None]:
            first = next(iter(self._imports(value_set, value_set.includes[0], here)), None)
            if first is None or not self.come_once(first, here):
                return False
            # Its entries are then walked as well, and not all listed before the page is cut out.
            self._walked.add(id(first))
            return True
        if None in systems or not len(set(systems)) == len(systems) == len(value_set.includes):
            return False
        contents = [(part, self.content(value_set, part)) for part in value_set.includes]
        for part, content in contents:
            # Called for what they raise, so that an error does not depend on which page is asked for.
            self._imports(value_set, part, here)
            self._scope.filters(part, content)
        return all(self._selector.listable(content) for _, content in contents)

    def number(self, value_set: ValueSetDefinition) -> int | None:
        """How many entries there are, where that is known without listing them."""
        options = self._options
        if len(value_set.includes) != 1 or value_set.excludes:
            return None
        if options.active_only or value_set.active_only or options.exclude_not_for_ui:
            return None
        part = value_set.includes[0]
        if part.value_sets:
            alone = part.system is None and len(part.value_sets) == 1
            return self.number(self._imports(value_set, part, ())[0]) if alone else None
        content = self.content(value_set, part)
        if part.whole:
            return len(content)
        filters = self._scope.filters(part, content)
        count = filters[0].count if len(filters) == 1 else None
        return None if count is None else count()

    def too_costly(self, value_set: ValueSetDefinition, limit: int) -> OperationError:
        """The error of a value set with more codes than that."""
        issue = messages.too_costly(value_set.canonical, limit)
        hint = f"Ask for a page with count and offset, or narrow it with filter; the limit is {limit} codes"
        return OperationError(issue._replace(diagnostics=hint))

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
            content = self.content(value_set, part)
            others = self._imports(value_set, part, pathway)

            def let_in(
                code: str,
                content: CodeSystemContent = content,
                others: Sequence[ValueSetDefinition] = others,
            ) -> bool:
                return all(self._selector.member(item, content.url, code) for item in others) and self._shown(
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
            # One more than is wanted shows that there are more.
            most = max(options.limits.codes, (options.offset or 0) + (options.count or 0)) + 1
            hits = self._selector.codes_by_text(
                part, content, options.filter, most, active_only=options.active_only is True, also=let_in
            )
            if len(hits) >= most:
                self._notes.cut = True
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
        self._notes.unclosed(
            f"The code System '{content.url}' has a grammar and so has infinite members. "
            f"This extension is based on {content.enumeration}"
        )
        self._notes.endless = self._notes.endless or part.whole
        self._notes.state(value_set, common.resource, common.canonical)
        filters = self._scope.filters(part, content)
        text = (self._options.filter or "").casefold()
        for entry in self.of(common, pathway, None, with_version=False):
            if all(item.matches(entry.code) for item in filters) and text in entry.code.casefold():
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
            self._notes.used(value_set, content)
            if self._shown(value_set, content, code):
                yield Entry(content, code, entry)

    # --- code systems and imports ---

    def content(self, value_set: ValueSetDefinition, part: Part) -> CodeSystemContent:
        """The code system of an include or exclude.

        Raises:
            OperationError: it is not available, or the version rules do not allow it.
        """
        system = str(part.system)
        version = self._scope.rule_version(system, part.version)
        content = self._scope.code_system(system, version)
        if content is None:
            known = self._scope.versions_of(system) if version else []
            raise OperationError(messages.unknown_system_expansion(system, version, known))
        for required in self._scope.refused_versions(content):
            issue = messages.version_checked("", system, content.version or "", required)
            raise OperationError(issue._replace(expression=""), status=400)
        self._notes.used(value_set, content)
        return content

    def _imports(
        self, value_set: ValueSetDefinition, part: Part, pathway: tuple[str, ...]
    ) -> list[ValueSetDefinition]:
        """The value sets that an include or exclude names.

        Raises:
            OperationError: one is not available, or they import each other in a circle.
        """
        definitions = []
        for reference in part.value_sets:
            other = self._scope.value_set(reference, value_set)
            if other is None:
                raise OperationError(messages.import_unknown(*self._scope.pinned(reference)))
            if other.url and other.canonical in pathway:
                raise OperationError(messages.circular(other.canonical, pathway))
            if other.url and not reference.startswith("#"):
                self._notes.parameter("used-valueset", "valueUri", other.canonical)
            self._notes.state(value_set, other.resource, other.canonical)
            definitions.append(other)
        return definitions

    def _imported(
        self, value_set: ValueSetDefinition, part: Part, pathway: tuple[str, ...]
    ) -> Iterator[Entry]:
        """An include of value sets alone: what they have in common."""
        imports = self._imports(value_set, part, pathway)
        if not imports:
            raise invalid(
                f"ValueSet.compose.{part.where} names neither a code system nor a value set (vsd-1)"
            )
        first, *others = imports
        entries: Iterable[Entry] | None = self._of_imports.get(id(first))
        if id(first) in self._walked:
            entries = self.walk(first, pathway)
        elif entries is None:
            limit = self._options.limits.imported
            entries = self._of_imports[id(first)] = self.of(first, pathway, limit, several_versions(first))
        for entry in entries:
            if all(
                self._selector.member(item, entry.content.url, entry.code) for item in others
            ) and self._shown(value_set, entry.content, entry.code):
                yield entry

    def _exclusion(self, value_set: ValueSetDefinition, pathway: tuple[str, ...]) -> Any:
        """A test of whether an entry is excluded."""
        tests = [self._excluder(value_set, part, pathway) for part in value_set.excludes]
        return lambda entry: any(test(entry) for test in tests)

    def _excluder(self, value_set: ValueSetDefinition, part: Part, pathway: tuple[str, ...]) -> Any:
        others = self._imports(value_set, part, pathway)
        for include in others:
            # Of what leads in a circle the selector decides nothing; an expansion refuses it.
            self._cycles(include, pathway)

        def imported(entry: Entry) -> bool:
            return all(self._selector.member(include, entry.content.url, entry.code) for include in others)

        if part.system is None:
            return imported if others else lambda _: False
        content = self.content(value_set, part)
        included = {include.version for include in value_set.includes if include.system == part.system}
        across = self._options.versions_match
        if across is None:
            # An exclusion of a version of which nothing is included would otherwise do nothing.
            across = part.version not in included and part.version is not None and included != {None}
            self._notes.across_versions = self._notes.across_versions or across

        def test(entry: Entry) -> bool:
            if entry.content.url != content.url:
                return False
            if entry.content.version != content.version and not across:
                return False
            return bool(self._selector.in_content(part, content, entry.code)) and imported(entry)

        return test

    def _cycles(self, value_set: ValueSetDefinition, pathway: tuple[str, ...]) -> None:
        """Refuse value sets that lead back to one that is being expanded."""
        # Each once: layers of value sets that import each other have far more paths than value sets.
        if id(value_set) in self._followed:
            return
        here = self._scope.follow(value_set, pathway)
        for part in (*value_set.includes, *value_set.excludes):
            for reference in part.value_sets:
                other = self._scope.value_set(reference, value_set)
                if other is not None:
                    self._cycles(other, here)
        self._followed.add(id(value_set))


def several_versions(value_set: ValueSetDefinition) -> bool:
    """Whether the value set names different versions of one code system, so that entries have to say theirs."""
    stated: dict[str, set[str | None]] = {}
    for part in (*value_set.includes, *value_set.excludes):
        if part.system is not None:
            stated.setdefault(part.system, set()).add(part.version)
    return any(len(result) > 1 for result in stated.values())


def _newest_first(parts: Sequence[Part]) -> Sequence[Part]:
    """The includes in their order, several versions of one code system from the newest on."""
    locations: dict[str | None, int] = {}
    for location, part in enumerate(parts):
        locations.setdefault(part.system, location)
    if len(locations) == len(parts):
        return parts
    results = sorted(parts, key=lambda part: versions.order(part.version or ""), reverse=True)
    # Sorting is stable: within a code system the versions stay from the newest on.
    return sorted(results, key=lambda part: locations[part.system])
