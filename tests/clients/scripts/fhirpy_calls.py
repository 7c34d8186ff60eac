"""PyPI fhirpy, its synchronous client."""

import datetime

from calls import BASE, IDENTIFIERS, TOKEN, call, cholesterol, patient, raised, report
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from fhirpy.base.searchset import Raw

client = SyncFHIRClient(BASE, authorization=f"Bearer {TOKEN}")
made = client.resource("Patient", **patient("Py"))
identifier = f"{IDENTIFIERS}|mrn-Py"


@call
def save_creates():
    made.save()
    assert made.id
    assert made.meta.versionId == "1"


@call
def get_or_create():
    found, created = (
        client.resources("Patient")
        .search(identifier=identifier)
        .get_or_create(client.resource("Patient", **patient("Py")))
    )
    assert (found.id, created) == (made.id, False)


@call
def read_by_reference():
    assert client.reference("Patient", made.id).to_resource().name[0].family == "Py"
    assert client.get("Patient", made.id).id == made.id


@call
def save_updates():
    made["gender"] = "other"
    made.save()
    assert made.meta.versionId == "2"


@call
def save_some_fields_patches():
    made["birthDate"] = "1962-04-05"
    made.save(fields=["birthDate"])
    made.refresh()
    assert (made.birthDate, made.meta.versionId) == ("1962-04-05", "3")


@call
def patch():
    made.patch(gender="male")
    assert client.get("Patient", made.id).gender == "male"


@call
def conditional_update():
    body = client.resource("Patient", **{**patient("Py"), "gender": "unknown"})
    updated, created = client.resources("Patient").search(identifier=identifier).update(body)
    assert (updated.id, updated.gender, created) == (made.id, "unknown", False)


@call
def conditional_patch():
    client.resources("Patient").search(identifier=identifier).patch(gender="female")
    assert client.get("Patient", made.id).gender == "female"


@call
def transaction():
    entries = [
        {
            "resource": cholesterol(f"Patient/{made.id}", 1 + day / 10, f"2026-03-0{day}"),
            "request": {"method": "POST", "url": "Observation"},
        }
        for day in range(1, 6)
    ]
    bundle = client.resource("Bundle", type="transaction", entry=entries)
    bundle.create()
    assert len(client.resources("Observation").search(patient=made.id).fetch()) == 5


@call
def execute_batch():
    answer = client.execute(
        "",
        data={
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [{"request": {"method": "GET", "url": f"/Patient/{made.id}"}}],
        },
    )
    assert answer["entry"][0]["resource"]["id"] == made.id


@call
def search_pages():
    found = client.resources("Observation").search(patient=made.id).limit(2).sort("-date")
    assert len(found.fetch()) == 2
    assert [one.effectiveDateTime[-1] for one in found.fetch_all()] == list("54321")
    assert found.count() == 5
    assert found.first().effectiveDateTime == "2026-03-05"


@call
def search_by_dates_and_values():
    found = client.resources("Observation").search(patient=made.id)
    assert len(found.search(date__ge=datetime.date(2026, 3, 3)).fetch()) == 3
    assert (
        len(found.search(Raw(**{"value-quantity": "gt1.25|http://unitsofmeasure.org|mmol/L"})).fetch()) == 3
    )
    assert len(found.search(code="http://loinc.org|30522-7,http://loinc.org|2085-9").fetch()) == 5


@call
def search_chains_and_has():
    observations = client.resources("Observation")
    assert len(observations.search(subject__Patient__family="Py").fetch()) == 5
    patients = client.resources("Patient").has("Observation", "patient", code="2085-9")
    assert made.id in [one.id for one in patients.fetch_all()]


@call
def search_includes():
    bundle = (
        client.resources("Observation").search(patient=made.id).include("Observation", "subject").fetch_raw()
    )
    assert [entry.resource.id for entry in bundle.entry if entry.search.mode == "include"] == [made.id]
    bundle = client.resources("Patient").search(_id=made.id).revinclude("Observation", "subject").fetch_raw()
    assert len(bundle.entry) == 6


@call
def search_elements():
    (one,) = client.resources("Patient").search(_id=made.id).elements("gender").fetch()
    assert "name" not in one
    assert one.gender == "female"


@call
def is_valid():
    assert client.resource("Patient", **patient("Valid")).is_valid()
    assert not client.resource("Patient", gender="none").is_valid()


@call
def everything():
    bundle = made.execute("$everything", method="get")
    assert len(bundle["entry"]) == 6


@call
def history():
    bundle = client.execute(f"Patient/{made.id}/_history", method="get")
    assert bundle["type"] == "history"
    assert bundle["entry"][-1]["resource"]["meta"]["versionId"] == "1"


@call
def errors():
    refused = raised(OperationOutcome, client.resource("Patient", gender="none").save)
    assert "gender" in str(refused), refused


@call
def delete():
    one = client.resources("Observation").search(patient=made.id).first()
    one.delete()
    raised(ResourceNotFound, lambda: client.get("Observation", one.id))


report()
