"""XML read: what becomes an array, an attribute, a companion; and what is refused, with its place."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal

import pytest

from fhir_bridge.fhir.serialization import MAX_DEPTH
from fhir_bridge.fhir.xml import XmlError, loads

NS = 'xmlns="http://hl7.org/fhir"'
DIV = 'xmlns="http://www.w3.org/1999/xhtml"'
STATUS = '<status value="generated"/>'


def patient(content: str) -> dict[str, object]:
    resource = loads(f"<Patient {NS}>{content}</Patient>")
    assert resource.pop("resourceType") == "Patient"
    return resource


def test_what_repeats_is_an_array_and_what_occurs_once_is_none() -> None:
    assert patient('<active value="true"/><name><given value="A"/><given value="B"/></name>') == {
        "active": True,
        "name": [{"given": ["A", "B"]}],
    }


def test_a_choice_keeps_the_type_in_its_name() -> None:
    assert patient('<deceasedDateTime value="2020"/><multipleBirthInteger value="2"/>') == {
        "deceasedDateTime": "2020",
        "multipleBirthInteger": 2,
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<birthDate id="b" value="1970"/>', {"birthDate": "1970", "_birthDate": {"id": "b"}}),
        (
            '<birthDate value="1970"><extension url="u"><valueCode value="c"/></extension></birthDate>',
            {"birthDate": "1970", "_birthDate": {"extension": [{"url": "u", "valueCode": "c"}]}},
        ),
        (
            '<birthDate><extension url="u"><valueCode value="c"/></extension></birthDate>',
            {"_birthDate": {"extension": [{"url": "u", "valueCode": "c"}]}},
        ),
        (
            '<name><given value="A"/><given id="b" value="B"/><given value="C"/></name>',
            {"name": [{"given": ["A", "B", "C"], "_given": [None, {"id": "b"}, None]}]},
        ),
        (
            '<name><given id="a"><extension url="u"/></given><given value="B"/></name>',
            {"name": [{"given": [None, "B"], "_given": [{"id": "a", "extension": [{"url": "u"}]}, None]}]},
        ),
        (
            '<name><given><extension url="u"/></given><given><extension url="v"/></given></name>',
            {"name": [{"_given": [{"extension": [{"url": "u"}]}, {"extension": [{"url": "v"}]}]}]},
        ),
    ],
)
def test_ids_and_extensions_of_primitives_are_beside_them(content: str, expected: object) -> None:
    assert patient(content) == expected


def test_resources_are_in_contained_entries_and_parameters() -> None:
    assert patient('<contained><Organization><id value="o"/></Organization></contained>') == {
        "contained": [{"resourceType": "Organization", "id": "o"}]
    }
    bundle = loads(f"<Bundle {NS}><entry><resource><Patient/></resource></entry></Bundle>")
    assert bundle["entry"] == [{"resource": {"resourceType": "Patient"}}]
    parameters = loads(
        f'<Parameters {NS}><parameter><name value="r"/><resource><Patient/></resource></parameter></Parameters>'
    )
    assert parameters["parameter"] == [{"name": "r", "resource": {"resourceType": "Patient"}}]


def test_elements_of_a_content_reference_are_those_it_names() -> None:
    questionnaire = loads(
        f'<Questionnaire {NS}><item><linkId value="1"/><item><linkId value="2"/></item></item></Questionnaire>'
    )
    assert questionnaire["item"] == [{"linkId": "1", "item": [{"linkId": "2"}]}]


@pytest.mark.parametrize(
    "text", ["1.0", "1.00", "100.10", "0.000", "-5.50", "1.0e0", "1e-245", "3.14159265358979323846"]
)
def test_a_decimal_keeps_its_digits(text: str) -> None:
    value = loads(f'<Observation {NS}><valueQuantity><value value="{text}"/></valueQuantity></Observation>')
    assert value["valueQuantity"]["value"].as_tuple() == Decimal(text).as_tuple()


def test_a_whole_number_is_an_integer_as_in_json() -> None:
    value = loads(f'<Observation {NS}><valueQuantity><value value="37"/></valueQuantity></Observation>')
    assert type(value["valueQuantity"]["value"]) is int


@pytest.mark.parametrize(
    "div",
    [
        f"<div {DIV}>a &amp; b&#160;c &lt;d&gt;</div>",
        f"<div {DIV}>\n  <p>two\n lines</p>\t</div>",
        f"<div {DIV}><p class='x' title=\"a>b\">&quot;</p><!-- kept --><br/></div>",
        f"<div {DIV}><![CDATA[a < b]]></div>",
        f"<div {DIV}/>",
        f"<div {DIV} title='&gt;/>'/>",
        f"<div {DIV}><div>inner</div></div >",
        f'<div xml:lang="de" {DIV}>Ä ö 漢 😀</div>',
    ],
)
def test_a_narrative_is_kept_as_it_is(div: str) -> None:
    assert patient(f"<text>{STATUS}{div}</text>") == {"text": {"status": "generated", "div": div}}


def test_a_narrative_whose_namespace_is_declared_further_up_is_written_self_contained() -> None:
    resource = loads(
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text>'
        '<f:status value="generated"/><h:div><h:p class="a&quot;b" xml:lang="de">a &amp; b<h:br/></h:p><!--c--></h:div>'
        "</f:text></f:Patient>"
    )
    assert resource["text"]["div"] == (
        f'<div {DIV}><p class=\'a"b\' xml:lang="de">a &amp; b<br></br></p><!--c--></div>'
    )


@pytest.mark.parametrize("prefix", ["h", "w", "around", "xhtml", "ns0"])
def test_any_prefix_of_a_narrative_is_taken(prefix: str) -> None:
    resource = loads(
        f'<Patient {NS} xmlns:{prefix}="http://www.w3.org/1999/xhtml" xmlns:x="urn:x"><text>{STATUS}'
        f'<{prefix}:div><{prefix}:b x:y="z">a</{prefix}:b><x:c><{prefix}:i/></x:c></{prefix}:div></text></Patient>'
    )
    assert resource["text"]["div"] == (f'<div {DIV}><b>a</b><c xmlns="urn:x"><i {DIV}></i></c></div>')


def test_comments_processing_instructions_and_schema_locations_say_nothing() -> None:
    assert patient(
        '<!-- a --><?x y?><active value="true"/>  <!-- b -->\n<gender value="male"><!-- c --></gender>'
    ) == {"active": True, "gender": "male"}
    assert loads(
        f'<Patient {NS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"/>'
    ) == {"resourceType": "Patient"}


def test_a_byte_order_mark_and_text_instead_of_bytes_are_taken() -> None:
    text = f'<?xml version="1.0" encoding="utf-8"?><Patient {NS}><active value="true"/></Patient>'
    assert loads(b"\xef\xbb\xbf" + text.encode()) == loads(text)


WRONG = [
    ("", "the document is empty"),
    ("   ", "the document is empty"),
    ("{}", "not well-formed"),
    (f"<Patient {NS}>", "not well-formed XML: no element found"),
    (f"<Patient {NS}/><Patient {NS}/>", "not well-formed XML: junk after document element"),
    ("<Patient/>", "in no namespace, expected http://hl7.org/fhir"),
    ('<Patient xmlns="urn:hl7-org:v3"/>', "'urn:hl7-org:v3', expected http://hl7.org/fhir"),
    (f"<Pateint {NS}/>", "no resource type of R4; did you mean Patient?"),
    (f"<Quantity {NS}/>", "<Quantity> is no resource type of R4"),
    (f"<!DOCTYPE Patient><Patient {NS}/>", "document type declaration"),
    (f'<!DOCTYPE x [<!ENTITY a "aaaa">]><Patient {NS}/>', "document type declaration"),
    (f'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Patient {NS}/>', "document type declaration"),
    (f'<?xml version="1.0" encoding="ISO-8859-1"?><Patient {NS}/>', "wants UTF-8"),
    (
        f'<Patient {NS}><gendre value="male"/></Patient>',
        "Patient has no element <gendre>; did you mean gender?",
    ),
    (
        f'<Patient {NS}><zzz value="male"/></Patient>',
        "Patient has no element <zzz>; it has id, meta, implicitRules",
    ),
    (f"<Patient {NS}><contact><zzz/></contact></Patient>", "Patient.contact has no element <zzz>; it has"),
    (f'<Patient {NS}><active xmlns="" value="true"/></Patient>', "<active> is in no namespace"),
    (f"<Patient {NS}><text>{STATUS}<div>x</div></text></Patient>", "expected http://www.w3.org/1999/xhtml"),
    (
        f'<Patient {NS}><birthDate value="1970"/><active value="true"/></Patient>',
        "<active> is behind <birthDate>",
    ),
    (f'<Patient {NS}><active value="true"/><active value="true"/></Patient>', "<active> occurs again"),
    (f'<Patient {NS}><deceasedBoolean value="true"/><deceasedDateTime value="2020"/></Patient>', "deceased"),
    (f"<Patient {NS}>text</Patient>", "the text 'text'"),
    (
        f"<Patient {NS}><active>true</active></Patient>",
        "the text 'true'; a value is in the attribute value",
    ),
    (f"<Patient {NS}><active/></Patient>", "<active> has neither a value nor an extension"),
    (f'<Patient {NS}><name><given value="a"/><given/></name></Patient>', "<given> has neither a value"),
    (f'<Patient {NS}><gender value=""/></Patient>', "an attribute can't be empty"),
    (f'<Patient {NS}><name id=""/></Patient>', "an attribute can't be empty"),
    (f"<Patient {NS}><name/></Patient>", "<name> is empty"),
    (f'<Patient {NS}><active value="TRUE"/></Patient>', "'TRUE' is no boolean"),
    (f'<Patient {NS}><active value=" true"/></Patient>', "is no boolean"),
    (f'<Patient {NS}><multipleBirthInteger value="1.0"/></Patient>', "an integer such as 12 is expected"),
    (f'<Patient {NS}><multipleBirthInteger value="007"/></Patient>', "an integer such as 12 is expected"),
    (f'<Patient {NS}><multipleBirthInteger value="{"9" * 5000}"/></Patient>', "5000 digits"),
    (f'<Patient {NS} lang="de"/>', "the attribute lang; this element has none"),
    (
        f'<Patient {NS}><name use="x"><text value="a"/></name></Patient>',
        "the attribute use; this element has id only",
    ),
    (
        f'<Patient {NS}><extension url="u"><url value="u"/></extension></Patient>',
        "an attribute of Extension in XML",
    ),
    (f"<Patient {NS}><contained/></Patient>", "<contained> is empty, a resource is expected"),
    (f"<Patient {NS}><contained><name/></contained></Patient>", "<name> is no resource type of R4"),
    (f"<Patient {NS}><contained><Patient/><Patient/></contained></Patient>", "only one is allowed here"),
    (f'<Patient {NS}><name><text value="a&nbsp;b"/></name></Patient>', "&nbsp; is not known in XML"),
    (
        '<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="+1"/></valueQuantity></Observation>',
        "a decimal such as 12.50 is expected",
    ),
    (
        '<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="NaN"/></valueQuantity></Observation>',
        "a decimal such as 12.50 is expected",
    ),
    (
        '<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="١"/></valueQuantity></Observation>',
        "a decimal such as 12.50 is expected",
    ),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_what_is_not_the_xml_of_a_resource_is_refused_and_explained(text: str, reason: str) -> None:
    with pytest.raises(XmlError) as caught:
        loads(text)
    assert reason in caught.value.reason
    assert caught.value.line >= 1
    assert caught.value.column >= 1


def test_an_error_says_line_column_and_element() -> None:
    with pytest.raises(XmlError) as caught:
        loads(
            f'<Patient {NS}>\n  <name>\n    <given value="a"/>\n  </name>\n'
            "  <name>\n    <gvien/>\n  </name>\n</Patient>"
        )
    assert (caught.value.line, caught.value.column) == (6, 5)
    assert caught.value.expression == "Patient.name[1]"
    assert str(caught.value).startswith("line 6, column 5, Patient.name[1]: HumanName has no element <gvien>")


@pytest.mark.parametrize("text", [b"\xff\xfe<\x00", b"\xfe\xff\x00<"])
def test_utf_16_is_refused(text: bytes) -> None:
    with pytest.raises(XmlError, match="UTF-16"):
        loads(text)


def test_bytes_that_are_no_utf_8_are_named() -> None:
    with pytest.raises(XmlError, match="byte 0xE4 at offset"):
        loads(f'<Patient {NS}><name><text value="J'.encode() + b'\xe4ger"/></name></Patient>')
    with pytest.raises(XmlError, match="surrogate"):
        loads(f'<Patient {NS}><name><text value="\ud800"/></name></Patient>')


def test_nesting_has_a_bound() -> None:
    depth = 100_000
    text = f"<Patient {NS}>" + '<extension url="u">' * depth + "</extension>" * depth + "</Patient>"
    with pytest.raises(XmlError, match=f"deeper than {MAX_DEPTH}"):
        loads(text)


def test_a_deep_narrative_costs_no_stack() -> None:
    div = f"<div {DIV}>" + "<b>" * 50_000 + "x" + "</b>" * 50_000 + "</div>"
    assert patient(f"<text>{STATUS}{div}</text>")["text"] == {"status": "generated", "div": div}


def test_memory_stays_in_proportion_to_the_input() -> None:
    names = (f"<Patient {NS}><name>" + '<given id="g" value="A"/>' * 50_000 + "</name></Patient>").encode()
    tracemalloc.start()
    loads(names)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * len(names)


def test_namespaces_have_a_bound() -> None:
    declared = " ".join(f'xmlns:n{number}="urn:{number}"' for number in range(100))
    with pytest.raises(XmlError, match="more than 64 namespaces"):
        loads(f"<Patient {NS} {declared}/>")


@pytest.mark.parametrize("number", ["1e400000", "1E-400000", "1e99999999999999999999", "0." + "1" * 5000])
def test_a_decimal_beyond_all_measure_is_refused_as_in_json(number: str) -> None:
    text = f'<Observation {NS}><valueQuantity><value value="{number}"/></valueQuantity></Observation>'
    with pytest.raises(XmlError, match=r"lies beyond|digits, at most"):
        loads(text)


def test_a_narrative_that_declares_its_own_prefixes_is_as_it_is() -> None:
    div = f'<div {DIV} xmlns:x="http://www.w3.org/1999/xlink"><a x:href="#a">a</a></div>'
    assert patient(f"<text>{STATUS}{div}</text>") == {"text": {"status": "generated", "div": div}}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_encodings_are_named(encoding: str) -> None:
    with pytest.raises(XmlError, match="UTF-16 or UTF-32; R4"):
        loads(f"<Patient {NS}/>".encode(encoding))


def test_json_is_recognized() -> None:
    with pytest.raises(XmlError, match="this looks like JSON"):
        loads('{"resourceType": "Patient"}')
