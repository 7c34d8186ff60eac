"""The pytest plug-in: `assert_valid` and `assert_equal` for tests of code that makes FHIR, as fixtures and functions.

pytest loads it where fhir-bridge is installed. A failed assertion lists every issue or difference with its path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fhir_bridge.toolkit import Resource

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
