"""What is asked of a genome: however a variant is written, in whichever build, on whichever strand."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from fhir_bridge.adapters.genomics.query import (
    Change,
    Interval,
    ObservedVariant,
    QueryError,
    Questions,
    matches_genotype,
    read_chains,
    read_observation,
    read_range,
    read_transcripts,
    read_variant,
    same,
    uncovered,
)

ONE, OTHER = "NC_000001.10", "NC_000001.11"


class Sequence:
    """A chromosome that repeats CAG between A's: AAAACAGCAGCAGTTTT from position 101."""

    text = "N" * 100 + "AAAACAGCAGCAGTTTT"

    def fetch(self, contig: str, first: int, last: int) -> str | None:
        return self.text[first - 1 : last]


def agree(one: str, other: str, *, reference: bool = False) -> bool:
    sequences = Sequence() if reference else None
    return same(read_variant(one), read_variant(other), sequences)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{ONE}:g.105C>T", f"{ONE}:104:C:T"),
        (f"{ONE}:g.105_106delinsGG", f"{ONE}:104:CA:GG"),
        (f"{ONE}:103:ACT:AGT", f"{ONE}:g.105C>G"),  # bases that stay at both ends
        (f"{ONE}:104:CCC:CC", f"{ONE}:106:C:"),  # one of three
        (f"{ONE}:104:C:CC", f"{ONE}:105::C"),
        (f"{ONE}:g.105_106insTT", f"{ONE}:105::TT"),
        (f"{ONE}:g.105del", f"{ONE}:104:1:"),
        (f"{ONE}:g.105dupC", f"{ONE}:105::C"),
    ],
)
def test_two_ways_to_write_a_variant_are_one(one: str, other: str) -> None:
    assert agree(one, other)
    assert agree(other, one)


def test_a_reference_shows_all_ways_to_write_a_deletion_or_a_duplication() -> None:
    # The first CAG, and the last one as HGVS has it; the duplication of the last one as an insertion before the first.
    assert agree(f"{ONE}:104:CAG:", f"{ONE}:g.111_113del", reference=True)
    assert not agree(f"{ONE}:104:CAG:", f"{ONE}:g.111_113del")
    assert agree(f"{ONE}:g.111_113dup", f"{ONE}:104::CAG", reference=True)
    assert not agree(f"{ONE}:104:CAG:", f"{ONE}:g.112_114del", reference=True)
    assert agree(f"{ONE}:g.105_107inv", f"{ONE}:104:CAG:CTG", reference=True)


@pytest.mark.parametrize(
    "text",
    [
        "", "NC_000001.10", "chr1:5:A:G", f"{ONE}:g.5A>", f"{ONE}:g.9_5del", f"{ONE}:g.5_9insA", f"{ONE}:g.5_6delA",
        "NC_000099.1:g.5A>C", f"{ONE}:c.5A>C", f"{ONE}:5:A",
    ],
)  # fmt: skip
def test_what_is_no_variant_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        read_variant(text)


@pytest.mark.parametrize(
    "text", ["", "1:5-9", f"{ONE}:9-5", f"{ONE}:5", "NC_000099.1:5-9", f"{ONE}:300000000-300000001"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        read_range(text)


@pytest.fixture
def lifting(tmp_path: Path) -> Questions:
    """1000 bases at another place; 100 bases further on turned round; then a gap of 10 bases in the newer build."""
    path = tmp_path / "a.chain"
    path.write_text(
        "chain 1 chr1 249250621 + 1000 2000 chr1 248956422 + 5000 6000 1\n1000\n\n"
        "chain 1 chr1 249250621 + 3000 3100 chr1 248956422 - 248949322 248949422 2\n100\n\n"
        "chain 1 chr1 249250621 + 4000 4200 chr1 248956422 + 8000 8210 3\n100\t0\t10\n100\n\n"
    )
    return Questions(read_chains([path]))


def test_a_variant_is_lifted_with_its_strand(lifting: Questions) -> None:
    def lifted(text: str) -> Change:
        (change,) = [each for each in lifting.variant(text).changes if not text.startswith(each.accession)]
        return change

    assert lifted(f"{ONE}:1499:A:G") == read_variant(f"{OTHER}:5499:A:G")
    assert lifted(f"{OTHER}:5499:A:G") == read_variant(f"{ONE}:1499:A:G")
    # Turned: base 3000 of the older build is base 7099 of the newer, and A is T there.
    assert lifted(f"{ONE}:3000:A:G") == read_variant(f"{OTHER}:7099:T:C")
    assert lifted(f"{ONE}:3000:AC:A") == read_variant(f"{OTHER}:7098:GT:T")
    assert lifted(f"{OTHER}:7099:T:C") == read_variant(f"{ONE}:3000:A:G")
    assert len(lifting.variant(f"{ONE}:9999:A:G").changes) == 1
    # Over a gap it is no longer the same bases.
    assert len(lifting.variant(f"{ONE}:g.4099_4102delinsTTTTT").changes) == 1


def test_a_range_is_lifted_by_its_ends(lifting: Questions) -> None:
    assert lifting.range(f"{ONE}:1100-1200").intervals[1] == Interval(OTHER, 5100, 5200)
    assert lifting.range(f"{ONE}:3000-3010").intervals[1] == Interval(OTHER, 7090, 7100)
    assert lifting.range(f"{ONE}:4050-4150").intervals[1] == Interval(OTHER, 8050, 8160)
    assert len(lifting.range(f"{ONE}:1500-3050").intervals) == 1


def test_a_coding_name_is_placed_by_its_exons_and_strand(tmp_path: Path) -> None:
    rows = [
        (ONE, "+", "NM_000001.1", "exon", 101, 200), (ONE, "+", "NM_000001.1", "exon", 301, 400),
        (ONE, "+", "NM_000001.1", "CDS", 151, 200), (ONE, "+", "NM_000001.1", "CDS", 301, 350),
        (ONE, "-", "NM_000002.1", "CDS", 501, 600),
    ]  # fmt: skip
    path = tmp_path / "a.gff3"
    path.write_text(
        "".join(
            f"{name}\tx\t{kind}\t{first}\t{last}\t.\t{strand}\t.\ttranscript_id={transcript}\n"
            for name, strand, transcript, kind, first, last in rows
        )
    )
    transcripts = read_transcripts([path])

    def placed(text: str) -> Change:
        (change,) = transcripts.genomic(text)
        return change

    assert placed("NM_000001.1:c.1A>G") == read_variant(f"{ONE}:g.151A>G")
    assert placed("NM_000001.1:c.51A>G") == read_variant(f"{ONE}:g.301A>G")
    assert placed("NM_000001.1:c.50+2T>C") == read_variant(f"{ONE}:g.202T>C")
    assert placed("NM_000001.1:c.51-2A>C") == read_variant(f"{ONE}:g.299A>C")
    assert placed("NM_000001.1:c.-3A>G") == read_variant(f"{ONE}:g.148A>G")
    assert placed("NM_000001.1:c.*2A>G") == read_variant(f"{ONE}:g.352A>G")
    assert placed("NM_000001.1:n.1A>G") == read_variant(f"{ONE}:g.101A>G")
    assert placed("NM_000002.1:c.1_2delinsTC") == read_variant(f"{ONE}:g.599_600delinsGA")
    assert placed("NM_000002.1:c.3+1G>A") == read_variant(f"{ONE}:g.597C>T")
    assert transcripts.genomic("NM_000009.1:c.1A>G") == []
    with pytest.raises(QueryError):
        transcripts.genomic("NM_000001.1:c.900A>G")


@pytest.mark.parametrize(
    ("wanted", "stored", "expected"),
    [
        ("CYP2C19 *1/*17", "CYP2C19 *17/*1", True),
        ("CYP2C19 *17", "CYP2C19 *1/*17", True),
        ("CYP2C19 *1", "CYP2C19 *17/*10", False),
        ("CYP2D6 *1", "CYP2C19 *1/*17", False),
        ("HLA-B*08", "hla#3.33.0#HLA-B*08:01/HLA-B*40:01", True),
        ("B*08:01", "hla#3.33.0#HLA-B*08:01/HLA-B*40:01", True),
        ("HLA-B*08:02", "HLA-B*08:01", False),
        ("DRB1*13:02", "DRB1*13:AKBAR", True),
        ("DRB1*14:02", "DRB1*13:AKBAR", False),
        ("DPYD*2A", "DPYD c.1905+1G>A (*2A)/Reference", True),
        ("DPYD*5", "DPYD [c.1627A>G (*5) + c.85T>C (*9A)]/Reference", True),
        ("CYP2D6*36+*10", "CYP2D6 *1/*36+*10", True),
        ("CYP2D6*1+*10", "CYP2D6 *1/*36+*10", False),
        ("HLA-A*01:01+HLA-A*02:01", "hla#3.33.0#HLA-A*02:01+HLA-A*01:01", True),
        ("G6PD B", "G6PD B (reference)/A- 202A_376G", True),
        ("G6PD A- 202A_376G", "G6PD B (reference)/A- 202A_376G", True),
        ("VKORC1 rs9923231 variant", "VKORC1 rs9923231 variant (T)", False),
        ("MT-RNR1 1555A>G", "MT-RNR1 1555A>G", True),
    ],
)
def test_a_haplotype_is_in_the_genotypes_that_list_it(wanted: str, stored: str, expected: bool) -> None:
    assert matches_genotype(wanted, stored) is expected


def test_positions_are_read_as_they_are_counted() -> None:
    def interval(counting: str, low: int, high: int | None) -> Interval | None:
        ends = {"low": {"value": low}} | ({"high": {"value": high}} if high is not None else {})
        return read_observation(
            {
                "component": [
                    {
                        "code": {"coding": [{"code": "48013-7"}]},
                        "valueCodeableConcept": {"coding": [{"code": ONE}]},
                    },
                    {"code": {"coding": [{"code": "81254-5"}]}, "valueRange": ends},
                    {
                        "code": {"coding": [{"code": "92822-6"}]},
                        "valueCodeableConcept": {"coding": [{"code": counting}]},
                    },
                    {"code": {"coding": [{"code": "69547-8"}]}, "valueString": "AC"},
                    {"code": {"coding": [{"code": "69551-0"}]}, "valueString": "A"},
                ]
            }
        ).interval

    expected = Interval(ONE, 99, 101)
    assert interval("LA30102-0", 100, 101) == interval("LA30101-2", 99, 100) == expected
    assert interval("LA30100-4", 99, 101) == interval("LA30100-4", 99, None) == expected


def test_what_of_a_range_nothing_covers() -> None:
    whole = Interval(ONE, 10, 50)
    assert list(uncovered(whole, [Interval(ONE, 0, 20), Interval(ONE, 30, 40), Interval(OTHER, 20, 30)])) == [
        Interval(ONE, 20, 30),
        Interval(ONE, 40, 50),
    ]
    assert list(uncovered(whole, [Interval(ONE, 0, 60)])) == []


class _Repeats:
    """A reference sequence in which much can be written in several places."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        self.bases = "".join(random.choice(("A", "CA", "G", "TT")) * random.randint(1, 5) for _ in range(80))

    def fetch(self, contig: str, first: int, last: int) -> str | None:
        return self.bases[first - 1 : last] if contig == "NC_000001.11" else None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("known", [False, True])
def test_a_range_has_what_changes_a_base_of_it_wherever_that_is_written(seed: int, known: bool) -> None:
    sequence, random = _Repeats(seed), Random(seed)
    questions = Questions(references={"GRCh38": sequence} if known else {})
    touched = moved = 0
    for _ in range(1_500):
        start = random.randrange(len(sequence.bases) - 12)
        reference = sequence.bases[start : start + random.choice((1, 1, 2, 3, 8))]
        alternate = random.choice(
            ("A", "G", reference[:1], reference + reference[-1:], reference + "CA", "TG")
        )
        first = max(0, start + random.randint(-6, 6))
        question = questions.range(f"NC_000001.11:{first}-{first + random.choice((0, 1, 2, 5, 30))}")
        interval = Interval("NC_000001.11", start, start + len(reference))
        variant = ObservedVariant(
            interval, None, None, (reference, alternate), frozenset(), False, None, frozenset(), True,
            "NC_000001.11",
        )  # fmt: skip
        extent = variant.extent(questions.sequences("NC_000001.11"))
        assert extent is not None
        expected = extent.touches(question.intervals[0])
        assert question.touches(variant) == expected, (question, variant)
        touched += expected
        moved += expected and not interval.overlaps(question.intervals[0])
    assert 200 < touched < 1_300
    assert not known or moved
