"""What tests of models share."""

from __future__ import annotations

import pytest

from fhir_bridge.predictions import model_check


@pytest.fixture
def checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`model check` tries the model in this process: one of its own takes a second, and is tested by itself."""
    monkeypatch.setattr(
        model_check, "within", lambda _, manifest, folder: model_check.problems_of(manifest, folder)
    )
