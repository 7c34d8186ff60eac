"""The options that operations share, read from Parameters and from what a value set asks for itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.languages import LanguageError, Languages, parse_languages
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.parameters import Parameters, invalid
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = ["EXPANSION_PARAMETERS", "REPEATED", "Deadline", "Limits", "Options", "VersionRule", "read_options"]

_EXPANSION_PARAMETER = frozenset(
    {
        "http://hl7.org/fhir/StructureDefinition/valueset-expansion-parameter",
        "http://hl7.org/fhir/tools/StructureDefinition/valueset-expansion-parameter",
    }
)
_RULES: Mapping[str, tuple[Literal["default", "check", "force"], bool]] = {
    "system-version": ("default", False),
    "check-system-version": ("check", False),
    "force-system-version": ("force", False),
    "default-valueset-version": ("default", True),
    "check-valueset-version": ("check", True),
    "force-valueset-version": ("force", True),
}


_OPTIONS = frozenset(
    {
        *_RULES,
        "abstract",
        "activeOnly",
        "count",
        "designation",
        "diagnostics",
        "displayLanguage",
        "excludeNested",
        "excludeNotForUI",
        "excludePostCoordinated",
        "filter",
        "includeDefinition",
        "includeDesignations",
        "inferSystem",
        "lenient-display-validation",
        "limit",
        "offset",
        "property",
        "useSupplement",
        "valueset-membership-only",
        "versionsMatch",
    }
)
"""The parameters that `read_options` reads."""

REPEATED = frozenset({*_RULES, "designation", "property", "tx-resource", "useSupplement"})
"""The parameters that may occur several times."""

EXPANSION_PARAMETERS = (
    "activeOnly",
    "check-system-version",
    "check-valueset-version",
    "count",
    "default-valueset-version",
    "designation",
    "displayLanguage",
    "excludeNested",
    "excludeNotForUI",
    "excludePostCoordinated",
    "filter",
    "force-system-version",
    "force-valueset-version",
    "includeDefinition",
    "includeDesignations",
    "limit",
    "offset",
    "property",
    "system-version",
    "tx-resource",
    "url",
    "useSupplement",
    "valueSet",
    "valueSetVersion",
    "versionsMatch",
)
"""The parameters that `$expand` heeds."""


class Deadline:
    """A point in time that can be brought forward: nobody waits for the answer any more.

    Args:
        seconds: from now.
    """

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def stop(self) -> None:
        """Let it be over now."""
        # Called by another thread than the one that computes: one assignment needs no lock.
        self._end = 0.0

    @property
    def over(self) -> bool:
        """Whether it is past."""
        return time.monotonic() > self._end


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operation may cost.

    Attributes:
        codes: codes that an expansion without `count` may hold.
        page: the largest `count`.
        imported: codes that an imported value set may hold while it is worked out.
        seconds: time that one operation may take.
        deadline: when all that one request asks for has to be over, whatever `seconds` says.
    """

    codes: int = 1_000
    page: int = 10_000
    imported: int = 10_000
    seconds: float = 30.0
    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True)
class VersionRule:
    """A version parameter: which version of `url` is taken by default, required, or forced."""

    name: str
    mode: Literal["default", "check", "force"]
    url: str
    version: str
    value_sets: bool


@dataclass(frozen=True, slots=True)
class Options:
    """The options; None is "not said"."""

    display_language: Languages | None = None
    accept_language: Languages | None = None
    rules: tuple[VersionRule, ...] = ()
    supplements: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    designations: tuple[str, ...] = ()
    active_only: bool | None = None
    exclude_nested: bool | None = None
    exclude_not_for_ui: bool | None = None
    exclude_post_coordinated: bool | None = None
    include_designations: bool | None = None
    include_definition: bool | None = None
    versions_match: bool | None = None
    abstract: bool = True
    infer_system: bool = False
    lenient_display: bool = False
    membership_only: bool = False
    diagnostics: bool = False
    filter: str | None = None
    count: int | None = None
    offset: int | None = None
    limit: int | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def languages(self) -> Languages | None:
        """The languages that count: `displayLanguage` before `Accept-Language`."""
        return self.display_language or self.accept_language

    @property
    def languages_text(self) -> str:
        """The languages as a message names them."""
        return self.languages.text if self.languages is not None else "--"

    def rules_for(self, url: str, *, value_sets: bool = False) -> Sequence[VersionRule]:
        """The version rules of a code system or value set."""
        return self.rules and [
            rule for rule in self.rules if rule.url == url and rule.value_sets == value_sets
        ]

    def seeing(self, value_set: ValueSetDefinition) -> Options:
        """With what a value set asks for itself, where the request doesn't say otherwise: its expansion parameters
        (extension valueset-expansion-parameter) and its language.
        """
        options = self
        requested: list[dict[str, Any]] = []
        compose = value_set.compose
        for entry in compose.get("extension", ()) if compose is not None else ():
            if isinstance(entry, Mapping) and entry.get("url") in _EXPANSION_PARAMETER:
                parts = {
                    item.get("url"): item for item in entry.get("extension", ()) if isinstance(item, Mapping)
                }
                name = _text(parts.get("name"))
                if name and "value" in parts:
                    value = {k: v for k, v in parts["value"].items() if k.startswith("value")}
                    requested.append({"name": name, **value})
        if requested:
            options = _merged(options, read_options(Parameters({"parameter": requested}), limits=self.limits))
        language = value_set.resource.get("language")
        if options.languages is None and isinstance(language, str):
            try:
                options = replace(options, accept_language=parse_languages(language))
            except LanguageError:
                return options
        return options


def _text(entry: Any) -> str | None:
    if not isinstance(entry, Mapping):
        return None
    return next((str(v) for k, v in entry.items() if k.startswith("value")), None)


def _merged(request: Options, options: Options) -> Options:
    plain = Options()
    taken: dict[str, Any] = {
        "rules": request.rules + options.rules,
        "supplements": tuple(dict.fromkeys(request.supplements + options.supplements)),
        "properties": tuple(dict.fromkeys(request.properties + options.properties)),
        "designations": tuple(dict.fromkeys(request.designations + options.designations)),
    }
    for name in (
        "display_language",
        "active_only",
        "exclude_nested",
        "exclude_not_for_ui",
        "exclude_post_coordinated",
        "include_designations",
        "include_definition",
        "versions_match",
        "filter",
        "count",
        "offset",
        "limit",
    ):
        if getattr(request, name) == getattr(plain, name):
            taken[name] = getattr(options, name)
    return replace(request, **taken)


def read_options(
    parameters: Parameters, *, accept_language: str | None = None, limits: Limits | None = None
) -> Options:
    """The options of a request.

    Args:
        accept_language: the HTTP header.

    Raises:
        OperationError: a value can't be read.
    """
    # Most requests say nothing of these, and share one object.
    if not parameters.has_any(_OPTIONS):
        return _plain(accept_language or "", limits or Limits())
    heard = None if not accept_language else _header(accept_language)
    shown = parameters.text("displayLanguage")
    rules = []
    for entry in parameters.entries:
        kind = _RULES.get(entry["name"])
        if kind is not None:
            canonical = str(next((v for k, v in entry.items() if k.startswith("value")), ""))
            url, version = versions.split_canonical(canonical)
            if not version:
                raise invalid(f'{entry["name"]} is not url|version: "{canonical}"')
            rules.append(VersionRule(entry["name"], kind[0], url, version, kind[1]))
    flag = parameters.flag
    return Options(
        display_language=None if shown is None else _languages(shown),
        accept_language=heard,
        rules=tuple(rules),
        supplements=tuple(str(value) for value in parameters.values("useSupplement")),
        properties=tuple(dict.fromkeys(str(value) for value in parameters.values("property"))),
        designations=tuple(str(value) for value in parameters.values("designation")),
        active_only=flag("activeOnly"),
        exclude_nested=flag("excludeNested"),
        exclude_not_for_ui=flag("excludeNotForUI"),
        exclude_post_coordinated=flag("excludePostCoordinated"),
        include_designations=flag("includeDesignations"),
        include_definition=flag("includeDefinition"),
        versions_match=flag("versionsMatch"),
        abstract=flag("abstract") is not False,
        infer_system=flag("inferSystem") is True,
        lenient_display=flag("lenient-display-validation") is True,
        membership_only=flag("valueset-membership-only") is True,
        diagnostics=flag("diagnostics") is True,
        filter=parameters.text("filter"),
        count=parameters.number("count"),
        offset=parameters.number("offset"),
        limit=parameters.number("limit"),
        limits=limits or Limits(),
    )


@lru_cache(maxsize=64)
def _plain(accept_language: str, limits: Limits) -> Options:
    """The options of a request that says nothing but the header."""
    return Options(accept_language=_header(accept_language) if accept_language else None, limits=limits)


def _languages(text: str) -> Languages:
    try:
        return parse_languages(text)
    except LanguageError:
        raise OperationError(messages.bad_language(text), status=400) from None


def _header(text: str) -> Languages | None:
    """The header; one that can't be read, or that asks for nothing in particular, counts as absent."""
    try:
        languages = parse_languages(text)
    except LanguageError:
        return None
    return None if languages.text == "*" else languages
