"""After the answer: a person confirms, amends or rejects a result; a result, or all of a model, is withdrawn.

What a person says is a version of the Observation (and of the RiskAssessment beside it) and a Provenance with the
model as AI agent and the person as verifier. The model's own value stays in a component.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions.batches import read_many
from fhir_bridge.predictions.categories import categories_of, category_of_value
from fhir_bridge.predictions.overtaken import overtaken
from fhir_bridge.predictions.record import codings
from fhir_bridge.predictions.transparency import AI_TYPES, AIAST
from fhir_bridge.storage import Store, Stored
from fhir_bridge.storage.audit_rows import AuditOf
from fhir_bridge.storage.errors import BadResource, NoResult, NotCurrent
from fhir_bridge.storage.writing import Operation, new_id

__all__ = ["OPEN", "Decision", "Review", "review", "withdraw"]

Decision = Literal["confirm", "amend", "reject", "followed"]
_STATUS: Final[Mapping[str, str]] = {"confirm": "final", "amend": "amended", "reject": "entered-in-error"}
_ACTIVITY: Final[Mapping[str, tuple[str, str]]] = {
    "confirm": ("UPDATE", "revise"),
    "amend": ("UPDATE", "revise"),
    "followed": ("UPDATE", "revise"),
    "reject": ("NULLIFY", "nullify"),
}
_FAILED: Final = ("http://terminology.hl7.org/CodeSystem/data-absent-reason", "error")
OPEN: Final = frozenset({"preliminary", "final", "amended"})
"""Statuses of a result that nobody took back."""
AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class Review:
    """What a person says of a result.

    Attributes:
        who: of Reference: the person.
        value: what the person puts in place of the number, in its unit.
        category: code of one of the model's categories; empty for none.
        followed: the decision that followed, in words.
    """

    decision: Decision
    who: Mapping[str, Any]
    reason: str = ""
    value: Decimal | None = None
    category: str = ""
    followed: str = ""


async def review(
    store: Store,
    stored: Stored,
    verdict: Review,
    parameters: Mapping[str, Any] | None,
    audit: AuditOf | None = None,
    site: str | None = None,
) -> None:
    """Write what a person says.

    Args:
        stored: the Observation in the version that the person saw.
        parameters: of the site, where its models are named.
        site: see `overtaken`.

    Raises:
        NotCurrent: it is to be confirmed or amended, and another result is current, or none, or it is about to be
            computed again.
        NoResult: it is a run that failed, and is to be confirmed or amended.
        BadResource: it is no prediction, or withdrawn; or the review lacks what its decision needs.
        VersionConflict: another version came between.
    """
    observation: dict[str, Any] = loads_exact(stored.bytes)
    _check(observation, verdict)
    if (await store.results.states([stored.id])).get(stored.id) == "untracked":
        raise BadResource("no model of this server wrote this result: it can't be reviewed here")
    if verdict.decision in ("confirm", "amend"):
        await _check_current(store, stored.id, observation, site)
    category = _category(observation, verdict, parameters)
    companions = await store.results.companions([stored.id])
    beside = await read_many(store, "RiskAssessment", list(companions.values()))
    operations = _operations(
        stored, observation, beside.get(companions.get(stored.id, "")), verdict, category
    )
    await store.write(operations, EVERYTHING, audit=audit)


async def withdraw(
    store: Store, ids: Sequence[str], reason: str, who: Mapping[str, Any], audit: AuditOf | None = None
) -> int:
    """Withdraw results: `entered-in-error`, a Provenance each. Those that are withdrawn already are passed over.

    Returns:
        how many were.
    """
    count = 0
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        companions = await store.results.companions(some)
        beside = await read_many(store, "RiskAssessment", list(companions.values()))
        operations: list[Operation] = []
        for identity, stored in (await read_many(store, "Observation", some)).items():
            observation: dict[str, Any] = loads_exact(stored.bytes)
            if observation.get("status") not in OPEN:
                continue
            verdict = Review("reject", who, reason)
            operations += _operations(
                stored, observation, beside.get(companions.get(identity, "")), verdict, None
            )
            count += 1
        if operations:
            await store.write(operations, EVERYTHING, audit=audit)
    return count


async def _check_current(
    store: Store, identity: str, observation: Mapping[str, Any], site: str | None
) -> None:
    """Refuse to confirm or amend what another result took the place of, or an input or the model changed under.

    Raises:
        NotCurrent: names the result that is current.
    """
    patient = str(observation.get("subject", {}).get("reference", "")).removeprefix("Patient/")
    standings = await store.results.of_patient(patient)
    own = next((item for item in standings if item.id == identity), None)
    if own is not None and own.state == "current":
        reason = "newer data have arrived: run the model first" if own.waiting else None
        reason = reason or (await overtaken(store, {own.id: own.model}, site)).get(own.id)
        if reason is not None:
            raise NotCurrent(f"this result is outdated, and can't be confirmed as it is; {reason}")
        return
    if own is None or own.state not in ("outdated", "superseded"):
        return
    current = next(
        (item.id for item in standings if (item.model, item.state) == (own.model, "current")), None
    )
    instead = (
        f"the current one is Observation/{current}"
        if current
        else "there is no current one yet: run the model"
    )
    raise NotCurrent(f"this result is {own.state}, and can't be confirmed any more; {instead}")


def _category(
    observation: Mapping[str, Any], verdict: Review, parameters: Mapping[str, Any] | None
) -> tuple[str, str] | None:
    """Code and display of the category that a person puts in place.

    Raises:
        BadResource: the model has none of this code.
    """
    if verdict.decision != "amend" or not verdict.category:
        return None
    known = categories_of(observation, parameters)
    for code, display in known:
        if code == verdict.category:
            right = (
                None if verdict.value is None else category_of_value(observation, parameters, verdict.value)
            )
            if right not in (None, code):
                raise BadResource(
                    f"category: by the model's thresholds the value is {right or 'in none'}, not {code}"
                )
            return code, display
    if not known:
        raise BadResource("the model has no categories, or is not installed here any more")
    raise BadResource(f"category is one of the model's: {', '.join(code for code, _ in known)}")


def _check(observation: Mapping[str, Any], verdict: Review) -> None:
    labels = observation.get("meta", {}).get("security", ())
    if not any(label.get("code") == AIAST["code"] for label in labels):
        raise BadResource("this is not a result of a model")
    if observation.get("status") not in OPEN:
        raise BadResource("this result is withdrawn, and can't be reviewed any more")
    if verdict.decision in ("confirm", "amend") and _FAILED in codings(observation.get("dataAbsentReason")):
        raise NoResult(f"the run failed, so there is no result to {verdict.decision}: run the model again")
    if verdict.decision in ("amend", "reject") and not verdict.reason.strip():
        raise BadResource(f"{verdict.decision} needs a reason")
    if verdict.decision == "amend":
        if verdict.value is None and not verdict.category:
            raise BadResource("amend needs a value or a category")
        if verdict.value is not None and "valueQuantity" not in observation:
            raise BadResource("this result has no number to amend")
        quantity = observation.get("valueQuantity", {})
        if verdict.value is not None and quantity.get("code") == "%" and not 0 <= verdict.value <= 100:
            raise BadResource("a risk is within 0 to 100 %")
    if verdict.decision == "followed" and not verdict.followed.strip():
        raise BadResource("say which decision followed")


def _operations(
    stored: Stored,
    observation: dict[str, Any],
    beside: Stored | None,
    verdict: Review,
    category: tuple[str, str] | None,
) -> list[Operation]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    before = f"Observation/{stored.id}/_history/{stored.version}"
    operations = [
        Operation(
            "update",
            "Observation",
            stored.id,
            _reviewed(observation, verdict, category, now),
            if_match=str(stored.version),
        )
    ]
    targets = [f"Observation/{stored.id}"]
    if beside is not None and verdict.decision != "followed":
        resource: dict[str, Any] = loads_exact(beside.bytes)
        resource["status"] = _status(resource, verdict)
        if verdict.decision == "amend":
            resource = _amended_risk(resource, verdict, category)
        # A rejected Observation takes the RiskAssessment with it (`storage.currency`).
        if verdict.decision != "reject":
            version = str(beside.version)
            operations.append(Operation("update", "RiskAssessment", beside.id, resource, if_match=version))
        targets.append(f"RiskAssessment/{beside.id}")
    provenance = _provenance(targets, before, observation, verdict, now)
    return [*operations, Operation("create", "Provenance", provenance["id"], provenance)]


def _status(resource: Mapping[str, Any], verdict: Review) -> str:
    """That of a result after the review: one that a person amended stays so, whoever confirms it."""
    if verdict.decision == "confirm" and resource.get("status") == "amended":
        return "amended"
    return _STATUS[verdict.decision]


def _reviewed(
    observation: dict[str, Any], verdict: Review, amended: tuple[str, str] | None, now: str
) -> dict[str, Any]:
    result = dict(observation)
    if verdict.decision != "followed":
        result["status"] = _status(observation, verdict)
    if verdict.decision == "amend":
        components = list(result.get("component", ()))
        if verdict.value is not None:
            # The model's category is of the model's value, and goes where that does.
            category = result.pop("interpretation", None)
            if not any(_is_own(item) for item in components):
                own = {"code": _code(), "valueQuantity": dict(result["valueQuantity"])}
                components.append(own | ({"interpretation": category} if category else {}))
            result["valueQuantity"] = {**result["valueQuantity"], "value": verdict.value}
            # The model's interval is of the model's value.
            components = [item for item in components if not _has_code(item, "interval")]
        if amended is not None:
            concept = _concept(observation.get("code", {}), amended)
            if "valueCodeableConcept" in observation:  # a class is the answer itself
                if not any(_is_own(item) for item in components):
                    own = {"code": _code(), "valueCodeableConcept": observation["valueCodeableConcept"]}
                    components.append(own)
                result["valueCodeableConcept"] = concept
            else:
                result["interpretation"] = [concept]
        result["component"] = components
    texts = [f"{verdict.decision.capitalize()}: {verdict.reason}"] if verdict.reason else []
    texts += [f"Decision that followed: {verdict.followed}"] if verdict.followed else []
    author = _author(verdict.who)
    result["note"] = [*result.get("note", ()), *({**author, "time": now, "text": text} for text in texts)]
    return result


def _concept(beside: Mapping[str, Any], category: tuple[str, str]) -> dict[str, Any]:
    """A category in the code system of another code of the model."""
    systems = [str(coding["system"]) for coding in beside.get("coding", ()) if "system" in coding]
    system = (*systems, PREDICTION_CODES)[0]
    code, display = category
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _amended_risk(
    resource: dict[str, Any], verdict: Review, amended: tuple[str, str] | None
) -> dict[str, Any]:
    predictions = [dict(item) for item in resource.get("prediction", ())]
    for item in predictions[:1]:
        if verdict.value is not None:
            item["probabilityDecimal"] = (verdict.value / 100).normalize() + 0
            item.pop("qualitativeRisk", None)
        if amended is not None:
            item["qualitativeRisk"] = _concept(item.get("outcome", {}), amended)
    # RiskAssessment takes the statuses of Observation.
    return {**resource, "prediction": predictions}


def _author(who: Mapping[str, Any]) -> dict[str, Any]:
    return {"authorReference": dict(who)}


def _code() -> dict[str, Any]:
    coding = {"system": PREDICTION_CODES, "code": "model-value", "display": "Value of the model"}
    return {"coding": [coding], "text": "Value of the model, before a person amended it"}


def _is_own(component: Mapping[str, Any]) -> bool:
    return _has_code(component, "model-value")


def _has_code(component: Mapping[str, Any], code: str) -> bool:
    return any(item.get("code") == code for item in component.get("code", {}).get("coding", ()))


def _provenance(
    targets: Sequence[str], before: str, observation: Mapping[str, Any], verdict: Review, now: str
) -> dict[str, Any]:
    code, display = _ACTIVITY[verdict.decision]
    participant = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    reason: dict[str, Any] = {"coding": [AIAST]}
    text = verdict.reason or verdict.followed
    model = {
        "type": {"coding": [{"system": participant, "code": "assembler", "display": "Assembler"}]},
        "role": [{"coding": [{"system": AI_TYPES, "code": "Artificial-Intelligence"}]}],
        "who": observation.get("device", {"display": "model"}),
    }
    person = {
        "type": {"coding": [{"system": participant, "code": "verifier", "display": "Verifier"}]},
        "who": dict(verdict.who),
    }
    return {
        "resourceType": "Provenance",
        "id": new_id(),
        "target": [{"reference": target} for target in targets],
        "recorded": now,
        "reason": [reason, *([{"text": text}] if text else [])],
        "activity": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
                    "code": code,
                    "display": display,
                }
            ],
            "text": verdict.decision,
        },
        "agent": [model, person],
        "entity": [{"role": "revision", "what": {"reference": before}}],
    }
