"""What a search can't do here and says so: a parameter of R4 that was left out would change what is found.

A name that R4 does not have may be left out where the caller is lenient (R4 search.html#errors): it never meant
anything. One that R4 has narrows the matches, adds to them or shapes them; without it, a caller would be given what was
not asked for.
"""

from __future__ import annotations

from fhir_bridge.fhir import definitions
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.indexed import find

__all__ = ["PRESENTATION", "refuse_unsupported"]

PRESENTATION = frozenset({"_format", "_pretty", "_count", "_sort", "_total", "_summary"})
"""Parameters about the answer's form, which are no conditions."""

# Listed, since R4 defines them in search.html and not as SearchParameters, which `known` holds.
_CONTROLS = PRESENTATION | frozenset(
    "_contained _containedType _content _elements _filter _graph _has _include _list _query _revinclude _score _text "
    "_type".split()
)
"""Parameters of R4 for every type that are not among a type's search parameters, or can't be searched by here."""


def refuse_unsupported(
    resource_type: str, name: str, known: definitions.Definitions = definitions.DEFAULT
) -> None:
    """Refuse a parameter that R4 has and the store can't answer.

    Args:
        name: as in the URL, with modifier or chain.

    Raises:
        BadSearch: it is one; a modifier is missing after the colon; or a modifier is where R4 has none.
    """
    code, colon, modifier = name.partition(":")
    if colon and not modifier:
        raise BadSearch(f"{name[:80]}: a modifier is missing after the colon")
    if code in PRESENTATION:
        raise BadSearch(f"{name[:80]}: {code} takes no modifier")
    defined = code in _CONTROLS or code in known.search_parameters(resource_type)
    if defined and find(resource_type, code, known) is None:
        raise BadSearch(f"{name[:80]}: R4 has this parameter; it is not supported for {resource_type} here")
