"""ISO 3166-1 and 3166-2, ISO 4217, ISO 639 and ISO 15924 as the package iso-codes (and pycountry) has them in JSON.

A code system each. Countries have the codes of FHIR's system `urn:iso:std:iso:3166`: alpha-2, alpha-3 and numeric.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fhir_bridge.terminology.imports.json_text import parsed
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, Staging, SystemHeader

__all__ = ["read", "recognizes"]


class _Form(NamedTuple):
    """What a table is: the code system, the members with codes, and those whose values are properties."""

    url: str
    title: str
    codes: tuple[str, ...]
    properties: tuple[str, ...] = ()


_FORMS = {
    "3166-1": _Form("urn:iso:std:iso:3166", "ISO 3166-1 country codes", ("alpha_2", "alpha_3", "numeric")),
    "3166-2": _Form("urn:iso:std:iso:3166:-2", "ISO 3166-2 subdivisions", ("code",), ("type",)),
    "4217": _Form("urn:iso:std:iso:4217", "ISO 4217 currency codes", ("alpha_3",), ("numeric",)),
    "639-2": _Form(
        "urn:iso:std:iso:639:-2", "ISO 639-2 languages", ("alpha_3",), ("alpha_2", "bibliographic")
    ),
    "639-3": _Form(
        "urn:iso:std:iso:639:-3", "ISO 639-3 languages", ("alpha_3",), ("alpha_2", "scope", "type")
    ),
    "639-5": _Form("urn:iso:std:iso:639:-5", "ISO 639-5 language groups", ("alpha_3",)),
    "15924": _Form("urn:iso:std:iso:15924", "ISO 15924 scripts", ("alpha_4",), ("numeric",)),
}
_NAMES = ("official_name", "common_name", "inverted_name")
_KEY = re.compile(rb'\s*\{\s*"(' + b"|".join(name.encode() for name in _FORMS) + rb')"\s*:\s*\[')
_MAX = 32 << 20


def recognizes(source: Source) -> bool:
    """Whether a JSON file begins as one of these tables."""
    return any(True for _ in _files(source))


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the tables into the staging.

    Raises:
        ImportProblem: a file is not JSON, or an entry has no code or no name.
    """
    results = list(_files(source))
    if not results:
        raise ImportProblem(str(source.path), None, "holds none of the tables of iso-codes")
    if options.system is not None and len(results) > 1:
        raise ImportProblem(
            str(source.path), None, f"holds {len(results)} tables; --system can name one only"
        )
    for name, key in results:
        label = source.label(name)
        entries = parsed(source.start(name, _MAX), label, 1).get(key)
        if not isinstance(entries, list):
            raise ImportProblem(label, 1, f'has no list "{key}"')
        form = _FORMS[key]
        header = SystemHeader(
            options.system or form.url,
            options.version,
            re.sub(r"[^A-Za-z0-9]", "", form.title),
            form.title,
            language="en",
            metadata={"status": "active"},
        )
        with Batch(staging, staging.system(header)) as batch:
            for codes in form.codes:
                for location, entry in enumerate(entries, 1):
                    _put(batch, entry, codes, form, f"{label}, entry {location}")


def _put(batch: Batch, entry: Any, kind: str, form: _Form, where: str) -> None:
    code, name = _text(entry, kind), _text(entry, "name")
    if code is None or name is None:
        raise ImportProblem(where, None, f"has no {kind} or no name")
    parent = _text(entry, "parent")
    if parent is not None and "-" not in parent:  # of subdivisions, once told without the country
        parent = f"{code.partition('-')[0]}-{parent}"
    batch.concept(ConceptRow(code, name, None), [parent] if parent else [])
    for other in (*form.codes, *form.properties):
        if other != kind:
            batch.value(code, other.replace("_", "-"), _text(entry, other) or "", "code")
    for member in _NAMES:
        if (value := _text(entry, member)) is not None and value != name:
            batch.name(DesignationRow(code, value, "en", None, member))


def _text(entry: Any, member: str) -> str | None:
    value = entry.get(member) if isinstance(entry, Mapping) else None
    return value if isinstance(value, str) and value else None


def _files(source: Source) -> Iterator[tuple[str, str]]:
    """Tables with the key of their list."""
    for name in source.files(".json"):
        match = _KEY.match(source.start(name, 200))
        if match:
            yield name, match[1].decode()
