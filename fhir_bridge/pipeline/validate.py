"""`validate`: every resource of files and folders, one at a time, with a summary by issue code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.fhir.bundles import iter_documents
from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.definitions.packages import PackageReport, load_packages
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.sources import fhir_files

__all__ = ["ValidationSummary", "use_packages", "validate_files"]


@dataclass(slots=True)
class ValidationSummary:
    """Counts over everything that was validated."""

    resources: int = 0
    invalid: int = 0
    by_code: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(severity, issue code) -> findings."""


def use_packages(packages: Sequence[str], site: Path | None = None) -> PackageReport:
    """The definitions of these packages and those of the site's settings, and what is wrong with them.

    Raises:
        SiteError: the site file can't be used.
    """
    named = [*(Site.load(site).package_paths if site else ()), *map(Path, packages)]
    return load_packages(named) if named else PackageReport(DEFAULT)


def validate_files(
    sources: Sequence[str],
    profiles: Sequence[str],
    summary: ValidationSummary,
    on_progress: Callable[[int], None] = lambda _count: None,
    *,
    site: Path | None = None,
    definitions: Definitions = DEFAULT,
) -> Iterator[tuple[str, list[Issue]]]:
    """Yield (locator, issues) of each resource in order and count into `summary`; memory for one resource.

    A Bundle is one resource: it is validated with its entries, and an issue's expression is its path in the Bundle.

    Args:
        profiles: canonicals that each resource must conform to, but not what is inside one.
        site: the site file whose terminology is used.
        definitions: those that resources are checked against (`use_packages`).

    Raises:
        SourceError: a source does not exist.
        SiteError: the site file can't be used.
    """
    terminology = Site.load(site).open_terminology(definitions) if site else None
    validator = get_validator(definitions=definitions)
    for file in fhir_files(sources, xml=True):
        for locator, text in _documents(file):
            if isinstance(text, bytes):
                issues = validator.validate(text, profiles, terminology)
            else:
                issues = [Issue("fatal", "FB-FHIR-001", str(text), locator)]
            summary.resources += 1
            summary.invalid += any(issue.severity in ("error", "fatal") for issue in issues)
            summary.by_code.update((issue.severity, issue.code) for issue in issues)
            on_progress(summary.resources)
            yield locator, issues


def _documents(file: Path) -> Iterator[tuple[str, bytes | JsonError]]:
    """What a file holds; in place of XML of no resource, the error that says where."""
    try:
        yield from iter_documents(file)
    except JsonError as error:
        yield file.name, error
