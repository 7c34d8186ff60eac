"""The picture of the architecture is what the imports say, and every file that the page names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import build_architecture

NAMED = re.compile(r"`((?:fhir_bridge|tests|scripts|migrations|mappings)/[\w/.]+)`")


def test_the_picture_is_what_the_imports_say() -> None:
    assert build_architecture.main(["--check"]) == 0


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_is_there(repository: Path, page: str) -> None:
    named = NAMED.findall((repository / page).read_text("utf-8"))
    assert named
    assert [path for path in named if not (repository / path).exists()] == []
