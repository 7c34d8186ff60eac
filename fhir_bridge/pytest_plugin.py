"""The pytest plug-in: assertions for tests of code that makes FHIR, and golden examples of mappings as tests.

`assert_valid` and `assert_equal` are fixtures and functions. `pytest --fhir-bridge-mappings DIR` makes each golden
example of the mappings below a folder a test; `--fhir-bridge-coverage rules=90,branches=80` makes their coverage one.

pytest loads it where fhir-bridge is installed. A failed assertion lists every issue or difference with its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fhir_bridge.toolkit import Resource
    from fhir_bridge.workshop import Example

__all__ = ["assert_equal", "assert_valid"]


def assert_valid(
    resource: Resource,
    profiles: str | Sequence[str] = (),
    *,
    packages: Sequence[str | Path] = (),
    site: str | Path | None = None,
    warnings: bool = False,
) -> None:
    """Fail where a resource is not valid R4 or does not conform to its profiles; arguments as of `validate`.

    Args:
        warnings: warnings fail as well.
    """
    __tracebackhide__ = True
    from fhir_bridge.toolkit import validate  # when a test asks: pytest loads this module in every run

    failing = {"fatal", "error", "warning"} if warnings else {"fatal", "error"}
    issues = [i for i in validate(resource, profiles, packages=packages, site=site) if i.severity in failing]
    if issues:
        lines = [f"  {i.expression or '(resource)'}: {i.severity}: {i.message} ({i.code})" for i in issues]
        raise AssertionError("\n".join(["the resource is not valid:", *lines]))


def assert_equal(actual: Resource, expected: Resource, **options: Any) -> None:
    """Fail where two resources differ in what they mean; options as of `fhir_bridge.diff` (`ignore_ids`, …)."""
    __tracebackhide__ = True
    from fhir_bridge.toolkit import diff

    differences = diff(actual, expected, **options)
    if differences:
        lines = [f"  {difference}" for difference in differences]
        raise AssertionError("\n".join(["the resources differ (actual ≠ expected):", *lines]))


@pytest.fixture(name="assert_valid", scope="session")
def _assert_valid() -> Callable[..., None]:
    """`fhir_bridge.pytest_plugin.assert_valid`."""
    return assert_valid


@pytest.fixture(name="assert_equal", scope="session")
def _assert_equal() -> Callable[..., None]:
    """`fhir_bridge.pytest_plugin.assert_equal`."""
    return assert_equal


# Golden examples as tests


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of golden examples."""
    group = parser.getgroup("fhir-bridge", "mappings of fhir-bridge")
    group.addoption(
        "--fhir-bridge-mappings",
        action="append",
        default=[],
        metavar="DIR",
        help="Test the golden examples of the mappings in this folder; repeats.",
    )
    group.addoption(
        "--fhir-bridge-coverage",
        default="",
        metavar="KIND=P,...",
        help="Least coverage of each of these mappings by its examples: rules=90,branches=80,rows=50,leaves=60.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the golden examples, before -k and -m choose among the tests."""
    folders = config.getoption("--fhir-bridge-mappings")
    if not folders:
        return
    from fhir_bridge.workshop import parse_thresholds

    try:
        thresholds = parse_thresholds(config.getoption("--fhir-bridge-coverage"))
    except ValueError as error:
        raise pytest.UsageError(f"--fhir-bridge-coverage: {error}") from error
    for folder in map(Path, folders):
        files = [folder] if folder.is_file() else sorted(folder.rglob("mapping.yaml"))
        if not files:
            raise pytest.UsageError(f"--fhir-bridge-mappings: there is no mapping.yaml in {folder}")
        for file in files:
            collected = MappingFile.from_parent(session, path=file.resolve())
            collected.thresholds = thresholds
            items += collected.collect()


class _Failed(Exception):
    """A golden example or a coverage that is not as it must be; the message says how."""


class MappingFile(pytest.File):
    """A mapping: its golden examples, and their coverage."""

    thresholds: Mapping[str, float] = {}

    def collect(self) -> Iterator[pytest.Item]:
        """A test an example, and one of the coverage where one is asked for."""
        from fhir_bridge.workshop import golden_examples

        for example in golden_examples(self.path):
            item: ExampleItem = ExampleItem.from_parent(self, name=example.folder.name)
            item.example = example
            yield item
        if self.thresholds:
            yield CoverageItem.from_parent(self, name="coverage")


class _Item(pytest.Item):
    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The message alone, where it says what is wrong."""
        if isinstance(excinfo.value, _Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Mapping and example."""
        return self.path, None, f"{self.path.parent.name}: {self.name}"


class ExampleItem(_Item):
    """A golden example: its source must become what is beside it."""

    example: Example

    def runtest(self) -> None:
        """Convert and compare."""
        from fhir_bridge.workshop import compare, hunk_lines, hunks

        comparison = compare(self.example)
        if comparison.expected is None:
            raise _Failed(
                f"{self.example.expected} is missing; `fhir-bridge mapping test --update` writes it for you to read"
            )
        if not comparison.passed:
            lines = [
                f"{sign} {line}" if sign else f"  {line}"
                for hunk in hunks(comparison.expected, comparison.actual)
                for sign, line in hunk_lines(hunk)
            ] or [str(difference) for difference in comparison.differences]
            raise _Failed("\n".join([f"{self.example.name} (- expected, + now):", *lines]))


class CoverageItem(_Item):
    """What the examples exercise of a mapping must be as much as is asked for."""

    def runtest(self) -> None:
        """Convert the examples and count."""
        from fhir_bridge.workshop import coverage_lines, coverage_of_examples

        thresholds = self.parent.thresholds if isinstance(self.parent, MappingFile) else {}
        coverage = coverage_of_examples(self.path)
        below = coverage.below(thresholds)
        if below:
            wrong = [f"{kind} {is_:.1f} % is below {thresholds[kind]:g} %" for kind, is_ in below.items()]
            raise _Failed("\n".join([*wrong, *coverage_lines(coverage, 15)]))
