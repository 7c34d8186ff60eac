"""Calls of a client, each tried by itself: prints {name: "ok" or what was wrong} as JSON at the end."""

import json
import os
import traceback

BASE, ROOT, TOKEN = os.environ["BASE"], os.environ["ROOT"], os.environ["TOKEN"]
IDENTIFIERS = "urn:oid:2.25.7"
outcomes = {}


def call(function):
    """Try it now."""
    try:
        function()
    except Exception:  # noqa: BLE001 - shown by the test
        outcomes[function.__name__] = traceback.format_exc(limit=-4)
    else:
        outcomes[function.__name__] = "ok"


def raised(kind, function):
    """The error of this kind that a function ends with."""
    try:
        function()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def report():
    """Print what came of them."""
    print(json.dumps(outcomes))


def patient(family):
    """A Patient with an identifier of this family."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": IDENTIFIERS, "value": f"mrn-{family}"}],
        "name": [{"family": family, "given": ["Ada"]}],
        "gender": "female",
        "birthDate": "1961-04-05",
    }


def cholesterol(subject, value, day):
    """HDL cholesterol of a day."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2085-9"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": day,
        "valueQuantity": {
            "value": value,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }
