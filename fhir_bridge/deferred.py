"""Names that a package offers and imports when they are asked for (PEP 562): what nobody asks for costs no start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["deferred"]


def deferred(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        package: its `__name__`.
        homes: each name that it offers in this way, and the module below it that has the name.
    """
    module = sys.modules[package]
    if own := frozenset(name for name, home in homes.items() if name == home):

        class Package(ModuleType):
            """One that offers the function `convert` of its module `convert`, whoever imports that module first."""

            def __setattr__(self, name: str, value: Any) -> None:
                if name not in own or not isinstance(value, ModuleType):
                    super().__setattr__(name, value)

        module.__class__ = Package

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        result = getattr(import_module(f"{package}.{homes[name]}"), name)
        vars(module)[name] = result  # kept
        return result

    return attribute
