"""The narrative: what XHTML may be in a div (R4 narrative.html)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import Validator
from fhir_bridge.fhir.validation.narrative import dangling_links, narrative_problem

OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


def div(content: str) -> str:
    return f"{OPEN}{content}</div>"


@pytest.mark.parametrize(
    "content",
    [
        "text",
        "&#160;",
        "&lt;a&gt; &amp; &quot;b&quot;",
        "<p>a<br/>b</p>",
        "<table><tbody><tr><td>x</td></tr></tbody></table>",
        "<table><tr>\n<th>x</th>\n</tr></table>",
        "<ul>\n<li>x<ul><li>y</li></ul></li>\n</ul>",
        "<dl><dt>a</dt><dd><p>b</p></dd></dl>",
        '<img src="#a" alt="x"/>',
        '<img src="data:image/png;base64,AAAA" alt="x"/>',
        '<a href="Patient/1">x</a>',
        '<p style="color: red" class="a" id="b" title="c" dir="rtl" xml:lang="en">x</p>',
        "<!-- comment -->x",
        "<b><i><span>x</span></i></b>",
    ],
)
def test_formatting_is_allowed(content: str) -> None:
    assert narrative_problem(div(content)) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("<script>x</script>", "<script> is not allowed"),
        ("<u>x</u>", "<u> is not allowed"),
        ("<ins>x</ins>", "<ins> is not allowed"),
        ('<p onclick="x">y</p>', "the attribute onclick"),
        ('<a href="http://x.org" target="_blank">y</a>', "the attribute target"),
        ('<p href="x">y</p>', "the attribute href of <p>"),
        ('<a href="javascript:x">y</a>', "not a safe link"),
        ('<a href=" JavaScript:x">y</a>', "not a safe link"),
        ('<a href="urn:uuid:1">y</a>', "not a safe link"),
        ('<a href="">y</a>', "is empty"),
        ('<img src="data:image/png"/>', "no data URL"),
        ("<p><ul><li>x</li></ul></p>", "may not be in a paragraph"),
        ("<b><div>x</div></b>", "may not be in <b>"),
        ("<ul>x</ul>", "text may not be in <ul>"),
        ("<ul><p>x</p></ul>", "may not be in <ul>"),
        ("<li>x</li>", "<li> is in <div>"),
        ("<table><td>x</td></table>", "<td> is in <table>"),
        ("<br>x</br>", "text may not be in <br>"),
        ('<a href="#x"><b><a href="#y">z</a></b></a>', "a link may not be in a link"),
        (" \n ", "no text"),
        ("<p/>", "no text"),
        ("<b>x", "not well-formed"),
        ("a & b", "not well-formed"),
        ("a&nbsp;b", "not well-formed"),
        ("<![CDATA[x]]>", "CDATA"),
    ],
)
def test_what_is_not_in_the_subset_is_named(content: str, why: str) -> None:
    problem = narrative_problem(div(content))
    assert problem is not None
    assert why in problem


@pytest.mark.parametrize(
    "text",
    ["<div>x</div>", f"{OPEN}x</div>{OPEN}y</div>", "<p xmlns='http://www.w3.org/1999/xhtml'>x</p>", "x"],
)
def test_there_is_one_div_in_the_namespace(text: str) -> None:
    assert narrative_problem(text) is not None


@given(st.text(max_size=80))
def test_any_text_gets_an_answer(text: str) -> None:
    for content in (text, div(text)):
        assert narrative_problem(content) is None or isinstance(narrative_problem(content), str)
        list(dangling_links(content, {"text": {"div": content}}))


def test_a_link_within_the_resource_leads_to_an_id_or_a_name() -> None:
    text = div(
        '<a href="#p">x</a><a href="#here">y</a><img src="#pic"/><a href="#gone">z</a><p id="here">h</p>'
    )
    resource = {"id": "a", "name": [{"id": "p"}], "contained": [{"id": "pic"}], "text": {"div": text}}
    assert list(dangling_links(text, resource)) == [("gone", False)]


@pytest.mark.parametrize(("name", "severity"), [("a", "warning"), ("img", "error")])
def test_an_image_that_is_not_there_is_missing_from_the_text(name: str, severity: str) -> None:
    link = '<a href="#gone">x</a>' if name == "a" else 'x<img src="#gone" alt="x"/>'
    patient = {"resourceType": "Patient", "text": {"status": "generated", "div": div(link)}}
    (issue,) = Validator().validate(patient)
    assert (issue.code, issue.severity) == ("FB-FHIR-070", severity)


@pytest.mark.parametrize(
    ("link", "codes"),
    [
        ("urn:uuid:0a000000-0000-4000-8000-000000000002", []),
        ("urn:uuid:0a000000-0000-4000-8000-000000000003", ["FB-FHIR-070"]),
        ("javascript:x", ["FB-FHIR-070"]),
    ],
)
def test_in_a_bundle_a_link_may_be_the_urn_of_an_entry(link: str, codes: list[str]) -> None:
    text = {"status": "generated", "div": div(f'<a href="{link}">x</a>')}
    entries = [
        {
            "fullUrl": "urn:uuid:0a000000-0000-4000-8000-000000000002",
            "resource": {"resourceType": "Patient", "text": text},
        },
        {"fullUrl": "javascript:x", "resource": {"resourceType": "Patient", "active": True}},
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    issues = Validator().validate(bundle)
    assert [issue.code for issue in issues if issue.code == "FB-FHIR-070"] == codes
