"""Do the search walkers find what FHIRPath finds? `python scripts/search_agreement.py [PACKAGE.tgz | FOLDER ...]`

Every search parameter of every resource is evaluated twice: by the walkers of `fhir_bridge.fhir.search_parameters`, and
by the FHIRPath engine with R4's expression. Without arguments the resources are the official examples (npm package
hl7.fhir.r4.examples 4.0.1), fetched into `.referee/downloads` once. Prints how many were compared, and each difference.

Values are compared as FHIRPath compares them in a union: once each, 1.0 the same as 1.00. `resolve()` gives a resource
of the type that the reference's text says, in both: search never fetches. Of a composite parameter the entries are
compared. A reference that only states its type (`Reference.type`, no text) is one to that type for the walkers alone:
R4's resolve() has nothing to resolve there. Such are counted and are no difference.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from fhir_bridge.fhir import definitions, fhirpath
from fhir_bridge.fhir.bundles import iter_resources
from fhir_bridge.fhir.fhirpath.expression import json_value
from fhir_bridge.fhir.search.evaluated import Evaluated, TargetTypes, typed
from fhir_bridge.fhir.search.references import target_type
from fhir_bridge.fhir.search_parameters import STORED, extract_composites, values
from fhir_bridge.fhir.serialization import JsonError, dumps, loads_exact

EXAMPLES = "hl7.fhir.r4.examples@4.0.1"
DOWNLOADS = Path(__file__).parent.parent / ".referee" / "downloads"


@dataclass(slots=True)
class Outcome:
    """What was compared, and where the two differ: (resource, parameter, walker's values, FHIRPath's values)."""

    resources: int = 0
    parameters: int = 0
    with_values: int = 0
    stated: int = 0
    differences: list[tuple[str, str, list[str], list[str]]] = field(default_factory=list)


def official_examples() -> Path:
    """The archive of the official examples, or where it would be."""
    return DOWNLOADS / f"{EXAMPLES.replace('@', '-')}.tgz"


def fetch() -> Path:
    """The archive, fetched if need be."""
    archive = official_examples()
    if not archive.exists():
        DOWNLOADS.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", EXAMPLES], cwd=DOWNLOADS, check=True)
    return archive


def read(path: Path) -> Iterator[tuple[str, bytes]]:
    """The resources of a package, file or folder, with their names."""
    if path.is_dir():
        for file in sorted([*path.rglob("*.json"), *path.rglob("*.ndjson")]):
            yield from iter_resources(file)
    elif path.suffix == ".tgz":
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None and member.name.endswith(".json"):
                    yield member.name, content.read()
    else:
        yield from iter_resources(path)


def compare(resources: Iterable[tuple[str, bytes]]) -> Outcome:
    """Compare walkers and engine on all parameters of these resources; what is no R4 resource is passed over."""
    outcome = Outcome()
    for name, text in resources:
        try:
            resource = loads_exact(text)
        except JsonError:
            continue
        if not isinstance(resource, dict) or resource.get("resourceType") not in definitions.resource_types():
            continue
        outcome.resources += 1
        _compare(name, resource, outcome)
    return outcome


def _compare(name: str, resource: dict[str, Any], outcome: Outcome) -> None:
    kind = resource["resourceType"]
    walked = values(resource)
    pairs = extract_composites(resource)
    for code, parameter in definitions.search_parameters(kind).items():
        if not parameter.expression or parameter.type == "special" or code in STORED:
            continue
        if parameter.type == "composite":
            ours = {repr(entry) for entry in pairs if entry.parameter == code}
            own: list[Any] = []
            Evaluated(kind, parameter).extract(resource, own.append)
            theirs = {repr(entry) for entry in dict.fromkeys(own)}
            _note(outcome, name, f"{kind}.{code}", ours, theirs)
            continue
        expression = fhirpath.compile(parameter.expression, kind, published=True)
        items = expression.items(resource, resolver=TargetTypes(resource))
        wanted = {_text(value) for item in items for _, value in typed(item.type, json_value(item))}
        texts = {_text(value) for _, value in walked.get(code, ())}
        stated = {text for text in texts - wanted if _only_stated(text, resource)}
        outcome.stated += len(stated)
        texts -= stated
        _note(outcome, name, f"{kind}.{code}", texts, wanted)


def _note(outcome: Outcome, name: str, parameter: str, ours: set[str], theirs: set[str]) -> None:
    outcome.parameters += 1
    outcome.with_values += bool(theirs)
    if ours != theirs:
        outcome.differences.append((name, parameter, sorted(ours - theirs), sorted(theirs - ours)))


def _only_stated(text: str, resource: dict[str, Any]) -> bool:
    reference = loads_exact(text)
    return (
        isinstance(reference, dict)
        and "type" in reference
        and target_type({"reference": reference.get("reference")}, resource) is None
    )


def _text(value: Any) -> str:
    """The value as JSON, numbers by value."""
    return dumps(_plain(value)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        # FHIRPath holds quantities of one code for equal, however their unit is written; a union has one of them.
        coded = "value" in value and "code" in value
        return {key: _plain(inner) for key, inner in value.items() if not (coded and key == "unit")}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.normalize() if isinstance(value, Decimal) else value


def main() -> int:
    """Compare, print, and fail where there is a difference."""
    paths = [Path(argument) for argument in sys.argv[1:]] or [fetch()]
    outcome = compare(pair for path in paths for pair in read(path))
    for name, parameter, ours, theirs in outcome.differences:
        print(f"{name}: {parameter}: walker alone {ours}, FHIRPath alone {theirs}")
    print(
        f"{outcome.resources:,} resources, {outcome.parameters:,} parameters evaluated twice, "
        f"{outcome.with_values:,} with values, {outcome.stated:,} references by their stated type alone, "
        f"{len(outcome.differences):,} differences"
    )
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    sys.exit(main())
