"""Every span of an HL7 v2 value is the bytes of the value that the selector reads."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.hl7v2.adapter import Hl7v2Adapter
from fhir_bridge.adapters.ehr.hl7v2.delimiters import unescape
from fhir_bridge.adapters.ehr.hl7v2.model import Hl7v2Model
from fhir_bridge.mapping import CLEARED, Read

MODEL = Hl7v2Model()
LINE_ENDS = st.sampled_from(["\r", "\n", "\r\n", "\r\r\n"])
CONTROL = "".join(chr(number) for number in range(32) if chr(number) != "\t")
"""What is left out of a message, so that its text is not what its bytes say."""
TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_characters=f"|^~\\&#@$\ufeff\ufffe\uffff{CONTROL}", exclude_categories=("Cs",)
    ),
    max_size=6,
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A file of one or two messages in some encoding, with any delimiters, and the encoding of its bytes."""
    field, characters = draw(st.sampled_from([("|", "^~\\&"), ("#", "@$\\&"), ("|", "^~\\")]))
    component, repetition, sub = characters[0], characters[1], characters[3:4] or "&"
    encoding, stated, mark = draw(
        st.sampled_from(
            [("utf-8", "UNICODE UTF-8", b""), ("utf-8", "", b"\xef\xbb\xbf"), ("utf-16-le", "", b"\xff\xfe"),
             ("latin-1", "8859/1", b""), ("cp1252", "", b"")]
        )
    )  # fmt: skip
    letters = TEXT if encoding.startswith("utf") else st.text(st.sampled_from("aéZß9 "), max_size=6)
    value = st.one_of(letters, st.just("x\\E\\y\\T\\"), st.just('""'))
    texts = []
    for number in range(draw(st.integers(1, 2))):
        subs = st.lists(value, min_size=1, max_size=2).map(sub.join)
        repeat = st.lists(subs, min_size=1, max_size=3).map(component.join)
        fields = st.lists(
            st.lists(repeat, min_size=1, max_size=2).map(repetition.join), min_size=2, max_size=7
        )
        head = field.join(
            ["MSH" + field + characters, "A", "B", "", "", "20260101", "", f"ORU{component}R01", str(number), "P",
             "2.5", "", "", "", "", "", stated]
        )  # fmt: skip
        lines = [head, *(field.join([name, *draw(fields)]) for name in ("PID", "OBX", "OBX", "ZZZ"))]
        texts.append("".join(line + draw(LINE_ENDS) for line in lines))
    return mark + "".join(texts).encode(encoding, "replace"), encoding


SELECTORS = st.builds(
    "{}-{}{}".format,
    st.sampled_from(["PID", "ZZZ"]),
    st.integers(1, 7),
    st.sampled_from(["", ".1", ".2", ".2.2", ".1.2", "[2].1", "[*].1"]),
)


@settings(max_examples=10, deadline=None)
@given(files(), st.lists(SELECTORS, min_size=1, max_size=6))
def test_a_span_decodes_to_what_the_selector_reads(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[bytes, str], selectors: list[str]
) -> None:
    raw, encoding = file
    path = tmp_path_factory.getbasetemp() / "spans.hl7"
    path.write_bytes(raw)
    for message in _read(path):
        if message.outcome != "read":
            continue
        for patient in message.scope("PATIENT_RESULT"):
            for text in selectors:
                selected = eval(MODEL.selector(text, "PATIENT_RESULT"), {"s": patient})
                values = selected if isinstance(selected, list) else [selected]
                spans = list(message.spans(patient, Read("PATIENT_RESULT", text, (), "text"), {}))
                shown = [str(v) for v in values if v is not None and v is not CLEARED and str(v)]
                delimiters = message.segments[0].delimiters
                decoded = [unescape(raw[s.start : s.end].decode(encoding), delimiters).strip() for s in spans]
                assert [text for text in decoded if text != '""'] == shown
                assert decoded == [s.text for s in spans]


@settings(max_examples=8, deadline=None)
@given(files())
def test_the_leaves_of_all_passages_are_their_bytes(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[bytes, str]
) -> None:
    raw, encoding = file
    path = tmp_path_factory.getbasetemp() / "leaves.hl7"
    path.write_bytes(raw)
    for message in _read(path):
        for passage in message.passages():
            assert raw[passage.start : passage.start + len(passage.raw)] == passage.raw
            for leaf in passage.leaves:
                text = raw[leaf.start : leaf.end].decode(encoding)
                assert text == leaf.text or "\\" in text


def _read(path: Path) -> list:
    return list(Hl7v2Adapter().read([path], SimpleNamespace(options={}, site=None)))
