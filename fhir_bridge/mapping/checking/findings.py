"""What the checks of a mapping share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.checking.places import Expression, Places
from fhir_bridge.mapping.errors import MappingError, Position
from fhir_bridge.mapping.site import Site
from fhir_bridge.terminology import Terminology

__all__ = ["Findings"]


class Findings:
    """Collects findings.

    Attributes:
        files: the mapping's own files: what it extends is checked by itself.
    """

    def __init__(
        self,
        places: Places,
        model: Any,
        terminology: Terminology,
        definitions: Definitions,
        site: Site | None,
        files: frozenset[str],
    ) -> None:
        self.places = places
        self.model = model
        self.terminology = terminology
        self.definitions = definitions
        self.site = site
        self.files = files
        self.errors: list[MappingError] = []

    def add(self, position: Position, message: str, suggestion: str = "") -> None:
        """One more; the same one twice counts once."""
        error = MappingError(position, message, suggestion, "FB-MAP-015")
        if position.file in self.files and error not in self.errors:
            self.errors.append(error)

    def calls(self) -> Iterator[tuple[Expression, ex.Call]]:
        """All calls of functions."""
        for place in self.places.expressions:
            for tree in ex.walk(place.tree):
                if isinstance(tree, ex.Call):
                    yield place, tree

    def text(self, tree: ex.Expression, place: Expression) -> str | None:
        """The text that an expression always is: a literal, or a variable that is one."""
        if (
            isinstance(tree, ex.Name)
            and (variable := place.names.get(tree.name))
            and variable.tree is not None
        ):
            tree = variable.tree
        return tree.value if isinstance(tree, ex.Literal) and isinstance(tree.value, str) else None
