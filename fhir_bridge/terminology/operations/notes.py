"""What an expansion says of itself: its parameters, what it leaves open, and of what standing it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.operations.options import Options
from fhir_bridge.terminology.operations.status import reference_state
from fhir_bridge.terminology.supplemented import SupplementedContent, canonical
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = ["Notes"]

_UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"


class Notes:
    """The notes of one expansion.

    Attributes:
        endless: it stands for a value set without end, so that it has no total.
        cut: not all hits of the text were looked at, so that the total is not known.
        across_versions: an exclusion of one version counted for codes of another.
    """

    def __init__(self) -> None:
        self._parameters: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._unclosed: dict[str, None] = {}
        self.endless = False
        self.cut = False
        self.across_versions = False

    def parameter(self, name: str, kind: str, value: Any) -> None:
        """Note a parameter, once."""
        self._parameters.setdefault((name, kind, str(value)), {"name": name, kind: value})

    def parameters(self) -> list[dict[str, Any]]:
        """The parameters in the order in which they came."""
        return list(self._parameters.values())

    def echo(self, options: Options) -> None:
        """Note the options of the request."""
        if options.filter:
            self.parameter("filter", "valueString", options.filter)
        if options.languages is not None:
            self.parameter("displayLanguage", "valueCode", options.languages.text)
        for token in options.designations:
            self.parameter("designation", "valueString", token)
        for name, flag in (
            ("excludeNested", options.exclude_nested),
            ("activeOnly", options.active_only),
            ("includeDesignations", options.include_designations),
            ("includeDefinition", options.include_definition),
            ("excludeNotForUI", options.exclude_not_for_ui),
            ("excludePostCoordinated", options.exclude_post_coordinated),
        ):
            if flag is not None:
                self.parameter(name, "valueBoolean", flag)
        for name, number in (("offset", options.offset), ("count", options.count)):
            if number is not None:
                self.parameter(name, "valueInteger", number)

    def used(self, value_set: ValueSetDefinition, content: CodeSystemContent) -> None:
        """Note a code system that a value set takes codes of."""
        self.parameter("used-codesystem", "valueUri", canonical(content))
        if isinstance(content, SupplementedContent):
            for supplement in content.supplements:
                self.parameter("used-supplement", "valueUri", canonical(supplement))
        self.state(value_set, content.metadata, canonical(content))
        if content.content != "complete":
            self.parameter(f"used-{content.content}", "valueUri", canonical(content))
            self.unclosed(f"This extension is based on a {content.content} of the code system {content.url}")

    def state(self, source: ValueSetDefinition, resource: Mapping[str, Any], named: str) -> None:
        """Note the standing of a code system or value set that a value set refers to, where it is worth a word."""
        state = reference_state(resource, source.resource)
        if state is not None:
            self.parameter(f"warning-{state}", "valueUri", named)

    def unclosed(self, reason: str) -> None:
        """Note why there are more codes than can be listed."""
        self._unclosed[reason] = None

    def extensions(self) -> list[dict[str, Any]]:
        """Whether the expansion is open, and why (extension valueset-unclosed)."""
        if not self._unclosed:
            return []
        reasons = [{"url": f"{_UNCLOSED}-reason", "valueString": reason} for reason in self._unclosed]
        return [{"url": _UNCLOSED, "valueBoolean": True}, *reasons]
