"""Kept files of any bytes are read, and one that can't be read never says that something is absent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import serving_folder, site
from tests.server.genomics.test_reclassification import search

HEAD = """##fileformat=VCFv4.3
##fileDate={date}
{more}##contig=<ID=chr17,length={length}>
##INFO=<ID=CLNSIG,Number=A,Type=String,Description="ClinVar">
##INFO=<ID=CLNDN,Number=.,Type=String,Description="ClinVar">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}
"""
PLAIN = ("1000 . A G 50 PASS .", "2000 . C T 50 PASS .", "3000 . G A 50 PASS .")
LENGTHS = {"GRCh38": 83257441, "GRCh37": 81195210}
RANGE = "NC_000017.11:900-4000"
ASKED = {
    "find-subject-variants": {"ranges": RANGE},
    "find-subject-specific-variants": {"variants": "NC_000017.11:g.1000A>G"},
    "find-subject-structural-intersecting-variants": {"ranges": RANGE},
    "find-subject-structural-subsuming-variants": {"ranges": RANGE},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bytes")
    site(path)
    with (path / "crosswalk.csv").open("a") as file:
        file.writelines(f"Q{number};urn:oid:2.25.7;Q{number}\n" for number in range(12))
    (path / "studied.bed").write_text("chr17\t0\t83257441\n")
    return path


@pytest.fixture(scope="module")
def load(folder: Path, database_url: str) -> Iterator[Any]:
    """Loads lines of a sample as a file, kept unless it is said otherwise."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))

        def run(
            sample: str,
            lines: tuple[str | bytes, ...],
            *options: str,
            name: str = "genome",
            build: str = "GRCh38",
            more: str = "",
            date: str = "20260101",
            keep: bool = True,
        ) -> None:
            path = folder / f"{name}_{sample}.vcf"
            head = HEAD.format(date=date, sample=sample, length=LENGTHS[build], more=more)
            rows = [line if isinstance(line, bytes) else line.encode() for line in lines]
            body = [b"\t".join((b"chr17", *row.split(b" "), b"GT", b"0/1")) for row in rows]
            path.write_bytes(b"\n".join((head.encode().rstrip(), *body, b"")))
            kept = ["--keep-file"] if keep else []
            done = run_command("load", path, "-a", "vcf", "--site", folder / "site.yaml", *kept, *options)
            assert done.returncode in (0, 1), done.stderr

        yield run


@pytest.fixture(scope="module")
def served(load: Any, database_url: str, folder: Path) -> Iterator[Http]:
    assert load
    with serving_folder(folder, database_url) as http:
        yield http


def ask(http: Http, number: str, operation: str, **parameters: str) -> tuple[list[dict[str, Any]], str]:
    """The parts of the first parameter, and the warnings."""
    (patient,) = search(http, f"Patient?identifier=urn:oid:2.25.7|{number}")
    answer = http.get(f"/fhir/${operation}", params={"subject": patient["id"], **parameters})
    assert answer.status_code == 200, answer.text
    parameters_ = answer.json().get("parameter", [])
    texts = [
        issue["diagnostics"]
        for each in parameters_
        if each["name"] == "outcome"
        for issue in each["resource"]["issue"]
    ]
    return (parameters_[0].get("part", []) if parameters_ else []), " ".join(texts)


def alternates(parts: list[dict[str, Any]]) -> list[str]:
    return sorted(
        component["valueString"]
        for part in parts
        if part["name"] == "variant"
        for component in part["resource"]["component"]
        if component["code"]["coding"][0]["code"] == "69551-0"
    )


def test_a_file_with_other_characters_than_ascii_is_read(served: Http, load: Any) -> None:
    cases: dict[str, tuple[tuple[str | bytes, ...], str, list[str]]] = {
        "Q0": (PLAIN, "##lab=Universität Zürich\n", ["A", "G", "T"]),
        "Q1": ((*PLAIN, "3500 . A C 50 PASS CLNDN=Sjögren-Larsson_syndrome"), "", ["A", "C", "G", "T"]),
        "Q2": ((*PLAIN, "3500 ré A C 50 PASS ."), "", ["A", "C", "G", "T"]),
        "Q3": ((*PLAIN, "3500 . A C 50 PASS CLNDN=Sjögren".encode("latin-1")), "", ["A", "G", "T"]),
    }
    for sample, (lines, more, expected) in cases.items():
        load(sample, lines, more=more)
        parts, text = ask(served, sample, "find-subject-variants", ranges=RANGE, includeVariants="true")
        assert alternates(parts) == expected, sample
        assert "can't be read" not in text
        parts, _ = ask(served, sample, "find-subject-specific-variants", variants="NC_000017.11:g.1000A>G")
        assert parts[1] == {"name": "presence", "valueBoolean": True}


def test_the_words_of_a_line_are_those_of_a_stored_one(served: Http, load: Any) -> None:
    line = "3500 ré A C 50 PASS CLNSIG=Benign;CLNDN=Sjögren-Larsson_syndrome"
    for number, keep in (("Q4", True), ("Q5", False)):
        load(number, (line,), keep=keep)
        (patient,) = search(served, f"Patient?identifier=urn:oid:2.25.7|{number}")
        parameters = {"subject": patient["id"], "ranges": RANGE}
        answer = served.get("/fhir/$find-subject-dx-implications", params=parameters)
        assert "Sjögren-Larsson syndrome" in answer.text


def test_a_file_that_cannot_be_read_never_says_that_something_is_absent(
    served: Http, load: Any, folder: Path
) -> None:
    before = set((folder / "blobs").rglob("*"))
    kinds = ("--set", "studied_kinds=small,structural")
    load("Q6", ("60000 . A G 50 PASS .",), "--set", f"studied_bed={folder / 'studied.bed'}", *kinds)
    for operation, parameters in ASKED.items():
        parts, _ = ask(served, "Q6", operation, **parameters)
        assert parts[1:3] == [
            {"name": "presence", "valueBoolean": False},
            {"name": "studied", "valueCode": "yes"},
        ]
    for path in set((folder / "blobs").rglob("*")) - before:
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"damaged")
    for operation, parameters in ASKED.items():
        parts, text = ask(served, "Q6", operation, **parameters)
        assert "valueBoolean" not in parts[1], operation
        assert parts[1]["_valueBoolean"]["extension"][0]["valueCode"] == "unknown"
        assert parts[2] == {"name": "studied", "valueCode": "unknown"}
        assert "a kept file can't be read" in text


@pytest.mark.parametrize("keep", [True, False])
def test_variants_on_another_build_are_said_not_to_be_compared(served: Http, load: Any, keep: bool) -> None:
    sample = "Q7" if keep else "Q8"
    load(sample, PLAIN, keep=keep)
    load(sample, PLAIN, name="older", build="GRCh37", date="20200101", keep=keep)
    for operation, parameters in ASKED.items():
        _, text = ask(served, sample, operation, **parameters)
        assert "variants on GRCh37 are not compared: no chain file leads there" in text, operation


def test_what_kept_files_hold_is_counted_over_all_of_them(served: Http, load: Any) -> None:
    load("Q9", PLAIN)
    load("Q9", ("5000 . A G 50 PASS .",), name="other", build="GRCh37", date="20200101")
    _, text = ask(served, "Q9", "find-subject-tx-implications", conditions="Cardiomyopathy")
    assert "4 variants are in 2 kept files alone" in text
