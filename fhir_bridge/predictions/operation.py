"""`POST [base]/Patient/id/$predict`: run a model for one patient and get the Observation it leaves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Site
from fhir_bridge.predictions.run import PredictionError, PredictionRun, find_predictor
from fhir_bridge.storage.errors import BadResource, Forbidden

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["Predict"]


READ = ("Patient", "Observation", "Condition")
"""What the built-in models look at."""


class _Request(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def access(self) -> AccessFilter: ...
    @property
    def store(self) -> Store: ...


@lru_cache(maxsize=4)
def _site(path: str | None) -> tuple[Site, IdKey]:
    site = Site.load(Path(path)) if path else Site()
    return site, IdKey(DEMO_KEY) if site.demo_key else IdKey.load_or_make(site.key_path)


class Predict:
    """The operation. Parameter `predictor`: name of the model.

    The model sees what the caller may read. A caller who may not read all that a model looks at is refused: a result
    that rests on half a record (no Conditions, one category of Observations) would look like any other.
    """

    name = "predict"
    types = ("Patient",)
    access = "r"

    async def __call__(self, request: _Request, parameters: Mapping[str, Any]) -> bytes:
        """Run and answer with the stored Observation.

        Raises:
            BadResource: no patient, no predictor, or one that this site has not enabled.
            Forbidden: the caller may not create Observations.
        """
        if request.method != "POST" or not request.id:
            raise BadResource("POST to [base]/Patient/<id>/$predict with the parameter `predictor`")
        if not request.access.permits("Observation", "c"):
            raise Forbidden("running a model needs a grant to create Observations")
        for resource_type in READ:
            if not any(not rule.criteria for rule in request.access.rules_for(resource_type, "r")):
                raise Forbidden(f"running a model needs a grant to read every {resource_type} of the patient")
        site, key = _site(os.environ.get("FHIR_BRIDGE_SITE"))
        try:
            predictor = find_predictor(str(parameters.get("predictor", "")))
            run = PredictionRun(predictor, site.parameters, key, request.store)
            done = await run.for_patient(request.id, request.access)
        except PredictionError as error:
            raise BadResource(f"{error} ({error.code})") from error
        return (await request.store.read("Observation", done.observation_id, EVERYTHING)).bytes
