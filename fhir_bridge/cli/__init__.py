"""The command line: arguments in, tables and progress out. What it does is in the packages below."""

from fhir_bridge.cli.main import main

__all__ = ["main"]
