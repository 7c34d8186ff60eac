"""Each test of packages leaves none behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fhir_bridge.fhir.definitions.packages import forget_packages


@pytest.fixture(autouse=True)
def no_package_stays() -> Iterator[None]:
    yield
    forget_packages()
