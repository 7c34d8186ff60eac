"""Every example beside a mapping gives the FHIR that is beside it, and that FHIR is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.fhir.difference import difference
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from tests.adapters.ehr.conftest import convert

MAPPINGS = Path(__file__).parents[3] / "mappings" / "ehr"
EXAMPLES = sorted(path.parent for path in MAPPINGS.glob("*/examples/*/expected.ndjson"))
MAPPED = {"csv-unknown"}


def test_every_mapping_has_an_example() -> None:
    with_example = {folder.parents[1].name for folder in EXAMPLES}
    assert {path.name for path in MAPPINGS.iterdir()} - with_example == MAPPED


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: f"{folder.parents[1].name}/{folder.name}")
def test_example(folder: Path) -> None:
    beside = ("README.md", "crosswalk.csv", "expected.ndjson", "site.yaml")
    sources = [path for path in sorted(folder.iterdir()) if path.name not in beside]
    site = Site.load(folder / "site.yaml")
    converted = convert(f"ehr/{folder.parents[1].name}", sources, site)
    expected = [loads_exact(line) for line in (folder / "expected.ndjson").read_bytes().splitlines()]
    resources = [
        one for number, one in enumerate(converted.resources) if one not in converted.resources[:number]
    ]
    assert len(resources) == len(expected)  # rows of one study give it alike: it is written once
    for wanted, built in zip(expected, resources, strict=True):
        result = difference(wanted, built, ignore_ids=False, precision=True)
        assert not result, "\n".join(map(str, result))
    for resource in converted.resources:
        errors = [
            issue for issue in get_validator().validate(resource) if issue.severity in ("error", "fatal")
        ]
        assert not errors, (resource["resourceType"], errors)
