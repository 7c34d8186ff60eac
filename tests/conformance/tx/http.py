"""Answers to the cases over HTTP: `python -m tests.conformance.tx.http FOLDER [SUITE…] [--written] [--show]`.

As HL7's own tester does, set-up resources come with each request as `tx-resource`; with `--written` they are written
over REST before a suite and deleted after it, so that the cases also check what is stored; those that are no valid R4
(filters and properties of R5) are refused by the server with 422 and sent along. The server is the real
program with a PostgreSQL of its own.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from fhir_bridge.storage.embedded import EmbeddedServer
from fhir_bridge.storage.migration import upgrade
from tests.conformance.tx.answers import Answer, parameters
from tests.conformance.tx.run import report, run
from tests.conformance.tx.suite import Case, read
from tests.patience import PATIENCE
from tests.server.serving import serving as served

PATHS = {
    "expand": "ValueSet/$expand",
    "validate-code": "ValueSet/$validate-code",
    "cs-validate-code": "CodeSystem/$validate-code",
    "lookup": "CodeSystem/$lookup",
    "translate": "ConceptMap/$translate",
    "subsumes": "CodeSystem/$subsumes",
    "compare": "ValueSet/$related",
    "batch-validate": "ValueSet/$batch-validate-code",
    "metadata": "metadata",
    "term-caps": "metadata?mode=terminology",
}


_EXPANSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion"


class Asker:
    """Asks a server.

    Args:
        client: of the server, its base URL the one of the REST API.
        written: whether set-up resources are written over REST instead of being sent along.
    """

    def __init__(self, client: httpx.Client, *, written: bool = False) -> None:
        self._client = client
        self._written = written
        self._suite: str | None = None
        self._stored: list[str] = []
        self._refused: list[dict[str, Any]] = []

    def __call__(self, case: Case) -> Answer:
        """What the server says to a case."""
        path = PATHS[case.operation]
        if case.request is None:
            return _answer(self._client.get(path))
        headers = {"Accept-Language": case.accept_language} if case.accept_language else {}
        body = parameters(case, setup=not self._written)
        if self._written:
            self._prepare(case)
            brought = [{"name": "tx-resource", "resource": item} for item in self._refused]
            body = {**body, "parameter": [*body["parameter"], *brought]}
        return _answer(self._client.post(path, json=body, headers=headers))

    def _prepare(self, case: Case) -> None:
        if case.suite == self._suite:
            return
        self.clear()
        self._suite = case.suite
        for number, path in enumerate(case.setup):
            resource = read(path)
            location = f"{resource['resourceType']}/tx-{number}"
            answer = self._client.put(location, json={**resource, "id": f"tx-{number}"})
            if answer.is_success:
                self._stored.append(location)
            elif answer.status_code == 422:
                self._refused.append(resource)
            else:
                raise ValueError(f"{path.name} is refused: {answer.status_code} {answer.text[:300]}")

    def clear(self) -> None:
        """Delete what was written."""
        self._refused.clear()
        while self._stored:
            self._client.delete(self._stored.pop()).raise_for_status()


def _answer(response: httpx.Response) -> Answer:
    kind = response.headers.get("content-type", "")
    if not kind.startswith("application/fhir+json"):
        raise ValueError(f"content type {kind}: {response.text[:200]}")
    return response.status_code, _as_r5(response.json())


def _as_r5(resource: dict[str, Any]) -> dict[str, Any]:
    """An expansion's properties, which R4 has as extensions, as the elements of R5: the suite is written in R5, and
    its tester converts what a server of R4 says."""
    waiting = [resource["expansion"]] if "expansion" in resource else []
    while waiting:
        node = waiting.pop()
        extensions = node.pop("extension", [])
        for extension in extensions:
            if extension["url"].startswith(_EXPANSION) and extension["url"].endswith("property"):
                node.setdefault("property", []).append(_element(extension))
            else:
                node.setdefault("extension", []).append(extension)
        waiting.extend(node.get("contains", ()))
    return resource


def _element(extension: dict[str, Any]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for item in extension["extension"]:
        kind = next(key for key in item if key.startswith("value"))
        results[kind if item["url"] == "value" else item["url"]] = item[kind]
    return results


@contextmanager
def serving(database_url: str) -> Iterator[httpx.Client]:
    """The program, serving whoever asks from this machine.

    Raises:
        TimeoutError: it does not come up in time.
    """
    headers = {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json"}
    with (
        served(database_url, auth="none") as program,
        httpx.Client(base_url=f"{program.base}/", timeout=PATIENCE, headers=headers) as client,
    ):
        yield client


def main(arguments: list[str]) -> None:
    """Start a database and the server, ask, print counts and differences."""
    root, *only = [argument for argument in arguments if not argument.startswith("--")]
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedServer.start(Path(folder) / "pg", settings={"fsync": "off"})
        try:
            upgrade(database.url("postgres"))
            with serving(database.url("postgres")) as client:
                ask = Asker(client, written="--written" in arguments)
                report(run(Path(root), set(only), ask), show="--show" in arguments)
        finally:
            database.release()


if __name__ == "__main__":
    main(sys.argv[1:])
