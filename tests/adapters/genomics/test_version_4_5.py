"""What VCF 4.5 gives each sample: a block's length (LEN), and reads of its local alleles (LAA, LAD)."""

from __future__ import annotations

import base64

import pytest

from .conftest import HEADER, component

NEW = ("##fileformat=VCFv4.5", *HEADER[1:])
LEN = '##FORMAT=<ID=LEN,Number=1,Type=Integer,Description="Length of <*> reference block">'
LOCAL = (
    '##FORMAT=<ID=LAA,Number=.,Type=Integer,Description="Indices into ALT of the alleles that are local">',
    '##FORMAT=<ID=LAD,Number=LR,Type=Integer,Description="Reads of local alleles">',
)


def beds(done):
    """The regions of each sample, in the order of the samples' reports, by title."""
    results = {}
    for one in done.resources:
        if one["resourceType"] == "DocumentReference":
            for content in one["content"]:
                attachment = content["attachment"]
                if attachment["contentType"] == "text/x-bed":
                    text = base64.b64decode(attachment["data"]).decode().replace("\t", " ").splitlines()
                    results.setdefault(attachment["title"], []).append(text)
    return {title: sorted(texts) for title, texts in results.items()}


@pytest.mark.parametrize("extra", [(LEN,), ()], ids=["declared", "reserved"])
def test_each_sample_has_a_block_of_its_own_length(converted, extra):
    lines = [
        "1 1000 . A <*> . . . GT:LEN 0/0:5000 0/0:100",
        "1 1100 . A <*> . . . GT:LEN .:. ./.:400",
        "1 6000 . G A,<*> 50 . . GT:LEN 0/1:. 0/0:.",
        "1 7000 . G <*> . . . GT:LEN ./.:. 0/0:1",
    ]
    done = converted(*lines, samples=("S1", "S2"), header=NEW, extra=extra)
    assert beds(done) == {
        "called.bed": [["1 999 1099", "1 5999 6000", "1 6999 7000"], ["1 999 6000"]],
        "uncalled.bed": [["1 1099 1499"], ["1 6999 7000"]],
    }


def test_a_block_that_reaches_into_a_region_asked_for_is_taken(converted):
    line = "1 1000 . A <*> . . . GT:LEN 0/0:5000"
    done = converted(line, header=NEW, extra=[LEN], options=["--set", "regions=1:4000-4010"])
    assert beds(done) == {"called.bed": [["1 999 5999"]]}
    done = converted(line, header=NEW, extra=[LEN], options=["--set", "regions=1:6000-6010"])
    assert beds(done) == {}


def test_a_key_of_that_name_in_an_older_file_is_no_block(converted):
    other = LEN.replace("Type=Integer", "Type=String")
    done = converted("1 1000 . A <*> . . . GT:LEN 0/0:50", extra=[other])
    assert beds(done) == {"called.bed": [["1 999 1000"]]}


def test_reads_of_local_alleles_are_those_of_the_alts_that_laa_numbers(converted):
    lines = [
        "1 1000 . A G,C,T . PASS . GT:LAA:LAD 0/2:2:10,30",
        "1 2000 . A G,C,T . PASS . GT:LAA:LAD 1/3:1,3:0,5,15",
        "1 3000 . A G . PASS . GT:LAA:LAD 0/1:1:10,30",
        "1 4000 . A G,C . PASS . GT:LAA:LAD 0/2:1:10,30",
        "1 5000 . A G,C . PASS . GT:LAA:LAD 0/2:2,1:1,4,5",
        "1 5500 . A G,C . PASS . GT:LAA:LAD 0/2:2,2:1,4,5",
        "1 6000 . A G,C . PASS . GT:LAA:LAD 0/2:2:1,2,3",
    ]
    done = converted(*lines, header=NEW, extra=LOCAL)
    said = [
        (
            component(one, "69551-0")["valueString"],
            component(one, "82121-5").get("valueQuantity", {}).get("value"),
            component(one, "81258-6").get("valueQuantity", {}).get("value"),
        )
        for one in done.variants
    ]
    assert said[0] == ("C", 30, 0.75)
    assert sorted(said[1:3]) == [("G", 5, 0.25), ("T", 15, 0.75)]
    assert said[3:] == [("G", 30, 0.75), ("C", None, None), ("C", 4, 0.4), *[("C", None, None)] * 2]
    left_out = "(column 10); reads are left out (VCF 4.5 §1.6.2)"
    assert sorted(done.messages["FB-VCF-034"]) == [
        f"FORMAT/LAA is no list of distinct numbers of ALTs {left_out}",
        f"FORMAT/LAD has 3 values, not 2 {left_out}",
    ]
    assert not any("FORMAT/LA" in text for text in done.messages.get("FB-VCF-086", []))
