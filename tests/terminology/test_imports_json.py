"""FHIR JSON of any size is read part by part; all of it made, and larger than what is parsed as a whole."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import xml
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.terminology.imports import Options, fhir_json, import_file, json_text
from fhir_bridge.terminology.imports.fhir_code_systems import streamed_nodes
from fhir_bridge.terminology.imports.json_text import JsonText
from fhir_bridge.terminology.store import ContentStore, ImportProblem, open_store
from tests.terminology import makers_small as small

URL = "https://example.org/large"
COUNT = 400


@pytest.fixture
def _soon_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few kilobytes are large already."""
    monkeypatch.setattr(json_text, "WHOLE", 8_000)
    monkeypatch.setattr(fhir_json, "WHOLE", 8_000)


pytestmark = pytest.mark.usefixtures("_soon_large")


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return open_store(tmp_path / "store")


def concept(number: int) -> dict[str, Any]:
    return {
        "code": f"C{number}",
        "display": f'Concept {number} "ä" }}{{][ \U0001f600',
        "definition": "Made for this test, and of some length so that the file is large.",
        "property": [{"code": "weight", "valueDecimal": Decimal("1.50")}],
    }


def code_system(concepts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": URL,
        "version": "1",
        "status": "active",
        "content": "complete",
        "caseSensitive": False,
        "property": [{"code": "weight", "type": "decimal"}],
        "concept": concepts,
    }


def written(path: Path, *resources: Any, ordered: bool = False) -> Path:
    results = [dict(sorted(resource.items())) if ordered else resource for resource in resources]
    path.write_bytes(b"\n".join(map(dumps, results)))
    assert path.stat().st_size > json_text.WHOLE
    return path


@pytest.mark.parametrize("ordered", [False, True], ids=["as FHIR has it", "members by their names"])
def test_a_large_code_system_is_read_concept_by_concept(
    store: ContentStore, tmp_path: Path, ordered: bool
) -> None:
    import_file(
        store, written(tmp_path / "a.json", code_system([concept(n) for n in range(COUNT)]), ordered=ordered)
    )
    system = store.get(URL, "1")
    assert system is not None
    assert (len(system), system.case_sensitive) == (COUNT, False)
    assert list(system.codes())[:3] == ["C0", "C1", "C2"]
    entry = system.get(f"c{COUNT - 1}")
    assert entry is not None
    assert entry.display == concept(COUNT - 1)["display"]
    assert [(value, str(value)) for value in entry.values("weight")] == [(Decimal("1.50"), "1.50")]


def test_concepts_below_one_root_are_read_one_by_one_too(store: ContentStore, tmp_path: Path) -> None:
    below = [{**concept(n), "concept": [{"code": f"C{n}.1"}]} for n in range(COUNT)]
    tree = [{"code": "root", "concept": [{"code": "middle", "concept": below, "display": "Middle"}]}]
    import_file(store, written(tmp_path / "a.json", code_system(tree)))
    system = store.get(URL)
    assert system is not None
    assert list(system.codes())[:5] == ["root", "middle", "C0", "C0.1", "C1"]
    assert (system.display("middle"), system.parents("C7.1"), system.parents("C7")) == (
        "Middle",
        ["C7"],
        ["middle"],
    )
    assert system.count_below("root") == 2 * COUNT + 1


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", [concept(n) for n in range(40 * COUNT)])
    assert path.stat().st_size > 3_000_000
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            text = JsonText(file, "a.json")
            count = sum(1 for _ in streamed_nodes(text, text.whole()))
            text.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 40 * COUNT
    assert peak < 300_000


def test_a_large_concept_map_keeps_its_groups(store: ContentStore, tmp_path: Path) -> None:
    def elements(start: int) -> list[dict[str, Any]]:
        return [
            {"code": f"S{n}", "display": "x" * 100, "target": [{"code": f"T{n}", "equivalence": "wider"}]}
            for n in range(start, start + COUNT)
        ]

    groups = [
        {"source": "https://s", "element": elements(0), "target": "https://t"},
        {"source": "https://s2", "target": "https://t2", "element": elements(COUNT)[:3]},
    ]
    results = {"resourceType": "ConceptMap", "group": groups, "url": URL, "status": "active"}
    import_file(store, written(tmp_path / "a.json", results))
    (result,) = store.concept_maps()
    assert len(result) == COUNT + 3
    assert [(item.system, item.code) for item in result.translate("https://s", "S7")] == [("https://t", "T7")]
    assert [item.code for item in result.translate("https://s2", f"S{COUNT}")] == [f"T{COUNT}"]


def test_a_large_value_set_is_kept_to_the_digit(store: ContentStore, tmp_path: Path) -> None:
    ordinal = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
    members = [
        {"code": f"C{n}", "extension": [{"url": ordinal, "valueDecimal": Decimal("1.50")}]}
        for n in range(2 * COUNT)
    ]
    results = {
        "resourceType": "ValueSet",
        "url": URL,
        "status": "active",
        "compose": {"include": [{"system": "https://s", "concept": members}]},
    }
    import_file(store, written(tmp_path / "a.json", results))
    value_set = store.value_set(URL)
    assert value_set is not None
    assert dumps(value_set) == dumps(results)


@pytest.mark.parametrize("form", ["bundle", "ndjson", "package"])
def test_large_resources_come_in_bundles_lines_and_packages(
    store: ContentStore, tmp_path: Path, form: str
) -> None:
    resources = [
        code_system([concept(n) for n in range(COUNT)]),
        small.paint_map(),
        {"resourceType": "Patient", "id": "p"},
    ]
    path = tmp_path / {"bundle": "a.json", "ndjson": "a.ndjson", "package": "a.tgz"}[form]
    if form == "bundle":
        written(
            path,
            {"entry": [{"fullUrl": "urn:x", "resource": r} for r in resources], "resourceType": "Bundle"},
        )
    elif form == "ndjson":
        written(path, *resources)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for number, item in enumerate(resources):
                info = tarfile.TarInfo(f"package/{number}.json")
                info.size = len(dumps(item))
                archive.addfile(info, io.BytesIO(dumps(item)))
    result = import_file(store, path)
    assert result.systems == [(URL, "1", COUNT)]
    assert [item[0] for item in result.maps] == ["https://example.org/paint"]


def damaged(path: Path, position: int, change: str) -> Iterator[str]:
    """A large code system, a concept a line, with one line changed."""
    lines = [dumps(concept(n)).decode() for n in range(COUNT)]
    lines[position] = change
    path.write_text(
        '{"resourceType": "CodeSystem",\n"url": "u",\n"concept": [\n' + ",\n".join(lines) + "]}",
        encoding="utf-8",
    )
    yield from lines


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        ('{"code": "x", "display": nothing}', "not JSON", 304),
        ('{"code": "x" "display": "y"}', "not JSON", 304),
        ('{"code": "x", "code": "y"}', "twice", 304),
        ('{"display": "no code"}', "a concept has no code", 304),
        ("17", "concept is not a list of objects", 304),
        ('{"code": "x", "display": "\\ud800"}', "half a surrogate pair", 304),
        ('{"code": "x"}}', "closes what was not opened so", 304),
        ('{"code": "x"]', "closes what was not opened so", 304),
        ('{"code": "x"}, ', "has no value where one is expected", 304),
    ],
)
def test_what_is_wrong_in_a_large_file_is_named_by_its_line(
    store: ContentStore, tmp_path: Path, change: str, said: str, line: int
) -> None:
    assert len(list(damaged(tmp_path / "a.json", 300, change))) == COUNT
    with pytest.raises(ImportProblem) as caught:
        import_file(store, tmp_path / "a.json")
    assert said in str(caught.value)
    assert caught.value.line == line
    assert store.urls() == []
    assert not list(store.path.glob("building/*"))


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("", "is cut off"),
        ("]", "is cut off"),
        (',{"code": "x', "text without an end"),
        ("]}}", "goes on after its end"),
        (",]}", "after the last"),
        ("}]", "closes what was not opened so"),
        ("],}", "after the last"),
    ],
)
def test_a_large_file_that_does_not_end_well_is_refused(
    store: ContentStore, tmp_path: Path, end: str, said: str
) -> None:
    path = written(tmp_path / "a.json", code_system([concept(n) for n in range(COUNT)]))
    path.write_bytes(path.read_bytes().removesuffix(b"]}") + end.encode())
    with pytest.raises(ImportProblem, match="not JSON") as caught:
        import_file(store, path)
    assert said in str(caught.value)


def test_a_large_line_holds_one_resource_and_nothing_else(store: ContentStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.ndjson", code_system([concept(n) for n in range(COUNT)]), small.paint_map())
    path.write_bytes(path.read_bytes().replace(b"\n", b" {}\n", 1))
    with pytest.raises(ImportProblem, match="no line with one value") as caught:
        import_file(store, path)
    assert caught.value.line == 1


def test_xml_of_a_resource_is_read_as_its_json(store: ContentStore, tmp_path: Path) -> None:
    (tmp_path / "colours.xml").write_bytes(xml.dumps(json.loads(json.dumps(small.colours()))))
    assert import_file(store, tmp_path / "colours.xml").format == "fhir"
    system = store.get("https://example.org/colours", "1.0")
    assert system is not None
    assert system.parents("Pink") == ["Warm", "Red"]


def test_a_code_system_without_concepts_is_reported_as_the_reason(
    store: ContentStore, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text('{"resourceType": "CodeSystem", "url": "u", "content": "not-present"}')
    with pytest.raises(ImportProblem, match="code systems without concepts, left out: 1"):
        import_file(store, tmp_path / "a.json")


def test_of_a_resource_that_occurs_twice_in_a_package_the_first_is_kept(
    store: ContentStore, tmp_path: Path
) -> None:
    again = {**small.colours(), "id": "again", "concept": [{"code": "other"}]}
    small.make_fhir_package(tmp_path / "a.tgz", small.colours(), again)
    result = import_file(store, tmp_path / "a.tgz")
    assert result.notes == {"resources that were met before, by url and version, left out": 1}
    assert result.systems == [("https://example.org/colours", "1.0", 4)]


def test_one_url_is_not_given_to_two_code_systems(store: ContentStore, tmp_path: Path) -> None:
    small.make_fhir_package(tmp_path / "a.tgz", small.colours(), {**small.colours("2"), "id": "other"})
    with pytest.raises(ImportProblem, match="--system can name one only"):
        import_file(store, tmp_path / "a.tgz", options=Options(system="https://mine"))


def test_decimals_in_a_concepts_extension_keep_their_digits(store: ContentStore, tmp_path: Path) -> None:
    extension = [{"url": "https://e", "valueDecimal": Decimal("2.50")}]
    result = code_system([{"code": "a", "extension": extension, "designation": [{"value": "b"}]}])
    (tmp_path / "a.json").write_bytes(dumps(result))
    import_file(store, tmp_path / "a.json")
    system = store.get(URL)
    assert system is not None
    entry = system.get("a")
    assert entry is not None
    assert dumps(list(entry.extensions)) == dumps(extension)
