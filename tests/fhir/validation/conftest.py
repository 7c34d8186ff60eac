"""Profiles made for one test, and forgotten after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from fhir_bridge.fhir.definitions.packages import forget_packages, load_packages
from tests.fhir.definitions.makers import BASE, package

Judge = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def defined(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Makes a package of definitions and uses it."""

    def use(*resources: dict[str, Any]) -> None:
        report = load_packages([package(tmp_path, "site.test", *resources)], tmp_path)
        assert [i for i in report.issues if i.severity == "error"] == []

    yield use
    forget_packages()


@pytest.fixture
def judge() -> Judge:
    """(code, expression) of the errors of a resource held against a profile by its short name."""

    def judged(resource: dict[str, Any], *names: str) -> list[tuple[str, str]]:
        issues = Validator().validate(resource, [BASE + name for name in names])
        assert all("; defined by http" in i.message for i in issues if i.severity == "error"), issues
        return [(i.code, i.expression) for i in issues if i.severity in ("error", "fatal")]

    return judged
