"""Names that registries give: subtags of languages (IANA, BCP 47) and countries (ISO 3166-1).

The table is created by scripts/build_registries.py from IANA's language subtag registry (CC0) and the Unicode
Consortium's table of country codes (Unicode License V3; its notice is in the table's header). Nothing of it is read
before a name is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions.table import Table
from fhir_bridge.terminology.memory import ResourceContent

__all__ = ["COUNTRIES", "COUNTRY_CODES", "registry_date", "subtag_names"]

COUNTRY_CODES = "urn:iso:std:iso:3166"

_USER_ASSIGNED = (
    "AA",
    *(f"Q{c}" for c in "MNOPQRSTUVWXYZ"),
    *(f"X{c}" for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "ZZ",
)
_KINDS = ("alpha-2", "alpha-3", "numeric")


@cache
def _table() -> Table:
    return Table(Path(__file__).with_name("registries.z"))


@cache
def _registered(kind: str) -> Mapping[str, Sequence[str]]:
    entry: dict[str, Sequence[str]] = _table().get(kind)
    return entry


@cache
def _ranges(kind: str) -> Sequence[tuple[str, str, Sequence[str]]]:
    """First and last subtag of ranges such as `qaa..qtz`, which are for private use."""
    return [
        (first, last, names)
        for key, names in _registered(kind).items()
        for first, dots, last in [key.partition("..")]
        if dots
    ]


def registry_date() -> str:
    """The day of the registry that the names are from, `YYYY-MM-DD`."""
    return str(_table().header["date"])


def subtag_names(kind: str, subtag: str) -> Sequence[str]:
    """What the registry calls a subtag, the usual name first; empty where it isn't registered (RFC 5646 §3.1.5).

    Args:
        kind: `language`, `extlang`, `script`, `region` or `variant`; `grandfathered` of whole tags.
        subtag: in the case that RFC 5646 §2.1.1 recommends.
    """
    entry = _registered(kind).get(subtag)
    if entry is not None:
        return entry
    size = len(subtag)
    return next(
        (names for first, last, names in _ranges(kind) if first <= subtag <= last and len(first) == size), ()
    )


class _Countries:
    """ISO 3166-1 as a source of content: alpha-2, alpha-3 and numeric codes with their English names."""

    @cached_property
    def _content(self) -> ResourceContent:
        names = _registered("region")
        concepts = []
        countries: list[tuple[str, str, str]] = _table().get("countries")
        for location, kind in enumerate(_KINDS):
            for codes in sorted(countries, key=lambda country: country[location]):
                properties = [{"code": "kind", "valueCode": kind}]
                properties += [
                    {"code": other, "valueCode": code}
                    for other, code in zip(_KINDS, codes, strict=True)
                    if other != kind
                ]
                named = [{"language": "en", "value": name} for name in names[codes[0]][1:]]
                concept: dict[str, Any] = {"code": codes[location], "display": names[codes[0]][0]}
                concepts.append(
                    {**concept, **({"designation": named} if named else {}), "property": properties}
                )
        concepts += [
            {"code": code, "display": "User-assigned", "property": [{"code": "kind", "valueCode": "alpha-2"}]}
            for code in _USER_ASSIGNED
        ]
        return ResourceContent(
            {
                "resourceType": "CodeSystem",
                "url": COUNTRY_CODES,
                "version": registry_date(),
                "name": "Countries",
                "title": "Countries (ISO 3166-1), by the names of the IANA language subtag registry",
                "copyright": str(_table().header["notice"]),
                "status": "active",
                "content": "complete",
                "caseSensitive": True,
                "language": "en",
                "property": [{"code": code, "type": "code"} for code in ("kind", *_KINDS)],
                "concept": concepts,
            }
        )

    def urls(self) -> Sequence[str]:
        """The one system."""
        return (COUNTRY_CODES,)

    def versions(self, url: str) -> Sequence[str]:
        """The day of the registry."""
        return (registry_date(),) if url == COUNTRY_CODES else ()

    def content(self, url: str, version: str | None = None) -> ResourceContent | None:
        """The countries."""
        return self._content if url == COUNTRY_CODES and version in (None, registry_date()) else None


COUNTRIES = _Countries()
"""ISO 3166-1."""
