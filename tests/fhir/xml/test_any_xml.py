"""Whatever the bytes are: a resource that can be written again, or a reason with a place."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.xml import XmlError, dumps, loads

DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="p"/><text>'
    '<status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p title="a">b &amp; <br/>c</p></div></text>'
    '<contained><Organization><name value="O"/></Organization></contained><extension url="u">'
    '<valueDecimal value="1.50"/></extension><name id="n"><given value="A"/><given><extension url="v">'
    '<valueCode value="x"/></extension></given></name><birthDate id="b" value="1970-01-01"/>'
    '<multipleBirthInteger value="2"/></Patient>'
)
PIECES = [piece for piece in re.split(r"(<[^>]*>)", DOCUMENT) if piece]
ODDMENTS = st.sampled_from(
    [
        "",
        " ",
        "text",
        "<x/>",
        "<!-- c -->",
        "<?p i?>",
        "<![CDATA[x]]>",
        "&amp;",
        "&x;",
        "&#0;",
        "<given/>",
        '<given value=""/>',
        "<extension/>",
        "</name>",
        "<name>",
        "<div/>",
        '<div xmlns="http://www.w3.org/1999/xhtml"/>',
        "<!DOCTYPE x>",
        "\x00",
        "\ufffe",
        '<active value="true"/>',
        '<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:b/></h:div>',
    ]
)


def check(text: bytes | str) -> None:
    try:
        resource = loads(text)
    except XmlError as error:
        assert error.reason  # noqa: PT017 - what is refused must be explained
        return
    written = dumps(resource)
    assert loads(written) == resource
    assert dumps(loads(written)) == written


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    pieces: list[Any] = list(PIECES)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(pieces) - 1))
        change = draw(st.sampled_from(["drop", "double", "insert", "swap", "edit"]))
        if change == "drop":
            del pieces[place]
        elif change == "double":
            pieces.insert(place, pieces[place])
        elif change == "insert":
            pieces.insert(place, draw(ODDMENTS))
        elif change == "swap":
            other = draw(st.integers(0, len(pieces) - 1))
            pieces[place], pieces[other] = pieces[other], pieces[place]
        else:
            pieces[place] = pieces[place].replace(
                draw(st.sampled_from('"=<>/ a1')), draw(st.sampled_from('"<>/ a1')), 1
            )
    return "".join(pieces)


@given(spoiled())
@settings(max_examples=200, deadline=None)
def test_a_spoiled_document_is_read_and_written_alike_or_refused(text: str) -> None:
    check(text)


@given(st.binary(max_size=60) | st.text(max_size=60), st.integers(0, len(DOCUMENT)), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_a_document_are_read_or_refused(junk: bytes | str, start: int, length: int) -> None:
    junk = junk if isinstance(junk, bytes) else junk.encode("utf-8", "surrogatepass")
    text = DOCUMENT.encode()
    check(text[:start] + junk + text[start + length :])
    check(junk)
