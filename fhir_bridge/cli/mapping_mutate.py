"""`mapping mutate`: rules of a mapping that no golden example would miss."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_bridge.cli.output import UsageError, counted, stderr, stdout, steps

if TYPE_CHECKING:
    from fhir_bridge.workshop.mutating import Mutation

__all__ = ["mutate"]


class Format(StrEnum):
    """How what survived is printed."""

    text = "text"
    json = "json"


def mutate(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", exists=True, help="Mapping files or folders.")
    ],
    seconds: Annotated[float, typer.Option(min=1, help="Time for each mapping.")] = 300.0,
    fail_under: Annotated[
        float, typer.Option("--fail-under", min=0, max=100, help="Exit code 1 below this percentage noticed.")
    ] = 0.0,
    output: Annotated[Format, typer.Option("--format", help="Lines for people, or JSON.")] = Format.text,
) -> None:
    """Change each rule a little (no element, another constant, swapped branches, no condition) and list the changes
    that no golden example notices: what they do is tested by none.
    """
    from fhir_bridge.workshop.mutating import count_mutants
    from fhir_bridge.workshop.mutating import mutate as run

    files = [
        file for path in paths for file in (sorted(path.rglob("mapping.yaml")) if path.is_dir() else [path])
    ]
    if not files:
        raise UsageError("there is no mapping.yaml in " + ", ".join(map(str, paths)))
    results: list[Mutation] = []
    for file in files:
        with steps(f"mutating {file.parent.name}", max(count_mutants(file), 1)) as advance:
            results.append(run(file, seconds=seconds, advance=advance))
    if output is Format.json:
        import json

        typer.echo(json.dumps([_data(result) for result in results], ensure_ascii=False, indent=1))
    else:
        for result in results:
            _print(result)
    raise typer.Exit(1 if any(result.score < fail_under for result in results) else 0)


def _data(result: Mutation) -> dict[str, object]:
    return {
        "mapping": str(result.mapping),
        "noticed": result.noticed,
        "refused": result.refused,
        "left": result.left,
        "score": round(result.score, 1),
        "idle": [{"rule": rule, "line": line} for rule, line, _ in result.idle],
        "survived": [{"rule": m.rule, "line": m.line, "what": m.what} for m in result.survived],
    }


def _print(result: Mutation) -> None:
    from rich.markup import escape

    for rule, line, _ in result.idle:
        stdout.print(
            escape(f"{result.mapping}:{line}: rule {rule}: no example makes it give anything"), soft_wrap=True
        )
    for mutant in result.survived:
        text = f"{result.mapping}:{mutant.line}: rule {mutant.rule}: no example misses it when {mutant.what}"
        stdout.print(escape(text), soft_wrap=True)
    left = f", {result.left:,} not tried in the time" if result.left else ""
    stderr.print(
        f"{result.mapping}: {result.noticed:,} of {counted(result.tried, 'change')} noticed ({result.score:.0f} %), "
        f"{result.refused:,} refused by the compiler{left}"
    )
