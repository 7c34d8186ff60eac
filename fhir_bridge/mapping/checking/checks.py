"""All checks of a mapping: it is compiled, and then asked what is probably wrong though it compiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT
from fhir_bridge.mapping.checking.coded import check_codes
from fhir_bridge.mapping.checking.findings import Findings
from fhir_bridge.mapping.checking.literals import check_literals
from fhir_bridge.mapping.checking.places import Places
from fhir_bridge.mapping.checking.selectors import check_selectors
from fhir_bridge.mapping.checking.sources import check_sources
from fhir_bridge.mapping.checking.structure import check_structure
from fhir_bridge.mapping.composition import compose
from fhir_bridge.mapping.errors import MappingError, MappingErrors
from fhir_bridge.mapping.files import file_of, find_mapping, read_text, shown_name
from fhir_bridge.mapping.loading import load_text
from fhir_bridge.mapping.parsed_documents import read_document
from fhir_bridge.mapping.shape import Problems
from fhir_bridge.mapping.site import Site
from fhir_bridge.mapping.source_options import source_model

__all__ = ["check_mapping"]


def check_mapping(
    path: str | Path,
    *,
    adapters: Mapping[str, Any],
    site: Site | None = None,
    samples: Sequence[Path] = (),
) -> list[MappingError]:
    """What is wrong with a mapping, in the order of the document; nothing where nothing is known to be.

    Args:
        path: a file, a folder with `mapping.yaml`, or a name.
        adapters: adapters by name.
        site: whose definitions, terminology and parameters count; without one, what is built in.
        samples: sources that show which fields there are. The examples beside the mapping always do.

    Raises:
        MappingErrors: there is no such mapping, or it is not YAML.
    """
    file = find_mapping(path)
    shown = shown_name(file, path)
    text = read_text(file, shown)
    definitions = site.definitions if site else DEFAULT
    errors: list[MappingError] = []
    try:
        load_text(text, shown, adapters=adapters, definitions=definitions, path=file)
    except MappingErrors as result:
        errors += result.errors
    try:
        document, _ = compose(read_document(text, shown), file)
    except MappingErrors:
        return errors
    source = document.root.get("source")
    named = source.get("adapter") if source is not None and hasattr(source, "get") else None
    adapter = adapters.get(getattr(named, "text", ""))
    if adapter is None:
        return errors
    model = source_model(adapter, source, Problems())
    if (with_samples := getattr(model, "with_samples", None)) is not None:
        model = with_samples([*samples, *_examples(file)])
    places = Places(document, model, definitions)
    terminology = (site or Site()).open_terminology()
    findings = Findings(places, model, terminology, definitions, site, document.files)
    for check in (check_selectors, check_codes, check_literals, check_structure):
        check(findings)
    check_sources(findings, source)
    lines = {(error.position.file, error.position.line) for error in errors}
    kept = [e for e in findings.errors if (e.position.file, e.position.line) not in lines]
    return sorted([*errors, *_unless_checked(kept)], key=lambda error: (error.position, error.message))


def _examples(file: Path) -> Iterable[Path]:
    """Sources of golden examples beside the mapping."""
    return (
        path
        for path in sorted((file.parent / "examples").glob("*/*"))
        if path.is_file() and path.suffix not in (".ndjson", ".yaml", ".md")
    )


def _unless_checked(findings: Iterable[MappingError]) -> list[MappingError]:
    """Without those on a line that ends in the comment `# checked`: a person has looked at it."""
    lines: dict[str, list[str]] = {}
    kept = []
    for finding in findings:
        position = finding.position
        if position.file not in lines:
            lines[position.file] = _lines(position.file)
        text = lines[position.file][position.line - 1 : position.line]
        if not (text and text[0].rstrip().endswith("# checked")):
            kept.append(finding)
    return kept


def _lines(shown: str) -> list[str]:
    try:
        return read_text(file_of(shown), shown).splitlines()
    except (MappingErrors, OSError):
        return []
