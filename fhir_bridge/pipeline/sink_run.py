"""What a sink is notified of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions

__all__ = ["SinkRun", "SourceToKeep"]


@dataclass(frozen=True, slots=True)
class SourceToKeep:
    """What a sink needs to keep a source whose records have to wait, and to process it again.

    Attributes:
        paths: the files that the sink's records come from.
        mapping: name or file of the mapping.
        options: as in `RunRequest`.
        site: name of the site whose settings converted it.
    """

    paths: Sequence[Path]
    mapping: str
    options: Mapping[str, Any] = field(default_factory=dict)
    site: str = ""


@dataclass(frozen=True, slots=True)
class SinkRun:
    """The run that a sink belongs to.

    Attributes:
        fingerprint: of the site key that ids are made with; a store refuses another than its own.
        precedence: resource type to adapters, strongest first.
        context: `ConversionContext.digest` of what converts; while it stays, a record converts to what it did.
        remap: what a newer version of the mapping made is replaced too.
        keep: the sources of the run, for records that have to wait.
        definitions: the site's.
        mapping_hash: of the content of the mapping.
    """

    adapter: str
    fingerprint: str
    precedence: Mapping[str, Sequence[str]] = field(default_factory=dict)
    context: str = ""
    remap: bool = False
    keep: SourceToKeep | None = None
    definitions: Definitions = DEFAULT
    mapping_hash: str = ""
