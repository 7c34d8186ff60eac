"""VCFs with altered declarations and records: nothing raises or is invented, every called ALT is accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.genomics import Options, VcfAdapter, VcfRecord, read_vcf
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping
from fhir_bridge.terminology import get_terminology

from .conftest import text

EXAMPLES = Path(__file__).parents[3] / "mappings" / "genomics" / "vcf" / "examples"
SEEDS = [
    *(path.read_text() for path in sorted(EXAMPLES.rglob("*.vcf"))),
    text(
        [
            "1 100 rs1 A C,G 50 q10 DP=9;AF=0.1,0.2 GT:AD:DP:PS 1|2:1,4,4:9:7 0/1:5,4,0:9:. ./.:.:.:. 2/2:0,0,8:8:.",
            "1 200 . T <DEL>,<DEL> . PASS SVTYPE=DEL;SVLEN=-10,-20;END=220 GT:CN 1/2:0 0/1:1 0/0:2 1/1:0",
            "1 300 . T <INS> . PASS SVTYPE=INS;SVLEN=300;IMPRECISE;CIPOS=-5,5 GT 0/1 0/0 . 1/.",
            "X 400 . GT G,* . PASS . GT:AD 1:1,2,3 0/2:1,2,3 1/2:1,2,3 0|0:1,0,0",
            "X 500 . G G[1:77[ . PASS SVTYPE=BND GT:FT 0/1:PASS 0/1:LowGQ 0/0:. 1/1:.",
        ],
        samples=("S1", "S2", "S3", "S4"),
        extra=('##FORMAT=<ID=FT,Number=1,Type=String,Description="Filters">',),
    ),
]
NUMBERS = ("0", "1", "2", "3", "A", "R", "G", ".", "LA", "M", "P", "-1", "x", "")
KINDS = ("Integer", "Float", "String", "Flag", "Character", "integer", "")
SCRAPS = (
    *'. , : ; = | / % < > " [ ] * - + 0 1 2 -1 1e9 NaN inf . .,. 1,2 1,2,3 ./. 0/1 1|2 9 9999999999 0.5 A T'.split(),
    *"SVLEN=3,4 END=1 CN=2 CIPOS=-1,1 CHR2=5 RN=1 IMPRECISE <INS> <CNV:TR> <*> GT:AD GT:AF GT:CN:FT PASS q10 é".split(),
    "",
    " ",
    "\r",
    "\0",
    "9" * 400,
)
Change = Callable[[list[str], Random], list[str]]


def _attribute(name: str, values: tuple[str, ...]) -> Change:
    def change(lines: list[str], random: Random) -> list[str]:
        at = _one(lines, random, f"{name}=")
        if at is not None:
            lines[at] = re.sub(rf"{name}=[^,>]*", f"{name}={random.choice(values)}", lines[at], count=1)
        return lines

    return change


def _one(lines: list[str], random: Random, part: str) -> int | None:
    found = [at for at, line in enumerate(lines) if line.startswith("##") and part in line]
    return random.choice(found) if found else None


def _describe(lines: list[str], random: Random) -> list[str]:
    at = _one(lines, random, "Description=")
    if at is not None:
        words = random.choice(
            ["for the ref and alt alleles in the order listed", "", 'a \\"b\\"', "a,b=c>", "é"]
        )
        lines[at] = re.sub(r'Description="[^"]*"', lambda _: f'Description="{words}"', lines[at])
    return lines


def _repeat(lines: list[str], random: Random) -> list[str]:
    at = random.randrange(1, len(lines))
    lines.insert(random.randrange(1, len(lines)), lines[at])
    return lines


def _drop(lines: list[str], random: Random) -> list[str]:
    del lines[random.randrange(1, len(lines))]
    return lines


def _shuffle(lines: list[str], random: Random) -> list[str]:
    columns = next((at for at, line in enumerate(lines) if line.startswith("#CHROM")), 1)
    header = lines[1:columns]
    random.shuffle(header)
    return [lines[0], *header, *lines[columns:]]


def _version(lines: list[str], random: Random) -> list[str]:
    return [f"##fileformat=VCFv4.{random.randrange(6)}", *lines[1:]]


def _field(lines: list[str], random: Random) -> list[str]:
    """A piece of a record's field in place of another, or one more."""
    records = [at for at, line in enumerate(lines) if line[:1] != "#"]
    if not records:
        return lines
    at = random.choice(records)
    columns = lines[at].split("\t")
    where = random.randrange(len(columns))
    marks = re.split(r"([,;:|/])", columns[where])
    marks[random.randrange(len(marks))] = random.choice(SCRAPS)
    columns[where] = "".join(marks) + (random.choice(SCRAPS) if random.random() < 0.2 else "")
    lines[at] = "\t".join(columns)
    return lines


def _swap(lines: list[str], random: Random) -> list[str]:
    at, other = random.randrange(1, len(lines)), random.randrange(1, len(lines))
    lines[at], lines[other] = lines[other], lines[at]
    return lines


CHANGES: list[Change] = [
    *([_attribute("Number", NUMBERS)] * 3),
    *([_attribute("Type", KINDS)] * 2),
    _describe,
    _repeat,
    _drop,
    _shuffle,
    _version,
    *([_field] * 8),
    _swap,
]


def altered(seed: str, changes: int, random: Random) -> str:
    lines = seed.split("\n")
    for _ in range(changes):
        if len(lines) < 3:
            break
        lines = random.choice(CHANGES)(lines, random)
    return "\n".join(lines)


def called(line: str, samples: list[str]) -> set[tuple[str, int]] | None:
    """Sample and ALT number of every call of a line, by a reading of its own; None where it has not the columns."""
    columns = line.removesuffix("\r").split("\t")
    if len(columns) != 9 + len(samples) or columns[8].split(":")[0] != "GT":
        return None
    found = set()
    for sample, column in zip(samples, columns[9:], strict=True):
        for part in re.split(r"[/|]", column.split(":")[0]):
            if part.isascii() and part.isdigit() and int(part):
                found.add((sample, int(part)))
    return found


LOST_OR_UNNAMED = {f"FB-VCF-0{number}" for number in (40, 41, 47, 48, 51)}
"""Issues that say that a sample's call, or an allele of it, is not represented."""


def account(record: VcfRecord, calls: set[tuple[str, int]]) -> None:
    """Every called ALT is an allele, or an issue of its line says the outcome of it; and none is made up."""
    made = [(allele.call.name, allele.number) for allele in record.scope("Allele")]
    assert len(made) == len(set(made))
    # A sample without genotype may have a copy number that says its allele.
    copies = {
        (allele.call.name, allele.number)
        for allele in record.scope("Allele")
        if allele.symbolic and allele.call.genotype.no_call and allele.call.copies is not None
    }
    assert set(made) - copies <= calls
    codes = {issue.code for issue in record.issues}
    assert all(issue.message for issue in record.issues)
    # Of several ALTs one that can't be read is lost alone, by an error of its line.
    alternates = record.line.alternates if record.line is not None else ()
    wrong = {number for number, each in enumerate(alternates, 1) if each.kind == "invalid"}
    assert not wrong or "FB-VCF-026" in codes
    if any(number not in wrong for _, number in calls - set(made)):
        assert record.outcome == "rejected" or codes & LOST_OR_UNNAMED, (record.outcome, codes)
    if not made:
        assert record.outcome != "read"
        assert codes


def examine(content: str, path: Path, mapping: CompiledMapping, options: Options) -> None:
    path.write_bytes(content.encode())
    site = Site(demo_key=True)
    context = Context(site, get_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), "vcf")
    lines = content.split("\n")
    records = list(read_vcf(path, options))
    if records and records[0].outcome == "rejected" and records[0].locator == path.name:
        return  # refused whole, by name
    at = next(number for number, line in enumerate(lines) if line.startswith("#CHROM"))
    samples = lines[at].removesuffix("\r").split("\t")[9:]
    body = lines[at + 1 :]
    body = body[:-1] if body and body[-1] == "" else body
    assert sum(record.records for record in records) == len(body)
    of_lines = [record for record in records if record.records]
    ids: dict[tuple[str, str], int] = {}
    for line, record in zip(body, of_lines, strict=True):
        assert record.key
        calls = called(line, samples)
        if calls is not None:
            account(record, calls)
        else:
            assert record.outcome != "read"
    for record in records:
        if record.outcome == "read":
            conversion = mapping.convert(record, context)
            reported = {issue.message for issue in conversion.issues if issue.code == "FB-MAP-101"}
            assert not reported, reported
            made = [output for output in conversion.outputs if output.rule == "variant"]
            written = len(list(record.scope("Allele")))
            assert len(made) == written or conversion.outcome != "converted"
            for output in conversion.outputs:
                ids[output.type, output.id] = ids.get((output.type, output.id), 0) + 1


@pytest.fixture(scope="module")
def mapping() -> CompiledMapping:
    return load_mapping("genomics/vcf", adapters={"vcf": VcfAdapter()})


RUN = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def run(seed: str, changes: int, number: int, path: Path, mapping: CompiledMapping) -> None:
    random = Random(number)
    content = altered(seed, changes, random)
    filtered = random.choice(["keep", "leave-out"])
    examine(content, path, mapping, Options(assembly="GRCh38", check_lengths=False, filtered=filtered))
    list(read_vcf(path, Options(check=True)))


@settings(max_examples=150, **RUN)
@given(seed=st.sampled_from(SEEDS), changes=st.integers(1, 8), number=st.integers(0, 2**32))
def test_every_called_alt_is_accounted_for(tmp_path, mapping, seed, changes, number):
    run(seed, changes, number, tmp_path / "a.vcf", mapping)


@pytest.mark.soak
@settings(max_examples=5000, **RUN)
@given(seed=st.sampled_from(SEEDS), changes=st.integers(1, 20), number=st.integers(0, 2**32))
def test_every_called_alt_is_accounted_for_in_thousands_of_files(tmp_path, mapping, seed, changes, number):
    run(seed, changes, number, tmp_path / "a.vcf", mapping)


@pytest.mark.soak
@pytest.mark.shared
@settings(max_examples=1500, **RUN)
@given(data=st.data(), changes=st.integers(1, 20), number=st.integers(0, 2**32))
def test_every_called_alt_of_other_projects_files_is_accounted_for(
    tmp_path, mapping, shared, data, changes, number
):
    files = [
        path for path in sorted((shared / "data" / "vcf").rglob("*.vcf")) if path.stat().st_size < 20_000
    ]
    seed = data.draw(st.sampled_from(files)).read_text(errors="replace")
    run(seed, changes, number, tmp_path / "a.vcf", mapping)
