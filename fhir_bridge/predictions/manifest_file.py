"""Reading a model.yaml: what is wrong with one is reported with file, line and what is perhaps meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import YAMLError

from fhir_bridge.mapping.yaml_dates import impossible_date
from fhir_bridge.predictions.manifest import Block, Manifest
from fhir_bridge.predictions.manifest_rules import Fault, faults
from fhir_bridge.predictions.suggestions import near

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["ManifestError", "load_manifest", "located"]

MOST_BYTES: Final = 1024 * 1024
MOST_DEPTH: Final = 100


def _blocks(block: type[Block]) -> Iterator[type[Block]]:
    for below in block.__subclasses__():
        yield below
        yield from _blocks(below)


class ManifestError(ValueError):
    """A model.yaml that can't be used; the message has file, line and key."""


def load_manifest(path: Path) -> tuple[Manifest, dict[str, Any]]:
    """Read a model.yaml.

    Returns:
        It, and the document as it is written.

    Raises:
        ManifestError: it can't be read, or something in it is wrong.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ManifestError(f"{path}: larger than {MOST_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not YAML: {error}") from error
    try:
        reader = YAML(typ="rt", pure=True)
        reader.max_depth = MOST_DEPTH
        content = reader.load(text)
    except MaxDepthExceededError as error:
        raise ManifestError(f"{path}: nested too deep") from error
    except YAMLError as error:
        raise ManifestError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:
        line, problem = impossible_date(text, error)
        raise ManifestError(f"{path}:{line}: {problem}") from error
    if not isinstance(content, dict):
        raise ManifestError(f"{path}:1: a model is an object of keys (docs/models.md)")
    document = _plain(content)
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        problems = [(item["loc"], _message_of(item)) for item in error.errors(include_url=False)]
        raise ManifestError(_listed(path, content, problems)) from error
    if wrong := list(faults(manifest)):
        raise ManifestError(_listed(path, content, wrong))
    return manifest, document


def located(path: Path, problems: Iterable[Fault]) -> str:
    """Problems that were found later, each with file and line."""
    return _listed(path, YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8-sig")), problems)


def _listed(path: Path, content: Any, problems: Iterable[Fault]) -> str:
    lines = []
    for location, text in problems:
        line, shown = _place(content, location)
        lines.append(f"{path}:{line}: {shown or 'model'}: {text}")
    return "\n".join(lines)


def _message_of(error: ErrorDetails) -> str:
    """What is wrong, in words that say what to write."""
    kind, value = error["type"], error["input"]
    last = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        return f"there is no such key{'' if last in _KEYS else near(last, _KEYS)}"
    if kind == "missing":
        return "is missing"
    if kind == "string_type" and isinstance(value, int | float):
        return f'write it in quotes: "{value}"'
    message = error["msg"].removeprefix("Value error, ")
    known = re.findall(r"'([^']+)'", str((error.get("ctx") or {}).get("expected", "")))
    known += re.findall(r"'([^']+)'", str((error.get("ctx") or {}).get("expected_tags", "")))
    if kind == "union_tag_invalid":
        tag = str((error.get("ctx") or {}).get("tag", ""))
        return f"{tag} is not a type of input ({', '.join(known)}){near(tag, known)}"
    return message + (near(str(value), known) if known and isinstance(value, str) else "")


def _plain(node: Any) -> Any:
    """Without what YAML's reader keeps of the form; numbers as they are written."""
    if isinstance(node, dict):
        return {str(name): _plain(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, bool | int):
        return node
    return float(node) if isinstance(node, float) else node if node is None else str(node)


def _place(content: Any, location: Sequence[str | int]) -> tuple[int, str]:
    """The line of the key, or of the nearest thing above it; and the key, as it stands in the file."""
    line, shown = 1, []
    for number, part in enumerate(location):
        try:
            position = content.lc.data.get(part) if hasattr(content, "lc") and content.lc.data else None
            if position is not None:
                line = position[0] + 1
            content = content[part]
        except (KeyError, IndexError, TypeError):
            if number < len(location) - 1:
                continue  # the tag of a union is in the location, and not in the file
        shown.append(str(part))
    return line, ".".join(shown)


_KEYS: Final = frozenset(name for block in _blocks(Block) for name in block.model_fields)
