"""Mutants of the JSON text: what a parsed resource couldn't hold."""

from __future__ import annotations

import json
import re

from fhir_bridge.fhir.serialization import dumps
from scripts.agreement.mutants.registry import Draft, mutator


@mutator("json/duplicate-key")
def duplicate_key(draft: Draft) -> str | None:
    """A property twice, with the same or another value."""
    pick = draft.pick([s for s in draft.spots() if isinstance(s.value, str) and s.index is None])
    if pick is None:
        return None
    pick.owner.value["x-second"] = draft.random.choice([pick.value, "another"])
    draft.text = dumps(draft.resource).replace(b'"x-second"', json.dumps(pick.name).encode())
    return f"{pick.path} occurs twice"


@mutator("json/malformed")
def malformed(draft: Draft) -> str | None:
    """Text that is no JSON, or JSON of something else."""
    text = dumps(draft.resource)
    what, draft.text = draft.random.choice(
        [
            ("cut short", text[: len(text) // 2]),
            ("a comma too many", text[:-1] + b",}"),
            ("a comment", b"/* c */" + text),
            ("single quotes", text.replace(b'"resourceType"', b"'resourceType'")),
            ("an array", b"[" + text + b"]"),
            ("a string", b'"Patient"'),
            ("more behind it", text + b"{}"),
            ("a bare name", text.replace(b'"resourceType"', b"resourceType", 1)),
        ]
    )
    return what


@mutator("json/number")
def number(draft: Draft) -> str | None:
    """A number in a form that JSON doesn't have, or an unusual one."""
    text = dumps(draft.resource)
    locations = list(re.finditer(rb'(?<=":)-?\d+(\.\d+)?(?=[,}])', text))
    location = draft.pick(locations)
    if location is None:
        return None
    wrong = draft.random.choice(
        [b"NaN", b"Infinity", b"01.5", b".5", b"5.", b"+1", b"0x10", b"1e5", b"1E+2", b"-", b"1_000"]
    )
    draft.text = text[: location.start()] + wrong + text[location.end() :]
    return f"{location.group().decode()} is {wrong.decode()}"
