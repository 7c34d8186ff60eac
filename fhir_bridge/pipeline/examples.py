"""Golden examples of mappings: a source beside the FHIR it must become."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.difference import difference_of_sets
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Context, IdentityResolver, Output, Site, load_mapping
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.shard import OutputCheck, ShardRun
from fhir_bridge.plugins import IssueLike, adapters

__all__ = ["Example", "convert_example", "golden_examples", "run_example"]

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
        return f"{'/'.join(self.mapping.parent.parts[-2:])}: {self.folder.name}"

    @property
    def sources(self) -> list[Path]:
        """The source files."""
        return [
            file for file in sorted(self.folder.rglob("*")) if file.is_file() and file.name not in _BESIDE
        ]


def golden_examples(mapping: Path) -> list[Example]:
    """The examples that are beside a mapping file."""
    folder = mapping.parent / "examples"
    return (
        [Example(mapping, case) for case in sorted(folder.iterdir()) if case.is_dir()]
        if folder.is_dir()
        else []
    )


class _Collected:
    def __init__(self) -> None:
        self.outputs: list[Output] = []

    def write(self, record: ConvertedRecord, account: Account) -> None:  # noqa: ARG002 - a sink's signature
        self.outputs.extend(record.outputs)

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:
        """An example may show what is rejected; the difference shows what is missing."""

    def flush(self, account: Account) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


def convert_example(example: Example) -> list[dict[str, Any]]:
    """What the example's source becomes today, each resource once, in order. Ids are made with the demo's key."""
    site_file = example.folder / "site.yaml"
    site = Site.load(site_file) if site_file.exists() else Site(demo_key=True)
    known = adapters()
    mapping = load_mapping(example.mapping, adapters=known, definitions=site.definitions)
    terminology = site.open_terminology()
    context = Context(
        site=site,
        terminology=terminology,
        identity=IdentityResolver(site, IdKey(DEMO_KEY)),
        adapter=mapping.adapter,
    )
    validator = Validator(terminology, definitions=site.definitions)
    run = ShardRun(known[mapping.adapter], mapping, context, {}, OutputCheck(validator, "all"))
    collected = _Collected()
    run.run(example.sources, collected)
    lines = dict.fromkeys(dumps(output.resource) for output in collected.outputs)
    return [loads_exact(line) for line in lines]


def run_example(example: Example) -> list[str]:
    """Differences between what the source becomes and what is expected, a line each; none where there is none."""
    expected_file = example.folder / EXPECTED
    if not expected_file.exists():
        return [f"{EXPECTED} is missing; `fhir-bridge mapping test --update` writes it for you to read"]
    expected = [loads_exact(line) for line in expected_file.read_bytes().splitlines() if line.strip()]
    return [str(difference) for difference in difference_of_sets(expected, convert_example(example))]
