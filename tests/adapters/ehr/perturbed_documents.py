"""Another plausible value in one place of a C-CDA document: the output shows it, an issue reports it, or neither."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

from fhir_bridge.adapters.ehr.ccda import read_document
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, IdentityResolver
from fhir_bridge.terminology import get_terminology
from tests.perturbation import SITE, Outcome, Tally, compiled, other_text

__all__ = ["Place", "converted", "perturb_document", "places"]

STRUCTURE: Final = frozenset(
    """classCode moodCode typeCode type contextControlCode contextConductionInd determinerCode inversionInd ID
    codeSystemName nullFlavor valueSet valueSetVersion schemaLocation styleCode mediaType representation
    institutionSpecified independentInd""".split()
)
"""Attributes that say how a document is built, why something is missing, or what another attribute says."""
FIXED: Final = frozenset(("templateId", "typeId", "realmCode"))
TABLES: Final = {
    ("administrativeGenderCode", "code"): "M F UN",
    ("statusCode", "code"): "active completed aborted suspended",
    ("languageCode", "code"): "en es fr",
    ("confidentialityCode", "code"): "N R V",
    ("telecom", "use"): "HP WP MC",
    ("addr", "use"): "HP WP TMP",
    ("name", "use"): "L P ASGN",
    ("deceasedInd", "value"): "true false",
    ("preferenceInd", "value"): "true false",
    ("", "negationInd"): "true false",
    ("", "unit"): "mg g kg",
    ("", "operator"): "A I",
}
for _unit in ("period", "low", "high", "value"):
    TABLES[_unit, "unit"] = "h d" if _unit == "period" else "mg g kg"


class Place(NamedTuple):
    """A populated place: the element, and the attribute (`#` for its text)."""

    element: ElementTree.Element
    attribute: str
    path: str


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def places(root: ElementTree.Element) -> Iterator[Place]:
    """Every populated place outside of narrative that says something of a patient."""
    stack: list[tuple[ElementTree.Element, str]] = [(root, _local(root.tag))]
    while stack:
        element, path = stack.pop()
        tag = _local(element.tag)
        if tag in FIXED:
            continue
        for name in element.attrib:
            own = _local(name)
            pointer = own == "value" and tag == "reference" and path.endswith("originalText/reference")
            if own not in STRUCTURE and not pointer:
                yield Place(element, name, f"{path}/@{own}")
        if (element.text or "").strip():
            yield Place(element, "#", path)
        stack += [
            (child, f"{path}/{_local(child.tag)}")
            for child in reversed(list(element))
            if not (tag == "section" and _local(child.tag) == "text")
        ]


def converted(content: bytes) -> Outcome:
    """A document as a run converts it; the document itself, which is kept whole, is left out."""
    mapping = compiled("ehr/ccda")
    context = Context(SITE, get_terminology(), IdentityResolver(SITE, IdKey(DEMO_KEY)), mapping.adapter)
    record = read_document(content, "document.xml", dict(mapping.source_options))
    outcome = Outcome([], [issue.message for issue in record.issues], int(record.outcome == "rejected"))
    if record.outcome == "read":
        conversion = mapping.convert(record, context)
        outcome.messages += [issue.message for issue in conversion.issues]
        outcome.rejected += conversion.outcome == "rejected"
        outcome.resources += [
            _without_original(output.resource) for output in conversion.outputs if output.type != "Binary"
        ]
    return outcome


def _without_original(resource: dict[str, Any]) -> dict[str, Any]:
    if resource["resourceType"] != "DocumentReference":
        return resource
    content = [{**part, "attachment": {**part["attachment"], "size": 0}} for part in resource["content"]]
    return {**resource, "content": content}


def other(place: Place) -> str:
    """Another value that may be in a place."""
    name = _local(place.attribute)
    tag = _local(place.element.tag)
    text = place.element.text or "" if place.attribute == "#" else place.element.attrib[place.attribute]
    codes = TABLES.get((tag, name)) or TABLES.get(("", name))
    if codes and text.strip() in codes.split():
        return next(code for code in codes.split() if code != text.strip())
    return other_text(text.strip())


def perturb_document(content: bytes, tally: Tally, choose: Callable[[int], bool]) -> None:
    """Put another value into each chosen place of a document, and count what became of it."""
    for prefix, uri in (
        ("", "urn:hl7-org:v3"),
        ("sdtc", "urn:hl7-org:sdtc"),
        ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
    ):
        ElementTree.register_namespace(prefix, uri)
    root = ElementTree.fromstring(content)
    before = converted(ElementTree.tostring(root))
    if before.rejected:
        return
    for number, place in enumerate(list(places(root))):
        if not choose(number):
            continue
        element, name = place.element, place.attribute
        kept = element.text if name == "#" else element.attrib[name]
        _put(element, name, other(place))
        after = converted(ElementTree.tostring(root))
        _put(element, name, kept)
        ending = "/".join(place.path.split("/")[-2:])
        tally.compare(
            place.path, before, after, lambda message, ending=ending: _names(message, ending), links=False
        )


def _names(message: str, ending: str) -> bool:
    dotted = ending.replace("/@", ".").replace("/", ".")  # as a mapping's selector has it
    return any(re.search(rf"{re.escape(each)}(?![\w/@])", message) for each in (ending, dotted))


def _put(element: ElementTree.Element, name: str, text: str | None) -> None:
    if name == "#":
        element.text = text
    else:
        element.attrib[name] = text or ""
