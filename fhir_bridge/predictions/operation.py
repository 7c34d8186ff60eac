"""`[base]/Patient/id/$predict`: POST runs a model; GET reads what it last said, and whether that counts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.changes import outdated_models
from fhir_bridge.predictions.overtaken import overtaken_standings
from fhir_bridge.predictions.past import moment_asked
from fhir_bridge.predictions.registry import PredictionError, find_predictor
from fhir_bridge.predictions.run import PredictionRun
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.storage.errors import BadResource, Forbidden, NotFound, TakenBack, VersionConflict

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["Predict", "check_may_predict", "check_parameters"]


READ = ("Patient", "Observation", "Condition", "Procedure")
"""What the built-in models look at."""


class _Request(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def access(self) -> AccessFilter: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def store(self) -> Store: ...


def check_may_predict(access: AccessFilter, predictor: Predictor | None = None) -> None:
    """Refuse who may not run a model, or not read all that it looks at.

    Raises:
        Forbidden: the grants do not allow it.
    """
    if not access.permits("Observation", "c"):
        raise Forbidden("running a model needs a grant to create Observations")
    for resource_type in dict.fromkeys((*READ, *getattr(predictor, "reads", ()))):
        if not any(not rule.criteria for rule in access.rules_for(resource_type, "r")):
            raise Forbidden(f"running a model needs a grant to read every {resource_type} of the patient")


def check_parameters(parameters: Mapping[str, Any], headers: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse parameters that the operation does not take, but where `Prefer: handling=lenient` is sent.

    Raises:
        BadResource: it takes none of that name, or one occurs twice.
    """
    unknown = sorted(set(parameters) - {*known, "_format", "_pretty"})
    if unknown and "handling=lenient" not in headers.get("prefer", "").replace(" ", "").lower():
        names = ", ".join(name[:40] for name in unknown)
        raise BadResource(f"$predict takes {', '.join(known)}, and not {names}")
    for name in known:
        if isinstance(parameters.get(name), list):
            raise BadResource(f"{name} occurs twice")


class Predict:
    """The operation. Parameters: `predictor`, the name of the model; `as_of`, a moment that is past (POST alone).

    By `as_of` the model sees what was known then, and no later correction; what it says is not stored.

    The model sees what the caller may read. A caller who may not read all that a model looks at is refused: a result
    that rests on half a record (no Conditions, one category of Observations) would look like any other.
    """

    name = "predict"
    levels = frozenset({"instance"})
    types = ("Patient",)
    access = "r"

    async def __call__(self, request: _Request, parameters: Mapping[str, Any]) -> bytes:
        """Run and answer with the stored Observation; or, for a GET, answer with what is stored.

        Raises:
            BadResource: no patient, no predictor, or one that this site has not enabled.
            Forbidden: the caller may not create Observations.
            TakenBack: the result was withdrawn by a person, and what it rests on says the same.
            NotFound: a GET, and the model has left nothing here.
        """
        check_parameters(parameters, request.headers, ("predictor", "as_of"))
        name = str(parameters.get("predictor", ""))
        if not request.id or not name:
            raise BadResource("ask [base]/Patient/<id>/$predict with the parameter `predictor`")
        moment = moment_asked(str(parameters["as_of"])) if "as_of" in parameters else None
        if request.method != "POST":
            if moment is not None:
                raise BadResource("a GET answers with what is stored; as_of takes POST")
            return await self._read(request, name)
        check_may_predict(request.access)
        site, key = site_settings(os.environ.get("FHIR_BRIDGE_SITE"))
        try:
            predictor = find_predictor(name, site.parameters)
            check_may_predict(request.access, predictor)
            run = PredictionRun(predictor, site.parameters, key, request.store)
            if moment is not None:
                return dumps(await run.as_of(request.id, request.access, moment))
            done = await run.for_patient(request.id, request.access)
        except PredictionError as error:
            raise BadResource(f"{error} ({error.code})") from error
        if done.outcome == "postponed":
            raise VersionConflict("the record changes while it is read: try again")
        if done.outcome == "withdrawn":
            raise TakenBack(
                f"the result of {name} (Observation/{done.observation_id}) was withdrawn by a person, and its inputs "
                "say the same: there is no result until one of them changes"
            )
        return (await request.store.read("Observation", done.observation_id, EVERYTHING)).bytes

    async def _read(self, request: _Request, name: str) -> bytes:
        """Parameters: the newest `result`, its `state`, and what is `outdated` about it."""
        standings = [
            item for item in await request.store.results.of_patient(request.id) if item.model == name
        ]
        if not standings:
            raise NotFound(f"no result of {name}")
        newest = next((item for item in standings if item.state == "current"), standings[-1])
        stored = await request.store.read("Observation", newest.id, request.access)
        replaced = await overtaken_standings(request.store, standings, os.environ.get("FHIR_BRIDGE_SITE"))
        outdated = await outdated_models(request.store, request.access, standings, replaced)
        state = "outdated" if newest.state == "current" and name in outdated else newest.state
        parameter: list[dict[str, Any]] = [
            {"name": "state", "valueCode": state},
            {"name": "result", "resource": orjson.Fragment(stored.bytes)},
        ]
        if name in outdated:
            parameter.insert(1, {"name": "outdated", "valueString": f"outdated: {outdated[name]}"})
        return dumps({"resourceType": "Parameters", "parameter": parameter})
