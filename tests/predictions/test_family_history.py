"""Whose sudden cardiac death HCM Risk-SCD counts, and at what age."""

from __future__ import annotations

from typing import Any

from tests.predictions.test_hcm_risk_scd import complete
from tests.predictions.ward import Ward, concept, diagnosis, ward

__all__ = ["ward"]

ROLES, UCUM = "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "http://unitsofmeasure.org"


def age(years: float, **more: Any) -> dict[str, Any]:
    return {"value": years, "unit": "a", "system": UCUM, "code": "a", **more}


def death(relative: str, system: str = ROLES, hcm: bool = False, **more: Any) -> dict[str, Any]:
    """A FamilyMemberHistory of sudden cardiac death; more: of its condition, or of the history."""
    own = {name: value for name, value in more.items() if name.startswith("onset")}
    conditions = [{"code": concept("sct", "95281009"), **own}]
    conditions += [{"code": concept("sct", "233873004")}] if hcm else []
    return {
        "resourceType": "FamilyMemberHistory",
        "status": "completed",
        "relationship": concept(system, relative),
        "condition": conditions,
        **{name: value for name, value in more.items() if name not in own},
    }


YES = {
    "father-30": [death("FTH", onsetAge=age(30))],
    "sister-39": [death("NSIS", deceasedAge=age(39))],
    "child-month": [death("DAU", deceasedAge=age(30) | {"value": 200, "code": "mo", "unit": "mo"})],
    "snomed": [death("70924004", "sct", onsetAge=age(40, comparator="<"))],
    "range": [death("MTH", deceasedRange={"low": age(30), "high": age(35)})],
    "dates": [death("BRO", bornDate="1950", deceasedDate="1985-03")],
    "hcm-70": [death("MTH", hcm=True, onsetAge=age(70))],
    "hcm": [death("MTH", hcm=True)],
    "two": [death("COUSN"), death("SON", onsetAge=age(12))],
    "code": [diagnosis("cm", "Z82.41")],
    "code-open": [diagnosis("cm", "Z82.41"), death("FTH")],
}
NO = {
    "wife": [death("SPS", onsetAge=age(30))],
    "step": [death("STPFTH", onsetAge=age(30))],
    "half": [death("HSIB", onsetAge=age(30))],
    "cousin": [death("COUSN")],
    "uncle": [death("UNCLE", hcm=True)],
    "grandparent": [death("GRPRN", onsetAge=age(30))],
    "aunt": [death("25211005", "sct", onsetAge=age(30))],
    "father-85": [death("FTH", onsetAge=age(85))],
    "father-40": [death("FTH", onsetAge=age(40))],
    "unknown-85": [death("FAMMEMB", onsetAge=age(85))],
    "in-error": [death("FTH", onsetAge=age(30), status="entered-in-error"), diagnosis("cm", "Z82.49")],
}
REFUSED = {
    "no-age": ([death("FTH")], "at what age is not recorded"),
    "about": ([death("FTH", onsetAge=age(35, comparator=">"))], "at what age is not recorded"),
    "year": ([death("BRO", bornDate="1950", deceasedDate="1990")], "at what age is not recorded"),
    "nobody": ([death("FAMMEMB", onsetAge=age(30))], "who it was is not recorded"),
    "neither": ([death("303071001", "sct")], "who it was and at what age is not recorded"),
    "against": (
        [diagnosis("cm", "Z82.41"), death("FTH", onsetAge=age(85))],
        "the one that is described does not",
    ),
}


def test_whose_death_counts(ward: Ward) -> None:
    measured = [item for item in complete() if item["id"] != "condition-Z82-4"]
    refuted = diagnosis("cm", "Z82.49")
    refuted["verificationStatus"]["coding"][0]["code"] = "refuted"
    del refuted["clinicalStatus"]
    NO["in-error"][1] = refuted
    stated = YES | NO | {name: resources for name, (resources, _) in REFUSED.items()}
    ward.load({name: [*measured, *resources] for name, resources in stated.items()}, born="1980-05-06")
    said = ward.ask("hcm-risk-scd")
    assert {name: said[name].text for name in REFUSED if said[name].value is not None} == {}
    for name, (_, text) in REFUSED.items():
        assert text in said[name].text, (name, said[name].text)
    (absent,) = {said[name].value for name in NO}
    (present,) = {said[name].value for name in YES}
    assert absent is not None
    assert present is not None
    assert absent < present
    assert "counts by a code" in said["code"].text
    assert "does not count" in said["cousin"].text
