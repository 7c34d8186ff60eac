"""A diagnosis that nobody here can place is seen beside the value: on the patient's page and on the card."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.server import Settings, create_app
from tests.predictions.clinic import of_patient, records
from tests.predictions.records import LOINC, condition, variant
from tests.server.conftest import Hospital, bare_plugins, furnish, running
from tests.server.test_cds_hooks import KEY, cards
from tests.server.test_model_lifecycle import predict
from tests.server.test_pages import page, part
from tests.server.test_predict import own

SITE = """
site: test
demo_key: true
parameters:
  predictions:
    score2: {enabled: true, region: moderate}
"""
TEXT = "Not decided: SNOMED CT is not imported, and no list has what the record says by 195967001"


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(SITE)
    plugins = bare_plugins()
    plugins.register(predictions)
    settings = Settings(database_url=database_url, site=site, cds_seconds=10)
    with pytest.MonkeyPatch.context() as environment, running(create_app(settings, plugins=plugins)) as http:
        environment.setenv("FHIR_BRIDGE_SITE", str(site))
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        jwks = {"keys": [KEY.as_dict(private=False)]}
        hospital.run(hospital.services.accounts.add_client, "ehr", "ehr", "key", "system/*.cruds", jwks=jwks)
        yield hospital


def test_a_variant_that_decides_nothing_is_not_folded(served: Hospital) -> None:
    name = "uncertain"
    found, classified = variant("LDLR", "p.Gly592Glu", "LA26333-7")
    source = {"coding": [{"system": LOINC, "code": "LA6683-2"}]}
    found["component"] += [
        *classified["component"],
        {"code": {"coding": [{"system": LOINC, "code": "48002-0"}]}, "valueCodeableConcept": source},
    ]
    resources = [own(item, name) for item in (*records(), of_patient(found))]
    served.run(served.services.store.load, resources, adapter="test")
    predict(served, name, "score2")
    shown = part(page(served, f"/patients/{name}"), "predictions")
    text = "of uncertain significance, which decides nothing"
    assert text in shown.partition("<details")[0]
    assert shown.count(text) == 1


@pytest.mark.parametrize("known", [True, False])
def test_it_is_not_folded(served: Hospital, known: bool) -> None:
    name = f"undecided{known}".lower()
    asthma = of_patient(condition("J45.9"), name)
    if not known:
        asthma["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]}
    resources = [own(item, name) for item in (*records(), asthma)]
    served.run(served.services.store.load, resources, adapter="test")
    predict(served, name, "score2")
    shown = part(page(served, f"/patients/{name}"), "predictions")
    open_part = shown.partition("<details")[0]
    assert (TEXT in open_part) is not known
    (card,) = cards(served, name)
    assert ("not all decided" in card["summary"]) is not known
    assert card["detail"].startswith(f"- **{TEXT}") is not known
    assert known or card["indicator"] == "warning"
