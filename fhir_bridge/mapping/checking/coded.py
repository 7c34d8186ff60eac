"""Code systems, codes, ConceptMaps and units that a mapping writes out."""

from __future__ import annotations

from fhir_bridge.fhir import ucum
from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.checking.findings import Findings
from fhir_bridge.mapping.checking.places import Expression
from fhir_bridge.mapping.document import Mapping, Node, Scalar
from fhir_bridge.mapping.errors import Position, nearest
from fhir_bridge.mapping.functions.schemes import SCHEMES, system_uri
from fhir_bridge.terminology.check_digits import is_well_formed

__all__ = ["check_codes"]

_UCUM = "http://unitsofmeasure.org"
_IDENTIFIERS = ("identifier", "entity_identifier")
_ARGUMENTS = {
    "type": "http://terminology.hl7.org/CodeSystem/v2-0203",
    "use": "http://hl7.org/fhir/identifier-use",
}
"""Systems of the codes that these functions take."""

_NEAR = 0.85
"""How near to a known system one that is not known must be to count as a slip."""


def check_codes(findings: Findings) -> None:
    """Look at literal codings and at the arguments of the functions on codes and quantities."""
    systems = sorted({*findings.terminology.library.code_system_urls(), _UCUM})
    for item in findings.places.objects:
        if item.target.type in ("Coding", "Quantity"):
            _coding(findings, item.node, systems)
    for place, call in findings.calls():
        if call.name in ("concept", "coding"):
            named = dict(call.keywords)
            wanted = named.get("to", call.arguments[1] if len(call.arguments) > 1 else None)
            for tree in wanted.items if isinstance(wanted, ex.ListOf) else [wanted]:
                if tree is not None and (system := findings.text(tree, place)):
                    _system(findings, place.at(tree.start), system, systems)
                    _scheme(findings, place.at(tree.start), system)
            if (tree := named.get("system")) is not None and (system := findings.text(tree, place)):
                _system(findings, place.at(tree.start), system, systems)
            if (tree := named.get("table")) is not None and (table := findings.text(tree, place)):
                _table(findings, place.at(tree.start), table)
        elif call.name == "translate":
            _map(findings, place, call)
        elif call.name in ("quantity", "in_unit"):
            _units(findings, place, call)
        for name, system in _ARGUMENTS.items():
            tree = dict(call.keywords).get(name)
            if call.name in _IDENTIFIERS and tree is not None and (code := findings.text(tree, place)):
                _code(findings, place.at(tree.start), system, code)


def _coding(findings: Findings, node: Mapping, systems: list[str]) -> None:
    system, code = _literal(node.get("system")), _literal(node.get("code"))
    if system is None:
        return
    _system(findings, _position(node, "system"), system, systems)
    if code is None:
        return
    position = _position(node, "code")
    if system == _UCUM:
        _unit(findings, position, code)
    else:
        _code(findings, position, system, code)


def _code(findings: Findings, position: Position, system: str, code: str) -> None:
    if findings.terminology.lookup(system, code) is None:
        if findings.terminology.knows_system(system):
            known = findings.terminology.library.code_system(system)
            names = (
                list(known.codes()) if known is not None and callable(getattr(known, "codes", None)) else []
            )
            near = nearest(code, names)
            findings.add(position, f'"{code}" is no code of {system}', near)
        elif not is_well_formed(system, code):
            findings.add(position, f'"{code}" can\'t be a code of {system}: its check digit is wrong')


def _system(findings: Findings, position: Position, system: str, systems: list[str]) -> None:
    if "/" not in system or system in systems:
        return
    near = nearest(system, systems, cutoff=_NEAR)
    if near:
        findings.add(position, f'no code system "{system}" is known', near)


def _scheme(findings: Findings, position: Position, name: str) -> None:
    """A system to map to that is no URI and no scheme: no ConceptMap leads there."""
    schemes = findings.site.schemes if findings.site else {}
    if (system_uri(name, schemes) or "").startswith("urn:fhir-bridge:scheme:"):
        near = nearest(name, [*SCHEMES, *schemes]) or "write its URI, such as http://loinc.org"
        findings.add(position, f'"{name}" names no code system', near)


def _table(findings: Findings, position: Position, name: str) -> None:
    """A table whose name has not the form of one."""
    system = system_uri(name, findings.site.schemes if findings.site else {}) or ""
    if system.startswith("urn:fhir-bridge:scheme:"):
        urls = (url for url in findings.terminology.library.code_system_urls() if "/v2-" in url)
        near = nearest(name, (f"HL7{url.rpartition('v2-')[2]}" for url in urls), cutoff=0.8)
        findings.add(position, f'no table is named "{name}"', near or "such as HL70006")


def _map(findings: Findings, place: Expression, call: ex.Call) -> None:
    tree = call.arguments[1] if len(call.arguments) > 1 else dict(call.keywords).get("concept_map")
    name = findings.text(tree, place) if tree is not None else None
    if name is None or tree is None:
        return
    names = findings.terminology.concept_maps()
    target = place.target
    written = target is not None and target.type == "code" and place.role == "element"
    bound = findings.places.shape.binding(target) if target is not None and written else None
    if name.split("|")[0] not in names:
        fitting = [
            other for other in names if bound is None or findings.terminology.map_targets(other) & bound[1]
        ]
        near = nearest(name, fitting) or nearest(name, names)
        findings.add(place.at(tree.start), f'no ConceptMap is named "{name}"', near)
        return
    outside = findings.terminology.map_targets(name) - bound[1] if bound is not None else ()
    if outside and target is not None:
        findings.add(
            place.at(tree.start),
            f'the ConceptMap "{name}" gives codes outside the required binding of {target.shown}',
            f"{', '.join(sorted(outside)[:6])}",
        )


def _units(findings: Findings, place: Expression, call: ex.Call) -> None:
    named = dict(call.keywords)
    tree = named.get("unit", call.arguments[1] if len(call.arguments) > 1 else None)
    system = named.get("system")
    if tree is None or (system is not None and findings.text(system, place) != _UCUM):
        return
    unit = findings.text(tree, place)
    if unit is not None:
        _unit(findings, place.at(tree.start), unit)
    elif isinstance(tree, ex.Attribute) and isinstance(tree.base, ex.Name) and tree.base.name == "spec":
        columns = place.rule.node.get("unpivot") if place.rule else None
        for _, entry in columns if isinstance(columns, Mapping) else ():
            value = entry.get(str(tree.name)) if isinstance(entry, Mapping) else None
            if isinstance(value, Scalar) and isinstance(value.value, str):
                _unit(findings, value.position, value.value)


def _unit(findings: Findings, position: Position, unit: str) -> None:
    if not unit or ucum.is_valid(unit):
        return
    known = findings.terminology.translate(None, unit, (_UCUM,))
    near = f'write "{known[0].code}"' if known else "a code such as mmol/L or mm[Hg]"
    findings.add(position, f'"{unit}" is not UCUM', near)


def _literal(node: Node | None) -> str | None:
    return (
        node.value
        if isinstance(node, Scalar) and node.expression is None and isinstance(node.value, str)
        else None
    )


def _position(node: Mapping, key: str) -> Position:
    value = node.get(key)
    return value.position if value is not None else node.position
