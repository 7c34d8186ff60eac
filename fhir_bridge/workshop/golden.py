"""Golden examples of mappings: a source beside the FHIR it must become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.difference import ABSENT, Difference, difference, difference_of_sets
from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.mapping import Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.workshop.trial import try_mapping

__all__ = ["EXPECTED", "Comparison", "Example", "Hunk", "compare", "convert_example", "golden_examples", "hunks",
           "write_expected"]  # fmt: skip

EXPECTED = "expected.ndjson"
_BESIDE = frozenset({EXPECTED, "site.yaml", "crosswalk.csv", "README.md"})
"""Files of an example that are not its source."""


@dataclass(frozen=True, slots=True)
class Example:
    """One folder `examples/<case>/` of a mapping."""

    mapping: Path
    folder: Path

    @property
    def name(self) -> str:
        """Mapping and case, for people: `ehr/hl7v2: corrected-troponin`."""
        return f"{'/'.join(self.mapping.resolve().parent.parts[-2:])}: {self.folder.name}"

    @property
    def sources(self) -> list[Path]:
        """The source files."""
        return [
            file
            for file in sorted(self.folder.rglob("*"))
            if file.is_file() and file.name not in _BESIDE and not file.name.startswith(".")
        ]

    @property
    def expected(self) -> Path:
        """The file of what the source must become."""
        return self.folder / EXPECTED

    def site(self) -> Site:
        """The site's settings: those beside the source, else the demonstration's.

        Raises:
            SiteError: the file can't be used.
        """
        file = self.folder / "site.yaml"
        return Site.load(file) if file.exists() else Site(demo_key=True)


def golden_examples(mapping: Path) -> list[Example]:
    """The examples that are beside a mapping file."""
    folder = mapping.parent / "examples"
    return (
        [Example(mapping, case) for case in sorted(folder.iterdir()) if case.is_dir()]
        if folder.is_dir()
        else []
    )


def convert_example(example: Example) -> list[dict[str, Any]]:
    """What the example's source becomes today, each resource once, in order. Ids are made with the demo's key."""
    site = example.site()
    mapping = load_mapping(example.mapping, adapters=adapters(), definitions=site.definitions)
    trial = try_mapping(mapping, example.sources, site)
    lines = dict.fromkeys(dumps(resource) for resource in trial.resources)
    return [loads_exact(line) for line in lines]


@dataclass(frozen=True, slots=True)
class Hunk:
    """A resource that differs: what is expected of it, what it is now, and where they differ.

    Attributes:
        expected: None where the resource is new.
        actual: None where nothing becomes it any more.
    """

    expected: dict[str, Any] | None
    actual: dict[str, Any] | None
    differences: tuple[Difference, ...]

    @property
    def title(self) -> str:
        """`Observation/<id>`: of what is expected, where there is that."""
        resource = self.expected or self.actual or {}
        return f"{resource.get('resourceType')}/{resource.get('id')}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an example must become beside what it becomes.

    Attributes:
        expected: None where there is no such file.
    """

    example: Example
    expected: list[dict[str, Any]] | None
    actual: list[dict[str, Any]]
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether it becomes what it must."""
        return self.expected is not None and not self.differences


def compare(example: Example) -> Comparison:
    """Convert an example, and compare.

    Ids may differ if one renaming explains them, and every reference follows it: an id is a keyed hash of the parts of
    a key, so that a change of a key alone renames and says nothing else.

    Raises:
        JsonError: `expected.ndjson` is not NDJSON.
    """
    actual = convert_example(example)
    if not example.expected.exists():
        return Comparison(example, None, actual, ())
    expected = _read(example.expected)
    return Comparison(example, expected, actual, tuple(difference_of_sets(expected, actual)))


def _read(file: Path) -> list[dict[str, Any]]:
    return [loads_exact(line) for line in file.read_bytes().splitlines() if line.strip()]


def hunks(expected: Sequence[dict[str, Any]], actual: Sequence[dict[str, Any]]) -> list[Hunk]:
    """The resources that differ, those of the same id beside each other; the rest by what they are most alike in."""
    ours = {_name(resource): resource for resource in expected}
    theirs = {_name(resource): resource for resource in actual}
    results: list[Hunk] = []
    gone = [name for name in ours if name not in theirs]
    new = [name for name in theirs if name not in ours]
    for name in ours:
        if name in theirs:
            differences = tuple(difference(ours[name], theirs[name], ignore_ids=False))
            if differences:
                results.append(Hunk(ours[name], theirs[name], differences))
    for name in gone:
        alike = [(_alike(ours[name], theirs[other]), other) for other in new if _type(other) == _type(name)]
        best = max(alike, default=(0.0, ""))
        if best[0] >= 0.5:
            new.remove(best[1])
            both = ours[name], theirs[best[1]]
            results.append(Hunk(*both, tuple(difference(*both, ignore_ids=False))))
        else:
            results.append(Hunk(ours[name], None, (Difference(name, ours[name], ABSENT),)))
    results += (Hunk(None, theirs[name], (Difference(name, ABSENT, theirs[name]),)) for name in new)
    return results


def _type(name: str) -> str:
    return name.partition("/")[0]


def _name(resource: dict[str, Any]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _alike(left: dict[str, Any], right: dict[str, Any]) -> float:
    """The share of top-level elements that two resources have in common, id aside."""
    names = (left.keys() | right.keys()) - {"id", "resourceType"}
    same = sum(1 for name in names if left.get(name) == right.get(name))
    return same / max(len(names), 1)


def write_expected(example: Example, comparison: Comparison, taken: Sequence[Hunk] | None = None) -> None:
    """Write what is expected: all of what comes out, or with the hunks taken the rest as it is expected now.

    Resources keep their places; new ones come at the end.
    """
    if taken is None or comparison.expected is None:
        lines = [dumps(resource) for resource in comparison.actual]
    else:
        replaced = {id(hunk.expected): hunk.actual for hunk in taken if hunk.expected is not None}
        kept = [replaced.get(id(resource), resource) for resource in comparison.expected]
        kept += [hunk.actual for hunk in taken if hunk.expected is None]
        lines = [dumps(resource) for resource in kept if resource is not None]
    example.expected.write_bytes(b"".join(line + b"\n" for line in lines))
