"""The published JSON Schema completes and checks mappings in an editor, and takes all that the language takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from fhir_bridge.fhir import definitions
from fhir_bridge.mapping import MappingErrors, files, find_mapping, json_schema, load_mapping, mapping_names
from fhir_bridge.mapping.document import parse, plain
from fhir_bridge.mapping.parsed_documents import read_document
from fhir_bridge.plugins import shipped


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Draft7Validator:
    return Draft7Validator(schema)


def document(rule: str) -> Any:
    text = f"mapping: m\nversion: 1.0.0\nsource: {{adapter: csv}}\nrules:\n- rule: r\n  key: [row.id]\n{rule}"
    return plain(parse(text, "m.yaml").root)


def test_it_is_a_schema_and_knows_every_resource_type(schema: dict[str, Any]) -> None:
    Draft7Validator.check_schema(schema)
    rule = schema["definitions"]["rule"]
    assert set(rule["properties"]["as"]["enum"]) == definitions.resource_types()
    observation = schema["definitions"]["rule.Observation"]["properties"]
    assert {"status", "value[x]", "valueQuantity", "component", "when", "key", "unpivot"} <= set(observation)
    assert "corrected" in str(schema["definitions"]["code.observation-status"])


@pytest.mark.parametrize(
    "path", sorted(path for path in shipped("mappings").rglob("*.yaml") if "examples" not in path.parts),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)  # fmt: skip
def test_it_takes_every_shipped_mapping(path: Path, validator: Draft7Validator) -> None:
    json_paths = [
        error.json_path for error in validator.iter_errors(plain(read_document(path.read_text(), path).root))
    ]
    assert json_paths == []


@pytest.mark.parametrize(
    "rule",
    [
        "  as: Patient\n  active: true\n  birthDate: 1970-01-01\n  multipleBirthInteger: 2\n",
        "  as: Patient\n  gender: {match: row.s, M: male, F: =row.x, Z: flag, else: reject}\n",
        "  as: Patient\n  name: {for: r in row.x, family: =r}\n  contact: [{when: row.y, name: {text: =row.z}}]\n",
        "  as: Observation\n  value[x]: =row.x\n  _status: {extension: []}\n  note: [{match: row.k, A: [{text: a}]}]\n",
        '  as: Observation\n  "`for`": x\n  code: ~\n',
    ],
)
def test_it_takes_every_form_of_node(rule: str, validator: Draft7Validator) -> None:
    assert list(validator.iter_errors(document(rule))) == []


@pytest.mark.parametrize(
    "rule",
    [
        "  as: Patient\n  gendr: male\n",
        "  as: Patient\n  gender: mail\n",
        "  as: Patient\n  active: 'yes'\n",
        "  as: Patient\n  name: [{famly: x}]\n",
        "  as: Patient\n  birthDate: [a, b]\n",
        "  as: Patient\n  maritalStatus: single\n",
        "  as: Observation\n  id: x\n",
        "  as: Observation\n  update: never\n",
        "  as: Observation\n  unpivot: {}\n",
    ],
)
def test_it_refuses_what_the_language_refuses(rule: str, validator: Draft7Validator) -> None:
    assert list(validator.iter_errors(document(rule)))


def test_mappings_are_found_by_name_by_folder_and_by_file(tmp_path: Path) -> None:
    known = mapping_names()
    for name, path in known.items():
        assert find_mapping(name) == path
        assert find_mapping(path.parent) == path
    assert len({name.partition("/")[2] for name in known}) == len(known)
    for name, path in known.items():
        assert find_mapping(name.partition("/")[2]) == path
    with pytest.raises(MappingErrors, match="there is no file"):
        find_mapping(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"title: Gr\xf6\xdfe")
    with pytest.raises(MappingErrors, match=r"the file is not UTF-8 \(byte 9\)"):
        load_mapping(tmp_path / "latin.yaml", adapters={})


def test_messages_of_a_mapping_found_by_name_say_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "ehr" / "odd"
    folder.mkdir(parents=True)
    (folder / "mapping.yaml").write_text("mapping: odd\nversion: 1\nsource: {adapter: none}\nrules: []\n")
    monkeypatch.setattr(files, "_folders", lambda: [tmp_path])
    with pytest.raises(MappingErrors) as raised:
        load_mapping("odd", adapters={})
    assert str(raised.value) == 'ehr/odd:3:19: no adapter is named "none" (there are none)'
