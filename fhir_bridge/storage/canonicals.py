"""What a canonical names (R4 references.html#canonical): resources by `url`, and by `version` where it has one.

A canonical without a version names every version that is stored. In the index it is the `url` of a row of `reference`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from fhir_bridge.fhir.definitions import DEFAULT, Definitions, SearchParameter
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexed import find, reference_targets

__all__ = ["NAMES", "canonicals", "is_canonical", "joined", "named"]

NAMES = "ARRAY[u.value, u.value || '|' || v.code]"
"""What canonicals that name a resource say: `u` is the row of its `url`, `v` that of its `version` or null."""


def is_canonical(resource_type: str, known: Definitions = DEFAULT) -> bool:
    """Whether canonicals name resources of the type; the `url` of a Device or a Subscription is none."""
    url, version = (find(resource_type, code, known) for code in ("url", "version"))
    return url is not None and url.type == "uri" and version is not None and version.type == "token"


def _targets(parameter: SearchParameter, known: Definitions) -> tuple[str, ...]:
    """The types that a reference parameter may lead to by canonicals."""
    return tuple(target for target in reference_targets(parameter) if is_canonical(target, known))


async def joined(resource_type: str, dictionaries: Dictionaries) -> str:
    """The rows `u` and `v` of the resources of a type, as tables of a select."""
    url, version = [await dictionaries.find_parameter(resource_type, code) for code in ("url", "version")]
    return (
        f"(uri u LEFT JOIN token v ON v.resource = u.resource AND v.parameter = {version:d}) "
        f"WHERE u.parameter = {url:d}"
    )


def named(version: str | int) -> str:
    """SQL of whether the row `i` of `reference` names the resource of the row `u`.

    Args:
        version: the number of the parameter `version` of its type, or a column that has it.
    """
    written = (
        f"SELECT FROM token v WHERE v.resource = u.resource AND v.parameter = {version} "
        "AND i.url = u.value || '|' || v.code"
    )
    # By the URL alone first, which the index has.
    return f"u.value = split_part(i.url, '|', 1) AND (i.url = u.value OR EXISTS ({written}))"


async def canonicals(
    resource_type: str, codes: Sequence[str], targets: Container[str] | None, dictionaries: Dictionaries
) -> tuple[list[int], list[int], list[int]] | None:
    """What the reference parameters of a type may name by canonicals: their numbers, each with those of `url` and of
    `version` of a type; None where that is nothing.

    Args:
        targets: the only types of interest; None for all.
    """
    known = dictionaries.definitions
    pairs: list[tuple[str, str]] = []
    for code in codes:
        parameter = find(resource_type, code, known)
        if parameter is not None:
            pairs += [
                (code, kind) for kind in _targets(parameter, known) if targets is None or kind in targets
            ]
    kinds = dict.fromkeys(kind for _, kind in pairs)
    await dictionaries.allocate(parameters=[(kind, code) for kind in kinds for code in ("url", "version")])
    rows = [
        (number, dictionaries.parameter(kind, "url"), dictionaries.parameter(kind, "version"))
        for code, kind in pairs
        for number in await dictionaries.find_parameters(resource_type, code)
    ]
    if not rows:
        return None
    parameters, urls, versions = (list(column) for column in zip(*rows, strict=True))
    return parameters, urls, versions
