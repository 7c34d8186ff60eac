"""What one value set knows, the others of the same disease know: a code that excludes from one score counts in the
next, or it is stated here why it does not."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import pytest

from fhir_bridge.predictions.value_sets import BY_PREFIX, codes_of, is_member, value_set

CM = "http://hl7.org/fhir/sid/icd-10-cm"
SNOMED = "http://snomed.info/sct"
PARTS = {
    "ascvd": "coronary-disease cerebral-disease peripheral-disease abdominal-aneurysm vascular-disease thromboembolism",
    "coronary-disease": "",
    "vascular-disease": "coronary-disease",
    "diabetes": "diabetes-type-2 diabetes-other-type diabetic-nephropathy diabetic-neuropathy diabetic-retinopathy",
    "ckd-moderate-severe": "ckd-severe kidney-failure",
    "ckd-severe": "kidney-failure",
}
"""Value sets, and those of which all is in them."""

OF_ASCVD_NOT_CHA2DS2 = {
    "I60 I61 I62 I69.0 I69.1 I69.2": "haemorrhage of the brain",
    "I65 I66 I67.2 I67.8 I67.9 I69.8 I69.9 T82.311 T82.321 T82.331 T82.391": "of arteries to the brain, no stroke",
    "I71 T82.310 T82.320 T82.330 T82.390 Z95.828": "aorta, without atherosclerosis or an intervention",
    "I77.1 I77.9 K55.1 N28.0": "an artery of a place or cause that the code leaves open",
    "E10.59 E11.59 E13.59": "a complication of the circulation that is not of peripheral arteries",
}
OF_ASCVD_NOT_SMART2 = {
    "I60 I61 I62 I69.0 I69.1 I69.2": "haemorrhage",
    "I67.8 I67.9 I69.8 I69.9 I77.1 I77.9 K55.1 N28.0 E10.59 E11.59 E13.59": "the code leaves open what it is",
    "I70.0 I70.1 I70.8 I70.9": "of the aorta, kidney or elsewhere, which SMART2 has no term for",
    "I71.0 I71.1 I71.2 I71.5 I71.6 I71.8 I71.9 T82.310 T82.320 T82.330 T82.390 Z95.828": "aorta, not the abdominal one",
    "I74.0 I74.1 I74.2 I74.4 I74.8 I74.9 I75.01 I75.8": "embolism elsewhere",
}


@cache
def leaves() -> tuple[str, ...]:
    """Codes of ICD-10-CM that are no headings, read as a file: importing the package parses all of it."""
    spec = importlib.util.find_spec("simple_icd_10_cm")
    assert spec is not None
    (listed,) = Path(str(spec.origin)).parent.glob("data/*.txt")
    codes = sorted({line.strip() for line in listed.read_text().splitlines() if line.strip()[:1].isalpha()})
    # What is coded: seven characters, or nothing below it; by the first six where all seven mean the same.
    found = {
        code[:6] for code, after in zip(codes, [*codes[1:], ""], strict=True) if not after.startswith(code)
    }
    assert len(found) > 30_000
    return tuple(sorted(code for code in found if "-" not in code))


def within(name: str, system: str, code: str) -> bool:
    return is_member(value_set(name), {"coding": [{"system": system, "code": code}]}) == "yes"


@cache
def members(name: str) -> frozenset[str]:
    return frozenset(code for code in leaves() if within(name, CM, code))


def stems(exceptions: dict[str, str]) -> tuple[str, ...]:
    return tuple(code.replace(".", "") for codes in exceptions for code in codes.split())


@pytest.mark.parametrize(
    ("whole", "part"), [(whole, part) for whole, parts in PARTS.items() for part in parts.split()]
)
def test_a_value_set_has_all_of_its_parts(whole: str, part: str) -> None:
    # G99.0 is diabetic in people whose diabetes is known, of whom the set of nerves is asked.
    assert members(part) - members(whole) <= {"G990"}
    for system, code in codes_of(value_set(part)):
        if BY_PREFIX.get(system) != "icd10":
            assert within(whole, system, code), (part, system, code)


@pytest.mark.parametrize(
    ("names", "exceptions"),
    [
        ("vascular-disease thromboembolism", OF_ASCVD_NOT_CHA2DS2),
        ("coronary-disease cerebral-disease peripheral-disease abdominal-aneurysm", OF_ASCVD_NOT_SMART2),
    ],
    ids=["cha2ds2", "smart2"],
)
def test_what_excludes_from_prevention_counts_where_it_is_known(
    names: str, exceptions: dict[str, str]
) -> None:
    counted = frozenset().union(*(members(name) for name in names.split()))
    uncounted = members("ascvd") - counted
    assert {code for code in uncounted if not code.startswith(stems(exceptions))} == set()
    # An exception that is counted after all is none.
    for stem in stems(exceptions):
        assert any(code.startswith(stem) for code in uncounted), stem


def test_heart_failure_by_hypertension_is_hypertension() -> None:
    assert {code for code in members("heart-failure") if code.startswith(("I11", "I13"))} <= members(
        "hypertension"
    )


def test_a_kidney_transplant_is_one_in_each_set() -> None:
    of_kidney = {"Z94.0", "T86.10", "T86.11", "T86.12", "T86.13", "T86.19", "Z48.22"}
    for name in ("transplant", "ckd-moderate-severe", "ckd-severe", "kidney-failure"):
        assert {code for code in of_kidney if not within(name, CM, code)} == set(), name
