"""The inbox as a page: what waits, for those who look after the data; no patient sees it."""

from __future__ import annotations

from fhir_bridge.storage.inbox import InboxItem
from tests.server.conftest import Hospital
from tests.server.test_pages import clinic as clinic
from tests.server.test_pages import page

ATTACK = "<script>alert(1)</script>"


def note(clinic: Hospital, *items: InboxItem) -> None:
    clinic.run(clinic.services.store.note_inbox, list(items))


def test_it_lists_what_waits_and_how_to_go_on(clinic: Hospital) -> None:
    refused = "Observation is known under another patient"
    note(
        clinic,
        InboxItem("held", "vcf", "a.vcf", "FB-ID-003", f'the sample "{ATTACK}" is not in the crosswalk'),
        InboxItem("refused", "hl7v2", "two.hl7#1", "FB-STORE-018", refused),
    )
    listed = page(clinic, "/inbox")
    for text in ("a.vcf", "two.hl7#1", "FB-STORE-018", "Waits for its patient", "inbox replay"):
        assert text in listed
    assert ATTACK not in listed
    held = page(clinic, "/inbox?kind=held")
    assert "a.vcf" in held
    assert "two.hl7#1" not in held
    page(clinic, "/inbox?kind=nonsense&after=x")


def test_a_patient_and_who_is_not_signed_in_see_nothing_of_it(clinic: Hospital) -> None:
    note(clinic, InboxItem("held", "vcf", "secret.vcf", "FB-ID-003", "the sample is not in the crosswalk"))
    clinic.http.cookies.clear()
    assert "secret.vcf" not in clinic.http.get("/inbox").text
    assert "secret.vcf" not in page(clinic, "/inbox", "anna", 404)
