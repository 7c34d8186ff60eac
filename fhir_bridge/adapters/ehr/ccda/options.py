"""The options of a mapping's `source:` block for C-CDA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhir_bridge.adapters.ehr.ccda.limits import MOST_MB
from fhir_bridge.mapping import nearest
from fhir_bridge.plugins import OptionError

__all__ = ["DEFAULT_LIMIT_MB", "check_options"]

DEFAULT_LIMIT_MB: Final = 64
_KNOWN: Final = ("max_document_mb", "join", "decimal", "group", "date")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what is no option, and values that make no sense.

    Raises:
        OptionError: with what was probably meant.
    """
    for key in options:
        if key not in _KNOWN and not str(key).startswith("join."):
            advice = nearest(str(key), _KNOWN) or f"there are {', '.join(_KNOWN)}"
            raise OptionError(str(key), f"source.{key} is no option of ccda", advice)
    limit = options.get("max_document_mb")
    if limit is not None and not (str(limit).isdigit() and int(limit) > 0):
        raise OptionError("max_document_mb", "source.max_document_mb is a whole number of megabytes")
    if limit is not None and int(limit) > MOST_MB:
        raise OptionError(
            "max_document_mb",
            f"source.max_document_mb is {MOST_MB} at most: a larger document can't be kept with what is made of it",
        )
