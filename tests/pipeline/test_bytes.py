"""Outputs in bytes are the bytes of the outputs as dicts: examples, and thousands of records made from them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.ehr.hl7v2 import read_message
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.record import owners_of
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.workshop.golden import Example, golden_examples

MAPPINGS = Path(__file__).parents[2] / "mappings"
EXAMPLES = [
    example for mapping in sorted(MAPPINGS.glob("*/*/mapping.yaml")) for example in golden_examples(mapping)
]
ODD = (
    "",
    '""',
    " ",
    "Ä\u2028\U0001f600",
    'a"b\\c',
    "\x01",
    "5",
    "-3.10",
    "1e2",
    "<5",
    "20240230",
    "202401021530",
    "F",
)
"""Values that are empty, deleted, of other types, or need an escape in JSON."""


@cache
def loaded(mapping: Path) -> CompiledMapping:
    """A mapping, compiled once for all of its examples."""
    return load_mapping(mapping, adapters=adapters())


class Reading:
    def __init__(self, mapping: CompiledMapping, site: Site) -> None:
        self.options = mapping.source_options
        self.site = site
        self.selectors = mapping.selectors


class Both:
    """One mapping in both forms; what the form in bytes remembers stays from record to record."""

    def __init__(self, example: Example) -> None:
        site_file = example.folder / "site.yaml"
        self.site = Site.load(site_file) if site_file.exists() else Site(demo_key=True)
        self.mapping = loaded(example.mapping)
        self.terminology = self.site.open_terminology()
        self.dicts, self.bytes = self.context(bytes_=False), self.context(bytes_=True)

    def context(self, *, bytes_: bool) -> Context:
        resolver = IdentityResolver(self.site, IdKey(DEMO_KEY))
        return Context(self.site, self.terminology, resolver, self.mapping.adapter, bytes_=bytes_)

    def read(self, paths: list[Path]) -> Iterator[Any]:
        adapter = adapters()[self.mapping.adapter]
        yield from adapter.read(paths, Reading(self.mapping, self.site))

    def compare(self, record: Any) -> int:
        """Convert in both forms, in bytes twice; returns the number of outputs."""
        if record.outcome != "read":
            return 0
        expected = self.mapping.convert(record, self.dicts)
        counted = dict(self.dicts.unmapped)
        for _ in range(2):
            given = self.mapping.convert(record, self.bytes)
            assert given.outcome == expected.outcome
            assert given.issues == expected.issues
            assert dict(self.bytes.unmapped) == counted
            assert [output.json for output in given.outputs] == [output.json for output in expected.outputs]
            for made, output in zip(given.outputs, expected.outputs, strict=True):
                assert (made.type, made.id, made.rule, made.time) == (
                    output.type, output.id, output.rule, output.time
                )  # fmt: skip
                assert (made.locator, made.part) == (output.locator, output.part)
                assert made.status == output.resource.get("status")
                assert set(made.patients) == set(owners_of(output.resource).patients)
                assert made.resource == loads_exact(output.json)
            self.bytes.unmapped.clear()
        self.dicts.unmapped.clear()
        return len(expected.outputs)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_give_equal_bytes(example: Example) -> None:
    both = Both(example)
    assert (both.mapping.adapter == "csv") == (example in TABLES)
    assert sum(both.compare(record) for record in both.read(example.sources)) > 0


@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if example.folder.name in ("oru-chemistry", "adt-a01-admit")],
    ids=lambda example: example.name,
)
def test_outputs_in_bytes_have_the_trace_of_the_outputs_as_dicts(example: Example) -> None:
    both = Both(example)
    both.dicts.trace = both.bytes.trace = True
    for record in both.read(example.sources):
        expected = both.mapping.convert(record, both.dicts).outputs
        given = both.mapping.convert(record, both.bytes).outputs
        assert expected[0].trace
        assert [output.trace for output in given] == [output.trace for output in expected]


def cases(name: str) -> list[Example]:
    return [example for example in EXAMPLES if example.mapping.parent.name == name]


def mutated_message(chance: random.Random, messages: list[list[str]]) -> str:
    """A message whose fields are those of others, or odd ones."""
    lines = list(chance.choice(messages))
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(1, len(lines))
        fields = lines[at].split("|")
        other = chance.choice([line for message in messages for line in message if line[:3] == fields[0]])
        number = chance.randint(1, 30)
        fields += [""] * (number + 1 - len(fields))
        parts = other.split("|")
        value = parts[number] if number < len(parts) and chance.random() < 0.6 else chance.choice(ODD)
        value = value.replace("\\", "\\E\\")
        match chance.randrange(8):
            case 0:
                value = f"{fields[number]}~{value}"
            case 1:
                value = f"{fields[number]}^{value}"
            case 2:
                value = f"{value}&{fields[number]}"
            case 3:
                lines.insert(at, lines[at])
            case 4 if len(lines) > 3:
                del lines[at]
                continue
        fields[number] = value
        lines[at] = "|".join(fields)
    return "\r".join(lines)


def messages_of(examples: list[Example]) -> list[list[str]]:
    texts = [path.read_text("utf-8") for example in examples for path in example.sources]
    return [
        ["MSH" + lines[0], *lines[1:]]
        for text in texts
        for part in text.replace("\r\n", "\n").replace("\r", "\n").split("MSH")[1:]
        if (lines := [line for line in part.split("\n") if line.strip()])
    ]


def compare_messages(count: int, folder: Path) -> None:
    chance = random.Random(count)
    examples = cases("hl7v2")
    both = Both(examples[0])
    messages = messages_of(examples)
    file = folder / "mutated.hl7"
    file.write_text(
        "\n".join(mutated_message(chance, messages) for _ in range(count)) + "\n", "utf-8", newline=""
    )
    assert sum(both.compare(record) for record in both.read([file])) > count


def mutated_table(chance: random.Random, text: str, count: int, delimiter: str, skip: str = "") -> str:
    """Rows of a table with cells of other rows, or odd ones."""
    lines = text.splitlines()
    head = [line for line in lines if skip and line.startswith(skip)] or lines[:1]
    rows = [line.split(delimiter) for line in lines if line not in head and line.strip()]
    made = []
    for _ in range(count):
        cells = list(chance.choice(rows))
        for _ in range(chance.randint(0, 3)):
            at = chance.randrange(len(cells))
            value = chance.choice(rows)[at : at + 1] if chance.random() < 0.6 else [chance.choice(ODD)]
            cells[at : at + 1] = [item.replace('"', "").replace(delimiter, "") for item in value] or [""]
        made.append(delimiter.join(cells))
    return "\n".join([*head, *made, ""])


# By its words: each process that tests would read all mappings before its first test.
TABLES = [example for example in EXAMPLES if "adapter: csv" in example.mapping.read_text()]


def compare_rows(example: Example, count: int, folder: Path) -> None:
    chance = random.Random(count)
    both = Both(example)
    source = example.sources[0]
    delimiter = str(both.mapping.source_options.get("delimiter") or ",")
    file = folder / source.name
    encoding = str(both.mapping.source_options.get("encoding") or "utf-8")
    text = mutated_table(chance, source.read_text(encoding), count, delimiter)
    file.write_text(text, encoding, errors="replace")
    for record in both.read([file]):
        both.compare(record)


def compare_variants(example: Example, count: int, folder: Path) -> None:
    chance = random.Random(count)
    both = Both(example)
    source = example.sources[0]
    file = folder / source.name
    text = mutated_table(chance, source.read_text("utf-8"), count, "\t", skip="#")
    file.write_text(text, "utf-8")
    for record in both.read([file]):
        both.compare(record)


def test_mutated_messages_give_equal_bytes(tmp_path: Path) -> None:
    compare_messages(300, tmp_path)


@pytest.mark.parametrize("example", TABLES, ids=lambda example: example.name)
def test_mutated_rows_give_equal_bytes(example: Example, tmp_path: Path) -> None:
    compare_rows(example, 60, tmp_path)


@pytest.mark.parametrize("example", cases("vcf"), ids=lambda example: example.name)
def test_mutated_variants_give_equal_bytes(example: Example, tmp_path: Path) -> None:
    compare_variants(example, 30, tmp_path)


@pytest.mark.soak
def test_ten_thousand_records_give_equal_bytes(tmp_path: Path) -> None:
    compare_messages(4000, tmp_path)
    for example in TABLES:
        compare_rows(example, 5000 // len(TABLES), tmp_path)
    for example in cases("vcf"):
        compare_variants(example, 1000 // len(cases("vcf")), tmp_path)


def test_the_unit_of_a_pressure_is_reported_once_beside_its_panel() -> None:
    chemistry = next(example for example in EXAMPLES if example.folder.name == "oru-chemistry")
    begin = [
        "MSH|^~\\&|LIS|HOSP|||20260301120000+0100||ORU^R01|1|P|2.5.1",
        "PID|1||77^^^HOSP^MR",
        "OBR|1||F1|85354-9^Blood pressure^LN|||20260301110000+0100",
    ]
    pressures = [
        f"OBX|{n}|{kind}|{code}^Pressure^LN|1|{value}|furlong|||||F"
        for n, (kind, code, value) in enumerate(
            [("ST", "85354-9", "n/a"), ("NM", "8480-6", "120"), ("NM", "8462-4", "80")], 1
        )
    ]
    both = Both(chemistry)
    record = read_message("\r".join([*begin, *pressures]).encode(), "m#1")
    assert both.compare(record) > 3
    issues = both.mapping.convert(record, both.dicts).issues
    assert sum(issue.code == "FB-HL7-015" for issue in issues) == 2
