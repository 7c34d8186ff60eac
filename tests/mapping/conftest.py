from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import CompiledMapping, Context, Conversion, IdentityResolver, MappingErrors, Site
from fhir_bridge.mapping.loading import load_text
from tests.mapping.sources import ADAPTERS, Row, Terminology

HEAD = "mapping: m\nversion: 1.0.0\nsource: {adapter: csv}\nrules:\n"


def load(text: str) -> CompiledMapping:
    return load_text(text, "m.yaml", adapters=ADAPTERS)


@pytest.fixture
def context() -> Callable[..., Context]:
    """A context of the toy terminology; keywords go to the site, `adapter` and `trace` to the context."""

    def make(adapter: str = "csv", trace: bool = False, **site: Any) -> Context:
        settings = Site(**{"zone": "Europe/Rome", **site})
        return Context(
            settings, Terminology(), IdentityResolver(settings, IdKey(DEMO_KEY)), adapter, trace=trace
        )

    return make


@pytest.fixture
def rows(context: Callable[..., Context]) -> Callable[..., Conversion]:
    """Convert one row of a table by rules."""

    def convert(rules: str, cells: Mapping[str, Any], **site: Any) -> Conversion:
        return load(HEAD + rules).convert(Row(cells), context(**site))

    return convert


@pytest.fixture
def observation(rows: Callable[..., Conversion]) -> Callable[..., Any]:
    """The Observation that a row gives by these elements (and a status, code and key), and the issues' codes."""

    def convert(elements: str, cells: Mapping[str, Any], **site: Any) -> tuple[dict[str, Any], list[str]]:
        rule = "- rule: r\n  as: Observation\n  key: [\"'1'\"]\n  status: final\n  code: {text: x}\n"
        body = "".join(f"  {line}\n" for line in elements.strip("\n").splitlines())
        result = rows(rule + body, cells, **site)
        resource = result.outputs[0].resource if result.outputs else {}
        kept = {
            key: value
            for key, value in resource.items()
            if key not in ("resourceType", "id", "meta", "status", "code")
        }
        return kept, [issue.code for issue in result.issues]

    return convert


@pytest.fixture
def errors() -> Callable[[str], list[str]]:
    """The errors of a document, as a person reads them."""

    def find(text: str) -> list[str]:
        with pytest.raises(MappingErrors) as raised:
            load(text)
        return [str(error) for error in raised.value.errors]

    return find
