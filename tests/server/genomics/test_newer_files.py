"""Two files of a sample, kept or loaded plain, in any order: what the newer one says counts where it has a line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.genomics import record
from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import serving_folder, site
from tests.server.genomics.test_reclassification import search

HEAD = """##fileformat=VCFv4.3
##fileDate={date}
##contig=<ID=chr17,length=83257441>
##INFO=<ID=CLNSIG,Number=A,Type=String,Description="ClinVar">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}
"""
OLD = [(position, "0/1") for position in range(1000, 1600, 100)]
NEW = [(1000, "1/1"), (1100, "0/0")]
"""Fewer than half of the older one's places: what that says elsewhere stays."""
BIG = [*NEW, *((position, "0/0") for position in (1200, 1300, 1400))]
"""More than half of them: the older file counts no more."""
WAYS = [
    pytest.param(kept, order, newer, id=f"{kept[0]}-{kept[1]}-{order}-{len(newer)}")
    for kept, order, newer in itertools.product(
        itertools.product(("kept", "plain"), repeat=2), ("old-new", "new-old", "old-new-old"), (NEW, BIG)
    )
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("newer")
    site(path)
    with (path / "crosswalk.csv").open("a") as file:
        file.writelines(f"Q{number};urn:oid:2.25.7;Q{number}\n" for number in range(len(WAYS) + 2))
    return path


@pytest.fixture(scope="module")
def load(folder: Path, database_url: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))

        def run(sample: str, name: str, lines: list[tuple[int, str]], date: str, kept: str) -> None:
            path = folder / f"{name}_{sample}.vcf"
            text = "".join(f"chr17\t{place}\t.\tC\tT\t50\tPASS\t.\tGT\t{call}\n" for place, call in lines)
            path.write_text(HEAD.format(date=date, sample=sample) + text)
            more = ["--keep-file"] if kept == "kept" else []
            done = run_command("load", path, "-a", "vcf", "--site", folder / "site.yaml", *more)
            assert done.returncode == 0, done.stderr

        yield run


@pytest.fixture(scope="module")
def served(load: Any, database_url: str, folder: Path) -> Iterator[Http]:
    assert load
    with serving_folder(folder, database_url) as http:
        yield http


def calls(http: Http, number: str, ranges: str) -> list[tuple[int, str]]:
    """Position and zygosity of what an operation says is there."""
    (patient,) = search(http, f"Patient?identifier=urn:oid:2.25.7|{number}")
    answer = http.get(
        "/fhir/$find-subject-variants",
        params={"subject": patient["id"], "ranges": ranges, "includeVariants": "true"},
    )
    assert answer.status_code == 200, answer.text
    parts = [part for parameter in answer.json()["parameter"] for part in parameter.get("part", ())]
    return [call_of(part["resource"]) for part in parts if part["name"] == "variant"]


def call_of(variant: dict[str, Any]) -> tuple[int, str]:
    values = {each["code"]["coding"][0]["code"]: each for each in variant["component"]}
    position = values["81254-5"]["valueRange"]["low"]["value"]
    return position, values["53034-5"]["valueCodeableConcept"]["coding"][0]["display"]


@pytest.mark.parametrize(("kept", "order", "newer"), WAYS)
def test_the_newer_file_counts_where_it_has_a_line(
    served: Http, load: Any, kept: tuple[str, str], order: str, newer: list[tuple[int, str]], request: Any
) -> None:
    number = f"Q{[each.id for each in WAYS].index(request.node.callspec.id)}"
    for each in order.split("-"):
        if each == "old":
            load(number, "old", OLD, "20260101", kept[0])
        else:
            load(number, "new", newer, "20260201", kept[1])
    stays = [] if newer is BIG else [(place, "Heterozygous") for place in (1200, 1300, 1400, 1500)]
    expected = [(1000, "Homozygous"), *stays]
    assert sorted(calls(served, number, "NC_000017.11:900-1700")) == expected
    stored = search(
        served, f"Observation?patient.identifier=urn:oid:2.25.7|{number}&code=69548-6&status=final"
    )
    assert {call_of(each) for each in stored} <= set(expected)


@pytest.mark.parametrize("order", ["old-new", "new-old"])
def test_of_two_genomes_of_which_few_places_are_noted_the_newer_one_counts_too(
    served: Http, load: Any, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_ALL", 0)
    number = f"Q{len(WAYS) + (order == 'new-old')}"
    for each in order.split("-"):
        if each == "old":
            load(number, "first", OLD, "20260101", "kept")
        else:
            load(number, "second", NEW, "20260201", "kept")
    expected = [(1000, "Homozygous"), *((place, "Heterozygous") for place in (1200, 1300, 1400, 1500))]
    assert sorted(calls(served, number, "NC_000017.11:900-1700")) == expected
    assert calls(served, number, "NC_000017.11:1099-1100") == []
