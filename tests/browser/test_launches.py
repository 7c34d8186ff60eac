"""npm fhirclient, in headless Chromium, on another origin, completes both launches."""

from __future__ import annotations

from typing import Any

OBSERVATIONS = ["anna-lab", "anna-vital"]


def test_a_standalone_launch_with_a_patient_picked(drive: Any) -> None:
    shown = drive("standalone")
    assert shown.get("patient") == "anna", shown
    assert shown["observations"] == OBSERVATIONS
    assert shown["user"] == "Practitioner/clara"
    assert shown["refreshed"] is True
    assert shown["other"] in (403, 404)


def test_an_ehr_launch_from_the_page(drive: Any) -> None:
    shown = drive("ehr")
    assert shown.get("patient") == "anna", shown
    assert shown["observations"] == OBSERVATIONS
    assert shown["banner"] is True


def test_a_denial_reaches_the_application(drive: Any, site: Any) -> None:
    shown = drive("deny")
    assert "did not allow" in shown["error"], shown
    assert shown["at"].startswith(site.app)
