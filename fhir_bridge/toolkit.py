"""The functions of the top level: what a script or a notebook needs of FHIR, each in one call.

>>> import fhir_bridge
>>> fhir_bridge.validate({"resourceType": "Patient", "gender": "unknown"})
[]

A resource is a dict, JSON or XML text (`str`, `bytes`), the `Path` of a JSON or XML file, or an object of
`fhir.resources`. For many calls with other settings there is what these functions use: `fhir_bridge.fhir`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_bridge.fhir import xml
from fhir_bridge.fhir.bundles import read_resource
from fhir_bridge.fhir.definitions import DEFAULT
from fhir_bridge.fhir.difference import SERVER_META, Difference, difference
from fhir_bridge.fhir.fhirpath import Expression, compile  # noqa: A004 - its name there
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.models import Model, plain
from fhir_bridge.fhir.ports import process_terminology
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.fhir.validation import Validator, get_validator
from fhir_bridge.fhir.views import View, compile_view
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.validate import use_packages

if TYPE_CHECKING:
    from fhir_bridge.terminology import Terminology

__all__ = ["Resource", "diff", "fhirpath", "to_xml", "validate", "view"]

Resource = Mapping[str, Any] | str | bytes | Path | Model
"""A dict, JSON or XML text, the path of a file, or an object of `fhir.resources`."""


def validate(
    resource: Resource,
    profiles: str | Sequence[str] = (),
    *,
    packages: Sequence[str | Path] = (),
    site: str | Path | None = None,
) -> list[Issue]:
    """What is wrong with a resource: structure, types, bindings, invariants, and the profiles that it declares.

    Args:
        profiles: canonicals that it must conform to as well.
        packages: FHIR packages (.tgz, folder or JSON file) whose profiles and value sets are known; they are read
            once in a process.
        site: the site file, whose packages and terminology are used.

    Returns:
        Issues with severity, code, FHIRPath expression and message; empty where the resource is valid. Text that is no
        resource at all is an issue of severity `fatal`.

    Raises:
        ValueError: a package can't be used.
        SiteError: the site file can't be used.
    """
    validator, terminology = _checks(tuple(map(str, packages)), None if site is None else Path(site))
    profiles = [profiles] if isinstance(profiles, str) else profiles
    try:
        content = resource if _is_json_text(resource) else _read(resource)
    except (JsonError, xml.XmlError) as error:
        return [Issue("fatal", "FB-FHIR-001", str(error))]
    return validator.validate(content, profiles, terminology)


def fhirpath(resource: Resource, expression: str, **variables: Any) -> list[Any]:
    """The values that a FHIRPath expression has on a resource.

    >>> fhirpath({"resourceType": "Patient", "name": [{"given": ["Ann", "Bo"]}]}, "name.given.first()")
    ['Ann']

    Args:
        variables: values of external constants (`%name`).

    Returns:
        Values as in FHIR JSON: dict, str, bool, int, `Decimal`; an empty list where nothing is there.

    Raises:
        FHIRPathError: the expression is not FHIRPath, names no element of the type, or can't be evaluated.
    """
    content = _read(resource)
    options: dict[str, Any] = {"variables": variables} if variables else {}
    compiled = _expression(expression, str(content.get("resourceType")))
    return compiled.evaluate(content, **_ports(), **options)


def view(
    definition: Mapping[str, Any] | str | bytes | Path, resources: Iterable[Resource]
) -> Iterator[dict[str, Any]]:
    """The rows that a SQL on FHIR ViewDefinition has over resources, one at a time, as dicts by column name.

    >>> names = {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    >>> list(view(names, [{"resourceType": "Patient", "id": "a"}]))
    [{'id': 'a'}]

    Args:
        definition: a ViewDefinition (dict, JSON text, path of a file).
        resources: of any types; those of other types than the view's have no rows.

    Raises:
        ViewError: the definition is not valid; with all that is wrong, and where.
        RecordError: a resource can't become rows.
    """
    text = definition.read_bytes() if isinstance(definition, Path) else definition
    return _rows(compile_view(text), resources)


def _rows(compiled: View, resources: Iterable[Resource]) -> Iterator[dict[str, Any]]:
    ports = _ports()
    for resource in resources:
        yield from compiled.dicts(_read(resource), **ports)


def _ports() -> dict[str, Any]:
    """What `memberOf()` and `conformsTo()` ask."""
    return {"terminology": process_terminology(DEFAULT), "conformance": get_validator()}


def diff(
    left: Resource,
    right: Resource,
    *,
    ignore_ids: bool = True,
    ignore_meta: bool | Collection[str] = SERVER_META,
    precision: bool = False,
    instants: bool = False,
    narrative: bool = True,
    ordered: bool = False,
    empty: bool = False,
) -> list[Difference]:
    """Where two resources differ in what they mean; empty where they say the same.

    >>> a = {"resourceType": "Patient", "gender": "male"}
    >>> [str(one) for one in diff(a, a | {"gender": "female"})]
    ['Patient.gender: "male" ≠ "female"']

    Args:
        ignore_ids: ids may differ, if one renaming explains them and every reference follows it.
        ignore_meta: elements of `meta` to leave aside; True leaves all of it aside, False nothing.
        precision: `1.0` and `1.00` differ.
        instants: one instant in two time zones is the same.
        narrative: narratives count.
        ordered: the order of every list counts.
        empty: what is empty is the same as what is absent.

    Raises:
        JsonError, XmlError: a text is no resource.
    """
    return difference(
        _read(left),
        _read(right),
        ignore_ids=ignore_ids,
        ignore_meta=ignore_meta,
        precision=precision,
        instants=instants,
        narrative=narrative,
        ordered=ordered,
        empty=empty,
    )


def to_xml(resource: Resource, *, indent: bool = False) -> str:
    """The FHIR XML of a resource.

    Raises:
        XmlError: the resource has no XML form; it says where and why.
        JsonError: the text is no JSON.
    """
    return xml.dumps(_read(resource), indent=indent).decode()


@lru_cache(maxsize=8)
def _checks(packages: tuple[str, ...], site: Path | None) -> tuple[Validator, Terminology | None]:
    """The validator of these definitions, and the site's terminology; None is the process's own."""
    report = use_packages(packages, site)
    errors = [issue for issue in report.issues if issue.severity in ("error", "fatal")]
    if errors:
        raise ValueError("; ".join(f"{issue.source}: {issue.message} ({issue.code})" for issue in errors))
    terminology = None if site is None else Site.load(site).open_terminology(report.definitions)
    return get_validator(definitions=report.definitions), terminology


@lru_cache(maxsize=512)
def _expression(text: str, kind: str) -> Expression:
    return compile(text, kind)


def _is_json_text(resource: Resource) -> bool:
    return isinstance(resource, str | bytes) and not _is_xml(resource)


def _is_xml(text: str | bytes) -> bool:
    begin = text[:64].encode("utf-8", "replace") if isinstance(text, str) else text[:64]
    return begin.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _read(resource: Resource) -> dict[str, Any]:
    """The dict of a resource.

    Raises:
        JsonError, XmlError: it is no resource.
    """
    if isinstance(resource, Path):
        return read_resource(resource)
    if isinstance(resource, str | bytes):
        resource = xml.loads(resource) if _is_xml(resource) else loads_exact(resource)
    result = plain(resource)
    if not isinstance(result, Mapping):
        raise JsonError(f"expected a resource, found {type(result).__name__}")
    return result if isinstance(result, dict) else dict(result)
