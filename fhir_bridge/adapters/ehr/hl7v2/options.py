"""The options of a mapping's `source:` block for HL7 v2."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Any, Final

from fhir_bridge.mapping import nearest
from fhir_bridge.plugins import OptionError

__all__ = ["check_options"]

_KNOWN: Final = (
    "encoding",
    "require",
    "covers",
    "max_message_mb",
    "groups",
    "join",
    "decimal",
    "group",
    "date",
)
_LISTS: Final = {"require": re.compile(r"[A-Z][A-Z0-9]{2}"), "covers": re.compile(r"[A-Z]{3}")}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what is no option, and values that make no sense.

    Raises:
        OptionError: with what was probably meant.
    """
    for key in options:
        if key not in _KNOWN and not str(key).startswith("join."):
            advice = nearest(str(key), _KNOWN) or f"there are {', '.join(_KNOWN)}"
            raise OptionError(str(key), f"source.{key} is no option of hl7v2", advice)
    encoding = options.get("encoding")
    if encoding is not None:
        try:
            codecs.lookup(str(encoding))
        except LookupError:
            raise OptionError("encoding", f'"{encoding}" is no encoding', "such as utf-8 or cp1252") from None
    for key, form in _LISTS.items():
        values = options.get(key)
        if values is None:
            continue
        if not isinstance(values, list | tuple) or not all(
            isinstance(value, str) and form.fullmatch(value) for value in values
        ):
            what = "segments, such as [PID]" if key == "require" else "message codes, such as [ADT, ORU]"
            raise OptionError(key, f"source.{key} is a list of {what}")
    limit = options.get("max_message_mb")
    if limit is not None and not (str(limit).isdigit() and int(limit) > 0):
        raise OptionError("max_message_mb", "source.max_message_mb is a whole number of megabytes")
