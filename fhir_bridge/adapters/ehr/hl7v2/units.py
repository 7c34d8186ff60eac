"""Units (OBX-6 and its like) whose exponent was written with the component separator: `10^3/uL`, `kg/m^2`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters

__all__ = ["with_exponents"]

_CARET: Final = "^"
_TEN: Final = re.compile(r"(?:.*[^\d.,])?10", re.DOTALL)
_OF_TEN: Final = re.compile(r"[+-]?\d{1,2}(?!\d).*", re.DOTALL)
_BASE: Final = re.compile(r".*[A-Za-zµμ)\]]", re.DOTALL)
_EXPONENT: Final = re.compile(r"[+-]?[1-9](?:[/.*·].*)?", re.DOTALL)
_CODES_AND_TEXTS: Final = (1, 2, 4, 5)
"""Components of a CWE that hold a unit, from 1; the next one may be its exponent."""


@lru_cache(maxsize=20_000)
def with_exponents(raw: str, delimiters: Delimiters) -> str | None:
    """A CWE with the carets of its exponents escaped; None where it has none.

    A component that ends in a power's base (`10`, `x10`, a unit's letter) before one that begins with a small number
    and then ends or divides (`3/uL`, `2`) is no code with its text.
    """
    if delimiters.component != _CARET or _CARET not in raw:
        return None
    escaped = f"{delimiters.escape}S{delimiters.escape}"
    result: list[str] = []
    for part in raw.split(_CARET):
        if len(result) in _CODES_AND_TEXTS and _is_power(result[-1], part):
            result[-1] += escaped + part
        else:
            result.append(part)
    return _CARET.join(result) if len(result) <= raw.count(_CARET) else None


def _is_power(base: str, exponent: str) -> bool:
    base, exponent = base.strip(), exponent.strip()
    if _TEN.fullmatch(base):
        return _OF_TEN.fullmatch(exponent) is not None and not exponent.startswith("99")
    return _BASE.fullmatch(base) is not None and _EXPONENT.fullmatch(exponent) is not None
