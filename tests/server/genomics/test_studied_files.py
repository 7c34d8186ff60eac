"""What a file says of the regions that were looked at reaches the answers: blocks of a gVCF, and the BED of a study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import HEAD, serving_folder, site

ONE, SEVEN = "NC_000001.11", "NC_000007.14"
BLOCKS = (
    "chr1 1 . N <NON_REF> . . END=10000 GT:DP:GQ:MIN_DP 0/0:0:0:0",
    "chr1 10001 . A <NON_REF> . . END=10500 GT:DP:GQ:MIN_DP 0/0:30:90:25",
    "chr1 10501 . A G,<NON_REF> 500 . . GT:DP:GQ 0/1:30:99",
    "chr1 10502 . A <NON_REF> . . END=10600 GT:DP:GQ:MIN_DP 0/0:9:12:0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("studied")
    site(path)
    with (path / "crosswalk.csv").open("a") as file:
        for name in ("CORA", "DORA", "EVA", "FINN", "GERD", "HANS", *"IJKLMNOPQ"):
            file.write(f"NA-{name};urn:oid:2.25.7;{name[0]}1\n")
    return path


@pytest.fixture(scope="module")
def load(folder: Path, database_url: str) -> Iterator[Any]:
    """Loads lines of a sample, as a file of a day."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))

        def run(sample: str, date: str, lines: tuple[str, ...], *more: str, code: int = 0) -> None:
            path = folder / f"{sample}-{date}.vcf"
            head = HEAD.format(date=date).replace("NA-ANNA\tNA-BERT", sample)
            head = head.replace("##SAMPLE=<ID=NA-ANNA>\n", "")
            for key in ("DP", "GQ", "MIN_DP", "CN"):
                described = f'##FORMAT=<ID={key},Number=1,Type=Integer,Description="{key}">\n'
                head = head.replace("##FORMAT=<ID=GT", f"{described}##FORMAT=<ID=GT")
            path.write_text(head + "".join(line.replace(" ", "\t") + "\n" for line in lines))
            done = run_command("load", path, "-a", "vcf", "--site", folder / "site.yaml", *more)
            assert done.returncode == code, done.stderr

        yield run


@pytest.fixture(scope="module")
def http(folder: Path, database_url: str) -> Iterator[Http]:
    with serving_folder(folder, database_url) as client:
        yield client


def subject(http: Http, number: str) -> str:
    """The id of a patient."""
    (entry,) = http.get(f"/fhir/Patient?identifier=urn:oid:2.25.7|{number}").json()["entry"]
    return str(entry["resource"]["id"])


STRUCTURAL = (
    "find-subject-structural-intersecting-variants",
    "find-subject-structural-subsuming-variants",
)


def asked(
    http: Http, number: str, places: str, operation: str = "find-subject-variants", **limits: str
) -> tuple[Any, str]:
    """What is answered of a range or variant: presence (the reason where there is none), and whether it was studied."""
    name = "variants" if operation.endswith("specific-variants") else "ranges"
    parameters = {"subject": subject(http, number), name: places, **limits}
    answer = http.get(f"/fhir/${operation}", params=parameters)
    parts = {part["name"]: part for part in answer.json()["parameter"][0]["part"]}
    presence = parts["presence"]
    if "valueBoolean" in presence:
        return presence["valueBoolean"], parts["studied"]["valueCode"]
    return presence["_valueBoolean"]["extension"][0]["valueCode"], parts["studied"]["valueCode"]


@pytest.mark.parametrize("keep", [(), ("--keep-file",)])
def test_a_block_that_no_read_covers_was_not_called(http: Http, load: Any, keep: tuple[str, ...]) -> None:
    load("NA-BERT", "20260303" if keep else "20260302", BLOCKS, *keep)
    assert asked(http, "B1", f"{ONE}:2000-3000") == ("not-performed", "no")
    assert asked(http, "B1", f"{ONE}:10100-10200") == (False, "yes")
    assert asked(http, "B1", f"{ONE}:9000-10100") == (False, "partly")
    assert asked(http, "B1", f"{ONE}:10500-10501") == (True, "yes")
    assert asked(http, "B1", f"{ONE}:10550-10560") == ("not-performed", "no")


@pytest.mark.parametrize("keep", [(), ("--keep-file",)])
def test_the_regions_of_a_study_are_what_was_studied(
    http: Http, load: Any, folder: Path, keep: tuple[str, ...]
) -> None:
    bed = folder / "study.bed"
    bed.write_text("chr1\t2000\t6000\tMYH7\nchr1\t5000\t10000\n7\t100\t200\n")
    lines = ("chr1 3001 . T C 50 PASS . GT 0/1", "chr7 9000 . T C 50 PASS . GT 0/1")
    load("NA-ANNA", "20260403" if keep else "20260402", lines, "--set", f"studied_bed={bed}", *keep)
    assert asked(http, "A1", f"{ONE}:3000-4000") == (True, "yes")
    assert asked(http, "A1", f"{ONE}:5500-6500") == (False, "yes")
    assert asked(http, "A1", f"{ONE}:9000-11000") == (False, "partly")
    assert asked(http, "A1", f"{ONE}:2000-2000") == (False, "partly")
    assert asked(http, "A1", f"{ONE}:1000-2000") == ("not-performed", "no")
    assert asked(http, "A1", f"{SEVEN}:150-160") == (False, "yes")
    assert asked(http, "A1", f"{SEVEN}:300-400") == ("not-performed", "no")
    assert asked(http, "A1", "NC_000005.10:3000-4000") == ("not-performed", "no")
    assert asked(http, "A1", f"{SEVEN}:8999-9000") == (True, "no")


def test_what_a_block_calls_counts_within_the_study_alone(http: Http, load: Any, folder: Path) -> None:
    bed = folder / "blocks.bed"
    bed.write_text("chr1\t9000\t10300\nchr1\t20000\t20100\n")
    load("NA-CORA", "20260502", BLOCKS, "--set", f"studied_bed={bed}")
    assert asked(http, "C1", f"{ONE}:10100-10200") == (False, "yes")
    assert asked(http, "C1", f"{ONE}:10250-10350") == (False, "partly")
    assert asked(http, "C1", f"{ONE}:9500-9600") == ("not-performed", "no")
    assert asked(http, "C1", f"{ONE}:20000-20100") == ("not-performed", "no")
    assert asked(http, "C1", f"{ONE}:10400-10450") == ("not-performed", "no")


def test_a_test_that_was_withdrawn_is_none(http: Http, load: Any, folder: Path) -> None:
    """A newer file of the sample says of fewer regions that they were studied."""
    line = "chr1 3001 . T C 50 PASS . GT 0/1"
    for date, region in (("20260601", "chr1\t2000\t10000\n"), ("20260602", "chr1\t2000\t4000\n")):
        bed = folder / f"{date}.bed"
        bed.write_text(region)
        load("NA-DORA", date, (line,), "--set", f"studied_bed={bed}")
    assert asked(http, "D1", f"{ONE}:2100-2200") == (False, "yes")
    assert asked(http, "D1", f"{ONE}:5000-6000") == ("not-performed", "no")


def test_the_regions_of_an_exome_are_as_many_as_they_are(http: Http, load: Any, folder: Path) -> None:
    bed = folder / "exome.bed"
    bed.write_text("".join(f"chr1\t{start}\t{start + 120}\n" for start in range(1000, 200_001_000, 1000)))
    load("NA-ANNA", "20260601", ("chr1 3001 . T C 50 PASS . GT 0/1",), "--set", f"studied_bed={bed}")
    assert asked(http, "A1", f"{ONE}:150000000-150000100") == (False, "yes")
    assert asked(http, "A1", f"{ONE}:150000200-150000300") == ("not-performed", "no")


LOST = (
    "chr1 3001 . T C 50 PASS . GT 0/1",
    "chr1 3101 . TA C%G 50 PASS . GT 0/1",
    "chr1 3201 . T C 50 PASS . GT 0x1",
    "chr1 3301 . T C 50 PASS . GT ./.",
    "chr1 3401 . T C 50 PASS . GT 1/1",
)
"""A line, a genotype and a call that are not there."""


@pytest.mark.parametrize("keep", [(), ("--keep-file",)])
def test_where_a_line_or_genotype_is_lost_absence_is_not_stated(
    http: Http, load: Any, folder: Path, keep: tuple[str, ...]
) -> None:
    bed = folder / "lost.bed"
    bed.write_text("chr1\t2000\t10000\n")
    load("NA-EVA", "20260703" if keep else "20260702", LOST, "--set", f"studied_bed={bed}", *keep, code=1)
    assert asked(http, "E1", f"{ONE}:2100-2200") == (False, "yes")
    assert asked(http, "E1", f"{ONE}:3000-3001") == (True, "yes")
    for place in (3100, 3101, 3200, 3300):
        assert asked(http, "E1", f"{ONE}:{place}-{place + 1}") == ("not-performed", "no")
    assert asked(http, "E1", f"{ONE}:3150-3250") == (False, "partly")
    assert asked(http, "E1", f"{ONE}:3400-3401") == (True, "yes")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("chr1 x . T C 50 PASS . GT 0/1", id="without a position"),
        pytest.param("chr1 3101 . T <DEL> 50 PASS . GT 0x1", id="without an end"),
    ],
)
def test_where_nobody_knows_what_is_lost_no_place_was_studied(
    http: Http, load: Any, folder: Path, line: str
) -> None:
    bed = folder / "unplaced.bed"
    bed.write_text("chr1\t2000\t10000\n")
    date = "20260802" if "x ." in line else "20260803"
    load("NA-FINN", date, (*LOST[:1], line), "--set", f"studied_bed={bed}", code=1)
    assert asked(http, "F1", f"{ONE}:3000-3001") == (True, "unknown")
    assert asked(http, "F1", f"{ONE}:5000-5001") == (False, "unknown")


def test_lines_that_were_not_taken_were_not_studied(http: Http, load: Any, folder: Path) -> None:
    bed = folder / "taken.bed"
    bed.write_text("chr1\t2000\t10000\n7\t100\t200\n")
    load("NA-HANS", "20260902", LOST[:1], "--set", f"studied_bed={bed}", "--set", "regions=chr1:1000-4000")
    assert asked(http, "H1", f"{ONE}:3100-4000") == (False, "yes")
    assert asked(http, "H1", f"{ONE}:2100-4001") == (True, "partly")
    assert asked(http, "H1", f"{SEVEN}:150-160") == ("not-performed", "no")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param((LOST[4], LOST[0]), "chr1:3001 is after position 3401", id="unsorted"),
        pytest.param(
            (LOST[0], "chr1 3101 . T <DEL> 50 PASS SVTYPE=DEL;SVLEN=99999999999 GT 0/1"),
            "chr1:3101 has a POS, END or SVLEN above",
            id="extent",
        ),
    ],
)
def test_a_file_that_cannot_be_kept_says_nothing_and_replaces_nothing(
    http: Http, load: Any, folder: Path, lines: tuple[str, ...], reason: str
) -> None:
    bed = folder / "kept.bed"
    bed.write_text("chr1\t2000\t10000\n")
    studied = ("--set", f"studied_bed={bed}", "--keep-file")
    load("NA-GERD", "20260901", (LOST[4], "chr1 3501 . T C 50 PASS . GT 0/1"), *studied)
    report = folder / "unkept.json"
    load("NA-GERD", "20260902", lines, *studied, "--report", str(report), code=1)
    stated = json.loads(report.read_text())
    assert any(reason in issue["message"] for issue in stated["issues"] if issue["code"] == "FB-RUN-050")
    (calls,) = stated["calls"]
    assert (calls["called"], calls["written"], calls["kept_in_file"]) == (len(lines), 0, 0)
    assert calls["withheld"] == {"FB-RUN-050": len(lines)}
    assert asked(http, "G1", f"{ONE}:3500-3501") == (True, "yes")
    (entry,) = http.get("/fhir/DiagnosticReport?patient.identifier=urn:oid:2.25.7|G1").json()["entry"]
    assert entry["resource"]["effectiveDateTime"] == "2026-09-01"


NOTHING = ("not-performed", "no")


@pytest.mark.parametrize(
    "limit",
    [
        {"testDateRange": "le2020-01-01"},
        {"testIdentifiers": "nosuch"},
        {"specimenIdentifiers": "OTHER"},
        {"genomicSourceClass": "somatic"},
    ],
    ids=lambda limit: next(iter(limit)),
)
def test_a_test_that_is_not_asked_for_studied_nothing(http: Http, load: Any, limit: dict[str, str]) -> None:
    """Absence is stated by the tests that the selectors choose alone."""
    load("NA-I", "20260901", BLOCKS, "--set", "source_class=germline")
    specific = "find-subject-specific-variants"
    absent = f"{ONE}:g.10101A>G"
    assert asked(http, "I1", f"{ONE}:10100-10200") == (False, "yes")
    assert asked(http, "I1", absent, specific) == (False, "yes")
    assert asked(http, "I1", absent, specific, genomicSourceClass="germline") == (False, "yes")
    assert asked(http, "I1", f"{ONE}:10100-10200", **limit) == NOTHING
    assert asked(http, "I1", absent, specific, **limit) == NOTHING
    for operation in STRUCTURAL:
        assert asked(http, "I1", f"{ONE}:10100-10200", operation, **limit) == NOTHING
    rows = http.get("/fhir/$find-study-metadata", params={"subject": subject(http, "I1"), **limit}).json()
    assert "parameter" not in rows


def test_a_test_that_does_not_state_its_class_leaves_absence_open(http: Http, load: Any) -> None:
    load("NA-J", "20260901", BLOCKS)
    asked_for = {"genomicSourceClass": "germline"}
    assert asked(http, "J1", f"{ONE}:10100-10200", **asked_for) == (False, "unknown")
    rows = http.get("/fhir/$find-study-metadata", params={"subject": subject(http, "J1"), **asked_for}).json()
    assert [row["name"] for row in rows["parameter"]] == ["outcome"]


SEGMENTS = (
    "chr1 20001 . N . 100 PASS END=30000 GT:CN ./.:2",
    "chr1 30000 . N <DEL> 90 PASS END=40000;SVTYPE=CNV GT:CN 0/1:1",
)
REPEATS = (
    "chr4 3074876 . C <STR45> . PASS END=3074933;RU=CAG;REPID=HTT GT 0/1",
    "chr19 45770204 . C . . PASS END=45770264;RU=CAG;REPID=DMPK GT 0/0",
)


def test_what_small_variants_are_called_from_says_nothing_of_structural_ones(http: Http, load: Any) -> None:
    load("NA-K", "20260901", BLOCKS)
    assert asked(http, "K1", f"{ONE}:10100-10200") == (False, "yes")
    for operation in STRUCTURAL:
        assert asked(http, "K1", f"{ONE}:10100-10200", operation) == NOTHING
    specific = "find-subject-specific-variants"
    assert asked(http, "K1", f"{ONE}:g.10101_10110del", specific) == (False, "yes")
    assert asked(http, "K1", f"{ONE}:g.10101_10300del", specific) == NOTHING


def test_what_copy_numbers_are_called_from_says_nothing_of_small_variants(http: Http, load: Any) -> None:
    load("NA-L", "20260901", SEGMENTS)
    assert asked(http, "L1", f"{ONE}:25000-25100") == NOTHING
    assert asked(http, "L1", f"{ONE}:30001-30002") == NOTHING
    assert asked(http, "L1", f"{ONE}:25000-25100", STRUCTURAL[0]) == (False, "yes")
    assert asked(http, "L1", f"{ONE}:35000-35100", STRUCTURAL[0]) == (True, "yes")
    assert asked(http, "L1", f"{ONE}:50000-50100", STRUCTURAL[0]) == NOTHING
    documents = http.get(f"/fhir/DocumentReference?patient={subject(http, 'L1')}").json()["entry"]
    assert [each["resource"]["description"][:23] for each in documents] == ["Regions that are called"]


def test_what_repeats_are_counted_from_says_nothing_of_other_variants(http: Http, load: Any) -> None:
    load("NA-M", "20260901", REPEATS)
    assert asked(http, "M1", "NC_000004.12:3074900-3074910") == NOTHING
    assert asked(http, "M1", "NC_000019.10:45770210-45770220") == NOTHING
    assert asked(http, "M1", "NC_000019.10:45770210-45770220", STRUCTURAL[0]) == NOTHING


def test_a_file_of_several_kinds_has_the_regions_of_each(http: Http, load: Any) -> None:
    load("NA-N", "20260901", (*BLOCKS, *SEGMENTS))
    assert asked(http, "N1", f"{ONE}:10100-10200") == (False, "yes")
    assert asked(http, "N1", f"{ONE}:10100-10200", STRUCTURAL[0]) == NOTHING
    assert asked(http, "N1", f"{ONE}:25000-25100") == NOTHING
    assert asked(http, "N1", f"{ONE}:25000-25100", STRUCTURAL[0]) == (False, "yes")


def test_a_site_states_what_its_test_looks_for(http: Http, load: Any, folder: Path) -> None:
    bed = folder / "kinds.bed"
    bed.write_text("chr1\t2000\t10000\n")
    studied = ("--set", f"studied_bed={bed}")
    load("NA-O", "20260901", LOST[:1], *studied)
    assert asked(http, "O1", f"{ONE}:5000-5001") == (False, "yes")
    assert asked(http, "O1", f"{ONE}:5000-5001", STRUCTURAL[0]) == NOTHING
    load("NA-O", "20260902", LOST[:1], *studied, "--set", "studied_kinds=small,structural")
    assert asked(http, "O1", f"{ONE}:5000-5001") == (False, "yes")
    assert asked(http, "O1", f"{ONE}:5000-5001", STRUCTURAL[0]) == (False, "yes")


OPEN = (
    "chr1 3001 . T C 50 PASS . GT 0/1",
    "chr1 8500 . A AT 90 q10 . GT 0/1",
    "chr1 8600 . A TA 90 q10 . GT 0/1",
    "chr1 8700 . AT *,A 90 PASS . GT 0/1",
    "chr1 9000 . A AT 90 PASS . GT 0/9",
)


@pytest.mark.parametrize("keep", [(), ("--keep-file",)])
def test_an_insertion_that_is_not_called_leaves_both_its_sides_open(
    http: Http, load: Any, folder: Path, keep: tuple[str, ...]
) -> None:
    bed = folder / "open.bed"
    bed.write_text("chr1\t2000\t10000\n")
    more = ("--set", f"studied_bed={bed}", "--set", "filtered=leave-out", *keep)
    load("NA-P", "20260903" if keep else "20260902", OPEN, *more, code=1)
    for place in (8499, 8500, 8598, 8599, 8699, 8700, 8999, 9000):
        assert asked(http, "P1", f"{ONE}:{place}-{place + 1}") == NOTHING, place
    for place in (8498, 8502, 8701, 9001):
        assert asked(http, "P1", f"{ONE}:{place}-{place + 1}") == (False, "yes"), place
    assert asked(http, "P1", f"{ONE}:8500-8500") == NOTHING
    assert asked(http, "P1", f"{ONE}:g.8500_8501insT", "find-subject-specific-variants") == NOTHING


@pytest.mark.parametrize("keep", [(), ("--keep-file",)])
def test_a_deletion_that_cannot_be_compared_is_neither_there_nor_absent(
    http: Http, load: Any, keep: tuple[str, ...]
) -> None:
    """Of `AAAA` the four bases behind may be the same deletion: without a reference sequence nobody knows."""
    lines = (
        "chr1 10001 . A <NON_REF> . . END=10199 GT:DP:GQ:MIN_DP 0/0:30:90:25",
        "chr1 10200 . CAAAA C,<NON_REF> 500 . . GT:DP:GQ 0/1:30:99",
        "chr1 10205 . A <NON_REF> . . END=10500 GT:DP:GQ:MIN_DP 0/0:30:90:25",
    )
    load("NA-Q", "20260903" if keep else "20260902", lines, *keep)
    specific = "find-subject-specific-variants"
    assert asked(http, "Q1", f"{ONE}:g.10201_10204del", specific)[0] is True
    for name in ("g.10205_10208del", "g.10300_10303del", "g.10210_10213delAAAA"):
        assert asked(http, "Q1", f"{ONE}:{name}", specific) == ("unknown", "yes"), name
    for name in ("g.10205_10209del", "g.10205_10208delACGT", "g.10210_10213dup", "g.10210A>G"):
        assert asked(http, "Q1", f"{ONE}:{name}", specific) == (False, "yes"), name
