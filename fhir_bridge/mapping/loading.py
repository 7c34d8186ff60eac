"""Reading and compiling mappings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.mapping.compiled import CompiledMapping
from fhir_bridge.mapping.compiler import compile_document
from fhir_bridge.mapping.composition import compose, composed_source
from fhir_bridge.mapping.document import parse, plain
from fhir_bridge.mapping.errors import MappingErrors
from fhir_bridge.mapping.files import find_mapping, read_text, shown_name
from fhir_bridge.mapping.schema import check

__all__ = ["load_mapping", "source_block"]


def load_mapping(
    path: str | Path, *, adapters: Mapping[str, Any], definitions: Definitions = DEFAULT
) -> CompiledMapping:
    """Read and compile a mapping, with what it includes and extends.

    Args:
        path: a file, a folder with `mapping.yaml`, or a name (see `find_mapping`).
        adapters: adapters by name; the document's `source.adapter` chooses one.
        definitions: those that have its profiles and value sets: a site's.

    Raises:
        MappingErrors: all that is wrong with it, each with file, line, column and suggestion.
    """
    file = find_mapping(path)
    shown = shown_name(file, path)
    return load_text(read_text(file, shown), shown, adapters=adapters, definitions=definitions, path=file)


def source_block(path: str | Path) -> dict[str, Any]:
    """The `source:` block of a mapping as plain values, without compiling it; empty where it has none.

    Raises:
        MappingErrors: there is no such mapping, or it is not YAML.
    """
    file = find_mapping(path)
    shown = shown_name(file, path)
    source = composed_source(parse(read_text(file, shown), shown), file)
    result = plain(source) if source is not None else None
    return result if isinstance(result, dict) else {}


def load_text(
    text: str,
    file: str,
    *,
    adapters: Mapping[str, Any],
    definitions: Definitions = DEFAULT,
    path: Path | None = None,
) -> CompiledMapping:
    """Compile a mapping from its text; `file` is in messages, `path` is where what it includes is looked for."""
    document, errors = compose(parse(text, file), path or Path(file))
    if errors:
        raise MappingErrors(errors)
    form = check(document)
    try:
        compiled = compile_document(document, adapters, definitions)
    except MappingErrors as result:
        # The compiler's word on a place goes before the schema's: it knows what was meant.
        locations = {error.position for error in result.errors}
        raise MappingErrors([*result.errors, *(e for e in form if e.position not in locations)]) from None
    if form:
        raise MappingErrors(form)
    return compiled
