"""`$expand`: paging, trees, text, limits, circles."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.r4 import as_r4
from fhir_bridge.terminology.operations.tree import MAX_NESTING
from tests.terminology.operations.conftest import (
    ANIMALS,
    BASE,
    World,
    code_system,
    concept,
    filtered,
    issues,
    value_set,
)

EVERYTHING = value_set("everything", {"system": ANIMALS})


def test_pages_put_together_are_the_whole() -> None:
    world = World(EVERYTHING)
    whole = world.codes(url=EVERYTHING["url"], excludeNested=True)
    pages = [
        code
        for offset in range(0, 20, 5)
        for code in world.codes(url=EVERYTHING["url"], count=5, offset=offset)
    ]
    assert pages == whole
    assert len(whole) == 12


def test_the_hierarchy_is_shown_unless_it_is_not_wanted() -> None:
    world = World(EVERYTHING)
    tree = world.ask("ValueSet", "expand", url=EVERYTHING["url"])["expansion"]
    assert [entry["code"] for entry in tree["contains"]] == ["animal", "grass"]
    assert tree["contains"][0]["abstract"] is True
    assert tree["total"] == 12
    flat = world.ask("ValueSet", "expand", url=EVERYTHING["url"], excludeNested=True)["expansion"]
    assert len(flat["contains"]) == 12


def test_an_entry_is_below_the_nearest_ancestor_that_is_there() -> None:
    some = value_set("some", filtered("concept", "regex", "animal|tiger|lion"))
    tree = World(some).ask("ValueSet", "expand", url=some["url"])["expansion"]["contains"]
    assert [entry["code"] for entry in tree] == ["animal"]
    assert [entry["code"] for entry in tree[0]["contains"]] == ["tiger", "lion"]


def test_inactive_codes_are_left_out_where_that_is_asked() -> None:
    world = World(EVERYTHING)
    assert "dodo" in world.codes(url=EVERYTHING["url"])
    assert "dodo" not in world.codes(url=EVERYTHING["url"], activeOnly=True)
    closed = value_set("closed", {"system": ANIMALS}, inactive=False)
    assert "dodo" not in World(closed).codes(url=closed["url"])


def test_a_text_filters_by_the_beginnings_of_words() -> None:
    world = World(EVERYTHING)
    assert world.codes(url=EVERYTHING["url"], filter="D") == ["duck", "dodo"] or set(
        world.codes(url=EVERYTHING["url"], filter="D")
    ) == {"duck", "dodo"}
    assert world.codes(url=EVERYTHING["url"], filter="tig") == ["tiger"]
    assert world.codes(url=EVERYTHING["url"], filter="nothing like it") == []


def test_value_sets_are_imported_and_excluded() -> None:
    cats = value_set("cats", filtered("concept", "is-a", "cat"))
    grazers = value_set("grazers", filtered("eats", "=", "grass"))
    both = value_set(
        "both",
        {"system": ANIMALS, "valueSet": [cats["url"]]},
        {"valueSet": [grazers["url"]]},
        exclude=[{"system": ANIMALS, "concept": [{"code": "lion"}]}],
    )
    world = World(cats, grazers, both)
    assert set(world.codes(url=both["url"])) == {"cat", "tiger", "cow", "duck"}
    common = value_set("common", {"valueSet": [cats["url"], grazers["url"]]})
    assert World(cats, grazers, common).codes(url=common["url"]) == []


@pytest.mark.parametrize("length", [1, 2, 3, 10])
def test_value_sets_that_import_each_other_are_refused(length: int) -> None:
    ring = [value_set(f"ring-{n}", {"valueSet": [f"{BASE}/ring-{(n + 1) % length}"]}) for n in range(length)]
    world = World(*ring)
    error = world.refused("ValueSet", "expand", url=ring[0]["url"])
    assert ("error", "processing", "vs-invalid") in issues(error.json()) or error.issues[
        0
    ].code == "processing"
    checked = world.refused("ValueSet", "validate-code", url=ring[0]["url"], system=ANIMALS, code="cat")
    assert issues(checked.json()) == [("error", "processing", "vs-invalid")]
    related = {"thisUrl": ring[0]["url"], "otherUrl": ring[0]["url"]}
    try:
        world.ask("ValueSet", "related", **related)
    except OperationError as refusal:
        assert refusal.issues  # noqa: PT017 - either is an answer


def test_a_chain_of_imports_is_followed_so_far_and_no_farther() -> None:
    chain = [value_set(f"link-{n}", {"valueSet": [f"{BASE}/link-{n + 1}"]}) for n in range(400)]
    last = value_set("link-400", filtered("concept", "is-a", "cat"))
    world = World(*chain, last)
    assert world.refused("ValueSet", "expand", url=f"{BASE}/link-0").issues[0].code == "too-costly"
    requested = {"url": f"{BASE}/link-0", "system": ANIMALS, "code": "cat"}
    assert world.refused("ValueSet", "validate-code", **requested).issues[0].code == "too-costly"
    assert set(world.codes(url=f"{BASE}/link-390")) == {"cat", "tiger", "lion"}
    assert world.result(url=f"{BASE}/link-390", system=ANIMALS, code="cat") is True


def test_value_sets_that_are_imported_by_many_are_worked_out_once() -> None:
    width = 3  # each imports the next so many times: 3 to the power of 40 ways lead to the last
    layers = [
        value_set(
            f"layer-{n}",
            *({"valueSet": [f"{BASE}/layer-{n + 1}"]} for _ in range(width)),
            exclude=[{"valueSet": [f"{BASE}/empty"]}],
        )
        for n in range(40)
    ]
    last = value_set("layer-40", filtered("concept", "is-a", "cat"))
    empty = value_set("empty", {"system": ANIMALS, "concept": [{"code": "absent"}]})
    both = value_set("both", {"valueSet": [f"{BASE}/layer-0"]}, exclude=[{"valueSet": [f"{BASE}/layer-1"]}])
    world = World(*layers, last, empty, both)
    assert set(world.codes(url=f"{BASE}/layer-0")) == {"cat", "tiger", "lion"}
    assert world.result(url=f"{BASE}/layer-0", system=ANIMALS, code="cat") is True
    assert world.result(url=f"{BASE}/layer-0", system=ANIMALS, code="cow") is False
    assert world.codes(url=both["url"]) == []


def test_a_value_set_that_is_too_large_is_refused_without_count() -> None:
    many = code_system(f"{ANIMALS}-many", *(concept(f"c{n}") for n in range(2000)))
    big = value_set("big", {"system": many["url"]})
    world = World(many, big, codes=1000, page=1500)
    error = world.refused("ValueSet", "expand", url=big["url"])
    assert (error.issues[0].code, error.status) == ("too-costly", 422)
    assert len(world.codes(url=big["url"], count=1200)) == 1200
    assert world.refused("ValueSet", "expand", url=big["url"], count=1501).issues[0].code == "too-costly"


def test_a_page_counts_no_further_than_it_must() -> None:
    """Beyond a page so many codes are counted as the largest page has; a page of none reports the total."""
    many = code_system(f"{ANIMALS}-many", *(concept(f"c{n:03}") for n in range(500)))
    most = value_set("most", filtered("concept", "is-not-a", "c000", many["url"]))
    world = World(many, most, page=100)

    def page(**requested: Any) -> tuple[int | None, list[str]]:
        expansion = world.ask("ValueSet", "expand", url=most["url"], **requested)["expansion"]
        return expansion.get("total"), [item["code"] for item in expansion.get("contains", [])]

    assert page(count=2) == (None, ["c001", "c002"])
    assert page(count=2, offset=398) == (499, ["c399", "c400"])
    assert page(count=2, offset=498) == (499, ["c499"])
    assert page(count=2, offset=600) == (499, [])
    assert page(count=0) == (499, [])


def test_a_page_of_what_is_imported_lists_no_more_than_it_needs() -> None:
    many = code_system(f"{ANIMALS}-many", *(concept(f"c{n:03}") for n in range(500)))
    big = value_set("big", {"system": many["url"]})
    inner = value_set("inner", {"valueSet": [big["url"]]})
    outer = value_set("outer", {"valueSet": [inner["url"]]})
    less = value_set(
        "less",
        {"valueSet": [inner["url"]]},
        exclude=[{"system": many["url"], "concept": [{"code": "c001"}]}],
    )
    world = World(many, big, inner, outer, less, imported=100, page=100)
    expansion = world.ask("ValueSet", "expand", url=outer["url"], count=2, offset=200)["expansion"]
    assert [item["code"] for item in expansion["contains"]] == ["c200", "c201"]
    assert expansion["total"] == 500
    assert world.codes(url=less["url"], count=2) == ["c000", "c002"]
    assert world.refused("ValueSet", "expand", url=outer["url"]).issues[0].code == "too-costly"


def test_an_include_of_neither_system_nor_value_set_is_refused() -> None:
    nothing = value_set("nothing", {"concept": [{"code": "cat"}]})
    error = World().refused("ValueSet", "expand", valueSet=nothing)
    assert error.status == 400
    assert "include[0] names neither" in str(error)


def test_what_takes_too_long_is_given_up() -> None:
    many = code_system(f"{ANIMALS}-many", *(concept(f"c{n}") for n in range(2000)))
    slow = value_set("slow", filtered("code", "regex", "(c|c1)+.*9", many["url"]))
    error = World(many, slow, seconds=0).refused("ValueSet", "expand", url=slow["url"], count=10)
    assert error.issues[0].code == "too-costly"


def test_a_hierarchy_that_goes_in_circles_ends() -> None:
    ring = code_system(
        f"{ANIMALS}-ring", concept("a", parent="c"), concept("b", parent="a"), concept("c", parent="b")
    )
    world = World(ring, value_set("ring", {"system": ring["url"]}))
    assert sorted(world.codes(url=f"{BASE}/ring")) == ["a", "b", "c"]
    below = value_set("below", filtered("concept", "is-a", "a", ring["url"]))
    assert sorted(World(ring, below).codes(url=below["url"])) == ["a", "b", "c"]


def test_a_hierarchy_that_is_too_deep_to_nest_is_given_as_a_list() -> None:
    deep = code_system(
        f"{ANIMALS}-deep", concept("c0"), *(concept(f"c{n}", parent=f"c{n - 1}") for n in range(1, 900))
    )
    world = World(deep, value_set("deep", {"system": deep["url"]}))
    expansion = world.ask("ValueSet", "expand", url=f"{BASE}/deep")["expansion"]
    assert len(expansion["contains"]) == 900 > MAX_NESTING
    assert dumps(expansion)


def test_an_unknown_code_system_is_named() -> None:
    lost = value_set("lost", {"system": "https://nobody.example.org/codes"})
    error = World(lost).refused("ValueSet", "expand", url=lost["url"])
    assert issues(error.json()) == [("error", "not-found", "not-found")]
    assert "https://nobody.example.org/codes" in error.issues[0].text


def test_an_endless_code_system_says_so() -> None:
    units = value_set("units", {"system": "http://unitsofmeasure.org"})
    expansion = World(units).ask("ValueSet", "expand", url=units["url"])["expansion"]
    assert any(item["url"].endswith("valueset-unclosed") for item in expansion["extension"])
    assert "total" not in expansion


def test_r4_has_properties_as_extensions() -> None:
    world = World(EVERYTHING)
    answer = world.ask("ValueSet", "expand", url=EVERYTHING["url"], property=["legs", "definition"])
    assert "property" in answer["expansion"]
    old = as_r4(answer)
    expansion: dict[str, Any] = old["expansion"]
    assert "property" not in expansion
    declared = [item for item in expansion["extension"] if item["url"].endswith("expansion.property")]
    assert {"url": "code", "valueCode": "legs"} in declared[-1]["extension"] or len(declared) > 1
    cow = next(
        entry for entry in expansion["contains"][0]["contains"][0]["contains"] if entry["code"] == "cow"
    )
    [legs] = [item for item in cow["extension"] if item["url"].endswith("contains.property")]
    assert {"url": "value", "valueInteger": 4} in legs["extension"]
