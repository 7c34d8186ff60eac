"""A file that is read in pieces gives what it gives when it is read whole, wherever the borders are."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_bridge.adapters.genomics import VcfAdapter, pieces
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping
from fhir_bridge.terminology import get_terminology
from tests.command import run_command

from .conftest import text

BLOCK_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def bgzip(content: bytes, size: int) -> bytes:
    """A bgzip file with blocks of so many bytes (SAM §4.1)."""
    blocks = []
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        engine = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = engine.compress(piece) + engine.flush()
        head = bytes.fromhex("1f8b08040000000000ff060042430200") + (len(packed) + 25).to_bytes(2, "little")
        blocks.append(
            head + packed + zlib.crc32(piece).to_bytes(4, "little") + len(piece).to_bytes(4, "little")
        )
    return b"".join(blocks) + BLOCK_END


BCSQ = (
    '##INFO=<ID=BCSQ,Number=.,Type=String,Description="Local consequence annotation from BCFtools/csq. Format: '
    'Consequence|gene|transcript|biotype|strand|amino_acid_change|dna_change">'
)


def genome(lines: int = 260) -> list[str]:
    """Phase sets that interleave, breakends far from their mates, blocks, variants called twice, wrong lines, effects
    that the line of another variant states."""
    random = Random(7)
    together = "+".join(f"{1000 + 50 * number}A>C" for number in range(2, lines, 13))
    effect = f"missense|TTR|ENST1|protein_coding|+|1G>1R|{together}"
    results = []
    for number in range(lines):
        at = 1000 + 50 * number
        ref, alt = random.sample("ACGT", 2)
        sets = f"{random.choice((0, 1))}|{random.choice((0, 1))}:{random.choice((5, 9))}"
        match number % 13:
            case 0:
                results.append(f"1 {at} . {ref} <NON_REF> . . END={at + 49} GT 0/0 ./.")
            case 3:
                mate = 1000 + 50 * ((number * 7) % lines)
                results.append(f"1 {at} b{number} {ref} {ref}[1:{mate}[ 50 PASS SVTYPE=BND GT 0/1 0/0")
            case 5:
                results += [f"1 {at} . {ref} {alt} 20 PASS . GT 0/1 1/1"] * 2
                results.append(f"1 {at} . {ref} {alt} 20 q10 . GT:PS 0|1:5 1/1")
            case 7:
                results.append(f"1 {at} . {ref} {alt} bad PASS . GT 0/1 1/1")
            case 8:
                results.append(f"1 {at} . {ref} {alt} 20 PASS CLNSIG=Pathogenic GT:AD 0/1:3,x 2/1")
            case 2:
                results.append(f"1 {at} . A C 20 PASS BCSQ={'@1100' if number > 2 else effect} GT 0/1 0/0")
            case 10 | 12:
                results.append(f"1 {at} . CAAG CAG 20 PASS . GT 0/1 0/0")
                results.append(f"1 {at + 1} . AA A 20 PASS . GT 1/1 0/1")
            case _:
                results.append(
                    f"1 {at} rs{number} {ref} {alt} 20 PASS DP=7 GT:PS {sets} 1|0:{random.choice((5, 9))}"
                )
    results += [f"X {at} . A G 20 PASS . GT:PS 0|1:5 1|0:5" for at in range(5_000_000, 5_000_030)]
    return results


@pytest.fixture(scope="module")
def mapping() -> CompiledMapping:
    return load_mapping("genomics/vcf", adapters={"vcf": VcfAdapter()})


def converted(mapping: CompiledMapping, records: Iterable[Any]) -> list[Any]:
    """What records become, with their issues and the samples' accounts."""
    site = Site()
    context = Context(site, get_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), "vcf")
    results: list[Any] = []
    for record in records:
        outputs, issues = [], list(record.issues)
        if record.outcome == "read":
            conversion = mapping.convert(record, context)
            outputs = conversion.outputs
            issues += conversion.issues
            record.count_outputs(outputs, conversion.issues)
        results.append(
            (record.locator, record.outcome, record.records, [output.resource for output in outputs])
        )
        results.append(sorted((issue.code, issue.message) for issue in issues))
        results += [dict(row) for row in record.part_accounts()]
    return results


@pytest.mark.parametrize("packed", [True, False])
def test_pieces_give_what_the_whole_gives(
    mapping: CompiledMapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(pieces, "SMALLEST", 0)
    if not packed:
        monkeypatch.setattr("fhir_bridge.adapters.genomics.stream.BLOCK", 700)
    content = text(genome(), samples=("S1", "S2"), extra=[BCSQ]).encode()
    path = tmp_path / ("a.vcf.gz" if packed else "a.vcf")
    path.write_bytes(bgzip(content, 700) if packed else content)
    adapter = VcfAdapter()
    context = SimpleNamespace(options={}, site=None, selectors=mapping.selectors, limit=None)
    whole = converted(mapping, adapter.read([path], context))
    assert str(whole).count("'TTR'") > 15
    counts = set()
    for jobs in (2, 3, 7, 12):
        parts = json.loads(json.dumps(adapter.pieces(path, jobs, {})))
        counts.add(len(parts))
        states: list[dict[str, Any]] = []
        results: list[Any] = []
        for part in parts:
            state: dict[str, Any] = {}
            results += converted(mapping, adapter.read_piece(path, part, context, state))
            states.append(json.loads(json.dumps(state)))
        results += converted(mapping, adapter.read_end(path, parts[0], context, states))
        assert results == whole
    assert counts == {3, 4, 8, 13}  # with a short one that is read ahead of the others


def stretches(lines: int = 300) -> list[str]:
    """Long stretches of lines of which later ones need nothing, several at one position, among some that they need."""
    random = Random(11)
    results, at = [], 1000
    for number in range(lines):
        at += random.choice((0, 0, 1, 40))
        ref, alt = random.sample("ACGT", 2)
        needed = number % 100 in (31, 60, 61, 62, 97)
        results.append(
            f"1 {at} . {ref} {alt} 20 PASS . GT:PS 0|1:5 1|0:5"
            if needed
            else f"1 {at} . {ref} {alt} 20 PASS DP=7 GT 0/1 1/1"
        )
    results += [f"2 {1000 + number // 3} . A G 20 PASS . GT 0/1 1/1" for number in range(90)]
    results += [f"X {5_000_000 + number} . A G 20 PASS . GT 0/1 1/1" for number in range(60)]
    return results


@pytest.mark.parametrize("size", [300, 700, 3000])
def test_lines_that_are_looked_at_together_divide_a_file_as_one_by_one(
    mapping: CompiledMapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(pieces, "SMALLEST", 0)
    path = tmp_path / "a.vcf.gz"
    path.write_bytes(bgzip(text(stretches(), samples=("S1", "S2")).encode(), size))
    adapter = VcfAdapter()
    together = [adapter.pieces(path, jobs, {}) for jobs in (2, 3, 5)]
    assert all(together)
    with monkeypatch.context() as one_by_one:
        one_by_one.setattr(pieces, "run_of", lambda _lines: None)
        assert [adapter.pieces(path, jobs, {}) for jobs in (2, 3, 5)] == together
    context = SimpleNamespace(options={}, site=None, selectors=mapping.selectors, limit=None)
    whole = converted(mapping, adapter.read([path], context))
    for parts in together:
        states: list[dict[str, Any]] = []
        results: list[Any] = []
        for part in parts:
            state: dict[str, Any] = {}
            results += converted(mapping, adapter.read_piece(path, part, context, state))
            states.append(state)
        results += converted(mapping, adapter.read_end(path, parts[0], context, states))
        assert results == whole


@pytest.mark.parametrize("seed", range(5))
def test_a_file_is_what_it_says_however_many_lines_are_looked_at_together(
    mapping: CompiledMapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = Random(seed)
    lines = [
        f"{random.choice('1112X')} {random.randint(1, 40)} . A {random.choice('CG')} 20 PASS . GT 0/1"
        for _ in range(120)
    ]
    for _ in range(random.randint(0, 3)):  # parts of it are in order
        start = random.randrange(100)
        lines[start : start + 20] = sorted(lines[start : start + 20], key=lambda line: int(line.split()[1]))
    path = tmp_path / "a.vcf"
    path.write_text(text(lines))
    context = SimpleNamespace(options={}, site=None, selectors=mapping.selectors, limit=None)
    results = []
    for size in (1, 150, 600, 1 << 16):
        monkeypatch.setattr("fhir_bridge.adapters.genomics.delivery._BATCH", size)
        results.append(converted(mapping, VcfAdapter().read([path], context)))
    assert all(each == results[0] for each in results)


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (["1 200 . A C . . . GT 0/1", "1 100 . A C . . . GT 0/1"], {}),
        (["1 200 . A C . . . GT 0/1", "X 100 . A C . . . GT 0/1", "1 300 . A C . . . GT 0/1"], {}),
        (["1 200 . A C . . . GT 0/1", "1 300 . A C . . . GT 0/1"], {"phasing": "all"}),
        (["1 200 . A C . . . GT 0/1", "1 200 . A G . . . GT 0/1"], {}),
        (["1 200 . A C . . . GT 0/1", "short"], {}),
    ],
)
def test_a_file_that_pieces_would_change_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], options: dict[str, str]
) -> None:
    monkeypatch.setattr(pieces, "SMALLEST", 0)
    monkeypatch.setattr("fhir_bridge.adapters.genomics.stream.BLOCK", 700)
    path = tmp_path / "a.vcf"
    path.write_text(text(lines * (1 if lines[1] != "short" else 40)))
    assert VcfAdapter().pieces(path, 2, options) == []


def test_two_workers_write_what_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "SMALLEST", 0)
    (tmp_path / "a.vcf.gz").write_bytes(bgzip(text(genome(), samples=("S1", "S2")).encode(), 700))
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    reports, files = [], []
    for jobs in (1, 2):
        out = tmp_path / f"out{jobs}"
        done = run_command(
            "convert", tmp_path / "a.vcf.gz", "--adapter", "vcf", "--site", tmp_path / "site.yaml", "--out", out,
            "--jobs", jobs,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr  # lines that are wrong are rejected
        files.append({file.name: file.read_bytes() for file in out.glob("*.ndjson")})
        report = json.loads((out / "report.json").read_text())
        reports.append({key: value for key, value in report.items() if key not in ("seconds", "peak_mb")})
    assert files[0] == files[1]
    assert reports[0] == reports[1]
