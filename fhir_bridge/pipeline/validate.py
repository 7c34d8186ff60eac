"""`validate`: every resource of files and folders, one at a time, with a summary by issue code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.definitions.packages import PackageReport, load_packages
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.load_fhir import fhir_files, readable
from fhir_bridge.terminology import get_terminology

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
    definitions: Definitions = DEFAULT,
) -> Iterator[tuple[str, list[Issue]]]:
    """Yield (locator, findings) of each resource in order and count into `summary`; memory for one resource.

    Raises:
        SourceError: a source does not exist.
    """
    validator = Validator(get_terminology(definitions=definitions), definitions=definitions)
    for file in fhir_files(sources, xml=True):
        for locator, text in readable(file):
            if isinstance(text, bytes):
                issues = validator.validate(text, profiles)
            else:
                issues = [Issue("fatal", "FB-FHIR-001", str(text), locator)]
            summary.resources += 1
            summary.invalid += any(issue.severity in ("error", "fatal") for issue in issues)
            summary.by_code.update((issue.severity, issue.code) for issue in issues)
            on_progress(summary.resources)
            yield locator, issues
