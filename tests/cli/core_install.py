"""Runs commands in a process that has the packages of the core install and no others: `python core_install.py < JSON`.

Standard input is a list of argument lists; standard output a list of [exit code, standard output, standard error].
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import sys
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def core_distributions() -> set[str]:
    """Names of what `pip install fhir-bridge` installs, without fhir-bridge itself."""
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    results: set[str] = set()
    waiting = [Requirement(text) for text in declared]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in results or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        results.add(name)
        waiting += map(Requirement, importlib.metadata.requires(name) or ())
    return results


class OnlyCore:
    """An import hook that refuses the modules of all other installed distributions."""

    def __init__(self) -> None:
        core = core_distributions() | {"fhir-bridge"}
        self._refused = {
            module
            for module, distributions in importlib.metadata.packages_distributions().items()
            if not core & {canonicalize_name(distribution) for distribution in distributions}
        }

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Refuse a module that the core install has not."""
        if name.partition(".")[0] in self._refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def run(arguments: list[str]) -> tuple[int, str, str]:
    """Run one command."""
    from fhir_bridge.cli.main import main

    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = 0
    sys.argv = ["fhir-bridge", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    out.seek(0)
    error.seek(0)
    return code, out.read(), " ".join(error.read().split())


if __name__ == "__main__":
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "packaging"]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, OnlyCore())  # type: ignore[arg-type]
    print(json.dumps([run(arguments) for arguments in json.load(sys.stdin)]))
