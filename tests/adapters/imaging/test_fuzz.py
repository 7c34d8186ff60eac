"""Whatever an instance holds: a study that is read gives its ImagingStudy, is valid, and is composed as it is read."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.imaging import StudyRecord, read_studies
from fhir_bridge.adapters.imaging.elements import decode, encode
from tests.adapters.imaging.conftest import BUNDLED
from tests.adapters.imaging.conversion import Converted, convert
from tests.adapters.imaging.documents import changed, ecg, echo_report, places
from tests.adapters.imaging.raw_files import Raw, encoded, everything, tag, write
from tests.adapters.imaging.test_composition import Parts, output
from tests.adapters.imaging.test_malformed_attributes import ATTRIBUTES, SITE, Checked

VRS = "AE AS AT CS DA DS DT FD FL IS LO LT OB OW PN SH SL SQ SS ST TM UC UI UL UN UR US UT ZZ".split()
BYTES = st.one_of(
    st.binary(max_size=24),
    st.text("0123456789.\\^=+-: \0\x1b\nABCdefé", max_size=20).map(lambda text: text.encode("latin-1")),
    st.sampled_from(
        [b"1" * 70, b"A" * 2000, b"\\" * 9, b"\x1b$B\x3b\x33\x45\x44", b"20260230", b"1e400", b"-1"]
    ),
)
ITEMS = st.lists(
    st.dictionaries(st.integers(0x00080001, 0x00083FFF), st.tuples(st.just("SH"), BYTES), max_size=3),
    max_size=2,
)
VALUES = st.one_of(st.tuples(st.sampled_from(VRS), BYTES), st.tuples(st.just("SQ"), ITEMS))
CHANGES = st.dictionaries(st.sampled_from(ATTRIBUTES), VALUES, max_size=4)
INNER = st.lists(st.tuples(st.integers(0, 1000), VALUES), max_size=3)
BASES = (everything(), echo_report(), ecg())
SEEDS = (
    "CT_small.dcm MR_small_implicit.dcm reportsi.dcm ExplVR_BigEnd.dcm test-SR.dcm waveform_ecg.dcm rtplan.dcm "
    "UN_sequence.dcm nested_priv_SQ.dcm"
).split()


@lru_cache(maxsize=1)
def checked() -> Checked:
    return Checked()


def check(path: Path) -> None:
    """The properties of any file, read as the only one."""
    for record in read_studies([path]):
        if not isinstance(record, StudyRecord):
            assert record.issues
            continue
        first = output(record)
        assert any(b'"resourceType":"ImagingStudy"' in line for line in first)
        parts = Parts()
        parts.rows.update(record.parts)
        assert parts.output() == first
    converted: Converted = convert([path], SITE)
    assert not checked().errors(converted)
    assert not [issue for issue in converted.issues if "adapter's code" in issue.message], converted.issues


def check_changes(
    folder: Path, base: dict[int, Raw], changes: dict[str, Any], inner: list[tuple[int, Raw]]
) -> None:
    values = base
    for number, value in inner:
        nested = [location for location in places(values) if len(location) > 1]
        values = changed(values, nested[number % len(nested)], value) if nested else values
    path = write(folder / "a.dcm", values | {tag(keyword): value for keyword, value in changes.items()})
    (record,) = read_studies([path])
    assert record.outcome == "read"
    check(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(BASES), CHANGES, INNER)
def test_any_values_of_any_attributes(
    tmp_path: Path, base: dict[int, Raw], changes: dict[str, Any], inner: list[tuple[int, Raw]]
) -> None:
    check_changes(tmp_path, base, changes, inner)


@pytest.mark.soak
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(BASES), CHANGES, INNER)
def test_any_values_of_any_attributes_at_length(
    tmp_path: Path, base: dict[int, Raw], changes: dict[str, Any], inner: list[tuple[int, Raw]]
) -> None:
    check_changes(tmp_path, base, changes, inner)


def check_damage(folder: Path, seed: int, rounds: int) -> None:
    """Damage real files: bytes changed, cut out, doubled."""
    random = Random(seed)
    path = folder / "damaged.dcm"
    wholes = [(BUNDLED / "test_files" / name).read_bytes() for name in SEEDS]
    wholes.append(encoded(everything()))
    for _ in range(rounds):
        damaged = bytearray(random.choice(wholes)[:40_000])
        for _ in range(random.choice((1, 2, 10))):
            location = random.randrange(min(len(damaged), 8000))
            kind = random.randrange(4)
            if kind == 0:
                damaged[location] = random.randrange(256)
            elif kind == 1:
                damaged[location] = random.choice(b"\\\0\x1b^=\xff ")
            elif kind == 2:
                del damaged[location : location + random.choice((1, 2, 8))]
            else:
                damaged[location:location] = damaged[location : location + random.choice((2, 8, 20))]
        path.write_bytes(damaged)
        check(path)


def test_damaged_real_files_are_read_or_refused_with_a_reason(tmp_path: Path) -> None:
    check_damage(tmp_path, 11, 60)


@pytest.mark.soak
def test_damaged_real_files_at_length(tmp_path: Path) -> None:
    check_damage(tmp_path, 12, 4000)


@given(
    st.dictionaries(
        st.integers(0, 2**32 - 1), st.tuples(st.sampled_from(VRS), st.binary(max_size=40)), max_size=8
    )
)
def test_elements_are_decoded_as_they_were_encoded(elements: dict[int, tuple[str, bytes]]) -> None:
    assert decode(encode(elements)) == elements
