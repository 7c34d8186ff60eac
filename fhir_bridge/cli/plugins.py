"""`plugins`: what is registered."""

from __future__ import annotations

from rich.table import Table

from fhir_bridge.cli.output import stdout

__all__ = ["plugins"]


def plugins() -> None:
    """List plug-ins with the hooks they implement, the adapters and the predictors."""
    from fhir_bridge.plugins import adapters, loaded
    from fhir_bridge.predictions import predictors

    table = Table(title="Plug-ins", title_justify="left")
    for name in ("plug-in", "package", "hooks"):
        table.add_column(name, overflow="fold")
    for plugin in sorted(loaded(), key=lambda plugin: plugin.name):
        table.add_row(plugin.name, plugin.distribution, ", ".join(plugin.hooks))
    stdout.print(table)
    result = Table(title="Adapters", title_justify="left")
    result.add_column("name")
    result.add_column("reads")
    for name, adapter in sorted(adapters().items()):
        result.add_row(name, adapter.title)
    stdout.print(result)
    models = Table(title="Predictors", title_justify="left")
    for name in ("name", "version", "what"):
        models.add_column(name)
    for name, predictor in sorted(predictors().items()):
        models.add_row(name, predictor.version, predictor.title)
    stdout.print(models)
