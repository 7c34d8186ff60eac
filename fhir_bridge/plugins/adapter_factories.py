"""Adapters that are created when they are asked for: a run of one adapter loads no other's modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_bridge.plugins.protocols import Adapter

__all__ = ["AdapterFactory", "AdaptersByName"]


@dataclass(frozen=True, slots=True)
class AdapterFactory:
    """The name of an adapter, and what creates it."""

    name: str
    create: Callable[[], Adapter]


class AdaptersByName(Mapping[str, Any]):
    """Adapters by name; one that is given as a factory is created when it is first looked up."""

    def __init__(self, adapters: dict[str, Any]) -> None:
        self._adapters = adapters

    def __getitem__(self, name: str) -> Any:
        adapter = self._adapters[name]
        if isinstance(adapter, AdapterFactory):
            adapter = self._adapters[name] = adapter.create()
        return adapter

    def __contains__(self, name: object) -> bool:
        return name in self._adapters

    def __iter__(self) -> Iterator[str]:
        return iter(self._adapters)

    def __len__(self) -> int:
        return len(self._adapters)
