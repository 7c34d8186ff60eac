"""docs/mapping-language.md names every function, key and issue code, and its first example compiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fhir_bridge.fhir.issues import declared
from fhir_bridge.mapping.issues import CODES
from fhir_bridge.mapping.registry import BUILTINS
from fhir_bridge.mapping.shape import NODE_KEYS, QUALIFIERS, RULE_KEYS
from fhir_bridge.mapping.site import IdentityRules, Site
from tests.mapping.conftest import load


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "mapping-language.md").read_text(encoding="utf-8")


def test_every_function_is_documented(page: str) -> None:
    assert [name for name in (*BUILTINS, "ref", "where") if f"{name}(" not in page] == []


def test_every_argument_of_a_function_is_documented(page: str) -> None:
    missing = []
    for name, spec in BUILTINS.items():
        calls = " ".join(re.findall(rf"`{name}\([^`]*\)`", page))
        missing += [
            f"{name}.{argument}" for argument in spec.arguments if spec.required < len(spec.arguments)
            and argument not in calls and argument not in ("x", "list")
        ]  # fmt: skip
    assert missing == []


def test_every_key_setting_and_code_is_documented(page: str, repository: Path) -> None:
    site = page + (repository / "docs" / "site.md").read_text(encoding="utf-8")
    keys = [*RULE_KEYS, *NODE_KEYS]
    assert [key for key in keys if f"`{key}" not in page] == []
    assert [key for key in (*Site.model_fields, *IdentityRules.model_fields) if f"{key}:" not in site] == []
    assert [code for code in CODES if f"| {code} | {declared()[code].severity} |" not in page] == []
    assert [name for name in QUALIFIERS if name not in page] == []


def test_the_first_example_compiles(page: str) -> None:
    match = re.search(r"```yaml\n(mapping: csv-laboratory.*?)```", page, re.DOTALL)
    assert match
    assert load(match.group(1)).rules == ("result",)
