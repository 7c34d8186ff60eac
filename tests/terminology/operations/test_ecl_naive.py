"""ECL over made releases: what the evaluator finds is what looking at every concept finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from fhir_bridge.terminology.imports.run import import_file
from fhir_bridge.terminology.operations.ecl import compile_ecl
from fhir_bridge.terminology.store import StoredSystem, open_store
from tests.terminology.makers_ecl import World, world_of_chance
from tests.terminology.operations.naive_ecl import Node, expressions

SCT = "http://snomed.info/sct"


class Releases(list[tuple[World, StoredSystem]]):
    """Made releases, and what was imported of them."""

    def __repr__(self) -> str:
        return f"<{len(self)} releases>"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    result = Releases()
    for seed in range(6):
        folder = tmp_path_factory.mktemp(f"release{seed}")
        world = world_of_chance(seed)
        store = open_store(folder / "store")
        import_file(store, world.write(folder / "made"))
        system = store.get(SCT)
        assert system is not None
        result.append((world, system))
    return result


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(expressions())
def test_an_expression_has_the_concepts_that_it_has_by_definition(releases: Releases, node: Node) -> None:
    for world, system in releases:
        wanted = node.find(world)
        query = compile_ecl(node.text, system)
        assert set(query.codes()) == wanted, node.text
        assert {code for code in world.concepts if query.matches(code)} == wanted, node.text
