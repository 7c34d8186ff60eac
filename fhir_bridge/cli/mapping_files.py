"""The mappings that a command is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fhir_bridge.cli.output import UsageError, stderr

__all__ = ["Mappings", "left_out", "mapping_files"]

Mappings = Annotated[
    list[Path],
    typer.Argument(metavar="[PATH]...", help="Mapping files or folders; none: all that are shipped."),
]


def mapping_files(paths: list[Path]) -> list[Path]:
    """The files named, and those of the folders named; without any all that are shipped and of plug-ins.

    Raises:
        UsageError: there are none.
    """
    from fhir_bridge.plugins import get_manager, shipped

    folders = paths or [
        shipped("mappings"),
        *(f for group in get_manager().hook.fhir_bridge_mappings() for f in group),
    ]
    files: list[Path] = []
    for path in folders:
        if path.is_dir():
            files += sorted(path.rglob("mapping.yaml"))
        elif path.exists():
            files.append(path)
        else:
            raise UsageError(f"{path} does not exist")
    if not files:
        raise UsageError("there is no mapping.yaml in " + ", ".join(map(str, folders)))
    return files


@contextmanager
def left_out(mapping: Path | str, *, named: bool) -> Iterator[None]:
    """Report a shipped mapping whose adapter's extra is not installed, and go on.

    Raises:
        ImportError: the mapping was named, so that it can't be left out.
    """
    from fhir_bridge.plugins.extras import missing_extra

    try:
        yield
    except ImportError as error:
        missing = missing_extra(error)
        if missing is None or named:
            raise
        stderr.print(f"[yellow]left out:[/] {escape(f'{mapping}: {missing}')}", soft_wrap=True)
