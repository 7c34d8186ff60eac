"""Names that a package offers and imports when they are asked for (PEP 562): what nobody asks for costs no start."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["deferred"]


def deferred(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        package: its `__name__`.
        homes: each name that it offers in this way, and the module below it that has the name.
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        result = getattr(import_module(f"{package}.{homes[name]}"), name)
        # Kept, in place of a module of the same name, too.
        vars(sys.modules[package])[name] = result
        return result

    return attribute
