"""pydicom without its warnings and value checks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pydicom.config

__all__ = ["quiet"]

_LOGGER: Final = logging.getLogger("pydicom")


@contextmanager
def quiet() -> Iterator[None]:
    """Read without pydicom's warnings and value checks: what matters here becomes an issue of ours."""
    settings = pydicom.config.settings
    mode, level = settings.reading_validation_mode, _LOGGER.level
    lengths = pydicom.config.convert_wrong_length_to_UN
    settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.convert_wrong_length_to_UN = True
    # What it logs may quote values, and a patient's values are in no log.
    _LOGGER.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        settings.reading_validation_mode = mode
        pydicom.config.convert_wrong_length_to_UN = lengths
        _LOGGER.setLevel(level)
