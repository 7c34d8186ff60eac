"""An effect is of the allele that its annotation names, also where a line has one ALT of several that it had before."""

from __future__ import annotations

import pytest

from .conftest import coded
from .test_annotations_together import BCSQ, csq, effects

CSQ = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: '
    'Allele|Consequence|SYMBOL|Feature_type|Feature|HGVSc|MANE_SELECT|ALLELE_NUM|GIVEN_REF">'
)
ANN = (
    "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | Gene_Name | "
    "Feature_Type | Feature_ID | HGVS.c | HGVS.p'\">"
)
TERMS = {
    "SO:0001583": "missense_variant",
    "SO:0001587": "stop_gained",
    "SO:0001589": "frameshift_variant",
    "SO:0001819": "synonymous_variant",
}


def vep(allele, term, change="", number="", given=""):
    name = f"NM_1.1:{change}" if change else ""
    return f"{allele}|{term}|LDLR|Transcript|NM_1.1|{name}|{'NM_1.1' if term == 'stop_gained' else ''}|{number}|{given}"


def snpeff(allele, term):
    return f"{allele}|{term}|LDLR|transcript|NM_1.1|c.5C>{allele[0]}|"


@pytest.mark.parametrize("before", [0, 4], ids=["read-first", "read-by-what-is-known"])
@pytest.mark.parametrize(
    ("alleles", "said", "term", "left"),
    [
        pytest.param(
            "C T", [vep("A", "stop_gained"), vep("T", "synonymous_variant")], "synonymous_variant", 1, id="own"
        ),
        pytest.param("C T", [vep("A", "stop_gained")], None, 1, id="foreign-alone"),
        pytest.param("C T", [vep("-", "frameshift_variant")], None, 1, id="foreign-deletion"),
        pytest.param("CAG C", [vep("G", "missense_variant")], None, 1, id="foreign-substitution"),
        pytest.param("CAG C", [vep("-", "frameshift_variant")], "frameshift_variant", 0, id="deletion"),
        pytest.param("C CAG", [vep("AG", "frameshift_variant")], "frameshift_variant", 0, id="insertion"),
        pytest.param("C CAG", [vep("AGG", "frameshift_variant")], None, 1, id="another-insertion"),
        pytest.param("CT GT", [vep("GT", "missense_variant")], "missense_variant", 0, id="bases"),
        pytest.param("CT GT", [vep("G", "missense_variant")], None, 1, id="bases-of-another"),
        pytest.param("CAAG CAG", [vep("AG", "frameshift_variant")], "frameshift_variant", 0, id="padded"),
        pytest.param("CAAG CAG", [vep("-", "frameshift_variant")], "frameshift_variant", 0, id="minimal"),
        pytest.param(
            "CTT CT", [vep("T", "frameshift_variant"), vep("-", "stop_gained")], "frameshift_variant", 1, id="split"
        ),
        pytest.param(
            "CTT CT", [vep("T", "stop_gained"), vep("CT", "frameshift_variant")], None, 1, id="one-of-two"
        ),
        # CTT to CT and C, split and aligned: what is named `T` is CT there, and `-` is C.
        pytest.param("CT C", [vep("T", "frameshift_variant"), vep("-", "stop_gained")], None, 1, id="aligned"),
        pytest.param(
            "CT C",
            [vep("TT", "frameshift_variant", "c.9del"), vep("-", "stop_gained", "c.8_9del")],
            None,
            1,
            id="aligned-by-its-name",
        ),
        pytest.param(
            "CTT C",
            [vep("TT", "frameshift_variant", "c.9del"), vep("-", "stop_gained", "c.8_9del")],
            None,
            1,
            id="aligned-to-its-REF",
        ),
        pytest.param(
            "CAG C", [vep("-", "stop_gained", given="AGAG")], None, 1, id="of-another-REF"
        ),
        pytest.param(
            "CAG C", [vep("-", "stop_gained", given="AG")], "stop_gained", 0, id="of-this-REF"
        ),
        pytest.param(
            "C T",
            [vep("A", "stop_gained", number="1"), vep("T", "missense_variant", number="2")],
            "missense_variant",
            1,
            id="numbers-of-the-line-before",
        ),
    ],
)  # fmt: skip
def test_an_effect_of_vep_is_of_the_allele_that_it_names(converted, alleles, said, term, left, before):
    usual = [
        f"1 {1000 + at} . C T 90 PASS CSQ={vep('T', 'stop_gained')} GT:DP 0/1:30" for at in range(before)
    ]
    usual += [f"1 {1100 + at} . {alleles} 90 PASS CSQ=||||||||| GT:DP 0/1:30" for at in range(before)]
    line = f"1 3000 . {alleles} 90 PASS CSQ={','.join(said)} GT:DP 0/1:30"
    done = converted(*usual, line, extra=[CSQ])
    found = {TERMS[each] for (place, _), each in effects(done).items() if place == 3000 and each}
    assert found == ({term} if term else set())
    assert coded(done.variants[-1], "48018-6") == ("HGNC:6547" if term else None)
    assert sum(each["count"] for each in done.report["issues"] if each["code"] == "FB-VCF-058") == left


@pytest.mark.parametrize(
    ("alleles", "said", "term", "left"),
    [
        ("C T", [snpeff("A", "stop_gained"), snpeff("T", "synonymous_variant")], "synonymous_variant", 1),
        ("C T", [snpeff("A", "stop_gained")], None, 1),
        # Against another allele of the germline: not what the variant is beside the reference.
        ("C T", [snpeff("T-G", "stop_gained"), snpeff("T", "synonymous_variant")], "synonymous_variant", 1),
        ("C T", [snpeff("T-G", "stop_gained")], None, 1),
        ("CAG C", [snpeff("C", "frameshift_variant")], "frameshift_variant", 0),
        (
            "C CAG",
            [snpeff("CAG", "frameshift_variant"), snpeff("AG", "stop_gained")],
            "frameshift_variant",
            1,
        ),
        ("C <DEL>", [snpeff("<DEL>", "stop_gained")], "stop_gained", 0),
        ("C <DEL>", [snpeff("<DUP>", "stop_gained")], None, 1),
    ],
)
def test_an_effect_of_snpeff_is_of_the_alt_that_it_names(converted, alleles, said, term, left):
    done = converted(f"1 3000 . {alleles} 90 PASS ANN={','.join(said)} GT 0/1", extra=[ANN])
    terms = {coded(one, "feature-consequence") for one in done.resources if "derivedFrom" in one}
    assert {TERMS[each] for each in terms if each} == ({term} if term else set())
    assert sum(each["count"] for each in done.report["issues"] if each["code"] == "FB-VCF-058") == left


@pytest.mark.parametrize(
    ("alternate", "named", "count"),
    [
        ("<DEL>", "deletion", 1),
        ("<DEL>", "duplication", 0),
        ("<DEL>", "G", 0),
        ("<DUP:TANDEM>", "tandem_duplication", 1),
        ("<CN0>", "deletion", 1),
        ("<INS:ME:ALU>", "mobile_element_insertion", 1),
        ("]1:9000]C", "chromosome_breakpoint", 1),
    ],
)
def test_a_symbolic_allele_has_the_effect_that_names_its_kind(read, alternate, named, count):
    said = vep(named, "stop_gained")
    (allele,) = read(f"1 3000 . C {alternate} 90 PASS CSQ={said} GT 0/1", extra=[CSQ]).alleles
    assert len(allele.effects) == count


def test_numbers_that_contradict_alleles_are_not_followed(converted):
    said = f"{vep('A', 'stop_gained', number='1')},{vep('T', 'missense_variant', number='1')}"
    done = converted(f"1 3000 . C A,T 90 PASS CSQ={said} GT 1/2", extra=[CSQ])
    assert effects(done) == {(3000, "A"): "SO:0001587"}
    assert "FB-VCF-058" in done.messages


def test_a_change_that_bcsq_names_is_that_of_the_line(converted):
    said = f"{csq('stop_gained', '3R>3*|3000C>A')},{csq('synonymous', '3R|3000C>T')}"
    lines = [f"1 3000 . C T 90 PASS BCSQ={said} GT 0/1"]
    lines.append(f"1 4000 . C T 90 PASS BCSQ={csq('stop_gained', '3R>3*|4000C>A')} GT 0/1")
    done = converted(*lines, extra=[BCSQ])
    assert effects(done) == {(3000, "T"): "SO:0001819"}
    assert [each["count"] for each in done.report["issues"] if each["code"] == "FB-VCF-058"] == [2]
