"""Functions that plug-ins add to the mapping language by the hook `fhir_bridge_functions`."""

from __future__ import annotations

import keyword
from collections.abc import Mapping

from fhir_bridge.fhir import definitions
from fhir_bridge.mapping.coercion import PRIMITIVES
from fhir_bridge.mapping.registry import BUILTINS, FunctionSpec, spec_of
from fhir_bridge.plugins import PluginError, functions

__all__ = ["RESERVED", "custom_functions"]

RESERVED = frozenset({"coalesce", "ref", "where"})
"""Names that the language itself gives a meaning, besides its functions."""


def custom_functions() -> Mapping[str, FunctionSpec]:
    """The functions of all plug-ins, as the compiler sees them.

    Raises:
        PluginError: one has the name of a function of the language, or does not say which FHIR type it gives.
    """
    return {name: _checked(spec_of(name, call)) for name, call in functions().items()}


def _checked(spec: FunctionSpec) -> FunctionSpec:
    name, returns = spec.name, spec.returns
    shown = f'the function "{name}" of a plug-in'
    if not name.isidentifier() or keyword.iskeyword(name):
        raise PluginError(f"{shown} has a name that mappings can't write; give it letters, digits and _")
    if name in BUILTINS or name in RESERVED:
        raise PluginError(f"{shown} has the name of one of the language; give it another")
    if returns is None:
        raise PluginError(
            f'{shown} does not say what it gives; mark it with @function(returns="string") or another type'
        )
    if returns not in PRIMITIVES and definitions.find_type(returns) is None:
        raise PluginError(f'{shown} gives "{returns}", which is no data type of FHIR R4')
    return spec
