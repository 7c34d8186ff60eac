"""PyPI fhirclient: a SMART application that a person launches, then its models."""

import html
import os
import re

import requests
from calls import BASE, ROOT, call, cholesterol, patient, raised, report
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.fhirsearch import FHIRSearch
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from requests import HTTPError

CALLBACK = "https://app.example/callback"
client = FHIRClient(
    settings={
        "app_id": "fhirclient",
        "api_base": BASE,
        "redirect_uri": CALLBACK,
        "scope": "openid fhirUser offline_access user/*.cruds",
        "launch_token": None,
    }
)


def in_the_browser(address):
    """Sign in, choose the patient, allow: what a person does; gives where the browser is sent back to."""
    browser = requests.Session()
    page = browser.get(address)
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
    fields = {name: html.unescape(value) for name, value in fields.items()}
    page = browser.post(
        f"{ROOT}/login", data={**fields, "username": "clara", "password": os.environ["PASSWORD"]}
    )
    approval = page.text[page.text.index('name="csrf"') :]  # behind the form that looks for a patient
    fields = re.findall(r'name="([^"]+)" value="([^"]*)"', approval)
    kept = [(name, html.unescape(value)) for name, value in fields if name not in ("patient", "decision")]
    kept += [("csrf", re.search('value="([^"]*)"', approval)[1]), ("decision", "allow"), ("patient", "anna")]
    return browser.post(f"{ROOT}/oauth/approve", data=dict_of(kept), allow_redirects=False).headers[
        "location"
    ]


def dict_of(pairs):
    """A form of fields that may repeat, each value once."""
    form = {}
    for name, value in pairs:
        if value not in form.setdefault(name, []):
            form[name].append(value)
    return form


@call
def launch():
    client.prepare()
    client.handle_callback(in_the_browser(client.authorize_url))
    assert client.ready
    assert client.patient_id == "anna"
    assert client.human_name(client.patient.name[0]) == "Ada Alpha"


@call
def refresh():
    before = client.server.auth.access_token
    assert client.reauthorize()
    assert client.server.auth.access_token != before


made = Patient(patient("Clientele"))


@call
def create():
    made.id = made.create(client.server)["id"]
    assert Patient.read(made.id, client.server).name[0].family == "Clientele"


@call
def update():
    made.gender = "other"
    assert made.update(client.server)["meta"]["versionId"] == "2"


@call
def transaction():
    entries = [
        {
            "resource": cholesterol(f"Patient/{made.id}", 1 + day / 10, f"2026-03-0{day}"),
            "request": {"method": "POST", "url": "Observation"},
        }
        for day in range(1, 6)
    ]
    done = client.server.post_json(
        "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    ).json()
    assert [each["response"]["status"][:3] for each in done["entry"]] == ["201"] * 5
    assert Bundle(done).type == "transaction-response"


@call
def search_pages():
    search = Observation.where({"patient": made.id, "_count": "2", "_sort": "-date"})
    assert [len(page.entry) for page in search.perform_iter(client.server)] == [2, 2, 1]
    values = [each.valueQuantity.value for each in search.perform_resources_iter(client.server)]
    assert values == [1.5, 1.4, 1.3, 1.2, 1.1]


@call
def search_constructs():
    dates = {"patient": made.id, "date": {"$and": ["ge2026-03-02", "le2026-03-04"]}}
    assert len(list(Observation.where(dates).perform_resources_iter(client.server))) == 3
    codes = {"patient": made.id, "code": {"$or": ["http://loinc.org|30522-7", "http://loinc.org|2085-9"]}}
    assert len(list(Observation.where(codes).perform_resources_iter(client.server))) == 5
    chained = {"subject:Patient.name": "Clientele"}
    assert len(list(Observation.where(chained).perform_resources_iter(client.server))) == 5


@call
def search_includes():
    search = FHIRSearch(Observation, {"patient": made.id}).include("subject")
    assert made.id in [each.id for each in search.perform_resources_iter(client.server)]
    search = FHIRSearch(Patient, {"_id": made.id}).include("subject", Observation, reverse=True)
    assert len(list(search.perform_resources_iter(client.server))) == 6


@call
def references():
    one = next(Observation.where({"patient": made.id}).perform_resources_iter(client.server))
    assert one.subject.resolved(Patient).name[0].family == "Clientele"


@call
def everything():
    bundle = Bundle.read_from(f"Patient/{made.id}/$everything", client.server)
    assert len(bundle.entry) == 6


@call
def history():
    bundle = Bundle.read_from(f"Patient/{made.id}/_history", client.server)
    assert [entry.resource.meta.versionId for entry in bundle.entry] == ["2", "1"]


@call
def delete():
    one = next(Observation.where({"patient": made.id}).perform_resources_iter(client.server))
    one.delete()
    gone = raised(HTTPError, lambda: Observation.read(one.id, client.server))
    assert gone.response.status_code == 410


report()
