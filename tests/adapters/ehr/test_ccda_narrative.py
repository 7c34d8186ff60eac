"""White space of narrative: what is marked up within a line is read as it is written, wherever its text goes."""

from __future__ import annotations

import base64
import re
from html import unescape
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import escape

import pytest

from tests.adapters.ehr.test_ccda_values import EXAMPLE, converted

DOSE = 'Take <content styleCode="Bold">1</content> 0.5 mg tablet <content>daily</content>'
SIDE = "Odd <content>left</content> sided pain<sup>2</sup>, 1<sup>st</sup>"
PROBLEM = """<entry><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.4"/>
<id root="2.25.7"/><code code="55607006" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/>
<value xsi:type="CD" nullFlavor="OTH"><originalText>{text}</originalText></value></observation></entry>"""
MEDICATION = """<entry><substanceAdministration classCode="SBADM" moodCode="EVN">
<templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="2.25.8"/><text>{text}</text><statusCode code="active"/>
<consumable><manufacturedProduct/></consumable></substanceAdministration></entry>"""
NOTE = """<entry><act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.202"/>
<id root="2.25.9"/><code code="34109-9" codeSystem="2.16.840.1.113883.6.1"/><text><reference value="#d"/></text>
<statusCode code="completed"/></act></entry>"""


def document(repository: Path, text: str, entries: str = "") -> bytes:
    head = (repository / EXAMPLE).read_text().partition("<component>")[0]
    return (
        f"{head}<component><structuredBody><component><section><title>Findings</title><text>{text}</text>{entries}"
        "</section></component></structuredBody></component></ClinicalDocument>"
    ).encode()


def of_type(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["resourceType"] == kind]


def shown(resources: list[dict[str, Any]]) -> str:
    (composition,) = of_type(resources, "Composition")
    return str(composition["section"][0]["text"]["div"])


def collapsed(markup: str) -> str:
    """The text between tags as XHTML shows it."""
    return re.sub(r"[ \t\r\n]+", " ", unescape(re.sub(r"<[^>]*>", "", markup))).strip(" ")


def test_a_dose_is_read_as_it_is_written(repository: Path, tmp_path: Path) -> None:
    row = "<td>Warfarin <content>1</content> 5 mg</td><td>x<sup>2</sup></td>"
    text = f"""<paragraph ID="d">{DOSE}</paragraph><paragraph ID="s">
      {SIDE}
    </paragraph><table><tbody><tr ID="r">{row}</tr></tbody></table>"""
    entries = PROBLEM.replace("{text}", '<reference value="#s"/>') + NOTE
    entries += MEDICATION.replace("{text}", '<reference value="#r"/>')
    resources, _ = converted(tmp_path, document(repository, text, entries))
    div = shown(resources)
    assert '<p id="d">Take <b>1</b> 0.5 mg tablet <span>daily</span></p>' in div
    assert '<p id="s">Odd <span>left</span> sided pain<sup>2</sup>, 1<sup>st</sup></p>' in div
    assert "<td>Warfarin <span>1</span> 5 mg</td><td>x<sup>2</sup></td>" in div
    (problem,) = of_type(resources, "Condition")
    assert problem["code"]["text"] == "Odd left sided pain2, 1st"
    (taken,) = of_type(resources, "MedicationStatement")
    assert taken["medicationCodeableConcept"]["text"] == "Warfarin 1 5 mg x2"
    (note,) = (one for one in of_type(resources, "DocumentReference") if "masterIdentifier" not in one)
    data = base64.b64decode(note["content"][0]["attachment"]["data"])
    assert data == b"Take 1 0.5 mg tablet daily"


def test_text_of_an_entry_with_mark_up_is_whole(repository: Path, tmp_path: Path) -> None:
    entries = PROBLEM.replace("{text}", SIDE) + MEDICATION.replace("{text}", f"\n  {DOSE}\n")
    resources, issues = converted(tmp_path, document(repository, "x", entries))
    assert of_type(resources, "Condition")[0]["code"]["text"] == "Odd left sided pain2, 1st"
    (taken,) = of_type(resources, "MedicationStatement")
    assert taken["medicationCodeableConcept"]["text"] == "Take 1 0.5 mg tablet daily"
    assert not [one for one in issues if one["code"] == "FB-CDA-005"]


def test_what_narrative_states_is_of_its_own_numbers(repository: Path, tmp_path: Path) -> None:
    text = "<paragraph>LVEF 3<content>5</content> %</paragraph><paragraph>NYHA <content>II</content>I</paragraph>"
    resources, _ = converted(tmp_path, document(repository, text))
    stated = {one["code"]["coding"][0]["code"]: one for one in of_type(resources, "Observation")}
    assert stated["10230-1"]["valueQuantity"]["value"] == 35
    assert "III" in str(stated["88020-3"]["valueCodeableConcept"])


def test_blocks_stay_apart(repository: Path, tmp_path: Path) -> None:
    text = """<list ID="d"><caption>Doses</caption><item>5 mg</item><item>10<br/>mg</item></list>
    <paragraph><caption>Then</caption>rest</paragraph><p>5</p><p>6</p>"""
    resources, _ = converted(tmp_path, document(repository, text, NOTE))
    assert "<ul" in shown(resources)
    assert "<p> <span>Then</span> rest</p><div>5</div><div>6</div>" in shown(resources)
    (note,) = (one for one in of_type(resources, "DocumentReference") if "masterIdentifier" not in one)
    assert base64.b64decode(note["content"][0]["attachment"]["data"]) == b"Doses 5 mg 10 mg"


def in_line(random: Random, depth: int = 0) -> str:
    """Random text with random mark-up within a line."""
    pieces = []
    for _ in range(random.randint(1, 4)):
        text = "".join(
            random.choice(["1", "5", ".", "mg", "<", "&", " ", "  ", "\n", "\t", "\u00a0"]) for _ in range(4)
        )
        pieces.append(escape(text))
        if depth < 3 and random.random() < 0.7:
            tag = random.choice(["content", "sub", "sup", "linkHtml", "footnote"])
            style = ' styleCode="Bold"' if tag == "content" and random.random() < 0.5 else ""
            pieces.append(f"<{tag}{style}>{in_line(random, depth + 1)}</{tag}>")
    return random.choice(["", "<!-- - -->"]).join(pieces)


@pytest.mark.parametrize("seed", range(3))
def test_random_mark_up_within_a_line_adds_and_drops_nothing(
    repository: Path, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    given = [in_line(random) for _ in range(400)]
    text = "".join(f'<paragraph ID="p{number}">{one}</paragraph>' for number, one in enumerate(given))
    whole = "".join(
        NOTE.replace("2.25.9", f"2.25.1{number}").replace("#d", f"#p{number}") for number in range(len(given))
    )
    resources, _ = converted(tmp_path, document(repository, f"<paragraph>x</paragraph>{text}", whole))
    result = re.findall(r'<p id="p\d+">(.*?)</p>', shown(resources), re.DOTALL)
    wanted = [collapsed(re.sub("<!--.*?-->", "", one)) for one in given]
    assert [collapsed(one) for one in result] == wanted
    notes = {
        one["identifier"][0]["value"]: base64.b64decode(
            one["content"][0]["attachment"].get("data", "")
        ).decode()
        for one in of_type(resources, "DocumentReference")
        if "masterIdentifier" not in one
    }
    stripped = {f"urn:oid:2.25.1{number}": one.strip() for number, one in enumerate(wanted)}
    assert notes == stripped


def test_what_an_author_deleted_is_struck_out_and_not_said(repository: Path, tmp_path: Path) -> None:
    text = (
        '<paragraph ID="d">Takes <content revised="delete">Warfarin</content><content revised="insert">Apixaban'
        '</content> daily.</paragraph><paragraph revised="delete">LVEF 30 %.</paragraph><paragraph ID="s">LVEF '
        '<content revised="delete">25</content><content revised="insert">55</content> %.</paragraph>'
    )
    entries = NOTE + PROBLEM.replace("{text}", '<reference value="#s"/>')
    resources, _ = converted(tmp_path, document(repository, text, entries))
    div = shown(resources)
    assert '<span style="text-decoration: line-through">Warfarin</span>' in div
    (problem,) = of_type(resources, "Condition")
    assert problem["code"]["text"] == "LVEF 55 %."
    facts = [
        one["valueQuantity"]["value"] for one in of_type(resources, "Observation") if "valueQuantity" in one
    ]
    assert facts == [55]
    notes = [
        base64.b64decode(content["attachment"]["data"]).decode()
        for one in of_type(resources, "DocumentReference")
        for content in one["content"]
        if content["attachment"].get("contentType", "").startswith("text/plain")
    ]
    assert notes
    assert all("Warfarin" not in note for note in notes)
