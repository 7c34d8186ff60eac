"""Characters that no text of FHIR holds."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["NO_TEXT"]

NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Control characters but tab and line ends (R4 datatypes.html#string), and what no XML can hold."""
