"""What bcftools csq says of the lines of several ALTs and of variants together, and files that two tools annotated."""

from __future__ import annotations

import pytest

from .conftest import coded, component
from .test_annotation import SNPEFF, VEP

BCSQ = (
    '##INFO=<ID=BCSQ,Number=.,Type=String,Description="Local consequence annotation from BCFtools/csq, see '
    "http://samtools.github.io/bcftools/howtos/csq-calling.html for details. Format: "
    'Consequence|gene|transcript|biotype|strand|amino_acid_change|dna_change">'
)


def csq(effect, change):
    return f"{effect}|BRCA1|ENST00000357654|protein_coding|+|{change}"


def effects(done):
    """Effects by position and ALT of their variant."""
    results = {}
    variants = {f"Observation/{one['id']}": one for one in done.variants}
    for one in done.resources:
        if one.get("code", {}).get("coding", [{}])[0].get("code") == "molecular-consequence":
            variant = variants[one["derivedFrom"][0]["reference"]]
            place = component(variant, "81254-5")["valueRange"]["low"]["value"]
            results[place, component(variant, "69551-0")["valueString"]] = coded(one, "feature-consequence")
    return results


def genes(done):
    return [coded(one, "48018-6") for one in done.variants]


def test_an_effect_of_bcsq_is_of_the_alt_that_its_change_names(converted):
    bcsq = f"{csq('missense', '300G>300R|2000C>T')},{csq('stop_gained', '300G>300*|2000C>G')}"
    done = converted(f"1 2000 . C T,G 90 PASS BCSQ={bcsq} GT 1|2", extra=[BCSQ])
    assert effects(done) == {(2000, "T"): "SO:0001583", (2000, "G"): "SO:0001587"}
    assert genes(done) == ["BRCA1", "BRCA1"]
    assert "ENST00000357654: 300G>300*" in [note["text"] for note in done.variants[1]["note"]]
    assert "FB-VCF-058" not in done.messages


def test_what_bcsq_ties_to_no_alt_is_reported(converted):
    done = converted("1 2000 . C T,G 90 PASS BCSQ=intron|BRCA1||protein_coding GT 1|2", extra=[BCSQ])
    assert effects(done) == {}
    assert done.messages["FB-VCF-058"] == [
        "INFO/BCSQ: an effect is tied to none of several ALTs, and is left out"
    ]


def test_a_pointer_of_bcsq_has_the_effect_of_both_variants(converted):
    lines = [
        f"1 2000 . C T 90 PASS BCSQ={csq('missense', '500G>500R|2000C>T+2003C>T')} GT 0|1",
        "1 2003 . C T 90 PASS BCSQ=@2000 GT 0|1",
        "1 2004 . C A 90 PASS BCSQ=@2000 GT 0|1",
        "1 2005 . C T 90 PASS BCSQ=@1500 GT 0|1",
        "X 2003 . C T 90 PASS BCSQ=@2000 GT 0|1",
    ]
    done = converted(*lines, extra=[BCSQ])
    assert effects(done) == {(2000, "T"): "SO:0001583", (2003, "T"): "SO:0001583"}
    texts = [[note["text"] for note in one["note"]][1:] for one in done.variants[:2]]
    assert texts == [["ENST00000357654: 500G>500R (together: 2000C>T+2003C>T)"]] * 2
    assert [issue["count"] for issue in done.report["issues"] if issue["code"] == "FB-VCF-058"] == [3]


def test_many_lines_alike_have_each_their_own_effect(converted):
    lines = [
        f"1 {2000 + number} . C T 90 PASS BCSQ={csq(effect, f'5G>5R|{2000 + number}C>T')} GT:DP 0/1:30"
        for number, effect in enumerate(
            ("missense", "synonymous", "*missense", "splice_region&intron", "odd")
        )
    ]
    done = converted(*lines, extra=[BCSQ])
    assert effects(done) == {
        (2000, "T"): "SO:0001583",
        (2001, "T"): "SO:0001819",
        (2002, "T"): "*missense",
        (2003, "T"): "SO:0001630",
        (2004, "T"): "odd",
    }


FRAMESHIFT = "G|frameshift_variant|HIGH|BRCA2|ENSG1|transcript|ENST00000380152.8|c.5946delT|p.Ser1982fs"


def test_of_a_line_the_annotation_counts_that_it_has(converted):
    lines = [
        "1 2000 . C T 90 PASS CSQ=missense_variant|T|TTR||Transcript|NM_000371.4|NM_000371.4:c.4G>A||| GT:DP 0/1:30",
        f"1 3000 . GT G 90 PASS ANN={FRAMESHIFT} GT:DP 0/1:30",
        f"1 4000 . C T 90 PASS BCSQ={csq('stop_gained', '3R>3*|4000C>T')} GT:DP 0/1:30",
        "1 5000 . C T 90 PASS DP=3 GT:DP 0/1:30",
    ]
    done = converted(*lines, extra=[VEP, SNPEFF, BCSQ])
    assert effects(done) == {(2000, "T"): "SO:0001583", (3000, "G"): "SO:0001589", (4000, "T"): "SO:0001587"}
    assert genes(done)[2:] == ["BRCA1", None]
    assert coded(done.variants[1], "48004-6") == "ENST00000380152.8:c.5946delT"
    assert "FB-VCF-059" not in done.messages
    left = [text for text in done.messages["FB-VCF-086"] if "no rule represents INFO/" in text]
    assert left == ["no rule represents INFO/DP (values: 1)"]


@pytest.mark.parametrize(
    ("ann", "differs"),
    [
        pytest.param(
            "T|missense_variant|MODERATE|TTR|E|transcript|NM_000371.4|c.4G>A|", False, id="the-same"
        ),
        pytest.param(
            "T|missense_variant|MODERATE|TTR|E|transcript|NM_1.1|c.99G>A|", False, id="another-transcript"
        ),
        pytest.param("T|stop_gained|HIGH|TTR|E|transcript|NM_000371.4|c.4G>A|", True, id="another-effect"),
        pytest.param("T|missense_variant|MODERATE|MYH7|E|transcript|NM_1.1|c.4G>A|", True, id="another-gene"),
        pytest.param(
            "T|missense_variant|MODERATE|TTR|E|transcript|NM_000371.3|c.5G>A|", True, id="another-name"
        ),
    ],
)
def test_where_two_annotations_differ_the_first_counts_and_it_is_reported(converted, ann, differs):
    vep = "missense_variant|T|TTR||Transcript|NM_000371.4|NM_000371.4:c.4G>A|||"
    lines = [f"1 {at} . C T 90 PASS ANN={ann};CSQ={vep} GT:DP 0/1:30" for at in (2000, 2010, 2020)]
    done = converted(*lines, extra=[VEP, SNPEFF])
    assert set(effects(done).values()) == {"SO:0001583"}
    assert {coded(one, "48004-6") for one in done.variants} == {"NM_000371.4:c.4G>A"}
    counts = [issue["count"] for issue in done.report["issues"] if issue["code"] == "FB-VCF-059"]
    assert sum(counts) == 3 * differs
    assert "no rule represents INFO/ANN (values: 3)" in done.messages["FB-VCF-086"]


def test_an_annotation_that_says_nothing_of_the_allele_leaves_it_to_the_next(converted):
    line = (
        f"1 3000 . GT G,GTT 90 PASS CSQ=intron_variant|TT|TTR||Transcript|NM_1.1|||;ANN={FRAMESHIFT} GT 1/2"
    )
    done = converted(line, extra=[VEP, SNPEFF])
    assert effects(done) == {(3000, "G"): "SO:0001589", (3000, "GTT"): "SO:0001627"}
