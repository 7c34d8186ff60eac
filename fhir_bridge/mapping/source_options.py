"""The `source:` block of a mapping: the source model that its options make, with what is wrong with them."""

from __future__ import annotations

from typing import Any

from fhir_bridge.mapping.document import Mapping, Node, plain
from fhir_bridge.mapping.shape import Problems
from fhir_bridge.plugins import OptionError

__all__ = ["source_model"]


def source_model(adapter: Any, source: Node | None, problems: Problems) -> Any:
    """The adapter's model for these options: `model.with_options(options)` where it has that.

    A wrong option goes to `problems` with its line, and the model is that without options.
    """
    configure = getattr(adapter.model, "with_options", None)
    if configure is None or not isinstance(source, Mapping):
        return adapter.model
    options = {key: value for key, value in plain(source).items() if key != "adapter"}
    while True:
        try:
            return configure(options)
        except OptionError as error:
            place = source.key(error.option) or source
            problems.add(place.position, error.message, error.advice, "014")
            if options.pop(error.option, None) is None:
                return adapter.model
