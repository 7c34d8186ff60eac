"""Definitions that are nonsense, and paths that are none: said or left aside, never an exception, never without end."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir import Validator
from fhir_bridge.fhir.definitions.package_reading import read_package
from fhir_bridge.fhir.definitions.packages import load_packages
from fhir_bridge.fhir.definitions.searches import union_parts
from fhir_bridge.fhir.definitions.versions import newest, split, version_key
from fhir_bridge.fhir.validation.discriminators import Unsupported, steps_of
from tests.fhir.definitions.makers import BASE, archive, element, extension, profile, sliced
from tests.fhir.resources import LOINC, concept, troponin

JUNK: tuple[Any, ...] = (
    None, 0, -1, 10**30, "", "$this", "resolve()", "value[x]", "a/b", ":", True, 1.5, [], {}, [None], [{}], {"a": 1},
)  # fmt: skip


def definitions() -> list[dict[str, Any]]:
    """A profile with most of what one can say, an extension and a value set."""
    heart = profile(
        "Heart",
        "Observation",
        sliced("Observation.category", ("pattern", "$this"), rules="closed"),
        element("Observation.category:lab", min=1, patternCodeableConcept=concept(LOINC, "x")),
        sliced("Observation.component", ("value", "code.coding.code"), ("type", "value"), ordered=True),
        element("Observation.component:one", max="1"),
        element("Observation.component:one.code.coding.code", fixedCode="1"),
        element("Observation.component:one/two", max="1"),
        element("Observation.valueQuantity", min=1),
        element(
            "Observation.valueQuantity.code", binding={"strength": "required", "valueSet": BASE + "units"}
        ),
        element("Observation.subject", type=[{"code": "Reference", "targetProfile": [BASE + "Heart"]}]),
        element("Observation.extension:size", type=[{"code": "Extension", "profile": [BASE + "Size"]}]),
        element(
            "Observation.note",
            constraint=[{"key": "n", "severity": "error", "human": "h", "expression": "text.exists()"}],
        ),
    )
    units = {
        "resourceType": "ValueSet",
        "url": BASE + "units",
        "compose": {"include": [{"system": "http://example.org", "concept": [{"code": "a"}]}]},
    }
    return [
        heart,
        extension("Size", element("Extension.value[x]", type=[{"code": "integer"}]), on=["Element"]),
        units,
    ]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


@pytest.mark.parametrize("seed", range(6))
def test_junk_in_a_definition_never_raises(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    observation = {**troponin(), "component": [{"code": concept(LOINC, "1"), "valueInteger": 1}]}
    for number in range(12):
        broken = copy.deepcopy(definitions())
        for _ in range(chance.choice((1, 2, 4))):
            location = chance.choice(list(places(broken)))
            node: Any = broken
            for key in location[:-1]:
                node = node[key]
            node[location[-1]] = copy.deepcopy(chance.choice(JUNK))
        files = {f"d{n}.json": json.dumps(d).encode() for n, d in enumerate(broken)}
        report = load_packages([archive(tmp_path / f"{number}.tgz", files)], tmp_path)
        Validator(definitions=report.definitions).validate(observation, [BASE + "Heart"])


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    try:
        steps = steps_of(text)
    except Unsupported:
        return
    assert all(kind in ("name", "extension", "resolve", "type") for kind, _ in steps)


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$this", ()),
        ("code.coding", (("name", "code"), ("name", "coding"))),
        ("$this.resolve()", (("resolve", ""),)),
        ("extension('http://x.org/a.b').value", (("extension", "http://x.org/a.b"), ("name", "value"))),
        ("value.ofType(Quantity).code", (("name", "value"), ("type", "Quantity"), ("name", "code"))),
        ("value[x]", (("name", "value"),)),
    ],
)
def test_discriminator_paths_have_these_steps(path: str, steps: tuple[tuple[str, str], ...]) -> None:
    assert steps_of(path) == steps


@pytest.mark.parametrize("path", ["where(use='x')", "name.first()", "a..b(", "a + b", "'x'"])
def test_what_a_discriminator_can_t_have_is_refused(path: str) -> None:
    with pytest.raises(Unsupported, match="discriminator"):
        steps_of(path)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_versions_have_a_total_order(versions: list[str]) -> None:
    assert newest(versions) == sorted(versions, key=version_key)[-1] or version_key(
        newest(versions)
    ) == version_key(sorted(versions, key=version_key)[-1])


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9.0", "1.10.0"),
        ("4.0.0-ballot", "4.0.0"),
        ("4.0", "4.0.1"),
        ("2.0.0-snapshot1", "2.0.0"),
        ("3.1.1", "4.0.0"),
    ],
)
def test_a_newer_version_sorts_behind_an_older(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


@given(st.text(max_size=60))
def test_a_canonical_is_url_and_version(text: str) -> None:
    url, version = split(text)
    assert "|" not in url
    assert "#" not in version


@given(st.text(alphabet="a|()[]'. ", max_size=40))
def test_a_union_s_parts_make_it_up(text: str) -> None:
    assert "".join("".join(union_parts(text)).split()).count("a") == text.count("a")


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_package_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.tgz"
    path.write_bytes(content)
    package = read_package(path, {})
    assert [issue.code for issue in package.issues] == ["FB-PKG-001"]
