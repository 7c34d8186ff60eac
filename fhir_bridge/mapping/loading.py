"""Reading and compiling mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.mapping.compiled import CompiledMapping, Form, Program
from fhir_bridge.mapping.compiler import compile_document, restore_document
from fhir_bridge.mapping.composition import compose, composed_source
from fhir_bridge.mapping.document import Document, plain
from fhir_bridge.mapping.errors import MappingErrors
from fhir_bridge.mapping.files import find_mapping, read_text, shown_name
from fhir_bridge.mapping.parsed_documents import read_document
from fhir_bridge.mapping.schema import check
from fhir_bridge.mapping.stored_programs import key_of, read_program, write_program

__all__ = ["compile_composed", "composed_document", "load_mapping", "source_block"]


def load_mapping(
    path: str | Path, *, adapters: Mapping[str, Any], definitions: Definitions = DEFAULT, form: Form = "dicts"
) -> CompiledMapping:
    """Read and compile a mapping, with what it includes and extends.

    Args:
        path: a file, a folder with `mapping.yaml`, or a name (see `find_mapping`).
        adapters: adapters by name; the document's `source.adapter` chooses one.
        definitions: those that have its profiles and value sets: a site's.
        form: how outputs are wanted; others are compiled when a context asks for them.

    Raises:
        MappingErrors: all that is wrong with it, each with file, line, column and suggestion.
    """
    file = find_mapping(path)
    shown = shown_name(file, path)
    return load_text(
        read_text(file, shown), shown, adapters=adapters, definitions=definitions, path=file, form=form
    )


def source_block(path: str | Path) -> dict[str, Any]:
    """The `source:` block of a mapping as plain values, without compiling it; empty where it has none.

    Raises:
        MappingErrors: there is no such mapping, or it is not YAML.
    """
    file = find_mapping(path)
    shown = shown_name(file, path)
    source = composed_source(read_document(read_text(file, shown), shown), file)
    result = plain(source) if source is not None else None
    return result if isinstance(result, dict) else {}


def composed_document(path: str | Path) -> Document:
    """A mapping with all that it includes and extends as one document, for tools that change it.

    Raises:
        MappingErrors: there is no such mapping, it is not YAML, or what it includes is missing.
    """
    file = find_mapping(path)
    shown = shown_name(file, path)
    document, errors = compose(read_document(read_text(file, shown), shown), file)
    if errors:
        raise MappingErrors(errors)
    return document


def compile_composed(
    document: Document,
    *,
    adapters: Mapping[str, Any],
    definitions: Definitions = DEFAULT,
    form: Form = "dicts",
) -> CompiledMapping:
    """Compile a document that includes and extends nothing any more.

    Raises:
        MappingErrors: all that is wrong with it.
    """
    key = key_of(document, adapters, definitions, form)
    compiled = _restored(key, document, adapters, definitions, form)
    if compiled is None:
        compiled = _compiled(document, adapters, definitions, form)
        if key:
            write_program(key, compiled, compiled.program(form))
    if key:
        compiled.make = partial(_another, compiled, compiled.make, document, adapters, definitions)
    return compiled


def _restored(
    key: str | None, document: Document, adapters: Mapping[str, Any], definitions: Definitions, form: Form
) -> CompiledMapping | None:
    """The mapping as it was kept; None where it is not."""
    stored = read_program(key) if key else None
    return None if stored is None else restore_document(document, adapters, definitions, form, stored)


def _compiled(
    document: Document, adapters: Mapping[str, Any], definitions: Definitions, form: Form
) -> CompiledMapping:
    problems = check(document)
    try:
        compiled = compile_document(document, adapters, definitions, form)
    except MappingErrors as result:
        # The compiler's word on a place goes before the schema's: it knows what was meant.
        locations = {error.position for error in result.errors}
        raise MappingErrors([*result.errors, *(e for e in problems if e.position not in locations)]) from None
    if problems:
        raise MappingErrors(problems)
    return compiled


def _another(
    compiled: CompiledMapping,
    make: Callable[[Form], Program],
    document: Document,
    adapters: Mapping[str, Any],
    definitions: Definitions,
    form: Form,
) -> Program:
    """The program of a mapping in another form: as it was kept, or compiled and kept."""
    key = key_of(document, adapters, definitions, form)
    restored = _restored(key, document, adapters, definitions, form)
    if restored is not None:
        return restored.program(form)
    program = make(form)
    if key:
        write_program(key, compiled, program)
    return program


def load_text(
    text: str,
    file: str,
    *,
    adapters: Mapping[str, Any],
    definitions: Definitions = DEFAULT,
    path: Path | None = None,
    form: Form = "dicts",
) -> CompiledMapping:
    """Compile a mapping from its text; `file` is in messages, `path` is where what it includes is looked for."""
    document, errors = compose(read_document(text, file), path or Path(file))
    if errors:
        raise MappingErrors(errors)
    return compile_composed(document, adapters=adapters, definitions=definitions, form=form)
