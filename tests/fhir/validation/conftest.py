"""Profiles made for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.definitions.packages import load_packages
from tests.fhir.definitions.makers import BASE, package

ErrorsOf = Callable[..., list[tuple[str, str]]]


class Known:
    """The definitions that a test checks against."""

    def __init__(self) -> None:
        self.definitions: Definitions = DEFAULT

    @property
    def validator(self) -> Validator:
        return Validator.of(definitions=self.definitions)


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def defined(tmp_path: Path, known: Known) -> Callable[..., None]:
    """Makes a package of definitions and has `errors_of` check against it."""

    def use(*resources: dict[str, Any]) -> None:
        report = load_packages([package(tmp_path, "site.test", *resources)], tmp_path)
        assert [i for i in report.issues if i.severity == "error"] == []
        known.definitions = report.definitions

    return use


@pytest.fixture
def errors_of(known: Known) -> ErrorsOf:
    """(code, expression) of the errors of a resource checked against a profile by its short name."""

    def errors(resource: dict[str, Any], *names: str) -> list[tuple[str, str]]:
        issues = known.validator.validate(resource, [BASE + name for name in names])
        assert all("; defined by http" in i.message for i in issues if i.severity == "error"), issues
        return [(i.code, i.expression) for i in issues if i.severity in ("error", "fatal")]

    return errors
