"""Two versions of a mapping over a corpus: where their outputs differ, by rule and element, and their issues."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.difference import ABSENT, difference
from fhir_bridge.mapping import Output, Position, Site, bare, literal_of, writes_of
from fhir_bridge.pipeline import Selection
from fhir_bridge.workshop.revisions import Version, version_of
from fhir_bridge.workshop.traced import Traced, TracedRun, files_by_mapping

__all__ = ["ChangedGroup", "ChangedIssue", "VersionComparison", "compare_versions"]


@dataclass(slots=True)
class ChangedGroup:
    """Differences of one kind in one element of one rule.

    Attributes:
        kind: `changed`, `added`, `removed`; for a whole resource the element is its type.
        before, after: where the two mappings say so; None where they don't.
        locator, resource, left, right: of the first one.
    """

    rule: str
    element: str
    kind: str
    before: Position | None
    after: Position | None
    locator: str
    resource: str
    left: Any
    right: Any
    count: int = 0


@dataclass(slots=True)
class ChangedIssue:
    """An issue that the versions report in different numbers."""

    code: str
    message: str
    before: int
    after: int
    locator: str


@dataclass(slots=True)
class VersionComparison:
    """What differs between two versions of a mapping over a corpus."""

    before: str
    after: str
    records: int = 0
    groups: dict[tuple[str, str, str], ChangedGroup] = field(default_factory=dict)
    issues: list[ChangedIssue] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.groups or self.issues)

    def to_json(self, *, values: bool) -> dict[str, Any]:
        """For programs; with the values of patients where they are asked for."""
        return {
            "before": self.before,
            "after": self.after,
            "records": self.records,
            "groups": [_group(group, values=values) for group in self.ordered()],
            "issues": [
                {
                    "code": i.code,
                    "message": i.message,
                    "before": i.before,
                    "after": i.after,
                    "example": i.locator,
                }
                for i in self.issues
            ],
        }

    def ordered(self) -> list[ChangedGroup]:
        """The groups by rule, in order of their numbers."""
        return sorted(self.groups.values(), key=lambda group: (group.rule, -group.count, group.element))

    def note(self, key: tuple[str, str, str], **details: Any) -> None:
        """Count a difference; the first of its group is its example."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = ChangedGroup(*key, **details)
        group.count += 1


def _group(group: ChangedGroup, *, values: bool) -> dict[str, Any]:
    example: dict[str, Any] = {"record": group.locator, "resource": group.resource}
    if values:
        example |= {
            name: value
            for name, value in (("left", group.left), ("right", group.right))
            if value is not ABSENT
        }
    return {
        "rule": group.rule,
        "element": group.element,
        "kind": group.kind,
        "count": group.count,
        "before": str(group.before) if group.before else None,
        "after": str(group.after) if group.after else None,
        "example": example,
    }


def compare_versions(
    before: str,
    after: str,
    corpus: Sequence[Path],
    site: Site,
    limit: int | None = None,
    *,
    revision: str = "",
) -> VersionComparison:
    """Convert a corpus with two versions of a mapping, and compare record by record.

    Args:
        before, after: files, names, or of git as `version_of` reads them.
        revision: of git that `before` is of.

    Raises:
        MappingErrors, SourceError: a mapping or a file can't be used, or they are for two adapters.
    """
    with version_of(before, revision) as old, version_of(after) as new:
        return _comparison(old, new, corpus, site, limit)


def _comparison(
    old: Version, new: Version, corpus: Sequence[Path], site: Site, limit: int | None
) -> VersionComparison:
    result = VersionComparison(old.name, new.name)
    runs = []
    for version in (old, new):
        with version.loading():
            runs.append(TracedRun.of(version.mapping, site))
    adapter = runs[0].mapping.adapter
    files = [path for _, paths in files_by_mapping(corpus, old.mapping, adapter) for path in paths]
    issues: tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]] = (Counter(), Counter())
    places: dict[tuple[str, str], str] = {}
    selection = Selection(limit=limit)
    for left, right in _pairs(*(run.records(files, selection) for run in runs)):
        result.records += max(each.record.records for each in (left, right) if each is not None)
        for side, traced in enumerate((left, right)):
            for issue in traced.issues if traced is not None else ():
                key = (issue.code, _without_place(issue.message))
                issues[side][key] += 1
                places.setdefault(key, issue.source)
        _compare(left, right, result)
    for key in sorted(issues[0].keys() | issues[1].keys()):
        if issues[0][key] != issues[1][key]:
            result.issues.append(ChangedIssue(*key, issues[0][key], issues[1][key], places[key]))
    return result


def _pairs(left: Iterator[Traced], right: Iterator[Traced]) -> Iterator[tuple[Traced | None, Traced | None]]:
    """Records of the same locator: readers give them in the same order, but options may leave some out."""
    rest: dict[str, Traced] = {}
    for one in left:
        locator = one.record.locator
        other = rest.pop(locator, None)
        while other is None:
            following = next(right, None)
            if following is None:
                break
            if following.record.locator == locator:
                other = following
            else:
                rest[following.record.locator] = following
        yield one, other
    for other in [*rest.values(), *right]:
        yield None, other


def _compare(left: Traced | None, right: Traced | None, result: VersionComparison) -> None:
    ours, theirs = (
        {} if traced is None or traced.conversion is None else _by_name(traced.conversion.outputs)
        for traced in (left, right)
    )
    either = left or right
    assert either is not None
    locator = either.record.locator
    gone = [ours[name] for name in ours if name not in theirs]
    new = [theirs[name] for name in theirs if name not in ours]
    for name in ours:
        if name in theirs:
            _differences(ours[name], theirs[name], locator, result)
    for one in gone:
        other = next((each for each in new if (each.rule, each.type) == (one.rule, one.type)), None)
        if other is not None:  # the key changed, and with it the id
            new.remove(other)
            key = (other.rule, f"{other.type}.id", "changed")
            _note(result, key, one, other, locator, one.id, other.id)
            _differences(one, other, locator, result)
        else:
            _note(result, (one.rule, one.type, "removed"), one, None, locator, one.resource, ABSENT)
    for other in new:
        _note(result, (other.rule, other.type, "added"), None, other, locator, ABSENT, other.resource)


def _by_name(outputs: Sequence[Output]) -> dict[str, Output]:
    return {f"{output.type}/{output.id}": output for output in outputs}


def _differences(one: Output, other: Output, locator: str, result: VersionComparison) -> None:
    for each in difference(one.resource, other.resource):
        if each.path != f"{one.type}.id":
            key = (other.rule, bare(each.path), each.kind)
            _note(result, key, one, other, locator, each.left, each.right, each.path)


def _note(
    result: VersionComparison,
    key: tuple[str, str, str],
    one: Output | None,
    other: Output | None,
    locator: str,
    left: Any,
    right: Any,
    path: str = "",
) -> None:
    known = one or other
    assert known is not None
    if key in result.groups:
        result.groups[key].count += 1
        return
    result.note(
        key,
        before=_position(one, path),
        after=_position(other, path),
        locator=locator,
        resource=f"{known.type}/{known.id}",
        left=left,
        right=right,
    )


def _position(output: Output | None, path: str) -> Position | None:
    """Where the mapping writes an element of an output, or the rule where it doesn't say."""
    if output is None or not path:
        return None
    writes = writes_of(output)
    fitting = [write for write in writes if write.covers(path) or bare(write.path) == bare(path)]
    if fitting:
        return max(fitting, key=lambda write: len(write.path)).trace.position
    literal = literal_of(output, path, writes)
    return literal.position if literal else None


_PLACE = re.compile(r", [^,\]]*:\d+:\d+\]")


def _without_place(message: str) -> str:
    """A message without the lines of the mapping, which differ by version."""
    return _PLACE.sub("]", message)
