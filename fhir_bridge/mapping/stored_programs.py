"""Compiled mappings, kept in the user's cache folder: the next start loads a program in place of compiling it again.

An entry is named by all that it was made from: the document with every place in it, the files of the packages that
compile it, Python itself. It is read only from a folder that no one else can write to, and holds no classes but those
of this package; what can't be read is compiled. Mappings of plug-ins' adapters or functions, and those of a site's own
definitions, are compiled each time.
"""

from __future__ import annotations

import hashlib
import io
import marshal
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.mapping.coercion import coercer, target_of
from fhir_bridge.mapping.compiled import CompiledMapping, Form, Program
from fhir_bridge.mapping.document import Document, Node, Scalar, Sequence
from fhir_bridge.mapping.generated_code import Generated
from fhir_bridge.mapping.user_cache import read_entry, write_entry
from fhir_bridge.plugins import functions, get_manager

__all__ = ["StoredProgram", "key_of", "read_program", "write_program"]

_FOLDER: Final = "programs"
_MOST: Final = 200
"""Entries, of up to some megabytes each: the mappings that ship have a hundred, three forms each."""
_FORM: Final = 1
_PACKAGE: Final = Path(__file__).parents[1]
_MAKERS: Final = ("adapters", "fhir", "mapping", "plugins", "terminology")
"""Packages of which a compiled mapping depends."""


@dataclass(frozen=True, slots=True)
class StoredProgram:
    """What a mapping was compiled to."""

    rules: tuple[str, ...]
    selectors: frozenset[tuple[str, str]]
    generated: Generated


def key_of(
    document: Document, adapters: Mapping[str, Any], definitions: Definitions, form: Form
) -> str | None:
    """The name of an entry; None where the mapping depends on more than what the key knows."""
    source = document.root.get("source")
    named = source.get("adapter") if source is not None and hasattr(source, "get") else None
    adapter = adapters.get(named.text) if isinstance(named, Scalar) else None
    if adapter is None or definitions is not DEFAULT or functions():
        return None
    makers = [
        type(adapter).__module__,
        *(str(getattr(p, "__name__", "")) for p in get_manager().get_plugins()),
    ]
    if not all(maker.startswith("fhir_bridge.") for maker in makers):
        return None
    digest = hashlib.sha256(f"{_FORM}\n{sys.version}\n{_code()}\n{form}\n{document.file}\n".encode())
    _add(digest, document.root)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """What stands for the files that compile: names, sizes and times."""
    digest = hashlib.sha256()
    for package in _MAKERS:
        for file in sorted((_PACKAGE / package).rglob("*")):
            if file.suffix in (".py", ".txt", ".z", ".json"):
                status = file.stat()
                digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _add(digest: Any, node: Node) -> None:
    position = node.position
    digest.update(f"{type(node).__name__}\0{position.file}\0{position.line}\0{position.column}\0".encode())
    if isinstance(node, Scalar):
        written = f"{type(node.value).__name__}\0{node.value}\0{node.text}\0{node.raw}\n"
        digest.update(written.encode("utf-8", "surrogatepass"))
        return
    for item in node.items if isinstance(node, Sequence) else (part for entry in node for part in entry):  # type: ignore[attr-defined]
        _add(digest, item)
    digest.update(b"end\n")


def read_program(key: str) -> StoredProgram | None:
    """What was written; None where there is nothing that can be read."""
    content = read_entry(_FOLDER, f"{key}.program")
    if content is None or hashlib.sha256(content[32:]).digest() != content[:32]:
        return None
    try:
        stored, codes = _Reader(io.BytesIO(content[32:])).load()
        stored.generated.codes = marshal.loads(codes)  # noqa: S302 - of a folder that only this user writes to
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the mapping is compiled again
        return None
    return stored if isinstance(stored, StoredProgram) else None


def write_program(key: str, compiled: CompiledMapping, program: Program) -> None:
    """Keep what a mapping was compiled to, in one form."""
    generated, program.generated = program.generated, None
    if generated is None or "#" in generated.name:
        return
    codes, generated.codes = marshal.dumps(generated.codes), []
    stored = StoredProgram(compiled.rules, compiled.selectors, generated)
    written = io.BytesIO()
    try:
        _Writer(written, protocol=5).dump((stored, codes))
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
        return
    content = written.getvalue()
    write_entry(_FOLDER, f"{key}.program", hashlib.sha256(content).digest() + content, most=_MOST)


class _Writer(pickle.Pickler):
    """Functions that fit values to elements are written by their type."""

    def persistent_id(self, value: Any) -> str | None:
        """The type of such a function; None for all else."""
        return target_of(value)


class _Reader(pickle.Unpickler):
    """Reads classes of this package, and of Python's those that hold values."""

    def persistent_load(self, target: Any) -> Any:
        """The function of a type."""
        return coercer(str(target))

    def find_class(self, module: str, name: str) -> Any:
        """A class by its name.

        Raises:
            pickle.UnpicklingError: it is none that a compiled mapping has.
        """
        if module.startswith("fhir_bridge.") or (module, name) in _PLAIN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


_PLAIN: Final = frozenset(
    {
        *(
            ("builtins", name)
            for name in ("bool", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple")
        ),
        ("collections", "Counter"),
        ("collections", "defaultdict"),
        ("decimal", "Decimal"),
        ("re", "_compile"),
        ("types", "MappingProxyType"),
    }
)
