"""Value sets that need no definition: their url, or a code system, says what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = ["implicit_value_set", "whole_system"]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"


def whole_system(url: str, content: CodeSystemContent) -> ValueSetDefinition:
    """The value set of this url that is all of the code system, in its version."""
    include = {"system": content.url, **({"version": content.version} if content.version else {})}
    resource: dict[str, Any] = {"resourceType": "ValueSet", "url": url, "status": "active"}
    if content.version:
        resource["version"] = content.version
    return ValueSetDefinition({**resource, "compose": {"include": [include]}})


def implicit_value_set(url: str) -> ValueSetDefinition | None:
    """A value set whose url says what it holds, as SNOMED CT's (R4 snomedct.html#implicit) and LOINC's (loinc.html).

    `http://snomed.info/sct?fhir_vs` all, `=isa/[id]` a concept and what it subsumes, `=refset/[id]` a reference set,
    `=ecl/[expression]`; `http://loinc.org/vs` all, `/[part]` what it subsumes. LOINC's answer lists are value sets of
    its release.
    """
    base, mark, query = url.partition("?")
    if (
        mark
        and base.startswith("http://snomed.info/")
        and (query == "fhir_vs" or query.startswith("fhir_vs="))
    ):
        include: dict[str, Any] = {"system": SNOMED}
        # The url of an edition or a version is that of the value set before `?` (R4 snomedct.html#implicit).
        if base != SNOMED:
            include["version"] = base
        kind, _, value = unquote(query[8:]).partition("/")
        filters = {
            "": [],
            "isa": [{"property": "concept", "op": "is-a", "value": value}],
            "refset": [{"property": "concept", "op": "in", "value": value}],
            "ecl": [{"property": "constraint", "op": "=", "value": value}],
        }.get(kind)
        if filters is None or (kind and not value):
            return None
        return _implicit(url, {**include, **({"filter": filters} if filters else {})})
    if url == f"{LOINC}/vs":
        return _implicit(url, {"system": LOINC})
    if url.startswith(f"{LOINC}/vs/"):
        code = url[len(LOINC) + 4 :]
        if code.startswith("LP"):
            return _implicit(
                url, {"system": LOINC, "filter": [{"property": "concept", "op": "is-a", "value": code}]}
            )
    return None


def _implicit(url: str, include: Mapping[str, Any]) -> ValueSetDefinition:
    return ValueSetDefinition(
        {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
    )
