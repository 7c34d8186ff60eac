"""The official examples of R4: all that are valid are stored, read unchanged, found by their values, and exported.

`refused_examples.tsv` lists those that are not stored, and why; docs/clients.md sums them up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.npm import packed
from tests.server.examples import Examples, examples_of
from tests.server.serving import Served, serving

REFUSED = {
    line.split("\t")[0]
    for line in (Path(__file__).parent / "refused_examples.tsv").read_text("utf-8").splitlines()
}


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """References are not checked: most of the examples refer to what is not among them."""
    with serving(
        database_url,
        auth="none",
        blob_dir=tmp_path_factory.mktemp("blobs"),
        check_references=False,
        implied_profiles="warning",
        max_request_seconds=300,
        max_body_bytes=64 * 1024 * 1024,
    ) as running:
        yield running


def _try(served: Served, archive: Path, each: int) -> str:
    """What was done, after asserting that all of it went well."""
    headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
    with httpx.Client(base_url=served.base, headers=headers, timeout=600) as client:
        examples = Examples(client)
        resources = list(examples_of(archive, each))
        examples.store(resources)
        assert {name: said for name, said in examples.refused.items() if name not in REFUSED} == {}
        assert not REFUSED & examples.stored.keys()
        assert examples.read_otherwise() == []
        queries = examples.queries()
        assert examples.not_found(queries) == []
        assert examples.exported_otherwise() == []
    return (
        f"{len(resources)} examples: {len(examples.stored)} stored, read, exported; {len(examples.refused)} refused; "
        f"found by {len(queries)} searches with {examples.parameters} parameters"
    )


def test_some_examples_are_stored_found_and_exported(
    served: Served, record_property: Callable[[str, object], None]
) -> None:
    done = _try(served, packed("hl7.fhir.r4.examples", "4.0.1"), 48)
    record_property("examples", done)
    print(done)


@pytest.mark.soak
def test_all_examples_are_stored_found_and_exported(
    served: Served, record_property: Callable[[str, object], None]
) -> None:
    done = _try(served, packed("hl7.fhir.r4.examples", "4.0.1"), 1)
    record_property("examples", done)
    print(done)
    assert done.startswith("5305 examples: 5")
