"""References: their form, the type they lead to, contained ids (R4 references.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.fhir.issues import Severity
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["allowed_types", "check_reference", "reference_type"]

_LITERAL = re.compile(
    r"(?:(https?://.+)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
CORE = "http://hl7.org/fhir/StructureDefinition/"
_SPACE = re.compile(r"[ \t\n\r\f\v]")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?.+")


def allowed_types(targets: Iterable[str], known: Definitions) -> frozenset[str] | None:
    """The resource types that reference targets name; None where any is allowed."""
    types = set()
    for target in targets:
        if definitions.find_type(target) is not None:
            if target in ("Resource", "DomainResource"):
                # A target that is unknown (a package that is missing) says nothing of its type,
                # and forbids nothing by itself.
                return None
            types.add(target)
            continue
        profile = known.profile(target)
        if profile is not None:  # of one that is not available the type can't be determined: the others count
            types.add(profile.type)
    return frozenset(types) or None


def reference_type(reference: str, run: Run) -> str | None:
    """The resource type a literal reference leads to, as far as it tells or is available."""
    if reference.startswith("#"):
        if reference == "#":
            return str(run.root.get("resourceType"))
        return run.contained.get(reference[1:])
    # An entry's fullUrl goes before what the text looks like: a URL may end in another type's name.
    if run.bundle is not None and reference in run.bundle:
        return run.bundle[reference]
    match = _LITERAL.fullmatch(reference) or _CONDITIONAL.fullmatch(reference)
    if match is None:
        return None
    result = match.group(2) if match.re is _LITERAL else match.group(1)
    return result if result in definitions.resource_types() else None


def check_reference(value: Any, allowed: frozenset[str] | None, targets: str, path: Path, run: Run) -> None:
    """The `reference` and `type` of a Reference; `targets` is how the definition names what is allowed."""
    reference, named = value.get("reference"), value.get("type")
    if isinstance(named, str):
        name = named.removeprefix(CORE)
        if allowed is not None and name not in allowed:
            # Without a literal reference the type is what is expected of the target, not what it is.
            severity: Severity = "error" if isinstance(reference, str) else "warning"
            message = f"the reference's type is {named[:80]}, expected {targets}"
            run.add("FB-FHIR-040", message, (path, "type", -1), severity)
        elif isinstance(reference, str) and (result := reference_type(reference, run)) not in (None, named):
            run.add(
                "FB-FHIR-048",
                f"the type is {named[:80]}, the reference leads to {result}",
                (path, "type", -1),
            )
    if not isinstance(reference, str):
        return
    kind: str | None
    if reference.startswith("#"):
        kind = reference_type(reference, run)
        # `#` is the container, so within the container itself it names nothing.
        if kind is None or (reference == "#" and run.resource is run.root):
            run.add(
                "FB-FHIR-041", "no contained resource has the id of this reference", (path, "reference", -1)
            )
            return
    elif run.bundle is not None and reference in run.bundle:
        kind = run.bundle[reference]
    elif match := _LITERAL.fullmatch(reference):
        kind = match.group(2)
        if kind not in definitions.resource_types():
            if match.group(1) is None:  # an absolute URL may be another server's address of any form
                run.add(
                    "FB-FHIR-042", f"{kind} is no resource type of R4", (path, "reference", -1), "warning"
                )
            return
    elif reference.startswith(("urn:uuid:", "urn:oid:")):
        # Outside a Bundle a URN may name something that is elsewhere.
        if run.bundle is not None:
            run.add("FB-FHIR-043", "no entry of the Bundle has this fullUrl", (path, "reference", -1))
        return
    elif match := _CONDITIONAL.fullmatch(reference):
        kind = match.group(1)
    else:
        _check_form(reference, (path, "reference", -1), run)
        # As far as a type can be read from it: `https://server/r4/Patient/1/x` is no literal reference.
        steps = reference.rstrip("/").split("/")
        if len(steps) > 3 and steps[-2] == "_history":
            del steps[-2:]
        kind = steps[-2] if len(steps) > 1 else ""
        if kind not in definitions.resource_types():
            return
    if allowed is not None and kind not in allowed:
        run.add("FB-FHIR-040", f"the reference leads to {kind}, expected {targets}", (path, "reference", -1))


def _check_form(reference: str, path: Path, run: Run) -> None:
    """A reference of no known form: wrong with white space, as a bare type, or where it must find a Bundle's entry.

    Elsewhere a relative URL of another form may lead to something (R4 references.html#literal, bundle.html#references).
    """
    if _SPACE.search(reference):
        run.add("FB-FHIR-042", "a reference has no white space", path)
    elif ":" not in reference:
        lost = run.bundle is not None and reference.count("/") not in (1, 3)
        severity: Severity = "error" if lost or reference in definitions.resource_types() else "warning"
        run.add("FB-FHIR-042", "expected Type/id, an absolute URL, urn:uuid:… or #id", path, severity)
