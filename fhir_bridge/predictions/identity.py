"""The identity of a result: the model and its content, the site's decisions, the subject, what the inputs say."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from copy import copy
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.contract import Prediction, PredictorSettings, Refusal
from fhir_bridge.storage.results import UsedInput
from fhir_bridge.terminology.store import open_store, store_path

__all__ = ["Identities", "content_hash_of"]

_VERSION: Final = re.compile(r"/_history/[0-9]+")


class Identities:
    """The ids that one model, in this content and by these decisions of the site, gives."""

    def __init__(self, predictor: Predictor, settings: PredictorSettings, key: IdKey) -> None:
        self._key = key
        self._name = predictor.name
        decisions = orjson.dumps(settings.decisions(), default=str, option=orjson.OPT_SORT_KEYS)
        self._decisions = hashlib.blake2b(decisions, digest_size=16).hexdigest()
        self._set_content(predictor.version, content_hash_of(predictor))

    def _set_content(self, version: str, content: str) -> None:
        self.content = content
        self._model = (self._name, version, content)
        stored = open_store(store_path()).fingerprint()
        self._seen = "\n".join((*self._model, self._decisions, stored)).encode()
        self.device = self._key.id("Device", *self._model)
        self.card = self._key.id("DocumentReference", *self._model, self._decisions)

    def of_content(self, version: str, content: str) -> Identities:
        """Those of another content of the model, by the same decisions."""
        other = copy(self)
        other._set_content(version, content)
        return other

    def result(
        self, patient_id: str, result: Prediction | Refusal, inputs: Sequence[UsedInput], attempt: int
    ) -> str:
        """The id of the Observation.

        Inputs take part by what they say, so that a version which says the same creates no new result.

        Args:
            attempt: from 0; one more where the result of this id was withdrawn, which is never taken back.
        """
        used = "\n".join(sorted(f"{item.type}/{item.id} {item.hash.hex()}" for item in inputs))
        if isinstance(result, Prediction):
            text = f"{result.percent} {result.horizon_years} {result.category}"
            if result.output is not None or result.interval is not None:
                text += f" {result.output} {result.interval}"
        else:
            # A new version of what the text names, which says the same, must give the same result.
            text = f"{result.reason} {_VERSION.sub('', result.text)}"
        parts = (*self._model, self._decisions, patient_id, result.code, text, used, str(attempt))
        # A model that failed before it could say what it predicts has no code.
        return self._key.id("Observation", *parts, optional=frozenset({6}))

    def seen(self, record: bytes, day: date) -> bytes:
        """Hash of all that decides a result but the hour: who sees the same on the same day gets the same.

        Args:
            record: which versions are current in the patient's record (`SeenRecord.state`).
            day: of the run. Ages of people and of inputs are counted in days and years.
        """
        return hashlib.blake2b(
            b"\n".join((self._seen, day.isoformat().encode(), record)), digest_size=16
        ).digest()

    def beside(self, resource_type: str, observation_id: str) -> str:
        """The id of a resource that is written with an Observation."""
        return self._key.id(resource_type, observation_id)


def content_hash_of(predictor: Predictor) -> str:
    """Hash of what the model is: its code, the modules of its package that this imports, and its `files`.

    Without one of its files it is another model, whose runs fail in its process.
    """
    digest = hashlib.blake2b(_code_of(type(predictor).__module__), digest_size=16)
    # As it is sent to its process: what it keeps beside that from run to run says nothing of the model.
    state: Any = predictor.__getstate__()
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    # What JSON can't hold counts by its type: its address is another one in each process.
    digest.update(orjson.dumps(state, default=lambda value: type(value).__qualname__, option=options))
    for file in sorted(map(str, getattr(predictor, "files", ()))):
        try:
            result = os.stat(file)  # noqa: PTH116 - for each call of a card, of some hundred files
            digest.update(_file(file, result.st_mtime_ns, result.st_size))
        except OSError as error:
            digest.update(f"unreadable: {error.errno}".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)  # value sets, of all models: fewer would be read again for each
def _file(file: str, _changed: int, _size: int) -> bytes:
    """Digest of a file, read again where it changed."""
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "blake2b").digest()


@lru_cache(maxsize=64)
def _code_of(module: str) -> bytes:
    """Digests of the sources of a module and, in turn, of what it imports of its own package."""
    package = module.rpartition(".")[0]
    waiting, sources = [module], {}
    while waiting:
        name = waiting.pop()
        source = None if name in sources else _source(name)
        if source is not None:
            sources[name] = hashlib.blake2b(source, digest_size=16).digest()
            waiting += [
                result for result in _imports(source, name) if package and result.startswith(f"{package}.")
            ]
    return b"".join(name.encode() + digest for name, digest in sorted(sources.items()))


def _source(module: str) -> bytes | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    origin = spec.origin if spec is not None else getattr(sys.modules.get(module), "__file__", None)
    try:
        return Path(origin).read_bytes() if origin else None
    except OSError:
        return None


def _imports(source: bytes, module: str) -> Iterator[str]:
    """Modules that a source may import: `from a.b import c` names a.b, and perhaps a.b.c."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.rsplit(".", node.level)[0] if node.level else ""
            name = ".".join(part for part in (base, node.module or "") if part)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)
