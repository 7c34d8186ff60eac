"""Lines that are read and converted by what is known of lines like them come out as each of them does by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fhir_bridge.adapters.genomics import block
from fhir_bridge.adapters.genomics.plain_lines import PlainLines
from fhir_bridge.mapping.alike import AlikeOutputs
from tests.adapters.genomics.conftest import HEADER, text
from tests.command import run_command

EXTRA = (
    '##INFO=<ID=QD,Number=1,Type=Float,Description="Quality by depth">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="dbSNP">',
    '##INFO=<ID=MLEAC,Number=A,Type=Integer,Description="Count">',
    '##INFO=<ID=CALLER,Number=.,Type=String,Description="Callers">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">',
    '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">',
    '##FORMAT=<ID=FT,Number=1,Type=String,Description="Filters">',
)
INFO = (
    "DP={d};AF=0.5;QD={q}", "DP={d};AF=0.5;QD={q};DB", "DP={d};AF=0.5;QD=-{q};MLEAC=1;CALLER=a,b", ".",
    # Wrong or unusual: of another type, too many, missing, twice, with a meaning of its own, undeclared.
    "DP=x;AF=0.5;QD={q}", "DP={d};AF=0.5,0.5;QD={q}", "DP=.;AF=0.5;QD={q}", "DP={d};DP={d}", "DP={d};END=500",
    "DP=-{d};AF=0.5;QD={q}", "DP={d};AF=nan;QD=1e5", "UNKNOWN={q}", "DP={d};CLNSIG=Pathogenic", "DP={d};AF=;QD={q}",
)  # fmt: skip
CALLS = (
    ("GT:AD:DP:GQ:PL", ("0/1:{a},{b}:{d}:99:400,0,500", "1/1:{a},{b}:{d}:12:400,0,500", "0/1:{a},{b}:{d}")),
    ("GT:GQ", ("0/1:40", "1/1:.", "0/0:40", "./.:40", "0/1:x")),
    ("GT", ("0/1", "1", "0|1", "./1", "1/2")),
    ("GT:AD:FT", ("0/1:{a},{b}:PASS", "0/1:{a},{b}:low", "0/1:{a}:.")),
    ("GT:AD:DP", ("0/1:.:{d}", "0/1:{a},.:{d}", "1/1:{a},{b}:{d}:9", "0/1:{a},{b},3:{d}", "1/1:9,{b}:{d}")),
)
ALLELES = (
    "A G",
    "C T",
    "G A",
    "AC A",
    "T TA",
    "A G",
    "C T",
    "G A,T",
    "c t",
    "A <DEL>",
    "N A",
    "AT GC",
    "A *",
    "A <NON_REF>",
)


def lines(seed: int, count: int) -> list[str]:
    random = Random(seed)
    results = []
    position = 100
    for number in range(count):
        contig = "1" if number < count * 0.7 else "X" if number < count * 0.9 else "MT"
        position = 100 if number and contig != results[-1].split()[0] else position
        position += random.choice((1, 1, 7, 30)) if random.random() < 0.9 else random.choice((0, 0, -1))
        values = {"d": random.randint(1, 60), "a": random.randint(0, 30), "b": random.randint(0, 30)}
        values["q"] = random.choice(("1.5", "20", "3.25"))
        usual = random.random() < 0.7
        format_, samples = CALLS[0 if usual else random.randrange(len(CALLS))]
        info = INFO[random.randrange(3 if usual else len(INFO))].format(**values)
        sample = random.choice(samples[:2] if usual else samples).format(**values)
        identifier = random.choice((f"rs{number}", ".", f"rs{number}", "x;y" if not usual else "own"))
        quality = random.choice(("50.25", "3", "." if not usual else "99", "x" if not usual else "30"))
        filters = random.choice(("PASS", "PASS", ".")) if usual else random.choice(("PASS", "low", "0"))
        alleles = ALLELES[random.randrange(7 if usual else len(ALLELES))]
        results.append(
            f"{contig} {position} {identifier} {alleles} {quality} {filters} {info} {format_} {sample}"
        )
    return results


def written(folder: Path, path: Path, *more: object) -> dict[str, Any]:
    report = folder / "report.json"
    run_command("convert", path, "-a", "vcf", "--out", folder / "out", "--report", report, *more)
    content = json.loads(report.read_text())
    for name in ("seconds", "peak_mb"):
        content.pop(name, None)
    files = {each.name: each.read_bytes() for each in sorted((folder / "out").glob("*.ndjson"))}
    return {"report": content, **files}


def each_alone(patch: pytest.MonkeyPatch) -> None:
    """Let the ordinary reader read each line, and each be converted by itself."""
    patch.setattr(PlainLines, "read", lambda *_: None)
    patch.setattr(block, "_MOST", 1)


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many outputs of each block were put together of what earlier lines became."""
    counts: list[int] = []
    original = AlikeOutputs.outputs

    def counted(*arguments: Any) -> Any:
        results = original(*arguments)
        counts.append(sum(result is not None for result in results))
        return results

    monkeypatch.setattr(AlikeOutputs, "outputs", counted)
    monkeypatch.setattr("fhir_bridge.pipeline.plan.SHORT_BYTES", 0)
    return counts


CSQ = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="VEP. Format: '
    'Allele|Consequence|IMPACT|SYMBOL|Feature_type|Feature|HGVSc|HGVSp|MANE_SELECT|HGNC_ID|gnomADe_AF">',
)
EFFECTS = (
    "G|missense_variant|MODERATE|MYH7|Transcript|NM_000257.4|NM_000257.4:c.1A>G|NP_000248.2:p.Met1Val||HGNC:7577|0.1",
    "G|intron_variant|MODIFIER|TTN|Transcript|NM_001267550.2|NM_001267550.2:c.9+1A>G||NM_1|HGNC:12403|",
    "T|stop_gained|HIGH|LDLR|Transcript|NM_000527.5|c.7C>T|p.Gln3%3D||HGNC:6547|1.5",
    "G|intergenic_variant|MODIFIER||||||||0.02",
    "A|missense_variant|MODERATE|FOO1|Transcript|x y|||||", "|", "G|missense_variant", "",
)  # fmt: skip


def own_allele(reference: str, alternate: str) -> str:
    """The only ALT of a line as VEP writes it."""
    indel = len(reference) != len(alternate) and reference[0] == alternate[0] and "," not in alternate
    return (alternate[1:] or "-") if indel else alternate.partition(",")[0]


def annotated(seed: int, count: int) -> list[str]:
    """The same lines, most of them with effects on up to three transcripts."""
    random = Random(seed + 100)
    results = []
    for line in lines(seed, count):
        columns = line.split(" ")
        if random.random() < 0.9:
            named = own_allele(*columns[3:5]) if random.random() < 0.9 else "G"
            effects = ",".join(
                re.sub("^[GT](?=[|])", named, random.choice(EFFECTS[: 4 if random.random() < 0.9 else None]))
                for _ in range(random.randint(1, 3))
            )
            columns[7] = f"CSQ={effects}" if columns[7] == "." else f"{columns[7]};CSQ={effects}"
        results.append("\t".join(columns))
    return results


SOME = ".,:;/|0195-+eEx aACGT%=\u00e9"


def mutated(seed: int, count: int) -> list[str]:
    """Lines of the usual form with one or two characters of INFO or the sample changed, and the line as it was."""
    random = Random(seed + 200)
    results = []
    for number, line in enumerate(lines(seed, count)):
        columns = line.split(" ")
        results.append("\t".join(columns))
        place = random.choice((7, 7, 9, 9, 8, 5, 6))
        value = list(columns[place])
        for _ in range(random.randint(1, 2)):
            value[random.randrange(len(value))] = random.choice((*SOME, ""))
        columns[place] = "".join(value) or "."
        columns[1] = str(int(columns[1]) + number % 2)
        results.append("\t".join(columns))
    return results


@pytest.mark.parametrize(
    ("given", "extra", "least", "more"),
    [
        (lines(1, 1200), EXTRA, 300, ()),
        (lines(2, 1200), EXTRA, 300, ()),
        (annotated(1, 900), EXTRA + CSQ, 200, ()),
        (annotated(2, 900), EXTRA + CSQ, 200, ("--set", "transcripts=all")),
        (annotated(3, 600), EXTRA + CSQ, 100, ("--set", "consequences=false")),
        (mutated(1, 600), EXTRA, 100, ()),
        (mutated(2, 600), EXTRA, 100, ("--set", "restate=true")),
        (mutated(3, 600), EXTRA, 100, ("--set", "filtered=leave-out")),
    ],
)
def test_lines_read_together_are_written_as_each_alone(
    given: list[str],
    extra: tuple[str, ...],
    least: int,
    more: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    alike: list[int],
) -> None:
    path = tmp_path / "mixed.vcf"
    path.write_text(text([], extra=extra) + "".join(line.replace(" ", "\t") + "\n" for line in given))
    read, plain = PlainLines.read, [0]

    def counted(*arguments: Any) -> Any:
        record = read(*arguments)
        plain[0] += record is not None
        return record

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(PlainLines, "read", counted)
        together = written(tmp_path / "one", path, *more)
    assert plain[0] > least
    assert (sum(alike) == 0) if CSQ[0] in extra else (sum(alike) >= (least > 200) * least / 4)
    each_alone(monkeypatch)
    alone = written(tmp_path / "two", path, *more)
    assert together.keys() == alone.keys()
    for name, content in alone.items():
        assert together[name] == content, name


OTHERWISE = (
    '##FORMAT=<ID=DP,Number=1,Type=String,Description="Depth in words">',
    '##FORMAT=<ID=GQ,Number=.,Type=Float,Description="Quality">',
    '##FORMAT=<ID=VAF,Number=A,Type=Float,Description="Fraction">',
    '##FORMAT=<ID=AF,Number=R,Type=Float,Description="Fractions">',
)


def test_values_that_are_declared_otherwise_are_written_together_as_each_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alike: list[int]
) -> None:
    random, given = Random(9), []
    for number in range(900):
        depth = random.choice(('a"b', "\\", "9", ".", "\u00e9", "12"))
        quality, fraction = (
            random.choice(("9.5", "99", ".", "20.0")),
            random.choice(("0.5", "0.25", ".", "1")),
        )
        calls = {
            "GT:DP:GQ:VAF": f"0/1:{depth}:{quality}:{fraction}",
            "GT:AF:AD:GQ": f"1/1:0.5,{fraction}:{random.randint(0, 9)},7:{quality}",
            "GT:VAF:AF:DP": f"0/1:{fraction}:0.25,0.75:{depth}",
        }
        key = random.choice(list(calls))
        site = random.choice(("50", ".", "12.5"))
        given.append(f"1 {200 + number} rs{number} A G {site} PASS . {key} {calls[key]}".replace(" ", "\t"))
    path = tmp_path / "otherwise.vcf"
    usual = next(each for each in HEADER if each.startswith("##FORMAT=<ID=DP"))
    head = text([], extra=OTHERWISE).replace(f"{usual}\n", "")
    path.write_text(head + "".join(line + "\n" for line in given))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    together = written(tmp_path / "one", path)
    assert sum(alike) > 150
    each_alone(monkeypatch)
    assert written(tmp_path / "two", path) == together
    assert rb"DP=a\"b" in together["Observation.ndjson"]


def test_as_many_values_are_taken_as_a_line_has_alts_also_behind_one_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alike: list[int]
) -> None:
    given = [
        "1 100 . A G,T 50 PASS . GT:AD 0/1:80,5,15",
        "1 200 . C T 50 PASS . GT:AD 1/1",
        "1 202 . C T 50 PASS . GT:AD 1/1:20,99,0",
        *(f"1 {300 + number} . C T 50 PASS . GT:AD 1/1:1,{number}" for number in range(200)),
    ]
    path = tmp_path / "several.vcf"
    path.write_text(text(given, extra=EXTRA))
    together = written(tmp_path, path)
    wrong = [each for each in together["report"]["issues"] if each["code"] == "FB-VCF-034"]
    assert [(each["source"].rpartition(":")[2], each["count"]) for each in wrong] == [
        (str(text([], extra=EXTRA).count("\n") + 3), 1)
    ]
    assert sum(alike) > 20  # nor do lines of one ALT lose anything by the first
    each_alone(monkeypatch)
    assert written(tmp_path, path, "--force") == together


def test_conditions_of_a_mapping_that_looks_at_a_lines_own_values_hold_for_each_line(
    tmp_path: Path, alike: list[int]
) -> None:
    """Only of the shipped mapping it is known that it writes them as they are."""
    (tmp_path / "mapping.yaml").write_text(
        """mapping: own
version: 1.0.0
source: {adapter: vcf}
extends: genomics/vcf
override:
  variant:
    note+:
    - when: POS > 180
      text: beyond the gene
"""
    )
    path = tmp_path / "usual.vcf"
    path.write_text(
        text([f"1 {100 + number} . A G 50 PASS DP=9 GT:AD:DP 0/1:4,5:9" for number in range(160)])
    )
    files = written(tmp_path, path, "--mapping", tmp_path / "mapping.yaml")
    notes = [len(json.loads(line)["note"]) for line in files["Observation.ndjson"].splitlines()]
    assert notes == [1] * 81 + [2] * 79
    assert sum(alike) == 0
    (tmp_path / "shipped").mkdir()
    written(tmp_path / "shipped", path)
    assert sum(alike) > 60


def of_samples(seed: int, count: int, samples: int = 3, *, effects: bool = False) -> list[str]:
    """The same lines with several samples, each with a call of its own."""
    random = Random(seed + 300)
    results = []
    for line in (annotated if effects else lines)(seed, count):
        columns = line.split("\t" if effects else " ")
        texts = [columns[9], *(each.format(a=9, b=7, d=16) for each in dict(CALLS)[columns[8]])]
        others = (random.choice((*texts, texts[0])) for _ in range(samples - 1))
        results.append("\t".join([*columns, *others]))
    return results


@pytest.mark.parametrize(
    ("given", "more"),
    [
        (of_samples(1, 500), ()),
        (of_samples(2, 300), ("--set", "phasing=all")),
        (of_samples(3, 300, effects=True), ()),
        (of_samples(4, 300, effects=True), ("--set", "transcripts=all", "--set", "samples=S3,S2")),
        (of_samples(5, 300), ("--set", "filtered=leave-out", "--set", "min_depth=20")),
    ],
)
def test_lines_of_several_samples_are_written_together_as_each_alone(
    given: list[str], more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mixed.vcf"
    head = text([], samples=("S1", "S2", "S3"), extra=EXTRA + CSQ)
    path.write_text(head + "".join(line.replace(" ", "\t") + "\n" for line in given))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    sizes: list[int] = []
    original = block.VcfBlock.__init__

    def counted(self: block.VcfBlock, items: Any) -> None:
        sizes.append(len(items))
        original(self, items)

    with monkeypatch.context() as patch:
        patch.setattr(block.VcfBlock, "__init__", counted)
        together = written(tmp_path / "one", path, *more)
    assert max(sizes) > 5
    each_alone(monkeypatch)
    alone = written(tmp_path / "two", path, *more)
    assert together == alone


OWN = {
    "CLNSIG": ("Benign", "Pathogenic", "drug_response"),
    "CLNVID": ("1", "2", "3"),
    "ACMG_CLASS": ("Benign", "Pathogenic", "VUS"),
    "ACMG_CRITERIA": ("PVS1", "PM2", "BA1"),
    "GENEINFO": ("MYH7:4625", "TTN:7273", "LMNA:4000"),
    "gnomAD_AF": ("0.1", "0.2", "0.3"),
    "AF_EXAC": ("0.1", "0.2", "0.3"),
    "RS": ("11", "12", "13"),
    "CSQ": ("G|missense_variant|MYH7", "G|stop_gained|TTN", "G|intron_variant|LMNA"),
}
"""INFO keys from which an allele's annotation is read."""


def test_what_a_line_says_of_its_allele_is_never_that_of_another_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = [
        f"##INFO=<ID={key},Number={1 if key[0] == 'A' else '.'},"
        f'Type={"Float" if "AF" in key else "String"},Description="dbSNP. Format: Allele|Consequence|SYMBOL">'
        for key in OWN
    ]
    made = [
        f"1 {100 + 10 * place + number} . A G 50 PASS {'CLNSIG=Benign;' if key == 'CLNVID' else ''}{key}={value} "
        "GT:AD:DP 0/1:4,5:9"
        for place, (key, stated) in enumerate(OWN.items())
        for number, value in enumerate(stated)
    ]
    path = tmp_path / "annotated.vcf"
    path.write_text(text(made, extra=extra))
    together = written(tmp_path, path)
    each_alone(monkeypatch)
    (tmp_path / "two").mkdir()
    assert written(tmp_path / "two", path) == together
    content = together["Observation.ndjson"].decode()
    for value in ("drug response", "PVS1", "TTN", "rs12", "stop_gained", "VUS", "0.3"):
        assert value in content, value


def test_each_line_has_the_classification_that_it_states_itself(tmp_path: Path) -> None:
    path, classes = tmp_path / "classified.vcf", ("Benign", "Pathogenic", "Uncertain_significance")
    lines = [
        f"1 {100 + number} . A G 50 PASS CLNSIG={classes[number % 3]};CLNVID={number} GT:AD:DP 0/1:4,5:9"
        for number in range(9)
    ]
    definitions = (
        '##INFO=<ID=CLNSIG,Number=.,Type=String,Description="Class">',
        '##INFO=<ID=CLNVID,Number=1,Type=String,Description="Variation">',
    )
    path.write_text(text(lines, extra=definitions))
    written(tmp_path, path)
    results = [
        json.loads(line) for line in (tmp_path / "out" / "Observation.ndjson").read_text().splitlines()
    ]
    stated = [
        component["valueCodeableConcept"]["text"]
        for each in results
        for component in each["component"]
        if component["code"]["coding"][0]["code"] == "53037-8"
    ]
    assert stated == [classes[number % 3].replace("_", " ") for number in range(9)]
    variations = [
        coding["code"]
        for each in results
        for component in each["component"]
        for coding in component.get("valueCodeableConcept", {}).get("coding", ())
        if coding.get("system") == "http://www.ncbi.nlm.nih.gov/clinvar"
    ]
    assert variations == [str(number) for number in range(9)]


def test_a_mapping_that_makes_more_of_a_line_has_its_lines_converted_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mapping.yaml").write_text(
        """mapping: own
version: 1.0.0
source: {adapter: vcf}
extends: genomics/vcf
rules:
- rule: depth
  for: Sample
  as: Observation
  key: [sample.name, line.number]
  status: final
  code: {text: Depth}
  subject: "=sample(sample.name)"
  valueInteger: "=call.depth"
"""
    )
    path = tmp_path / "usual.vcf"
    path.write_text(
        text(
            [f"1 {100 + number} . A G 50 PASS DP=9 GT:AD:DP 0/1:4,5:9" for number in range(300)],
            header=HEADER,
        )
    )
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    together = written(tmp_path / "one", path, "--mapping", tmp_path / "mapping.yaml")
    assert together["report"]["resources"]["Observation"] == 600
    each_alone(monkeypatch)
    assert written(tmp_path / "two", path, "--mapping", tmp_path / "mapping.yaml") == together
