"""A variant is found however it is written, stored and in a kept file alike, as far as anything shows that it is one.

What is one variant is decided here by the sequence that results, base by base.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import HEAD, serving_folder, site

ONE = "NC_000001.11"
_random = random.Random(17)
_PLAIN = "".join(_random.choice("ACGT") for _ in range(6000))
SEQUENCE = _PLAIN[:1000] + "CA" * 10 + _PLAIN[1020:2000] + "T" * 9 + _PLAIN[2009:3000] + "ACG" * 900 + "T"
SEQUENCE += _PLAIN[3000:]

INDELS = (  # position from 1, bases taken, bases put in
    (1001, "CA", ""), (1001, "", "CA"), (2001, "T", ""), (2001, "", "TT"), (3001, "ACG", ""), (3001, "", "ACGACG"),
    (500, SEQUENCE[499:503], ""), (700, "", SEQUENCE[696:699]), (900, "", "ACGTT"), (1500, SEQUENCE[1499], ""),
)  # fmt: skip


def _line(position: int, old: str, new: str) -> str:
    before = SEQUENCE[position - 2]
    return f"chr1 {position - 1} . {before}{old} {before}{new} 50 PASS . GT"


def _forms(position: int, old: str, new: str) -> set[str]:
    """HGVS and SPDI of every way to write a deletion or insertion, some with the bases that are not needed."""
    result = SEQUENCE[: position - 1] + new + SEQUENCE[position - 1 + len(old) :]
    length, forms = len(old or new), set()
    for start in range(max(0, position - 40), len(SEQUENCE)):
        if old:
            if SEQUENCE[:start] + SEQUENCE[start + length :] == result:
                span = str(start + 1) if length == 1 else f"{start + 1}_{start + length}"
                taken = SEQUENCE[start : start + length]
                forms |= {f"{ONE}:g.{span}del", f"{ONE}:{start}:{taken}:", f"{ONE}:{start}:{length}:"}
                around = SEQUENCE[start - 1 : start + length + 1]
                forms.add(f"{ONE}:{start - 1}:{around}:{around[0]}{around[-1]}")
            continue
        put = result[start : start + length]
        if SEQUENCE[:start] + put + SEQUENCE[start:] == result:
            forms |= {f"{ONE}:g.{start}_{start + 1}ins{put}", f"{ONE}:{start}::{put}"}
            if SEQUENCE[start - length : start] == put:
                span = str(start) if length == 1 else f"{start - length + 1}_{start}"
                forms |= {f"{ONE}:g.{span}dup", f"{ONE}:g.{span}dup{put}"}
        elif start > position + 3000:
            break
    return forms


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spellings")
    site(path)
    (path / "one.fa").write_text(">chr1\n" + SEQUENCE + "\n")
    lines = [_line(*each) for each in sorted(INDELS)]
    rows = ("5001 . CTT CT", "6000 . CAG CAAG", "7000 . TGCAT TTGCT", "8001 . GCC GC,ACC", "9000 . T C")
    lines += [f"chr7 {row} 50 PASS . GT" for row in rows]
    for sample, date in (("ANNA", "20260301"), ("BERT", "20260302")):
        head = HEAD.format(date=date).replace("NA-ANNA\tNA-BERT", f"NA-{sample}")
        text = "".join(f"{line} {'1/2' if ',' in line else '0/1'}\n".replace(" ", "\t") for line in lines)
        (path / f"{sample}.vcf").write_text(head + text)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path, database_url: str) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))
        for name, more in (("ANNA", ()), ("BERT", ("--keep-file",))):
            done = run_command(
                "load", folder / f"{name}.vcf", "-a", "vcf", "--site", folder / "site.yaml", *more
            )
            assert done.returncode == 0, done.stderr
        yield database_url


@pytest.fixture(scope="module", params=["a reference", "none", "one of another chromosome"])
def served(request: pytest.FixtureRequest, loaded: str, folder: Path) -> Iterator[tuple[Http, bool]]:
    """A server, and whether it has the reference."""
    (folder / "two.fa").write_text(">chr2\nACGT\n")
    name = {"a reference": "one.fa", "one of another chromosome": "two.fa"}.get(request.param)
    references = "" if name is None else f"GRCh38={folder / name}"
    with serving_folder(folder, loaded, reference_files=references) as http:
        yield http, name == "one.fa"


def _patient(http: Http, number: str) -> str:
    (entry,) = http.get(f"/fhir/Patient?identifier=urn:oid:2.25.7|{number}").json()["entry"]
    identity: str = entry["resource"]["id"]
    return identity


def _found(http: Http, patient: str, variants: list[str]) -> dict[str, bool]:
    results: dict[str, bool] = {}
    for start in range(0, len(variants), 200):
        asked = ",".join(variants[start : start + 200])
        answer = http.post(
            "/fhir/$find-subject-specific-variants",
            json={
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "subject", "valueString": patient},
                    {"name": "variants", "valueString": asked},
                ],
            },
        )
        assert answer.status_code == 200, answer.text
        for row in answer.json()["parameter"]:
            if row["name"] == "variants":
                parts: dict[str, Any] = {part["name"]: part for part in row["part"]}
                results[parts["variantItem"]["valueString"]] = parts["presence"].get("valueBoolean") is True
    return results


def test_each_way_that_is_shown_finds_a_variant_stored_or_kept(served: tuple[Http, bool]) -> None:
    http, referenced = served
    for number in ("A1", "B1"):
        patient = _patient(http, number)
        for each in INDELS:
            forms = _forms(*each)
            assert len(forms) >= 2, each
            if referenced:
                chosen = sorted(forms)[:: max(1, len(forms) // 8)]
            else:  # as the line has it
                start = each[0] - 1
                chosen = [f"{ONE}:{start}:{each[1]}:{each[2]}"]
            # Each in a call of its own: where one is looked for, no other is by chance.
            missing = [text for text in chosen if not _found(http, patient, [text])[text]]
            assert missing == [], (number, each)


def test_another_variant_is_not_found(served: tuple[Http, bool]) -> None:
    http, _ = served
    others = [
        f"{ONE}:g.1001del", f"{ONE}:g.1001_1004del", f"{ONE}:g.2001_2003del", f"{ONE}:2000::T", f"{ONE}:2000::TTT",
        f"{ONE}:1998:{SEQUENCE[1998]}:", f"{ONE}:g.3001_3002del", f"{ONE}:899::ACGTA", f"{ONE}:g.1200_1201del",
    ]  # fmt: skip
    for number in ("A1", "B1"):
        assert not any(_found(http, _patient(http, number), others).values())


def test_what_ref_alone_shows_is_found_without_a_reference(served: tuple[Http, bool]) -> None:
    """The third base of CTT, as HGVS writes the deletion of one of them; an insertion after the last A as well."""
    http, _ = served
    name = "NC_000007.14"
    wanted = [
        f"{name}:g.5002del", f"{name}:g.5003del", f"{name}:5002:T:", f"{name}:5001:TT:T", f"{name}:g.6001dup",
        f"{name}:g.6001_6002insA", f"{name}:6001::A", f"{name}:g.6000_6001insA", f"{name}:6000:A:AA",
        f"{name}:g.7001_7003inv", f"{name}:g.7001_7003delinsTGC",
    ]  # fmt: skip
    for number in ("A1", "B1"):
        found = _found(http, _patient(http, number), [*wanted, f"{name}:g.5001del", f"{name}:6002::A"])
        assert [text for text in wanted if not found[text]] == []
        assert not found[f"{name}:g.5001del"]
        assert not found[f"{name}:6002::A"]


SEVEN = "NC_000007.14"


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        # GCC>GC,ACC at 8001: the first base is A, or one of the two C is gone, whichever.
        (f"{SEVEN}:8000-8001", ["ACC"]),
        (f"{SEVEN}:8001-8002", ["GC"]),
        (f"{SEVEN}:8002-8003", ["GC"]),
        (f"{SEVEN}:8000-8003", ["ACC", "GC"]),
        (f"{SEVEN}:8003-8004", []),
        # CAG>CAAG at 6000: an A before or after the one that is there.
        (f"{SEVEN}:5998-5999", []),
        (f"{SEVEN}:5999-6000", ["CAAG"]),
        (f"{SEVEN}:6001-6002", ["CAAG"]),
        (f"{SEVEN}:6002-6003", []),
        # An empty range is between two bases.
        (f"{SEVEN}:6000-6000", ["CAAG"]),
        (f"{SEVEN}:6001-6001", ["CAAG"]),
        (f"{SEVEN}:6002-6002", []),
        (f"{SEVEN}:8999-9000", ["C"]),
        (f"{SEVEN}:9000-9000", []),
        (f"{SEVEN}:8999-8999", []),
        (f"{SEVEN}:9000-9001", []),
        (f"{SEVEN}:7001-7001", ["TTGCT"]),
        (f"{SEVEN}:7000-7000", []),
        (f"{SEVEN}:7003-7004", []),
    ],
)
def test_a_range_has_what_changes_one_of_its_bases(
    served: tuple[Http, bool], ranges: str, expected: list[str]
) -> None:
    http, _ = served
    for number in ("A1", "B1"):
        assert _alternates(http, _patient(http, number), ranges) == expected


def _alternates(http: Http, patient: str, ranges: str) -> list[str]:
    """The alternate alleles in a range; whether there are any is the same where they are not shown."""
    query = {"subject": patient, "ranges": ranges}
    answer = http.get("/fhir/$find-subject-variants", params={**query, "includeVariants": "true"}).json()
    short = http.get("/fhir/$find-subject-variants", params=query).json()
    parts: list[dict[str, Any]] = answer["parameter"][0]["part"]
    results = [
        str(component["valueString"])
        for each in parts
        if each["name"] == "variant"
        for component in each["resource"]["component"]
        if component["code"]["coding"][0]["code"] == "69551-0"
    ]
    for some in (parts, short["parameter"][0]["part"]):
        presence = next(entry for entry in some if entry["name"] == "presence")
        assert presence.get("valueBoolean") is bool(results)
    return sorted(results)


def test_a_range_has_a_deletion_that_may_be_written_in_it(served: tuple[Http, bool]) -> None:
    """The repeats of CA: one that is missing is each of them, by the reference; HGVS names the last."""
    http, referenced = served
    for number in ("A1", "B1"):
        assert bool(_alternates(http, _patient(http, number), f"{ONE}:1018-1020")) is referenced
        assert _alternates(http, _patient(http, number), f"{ONE}:1000-1001") != []
        assert _alternates(http, _patient(http, number), f"{ONE}:1030-1040") == []
