"""How fast resources are checked, and what is let through: `python benchmarks/validation.py [seconds per case]`.

The resources are what the adapters make today of the mappings' own examples: laboratory Observations (R4), variant
Observations (Genomics Reporting STU3), Patients, ImagingStudies; each is varied in its times, numbers, names and
references until there are thousands, more than any cache holds. They are taken in turn; the best hundred counts, by
processor time, in one process. Beside our validator, in the same run: fhir.resources (R4B) and
fhirkit-rs, where it is installed, which know R4's structure and no profiles; `orjson.loads` is the baseline; extraction
of search parameters is what a store does with the same resource.

The second table shows which of four mistakes in a laboratory Observation each of them lets through, from actual calls.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from fhir_bridge.fhir import dumps, get_validator
from fhir_bridge.fhir.search_parameters import extract
from fhir_bridge.workshop import convert_example, golden_examples

MAPPINGS = Path(__file__).parent.parent / "mappings"
VARIANT = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/variant"
UCUM = "http://unitsofmeasure.org"

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
NAMES = frozenset({"family", "given"})
COPIES = 6000

fhirkit: Any = importlib.import_module("fhirkit") if importlib.util.find_spec("fhirkit") else None

Resource = dict[str, Any]
Check = Callable[[bytes, Resource], bool]
"""Takes a resource as text and parsed; indicates whether it is accepted."""


def converted(domain: str) -> list[Resource]:
    """What the adapters make of the examples of a domain's mappings, numbers as a fast parser reads them."""
    return [
        orjson.loads(dumps(resource))
        for mapping in sorted((MAPPINGS / domain).glob("*/mapping.yaml"))
        for example in golden_examples(mapping)
        for resource in convert_example(example)
    ]


def resources_by_name() -> dict[str, list[Resource]]:
    """The resources to check, by the name of their kind."""
    ehr, genomics, imaging = (converted(domain) for domain in ("ehr", "genomics", "imaging"))
    return {
        "laboratory Observation": [r for r in ehr if is_laboratory(r)],
        "variant Observation": [r for r in genomics if VARIANT in r.get("meta", {}).get("profile", ())],
        "Patient": [r for r in ehr if r["resourceType"] == "Patient"],
        "ImagingStudy": [r for r in imaging if r["resourceType"] == "ImagingStudy"],
    }


def is_laboratory(resource: Resource) -> bool:
    """A laboratory result with a UCUM quantity."""
    return (
        resource["resourceType"] == "Observation"
        and resource.get("valueQuantity", {}).get("system") == UCUM
        and any(
            coding.get("code") == "laboratory"
            for category in resource.get("category", ())
            for coding in category.get("coding", ())
        )
    )


def ours(_: bytes, resource: Resource) -> bool:
    """Our validator: R4, the profiles that the resource claims, terminology and UCUM; given parsed."""
    return not any(issue.severity in ("fatal", "error") for issue in get_validator().validate(resource))


def ours_from_text(text: bytes, _: Resource) -> bool:
    """Our validator given text: decimals are kept to the digit and duplicate keys found."""
    return not any(issue.severity in ("fatal", "error") for issue in get_validator().validate(text))


def models(_: bytes, resource: Resource) -> bool:
    """fhir.resources, given parsed."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValidationError:
        return False
    return True


def models_from_text(text: bytes, resource: Resource) -> bool:
    """fhir.resources, given text."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate_json(text)
    except ValidationError:
        return False
    return True


def rust(text: bytes, _: Resource) -> bool:
    """fhirkit-rs, given text."""
    return not any(issue.severity == "error" for issue in fhirkit.validate(text))


def parse_only(text: bytes, _: Resource) -> bool:
    """The least: parse."""
    return orjson.loads(text) is not None


def index(_: bytes, resource: Resource) -> bool:
    """All index entries of the resource, given parsed."""
    return bool(extract(resource))


CHECKS: dict[str, Check] = {
    "orjson.loads": parse_only,
    "fhir_bridge": ours,
    "ours, of text": ours_from_text,
    "fhir.resources": models,
    "models, of text": models_from_text,
    **({"fhirkit-rs": rust} if fhirkit else {}),
    "extraction": index,
}
VALIDATORS: dict[str, Check] = {
    "fhir_bridge": ours,
    "fhir.resources": models,
    **({"fhirkit-rs": rust} if fhirkit else {}),
}


def vary(value: Any, number: int, name: str = "") -> Any:
    """The value as another of its kind."""
    if isinstance(value, dict):
        return {key: vary(inner, number, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [vary(inner, number, name) for inner in value]
    if isinstance(value, str):
        if TIME.match(value):
            return f"{value[:14]}{number // 60 % 60:02d}:{number % 60:02d}{value[19:]}"
        if name == "birthDate":
            return f"{1930 + number % 80}-{number // 80 % 12 + 1:02d}-{number % 28 + 1:02d}"
        return (
            f"{value}-{number}"
            if name in ("reference", "id")
            else f"{value}{number}"
            if name in NAMES
            else value
        )
    if name == "value" and isinstance(value, int | float) and not isinstance(value, bool):
        return round(value + number / 100, 2)
    return value


def rate(check: Check, resources: Sequence[tuple[bytes, Resource]], seconds: float) -> float:
    """Resources a second in the best hundred."""
    for text, resource in resources[:100]:
        check(text, resource)
    best, spent = float("inf"), 0.0
    while spent < seconds:
        for first in range(0, len(resources), 100):
            part = resources[first : first + 100]
            start = time.process_time()
            for text, resource in part:
                check(text, resource)
            elapsed = time.process_time() - start
            best, spent = min(best, elapsed / len(part)), spent + elapsed
            if spent >= seconds:
                break
    return 1 / best


def mistakes(resource: Resource) -> dict[str, Resource]:
    """A laboratory Observation as it is, and with one mistake each."""

    def changed(change: Callable[[Resource], object]) -> Resource:
        other = copy.deepcopy(resource)
        change(other)
        return other

    return {
        "none": resource,
        "status: nonsense": changed(lambda r: r.update(status="nonsense")),
        "no status": changed(lambda r: r.pop("status")),
        "two value[x]": changed(lambda r: r.update(valueString="5")),
        "unit that is not UCUM": changed(lambda r: r["valueQuantity"].update(code="milli mol per litre")),
    }


def main() -> None:
    """Print both tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.6
    result = resources_by_name()
    ratios = ("ours:models", "extraction:ours")
    print("a second, best round; ratios of parsed to parsed, and of extraction's time to validation's")
    print(f"{'kind':<24}{'inputs':>7}" + "".join(f"{name:>16}" for name in (*CHECKS, *ratios)))
    for kind, resources in result.items():
        if not resources:
            raise SystemExit(f"the examples of the mappings make no {kind}")
        varied = [
            vary(resource, number) for number in range(COPIES // len(resources)) for resource in resources
        ]
        pairs = [(dumps(resource), resource) for resource in varied]
        rates = {name: rate(check, pairs, seconds) for name, check in CHECKS.items()}
        print(
            f"{kind:<24}{len(resources):>7}"
            + "".join(f"{value:>16,.0f}" for value in rates.values())
            + f"{rates['fhir_bridge'] / rates['fhir.resources']:>15.1f}×"
            + f"{rates['fhir_bridge'] / rates['extraction']:>16.2f}"
        )
    print(f"\n{'mistake':<24}" + "".join(f"{name:>16}" for name in VALIDATORS))
    for name, resource in mistakes(result["laboratory Observation"][0]).items():
        text = dumps(resource)
        verdicts = (
            "accepted" if validator(text, resource) else "refused" for validator in VALIDATORS.values()
        )
        print(f"{name:<24}" + "".join(f"{word:>16}" for word in verdicts))
    if fhirkit is None:
        print("\nfhirkit-rs is not installed: pip install fhirkit-rs==0.1.0 adds its column")


if __name__ == "__main__":
    main()
