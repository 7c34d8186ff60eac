"""Finding, reading and compiling mappings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.mapping.compiled import CompiledMapping
from fhir_bridge.mapping.compiler import compile_document
from fhir_bridge.mapping.document import parse, plain
from fhir_bridge.mapping.errors import MappingError, MappingErrors, Position, nearest
from fhir_bridge.mapping.schema import check
from fhir_bridge.plugins import get_manager, shipped

__all__ = ["find_mapping", "load_mapping", "mapping_names", "source_block"]

FILE = "mapping.yaml"


def _folders() -> list[Path]:
    folders = [shipped("mappings")]
    for group in get_manager().hook.fhir_bridge_mappings():
        folders += [Path(folder) for folder in group or ()]
    return folders


def mapping_names() -> dict[str, Path]:
    """All mappings that are shipped or added by plug-ins: `ehr/hl7v2` -> file."""
    paths: dict[str, Path] = {}
    for folder in _folders():
        for path in sorted(folder.glob(f"*/*/{FILE}")):
            paths.setdefault(f"{path.parent.parent.name}/{path.parent.name}", path)
    return paths


def find_mapping(name: str | Path) -> Path:
    """The file of a mapping: a path, `ehr/hl7v2`, or `hl7v2` where that names one alone.

    Raises:
        MappingErrors: there is none, or the short name means several.
    """
    path = Path(name)
    if path.is_dir() and (path / FILE).is_file():
        return path / FILE
    if path.is_file():
        return path
    text = str(name)
    known = mapping_names()
    if text in known:
        return known[text]
    short = [full for full in known if full.partition("/")[2] == text]
    if len(short) == 1:
        return known[short[0]]
    if short:
        statement, hint = f'"{text}" names several mappings', f"write {' or '.join(short)}"
    elif path.suffix in (".yaml", ".yml"):
        statement, hint = f"there is no file {text}", ""
    else:
        statement, hint = (
            f'no mapping is named "{text}"',
            nearest(text, [*known, *(n.partition("/")[2] for n in known)]),
        )
    raise MappingErrors([MappingError(Position(text, 1, 1), statement, hint, "FB-MAP-012")])


def load_mapping(
    path: str | Path, *, adapters: Mapping[str, Any], definitions: Definitions = DEFAULT
) -> CompiledMapping:
    """Read and compile a mapping.

    Args:
        path: a file, a folder with `mapping.yaml`, or a name (see `find_mapping`).
        adapters: adapters by name; the document's `source.adapter` chooses one.
        definitions: those that have its profiles and value sets: a site's.

    Raises:
        MappingErrors: all that is wrong with it, each with file, line, column and suggestion.
    """
    file = find_mapping(path)
    shown = _shown(file, path)
    return load_text(_text(file, shown), shown, adapters=adapters, definitions=definitions)


def source_block(path: str | Path) -> dict[str, Any]:
    """The `source:` block of a mapping as plain values, without compiling it; empty where it has none.

    Raises:
        MappingErrors: there is no such mapping, or it is not YAML.
    """
    file = find_mapping(path)
    shown = _shown(file, path)
    source = parse(_text(file, shown), shown).root.get("source")
    result = plain(source) if source is not None else None
    return result if isinstance(result, dict) else {}


def _text(file: Path, shown: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        position = Position(shown, 1, 1)
        raise MappingErrors(
            [MappingError(position, f"the file is not UTF-8 (byte {error.start})", "", "FB-MAP-002")]
        ) from error


def _shown(file: Path, value: str | Path) -> str:
    """What messages call a mapping: `<domain>/<name>` of a shipped or added one, wherever this machine keeps it."""
    location = file.resolve()
    for name, known in mapping_names().items():
        if known.resolve() == location:
            return name
    return str(value) if Path(value).is_file() else str(file)


def load_text(
    text: str, file: str, *, adapters: Mapping[str, Any], definitions: Definitions = DEFAULT
) -> CompiledMapping:
    """Compile a mapping from its text; `file` is in messages."""
    document = parse(text, file)
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
