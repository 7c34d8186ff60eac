"""What identifies a VCF's records: the line and the content of its file, whatever it is called or made of it."""

from __future__ import annotations

import gzip

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import HEADER, text

LINES = [
    "1 100 . A C . PASS . GT 0/1 0/0",
    "1 200 . A C . PASS . GT 0/0 0/0",
    "1 300 . R C . PASS . GT 0/1 0/0",
]
SAMPLES = ("S1", "S2")


def keys(found) -> list[str]:
    return [record.key for record in found.records]


def test_each_record_has_a_key_of_its_own(read):
    found = keys(read(*LINES, samples=SAMPLES))
    assert len(found) == len(set(found)) == 5
    assert all(found)
    assert {record.sequence for record in read(*LINES, samples=SAMPLES).records} == {""}


def test_keys_are_the_same_when_the_same_content_is_sent_again(read):
    first = keys(read(*LINES, samples=SAMPLES))
    for again in (
        read(*LINES, samples=SAMPLES, name="other.vcf"),
        read(*LINES, samples=SAMPLES, source_class="somatic", effective="2026-01-01", only=["S1"]),
        read(*LINES, samples=SAMPLES, header=HEADER, extra=["##source=another program"]),
        read(content=gzip.compress(text(LINES, SAMPLES).encode()), name="a.vcf.gz"),
        read(content=text(LINES, SAMPLES).encode().replace(b"\n", b"\r\n")),
    ):
        assert keys(again) == first


def test_keys_differ_with_any_line_and_with_the_samples(read):
    first = keys(read(*LINES, samples=SAMPLES))
    assert not set(first) & set(keys(read(*LINES, samples=("S1", "S3"))))
    recalled = keys(read(*LINES[:1], LINES[1].replace("0/0 0/0", "0/1 0/0"), LINES[2], samples=SAMPLES))
    assert not set(first) & set(recalled)  # a file that says anything else is another delivery, whole


def test_a_file_of_another_date_has_other_records(read):
    first = keys(read(*LINES, samples=SAMPLES))
    later = [line.replace("20260302", "20260402") for line in HEADER]
    assert not set(first) & set(keys(read(*LINES, samples=SAMPLES, header=later)))


def test_what_can_not_be_read_at_all_has_no_key(read):
    assert keys(read(content=b"")) == [""]
    assert keys(read(LINES[0], samples=SAMPLES, max_line=10, header=HEADER)) == [""]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda one: one.replace(b"\n", b"")), unique=True, max_size=5)
)
def test_equal_keys_are_equal_lines(read, lines):
    # Behind each a line of another form: those that are no records at all would be one.
    between = b"#\n" if lines and any(line.count(b"\t") < 2 for line in lines) else b""
    found = read(content=text([]).encode() + b"".join(line + b"\n" + between for line in lines))
    own = [record.key for record in found.records if record.records and record.content != b"#"]
    lines = [line for line in lines if line.removesuffix(b"\r") != b"#"]
    assert all(own)
    assert len(set(own)) == len({line.removesuffix(b"\r") for line in lines})
