"""Mutants of extensions: unknown, out of place, with wrong values or shapes."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir import definitions
from scripts.agreement.mutants.registry import Draft, mutator
from scripts.agreement.mutants.walk import Node


def _hosts(draft: Draft) -> list[Node]:
    return [
        n
        for n in draft.nodes()
        if n.element_id != "Extension" and any(c.name == "extension" for c in n.children)
    ]


def _add(draft: Draft, extension: Any, name: str = "extension") -> str | None:
    hosts = [n for n in _hosts(draft) if any(c.name == name for c in n.children)]
    node = draft.pick(hosts)
    if node is None:
        return None
    node.value.setdefault(name, []).append(extension)
    return f"{node.path}.{name} gets {extension}"


@mutator("extension/unknown")
def unknown(draft: Draft) -> str | None:
    """An extension that nobody defines here."""
    url = draft.random.choice(
        [
            "https://hospital.org/fhir/StructureDefinition/x",
            "http://hl7.org/fhir/StructureDefinition/no-such-extension", "relative",
            "http://example.org/ext", "urn:oid:1.2.840.113619.1",
            "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race-x", "",
            "http://hl7.org/fhir/4.0/StructureDefinition/extension-Patient.gender",
            "http://hl7.org/fhir/uv/x/StructureDefinition/y",
        ]
    )  # fmt: skip
    return _add(
        draft,
        {"url": url, "valueString": "x"},
        draft.random.choice(["extension", "extension", "modifierExtension"]),
    )


@mutator("extension/shape")
def shape(draft: Draft) -> str | None:
    """An extension without url, without content, with value and parts, with two values or an unknown value type."""
    url = "https://hospital.org/fhir/StructureDefinition/x"
    part = {"url": "part", "valueString": "y"}
    return _add(
        draft,
        draft.random.choice(
            [
                {"valueString": "x"},
                {"url": url},
                {"url": url, "valueString": "x", "extension": [part]},
                {"url": url, "valueString": "x", "valueBoolean": True},
                {"url": url, "value": "x"},
                {"url": url, "valueNonsense": "x"},
                {"url": url, "valueBoolean": "true"},
                {"url": url, "extension": [part, part]},
                {"url": url, "extension": []},
                {"url": url, "_valueString": {"extension": [{"url": url, "valueCode": "a"}]}},
                {"url": url, "extension": [{"url": "part"}]},
                {"url": url, "valueReference": {"reference": "Nonsense/1"}},
                "x",
                {},
            ]
        ),
    )


@mutator("extension/known-anywhere")
def known_anywhere(draft: Draft) -> str | None:
    """A known extension at any place: right where its context allows that."""
    url = draft.random.choice(KNOWN)
    definition = definitions.extension(url)
    if definition is None or not definition.value_types:
        return None
    code = definition.value_types[0].code
    value = VALUES.get(code)
    if value is None:
        return None
    name = "modifierExtension" if definition.is_modifier else "extension"
    return _add(draft, {"url": url, "value" + code[0].upper() + code[1:]: value}, name)


@mutator("extension/known-in-place")
def known_in_place(draft: Draft) -> str | None:
    """A known extension where its context allows it, with a right or a wrong value."""
    choices: list[tuple[Node, str]] = []
    for node in _hosts(draft):
        if node.element_id in CONTEXTS:
            choices += [(node, url) for url in CONTEXTS[node.element_id]]
    pick = draft.pick(choices)
    if pick is None:
        return None
    node, url = pick
    definition = definitions.extension(url)
    assert definition is not None
    wrong = draft.random.random() < 0.5
    codes = [k.code for k in definition.value_types]
    code = draft.random.choice(
        sorted(set(VALUES) - set(codes)) if wrong else [c for c in codes if c in VALUES] or ["string"]
    )
    extension = {"url": url, "value" + code[0].upper() + code[1:]: VALUES[code]}
    node.value.setdefault("extension", []).append(extension)
    return f"{node.path}.extension gets {extension}"


@mutator("extension/present-broken")
def present_broken(draft: Draft) -> str | None:
    """An extension of the resource with its value's type, its parts or its url changed."""
    node = draft.pick([n for n in draft.nodes("Extension") if "url" in n.value])
    if node is None:
        return None
    what = draft.random.choice(["value type", "part lost", "part unknown", "part twice", "url", "emptied"])
    value = next((k for k in node.value if k.startswith("value")), None)
    parts = node.value.get("extension")
    if what == "value type" and value:
        del node.value[value]
        other = "valueInteger" if value != "valueInteger" else "valueString"
        node.value[other] = 7 if other == "valueInteger" else "seven"
    elif what == "part lost" and parts:
        parts.pop(draft.random.randrange(len(parts)))
        if not parts:
            del node.value["extension"]
    elif what == "part unknown" and parts:
        parts.append({"url": "nonsense", "valueString": "x"})
    elif what == "part twice" and parts:
        parts.append(draft.random.choice(parts))
    elif what == "url":
        node.value["url"] += "x"
    elif what == "emptied":
        node.value.pop("extension", None)
        if value:
            del node.value[value]
    else:
        return None
    return f"{node.path}: {what}"


KNOWN = [
    "http://hl7.org/fhir/StructureDefinition/" + name
    for name in (
        "patient-birthPlace", "patient-religion", "patient-birthTime", "patient-mothersMaidenName",
        "data-absent-reason",
        "humanname-own-prefix", "iso21090-ADXP-streetName", "iso21090-nullFlavor",
        "observation-bodyPosition", "translation",
        "rendering-style", "rendering-xhtml", "narrativeLink", "originalText", "event-performerFunction",
        "workflow-reason",
        "individual-genderIdentity", "individual-pronouns", "condition-assertedDate",
        "questionnaire-hidden", "minValue",
        "structuredefinition-fmm", "codesystem-label", "valueset-unclosed", "diagnosticReport-risk",
        "ordinalValue",
        "geolocation", "contactpoint-area", "timezone", "entryFormat", "regex", "maxSize", "cqf-expression",
        "tz-code",
        "request-doNotPerform", "capabilitystatement-expectation", "quantity-precision", "designNote",
        "display", "bodySite",
    )
]  # fmt: skip

VALUES: dict[str, Any] = {
    "string": "x",
    "markdown": "x",
    "boolean": True,
    "code": "unknown",
    "integer": 3,
    "decimal": 1.5,
    "dateTime": "2021-05-04",
    "date": "2021-05-04",
    "uri": "http://loinc.org",
    "url": "https://hospital.org",
    "CodeableConcept": {"text": "x"},
    "Coding": {"system": "http://snomed.info/sct", "code": "73211009"},
    "Reference": {"display": "somebody"},
    "Period": {"start": "2021"},
    "Quantity": {"value": 3},
    "Address": {"city": "Bern"},
    "Identifier": {"value": "1"},
    "Annotation": {"text": "x"},
}


def _contexts() -> dict[str, list[str]]:
    results: dict[str, list[str]] = {}
    for url in KNOWN:
        definition = definitions.extension(url)
        for _, expression in definition.contexts if definition and definition.value_types else ():
            results.setdefault(expression, []).append(url)
    return results


CONTEXTS = _contexts()
"""Known extensions with a value by the path of an element where they may be."""
