"""Resources out of files, searchsets out of stored bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.fhir import Entry, JsonError, get_validator, iter_resources, loads_exact, searchset
from tests.fhir.resources import patient, troponin


def test_ndjson_is_read_line_by_line_with_its_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "labs.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"resourceType":"Patient"}\n\n  \nnot json\n{"resourceType":"Device"}')
    assert list(iter_resources(path)) == [
        ("labs.ndjson:1", b'{"resourceType":"Patient"}'),
        ("labs.ndjson:4", b"not json"),
        ("labs.ndjson:5", b'{"resourceType":"Device"}'),
    ]


def test_ndjson_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "many.ndjson"
    path.write_bytes(b'{"resourceType":"Patient"}\n' * 10_000)
    resources = iter_resources(path)
    assert next(resources)[0] == "many.ndjson:1"
    assert sum(1 for _ in resources) == 9_999


def test_a_bundle_gives_its_resources_with_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(
        b'{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:x"},'
        b'{"resource":{"resourceType":"Observation","valueQuantity":{"value":37.0}}}]}'
    )
    assert list(iter_resources(path)) == [
        ("b.json#entry[1]", b'{"resourceType":"Observation","valueQuantity":{"value":37.0}}')
    ]


def test_a_document_is_one_thing(tmp_path: Path) -> None:
    path = tmp_path / "ips.json"
    path.write_bytes(b'{"resourceType":"Bundle","type":"document","entry":[]}')
    assert [locator for locator, _ in iter_resources(path)] == ["ips.json"]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"a":1,"a":2}'])
def test_a_file_that_is_no_json_object_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(JsonError, match=r"^x\.json: "):
        list(iter_resources(path))


def test_a_searchset_joins_stored_bytes_as_they_are() -> None:
    stored = (
        b'{"resourceType":"Observation", "id":"a" ,"status":"final","code":{"text":"x"},"valueInteger":1}'
    )
    bundle = searchset(
        [
            Entry("http://localhost/fhir/Observation/a", stored),
            Entry("http://localhost/fhir/Patient/p1", b'{"resourceType":"Patient","id":"p1"}', "include"),
        ],
        links=[("self", 'http://localhost/fhir/Observation?code="x"')],
        total=1,
    )
    assert stored in bundle
    parsed = loads_exact(bundle)
    assert [e["search"]["mode"] for e in parsed["entry"]] == ["match", "include"]
    assert get_validator().validate(bundle) == []


def test_an_empty_searchset_has_no_entry() -> None:
    assert loads_exact(searchset([], total=0)) == {"resourceType": "Bundle", "type": "searchset", "total": 0}


def test_resources_of_the_tests_are_valid() -> None:
    for resource in (patient(), troponin()):
        assert get_validator().validate(resource) == []
