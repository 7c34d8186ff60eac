"""Checks that packages use each other through what they offer: `__init__`, or a module that its PUBLIC_MODULES lists.

    python scripts/check_interfaces.py

What is imported must be in the `__all__` of where it comes from. Exit code 1 where something bypasses that.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = "fhir_bridge"
FAMILIES = ("adapters",)
"""Packages that hold packages."""


@dataclass(frozen=True)
class Bypass:
    """An import of what is not offered."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


def package_of(module: str) -> str | None:
    """The package that a module belongs to; None for the top of the project."""
    parts = module.split(".")
    depth = 3 if len(parts) > 1 and parts[1] in FAMILIES else 2
    return ".".join(parts[:depth]) if len(parts) >= depth else None


def file_of(module: str) -> Path | None:
    """The source of a module or package."""
    location = ROOT.joinpath(*module.split("."))
    for path in (location.with_suffix(".py"), location / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def listed(module: str, name: str) -> frozenset[str]:
    """The texts of a tuple or list that a module assigns to a name."""
    path = file_of(module)
    results: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body if path else ():
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if (
            isinstance(target, ast.Name)
            and target.id == name
            and isinstance(node, ast.Assign | ast.AnnAssign)
        ):
            results |= {
                part.value
                for part in ast.walk(node)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            }
    return frozenset(results)


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of each import within the project, those in functions included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PROJECT:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                whole = file_of(inner) is not None
                yield node.lineno, inner if whole else str(node.module), "" if whole else alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == PROJECT:
                    yield node.lineno, alias.name, ""


def bypasses(path: Path) -> Iterator[Bypass]:
    """What a file imports past the interfaces of other packages."""
    here = path.relative_to(ROOT)
    own = package_of(".".join(here.with_suffix("").parts))
    for line, module, name in imports(path):
        package = package_of(module)
        if package is None or package == own:
            continue
        inner = module.removeprefix(package).removeprefix(".")
        if inner and inner not in listed(package, "PUBLIC_MODULES"):
            yield Bypass(here, line, f"{module} is not among the PUBLIC_MODULES of {package}")
        elif name and name not in listed(module, "__all__"):
            yield Bypass(here, line, f"{name} is not in the __all__ of {module}")


def main() -> int:
    """Check every file."""
    results = [bypass for path in sorted((ROOT / PROJECT).rglob("*.py")) for bypass in bypasses(path)]
    for bypass in results:
        print(bypass)
    print(
        f"{len(results)} imports bypass an interface"
        if results
        else "packages use each other's interfaces alone"
    )
    return 1 if results else 0


if __name__ == "__main__":
    sys.exit(main())
