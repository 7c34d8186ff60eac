"""Write the rules of the mapping `ehr/fhir`: one a type, with all elements that R4 has."""

from __future__ import annotations

from pathlib import Path

from fhir_bridge.adapters.ehr.fhir.adapter import TYPES, element_names
from fhir_bridge.fhir.definitions import type_definition

FOLDER = Path(__file__).parents[1] / "mappings" / "ehr" / "fhir" / "resources"
BOUND = {
    ("Observation", "code"): "http://loinc.org",
    ("DiagnosticReport", "code"): "http://loinc.org",
    ("Condition", "code"): "http://snomed.info/sct",
    ("Procedure", "code"): "http://snomed.info/sct",
    ("AllergyIntolerance", "code"): "http://snomed.info/sct",
    ("MedicationRequest", "medicationCodeableConcept"): "http://www.nlm.nih.gov/research/umls/rxnorm",
    ("MedicationStatement", "medicationCodeableConcept"): "http://www.nlm.nih.gov/research/umls/rxnorm",
    ("MedicationAdministration", "medicationCodeableConcept"): "http://www.nlm.nih.gov/research/umls/rxnorm",
    ("MedicationDispense", "medicationCodeableConcept"): "http://www.nlm.nih.gov/research/umls/rxnorm",
    ("Medication", "code"): "http://www.nlm.nih.gov/research/umls/rxnorm",
    ("Immunization", "vaccineCode"): "http://hl7.org/fhir/sid/cvx",
}
"""Elements whose local codes are bound: the ConceptMaps of the site and of the project give a code of this system."""
FURTHER = {
    ("Observation", "category"): "vital_category(normalised(Observation.code, 'code'))",
    ("Observation", "code"): "vital_code",
    ("Observation", "valueQuantity"): "vital_unit(normalised(Observation.code, 'code'))",
    ("Observation", "component"): "vital_parts",
}
"""What else is done with an element."""
LEFT = ("id", "meta", "implicitRules")


def ordered(kind: str) -> list[str]:
    """The names of a type's elements in the order of its definition."""
    names: list[str] = []
    for element in type_definition(kind).elements:
        path = element.path.split(".")
        if len(path) == 2:
            stem = path[1].removesuffix("[x]")
            names += sorted(
                name
                for name in element_names(kind)
                if name == path[1] or (path[1] != stem and name.startswith(stem) and name not in names)
            )
    return list(dict.fromkeys(names))


def rule(kind: str) -> str:
    """The rule of a type."""
    key = '"=own_patient()"' if kind == "Patient" else f"[{kind}.origin, {kind}.id]"
    lines = [
        "# Written by scripts/build_fhir_mapping.py.",
        "rules:",
        f"- rule: resource-{kind.lower()}",
        f"  for: {kind}",
        f"  as: {kind}",
        f"  key: {key}",
        f"  time: {kind}.updated",
        f"  meta: {{security: \"=normalised({kind}.labels, 'security')\"}}",
    ]
    for name in ordered(kind):
        if name in LEFT:
            continue
        bound = BOUND.get((kind, name))
        value = f"normalised({kind}.{name}, '{name}')"
        if bound is not None:
            value = f"{value} | bound('{bound}')"
        if further := FURTHER.get((kind, name)):
            value = f"{value} | {further}"
        shown = (
            f'"`{name}`"'
            if name in ("for", "when", "time", "key", "as", "rule", "let", "profile", "update", "doc")
            else name
        )
        lines.append(f'  {shown}: "={value}"')
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write a file a type."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind in TYPES:
        (FOLDER / f"{kind}.yaml").write_text(rule(kind), encoding="utf-8")
    included = ",\n  ".join(f"resources/{kind}.yaml" for kind in TYPES)
    (FOLDER.parent / "mapping.yaml").write_text(
        "# Written by scripts/build_fhir_mapping.py.\n"
        "mapping: fhir\nversion: 1.0.0\ntitle: FHIR R4 of other systems\n"
        f"include: [{included}]\nsource: {{adapter: fhir}}\nrules: []\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
