"""Literals that look like something else: expressions without `=`, extensions that R4 does not define."""

from __future__ import annotations

from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.checking.findings import Findings
from fhir_bridge.mapping.checking.places import Literal, Object
from fhir_bridge.mapping.custom_functions import custom_functions
from fhir_bridge.mapping.document import Scalar
from fhir_bridge.mapping.errors import nearest
from fhir_bridge.mapping.grammar import ExpressionError
from fhir_bridge.mapping.registry import BUILTINS

__all__ = ["check_literals"]

_OF_R4 = "http://hl7.org/fhir/StructureDefinition/"


def check_literals(findings: Findings) -> None:
    """Look at literal texts, extensions and what is asked of the site."""
    functions = {*BUILTINS, *custom_functions(), *findings.model.functions, "coalesce", "ref"}
    for literal in findings.places.literals:
        if _is_expression(findings, literal, functions):
            text = literal.node.text
            findings.add(
                literal.node.position, f'the text "{text}" looks like an expression', f'write "={text}"'
            )
    for item in findings.places.objects:
        if item.target.type == "Extension":
            _extension(findings, item)
    _site(findings)


def _is_expression(findings: Findings, literal: Literal, functions: set[str]) -> bool:
    text = literal.node.text
    if literal.target.type in ("uri", "url", "canonical", "oid") or not text or text[0].isdigit():
        return False
    try:
        tree = ex.parse(text, findings.model.token)
    except ExpressionError:
        return False
    while isinstance(tree, ex.Conditional | ex.Binary):
        tree = tree.then if isinstance(tree, ex.Conditional) else tree.left
    if isinstance(tree, ex.Call):
        return tree.name in functions
    head: ex.Expression = tree
    while isinstance(head, ex.Attribute | ex.Index):
        head = head.base
    if isinstance(head, ex.Name):
        known = head.name in literal.names or head.name in (findings.model.root, "site", "outer")
        return known and head is not tree
    if isinstance(head, ex.Selector) and "-" in head.text:
        try:
            findings.model.selector(head.text, literal.scope)
        except LookupError:
            return False
        return True
    return False


def _extension(findings: Findings, item: Object) -> None:
    url = item.node.get("url")
    if not isinstance(url, Scalar) or not isinstance(url.value, str) or not url.value.startswith(_OF_R4):
        return
    known = findings.definitions.extension(url.value)
    if known is None:
        names = [
            extension if isinstance(extension, str) else extension.url
            for extension in findings.definitions.extensions()
        ]
        findings.add(url.position, f'R4 defines no extension "{url.value}"', nearest(url.value, names))
        return
    allowed = [f"value{kind.code[:1].upper()}{kind.code[1:]}" for kind in known.value_types]
    for key, _ in item.node:
        name = key.text
        if name.startswith("value") and not name.endswith("[x]") and name not in allowed:
            wanted = f"write {' or '.join(allowed)}" if allowed else "its parts are in `extension:`"
            findings.add(
                key.position, f"the extension {url.value.removeprefix(_OF_R4)} has no {name}", wanted
            )


def _site(findings: Findings) -> None:
    """Settings and parameters of the site; the parameters are known where a site file is given."""
    settings = {"name", "zone", "schemes"}
    parameters = set(findings.site.parameters) if findings.site else set()
    for place in findings.places.expressions:
        for tree in ex.walk(place.tree):
            if not (isinstance(tree, ex.Attribute) and isinstance(tree.base, ex.Name)):
                continue
            name = tree.name
            if tree.base.name != "site" or "site" in place.names or not isinstance(name, str):
                continue
            if name in settings | parameters:
                continue
            near = nearest(name, settings | parameters)
            if near or findings.site is not None:
                advice = near or f"add it under `parameters:` of the site file: {name}: …"
                findings.add(place.at(tree.start), f"the site has no {name}", advice)
