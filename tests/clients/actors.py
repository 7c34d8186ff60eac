"""A laboratory and a payer that work with a server as clients: they look for orders and claims, and answer them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

__all__ = ["at_work"]

LOINC = "http://loinc.org"


def _code(code: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": code}]}


def _write(method: str, resource: dict[str, Any], **more: str) -> dict[str, Any]:
    url = resource["resourceType"] + (f"/{resource['id']}" if method == "PUT" else "")
    return {**more, "resource": resource, "request": {"method": method, "url": url}}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Actors:
    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _found(self, search: str) -> list[dict[str, Any]]:
        answer = self._client.get(search).raise_for_status()
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    def _store(self, entries: list[dict[str, Any]]) -> None:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        self._client.post("", json=bundle).raise_for_status()

    def fill(self) -> None:
        """Result each urgent order of the laboratory that nobody has taken."""
        for order in self._found("ServiceRequest?status=active&priority=stat"):
            reference = f"ServiceRequest/{order['id']}"
            common = {
                "status": "final",
                "subject": order["subject"],
                "basedOn": [{"reference": reference}],
                "effectiveDateTime": _now(),
            }
            quantity = {
                "value": 7.2,
                "unit": "10*9/L",
                "system": "http://unitsofmeasure.org",
                "code": "10*9/L",
            }
            result = {
                "resourceType": "Observation",
                **common,
                "code": _code("6690-2"),
                "valueQuantity": quantity,
            }
            report = {"resourceType": "DiagnosticReport", **common, "code": order["code"]}
            report["result"] = [{"reference": "urn:uuid:7d1b8b32-3c86-4b13-9d28-7a1f4b7bb001"}]
            entries = [
                _write("POST", result, fullUrl="urn:uuid:7d1b8b32-3c86-4b13-9d28-7a1f4b7bb001"),
                _write("POST", report),
                _write("PUT", {**order, "status": "completed"}),
            ]
            tasks = self._found(f"Task?based-on={reference}")
            entries += [_write("PUT", {**task, "status": "completed"}) for task in tasks]
            self._store(entries)

    def pay(self) -> None:
        """Pay each claim that has no answer."""
        for claim in self._found("Claim?status=active"):
            if self._found(f"ClaimResponse?request=Claim/{claim['id']}"):
                continue
            response = {
                "resourceType": "ClaimResponse",
                "status": "active",
                **{name: claim[name] for name in ("type", "use", "patient", "insurer")},
                "created": _now(),
                "request": {"reference": f"Claim/{claim['id']}"},
                "outcome": "complete",
                "payment": {
                    "type": {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/ex-paymenttype",
                                "code": "complete",
                            }
                        ]
                    },
                    "amount": claim["total"],
                },
            }
            self._store([_write("POST", response)])


@contextmanager
def at_work(base: str, token: str) -> Iterator[None]:
    """Both work while the block runs; what went wrong in them is raised at its end."""
    ended, problems = threading.Event(), list[Exception]()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    with httpx.Client(base_url=base, headers=headers, timeout=60) as client:
        actors = _Actors(client)

        def work() -> None:
            while not ended.wait(0.5):
                try:
                    actors.fill()
                    actors.pay()
                except Exception as error:  # noqa: BLE001 - shown at the end
                    problems.append(error)
                    return

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
    if problems:
        raise problems[0]
