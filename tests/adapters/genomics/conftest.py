"""Small VCFs written by the tests themselves, read without a mapping."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_bridge.adapters.genomics import VcfAdapter, VcfRecord
from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.file import Study

from ...command import run_command

HEADER = (
    "##fileformat=VCFv4.3",
    "##fileDate=20260302",
    "##contig=<ID=1,length=248956422>",
    "##contig=<ID=X,length=156040895>",
    "##contig=<ID=MT,length=16569>",
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">',
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
    '##INFO=<ID=END,Number=1,Type=Integer,Description="End">',
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type">',
    '##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="Length">',
    '##INFO=<ID=CIPOS,Number=2,Type=Integer,Description="Interval">',
    '##INFO=<ID=CIEND,Number=2,Type=Integer,Description="Interval">',
    '##INFO=<ID=IMPRECISE,Number=0,Type=Flag,Description="Imprecise">',
    '##INFO=<ID=CLNSIG,Number=.,Type=String,Description="ClinVar">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
    '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">',
    '##FORMAT=<ID=CN,Number=1,Type=Integer,Description="Copy number">',
)


@dataclass
class Reading:
    """All that a file gave."""

    records: list[VcfRecord]
    outcomes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for record in self.records:
            if record.records:
                self.outcomes[record.outcome] = self.outcomes.get(record.outcome, 0) + record.records

    @property
    def codes(self) -> list[str]:
        return [issue.code for record in self.records for issue in record.issues]

    @property
    def alleles(self) -> list[Allele]:
        return [allele for record in self.records for allele in record.scope("Allele")]

    @property
    def studies(self) -> list[Study]:
        return [study for record in self.records for study in record.scope("Study")]


def text(
    lines: Sequence[str],
    samples: Sequence[str] = ("S1",),
    header: Sequence[str] = HEADER,
    extra: Sequence[str] = (),
) -> str:
    """A VCF; columns of `lines` may be separated by single spaces."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if samples:
        columns += ["FORMAT", *samples]
    return "\n".join([*header, *extra, "\t".join(columns), *(line.replace(" ", "\t") for line in lines), ""])


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Reading]:
    """Write lines below a GRCh38 header (or bytes as they are), and read them."""

    def run(
        *lines: str,
        samples: Sequence[str] = ("S1",),
        header: Sequence[str] = HEADER,
        extra: Sequence[str] = (),
        content: bytes | None = None,
        name: str = "test.vcf",
        only: Sequence[str] = (),
        **options: object,
    ) -> Reading:
        path = tmp_path / name
        path.write_bytes(content if content is not None else text(lines, samples, header, extra).encode())
        context = SimpleNamespace(options={**options, "samples": only}, site=None)
        return Reading(list(VcfAdapter().read([path], context)))

    return run


@dataclass
class Conversion:
    """All that the command `convert` gave of a file."""

    code: int
    report: dict[str, Any]
    resources: list[dict[str, Any]]

    @property
    def messages(self) -> dict[str, list[str]]:
        """The issues' messages by code."""
        results: dict[str, list[str]] = {}
        for each in self.report["issues"]:
            results.setdefault(each["code"], []).append(each["message"])
        return results

    @property
    def variants(self) -> list[dict[str, Any]]:
        """The Observations of variants, by position."""
        results = [
            one
            for one in self.resources
            if one.get("code", {}).get("coding", [{}])[0].get("code") == "69548-6"
        ]
        return sorted(results, key=lambda one: component(one, "81254-5")["valueRange"]["low"]["value"])

    def reports(self, key: str) -> list[Any]:
        """An element of each genomic report, in the order of the samples."""
        return [one[key] for one in self.resources if one["resourceType"] == "DiagnosticReport"]


def component(observation: dict[str, Any], code: str) -> dict[str, Any]:
    """The first component of a code; empty where there is none."""
    listed = observation.get("component", [])
    return next((one for one in listed if one["code"]["coding"][0]["code"] == code), {})


def coded(observation: dict[str, Any], code: str) -> str | None:
    """The code of a component, else its text."""
    value = component(observation, code).get("valueCodeableConcept", {})
    return value["coding"][0]["code"] if value.get("coding") else value.get("text")


@pytest.fixture
def converted(tmp_path: Path) -> Callable[..., Conversion]:
    """Write lines below a header, and convert them by the command line; everything is validated."""

    def run(
        *lines: str,
        samples: Sequence[str] = ("S1",),
        header: Sequence[str] = HEADER,
        extra: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> Conversion:
        path, out = tmp_path / "a.vcf", tmp_path / "out"
        path.write_text(text(lines, samples, header, extra))
        done = run_command(
            "convert", path, "--adapter", "vcf", "--out", out, "--force", "--validate", "all", *options
        )
        assert "Traceback" not in done.stderr
        files = [file for file in out.glob("*.ndjson") if file.name != "rejects.ndjson"]
        resources = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return Conversion(done.returncode, json.loads((out / "report.json").read_text()), resources)

    return run
