"""Documents of several files: includes, fragments, and mappings that change another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.mapping import (
    CompiledMapping,
    Context,
    MappingError,
    MappingErrors,
    load_mapping,
    mapping_files,
    source_block,
)
from fhir_bridge.pipeline import ConversionContext, RunRequest
from tests.mapping.sources import ADAPTERS, Row

BASE = """mapping: base
version: 1.0.0
source: {adapter: csv, decimal: ",", columns: [id]}
let: {origin: "'LAB'"}
fragments:
  sex: {parameters: [x], match: upper(x), M: male, F: female, else: flag, empty: null}
rules:
- rule: patient
  as: Patient
  key: [row.id]
  gender: {fragment: sex, with: {x: row.sex}}
  name: [{family: =row.name, use: official}]
  contact:
  - name: {text: =row.kin}
    gender: {fragment: sex, with: {x: row.kinsex}}
- rule: result
  as: Observation
  key: [row.id, origin]
  status: final
  code: {text: =row.code, coding: [{system: urn:lab, code: =row.code}]}
  category: [{text: a}]
"""

CELLS = {"id": "1", "sex": "f", "name": "Muster", "kin": "Mother", "kinsex": "m", "code": "K"}

Convert = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "mapping.yaml").write_text(BASE)
    (tmp_path / "site").mkdir()
    return tmp_path


def load(file: Path) -> CompiledMapping:
    return load_mapping(file, adapters=ADAPTERS)


def wrong(file: Path) -> list[str]:
    with pytest.raises(MappingErrors) as raised:
        load(file)
    return [str(error).replace(f"{file.parent.parent}/", "") for error in raised.value.errors]


@pytest.fixture
def convert(folder: Path, context: Callable[..., Context]) -> Convert:
    """The resources of a row by rule, converted by a mapping whose head extends the base."""

    def run(text: str, **cells: str) -> dict[str, dict[str, Any]]:
        file = folder / "site" / "mapping.yaml"
        file.write_text(f"mapping: site\nversion: 1.0.0\n{text}")
        conversion = load(file).convert(Row({**CELLS, **cells}), context())
        return {output.rule: output.resource for output in conversion.outputs}

    return run


def test_a_mapping_that_changes_nothing_gives_the_same(convert: Convert, folder: Path, context: Any) -> None:
    plain = load(folder / "base").convert(Row(CELLS), context())
    assert convert("extends: ../base") == {output.rule: output.resource for output in plain.outputs}
    assert {
        output.rule: output.resource["gender"] for output in plain.outputs if output.type == "Patient"
    } == {"patient": "female"}
    assert plain.outputs[0].resource["contact"] == [{"name": {"text": "Mother"}, "gender": "male"}]


def test_an_override_changes_removes_and_adds_and_leaves_the_ids(
    convert: Convert, folder: Path, context: Any
) -> None:
    before = {o.rule: o.resource for o in load(folder / "base").convert(Row(CELLS), context()).outputs}
    after = convert(
        """extends: ../base
source: {decimal: ".", columns: ~, delimiter: ";"}
override:
  patient:
    gender: =row.g
    contact: {gender: ~}
    name+: [{text: =row.id}]
    birthDate+: 1970-01-01
  result:
    code!: {text: Potassium}
    category: [{text: b}]
rules:
- rule: more
  as: Basic
  key: [row.id]
  code: {text: x}
""",
        g="other",
    )
    assert [resource["id"] for resource in before.values()] == [after[rule]["id"] for rule in before]
    patient, result = after["patient"], after["result"]
    assert patient["gender"] == "other"
    assert patient["birthDate"] == "1970-01-01"
    assert patient["contact"] == [{"name": {"text": "Mother"}}]
    assert patient["name"] == [{"use": "official", "family": "Muster"}, {"text": "1"}]
    assert result["code"] == {"text": "Potassium"}
    assert result["category"] == [{"text": "b"}]
    assert "more" in after
    assert source_block(folder / "site") == {"adapter": "csv", "decimal": ".", "delimiter": ";"}


def test_a_case_is_added_to_a_match_and_a_fragment_is_changed_wherever_it_is_put(convert: Convert) -> None:
    added = convert("extends: ../base\noverride: {patient: {gender: {D+: other}}}", sex="d")
    assert added["patient"]["gender"] == "other"
    replaced = convert(
        "extends: ../base\nfragments:\n  sex: {parameters: [x], match: x, f: other, m: unknown}\n"
    )
    assert replaced["patient"]["gender"] == "other"
    assert replaced["patient"]["contact"][0]["gender"] == "unknown"


def test_a_variable_is_replaced_and_a_rule_removed(convert: Convert, folder: Path, context: Any) -> None:
    before = {o.rule: o.resource["id"] for o in load(folder / "base").convert(Row(CELLS), context()).outputs}
    after = convert("extends: ../base\nlet: {origin: \"'WARD'\"}\noverride: {patient: ~}")
    assert list(after) == ["result"]
    assert after["result"]["id"] != before["result"]


def test_a_match_or_a_fragment_in_an_override_replaces(convert: Convert) -> None:
    whole = convert("extends: ../base\noverride: {patient: {gender: {match: row.sex, f: unknown}}}")
    assert whole["patient"]["gender"] == "unknown"
    put = convert(
        "extends: ../base\noverride:\n  patient:\n    gender: {fragment: sex, with: {x: row.kinsex}}\n"
    )
    assert put["patient"]["gender"] == "male"


def test_overrides_lie_over_overrides(convert: Convert, folder: Path) -> None:
    (folder / "region").mkdir()
    (folder / "region" / "mapping.yaml").write_text(
        "mapping: region\nversion: 1\nextends: ../base\noverride: {patient: {birthDate+: 1970-01-01, gender: other}}\n"
    )
    after = convert("extends: ../region\noverride: {patient: {birthDate: 1980-01-01}}")
    assert after["patient"]["birthDate"] == "1980-01-01"
    assert after["patient"]["gender"] == "other"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: ../base\noverride: {pateint: {gender: male}}",
         'site/mapping.yaml:4:12: no rule is named "pateint" that could be changed (did you mean "patient"?)'),
        ("extends: ../base\noverride: {patient: {gendr: male}}",
         'site/mapping.yaml:4:22: the rule "patient" has no "gendr" that could be changed (did you mean "gender"?)'),
        ("extends: ../base\noverride: {patient: {photo: [{title: x}]}}",
         'site/mapping.yaml:4:22: the rule "patient" has no "photo" that could be changed (to add it write "photo+:")'),
        ("extends: ../base\noverride: {patient: {contact: {name: {family: x}}}}",
         'site/mapping.yaml:4:39: the rule "patient".contact.name has no "family" that could be changed '
         '(to add it write "family+:")'),
        ("extends: ../base\noverride: {patient: {photo: ~}}",
         'site/mapping.yaml:4:22: the rule "patient" has no "photo" that could be changed (to add it write "photo+:")'),
        ("extends: ../base\noverride: {patient: {gender+: male}}",
         'site/mapping.yaml:4:31: the rule "patient".gender is there already (leave the + out to change it)'),
        ("extends: ../base\noverride: {result: {status: {F+: final}}}",
         'site/mapping.yaml:4:30: the rule "result".status is no object here that F+ could be about '
         "(write the whole of status)"),
        ("extends: ../base\noverride: {patient: {rule: person}}",
         "site/mapping.yaml:4:22: a rule keeps its name: ids are made of it (leave `rule:` out)"),
        ("extends: ../base\noverride: {patient: {gender: femal}}",
         'site/mapping.yaml:4:30: "femal" is outside the required binding of Patient.gender (did you mean "female"?)'),
        ("extends: ../base\nfragments: {gendr: {match: row.x, else: male}}",
         'site/mapping.yaml:4:13: nothing uses the fragment "gendr"'),
        ("extends: ../bse", 'site/mapping.yaml:3:10: no mapping is named "../bse", and ../bse is no file'),
        ("source: {adapter: csv}\nrules: []\noverride: {patient: ~}",
         "site/mapping.yaml:5:1: `override:` changes a mapping that `extends:` names (extends: ehr/hl7v2)"),
        ("extends: .", 'site/mapping.yaml:3:10: no mapping is named ".", and . is no file'),
        ("include: [pices.yaml]\nsource: {adapter: csv}\nrules: []",
         "site/mapping.yaml:3:11: there is no file pices.yaml beside this one or among what is shipped"),
        ("source: {adapter: csv}\nrules:\n- {rule: a, as: Patient, key: [row.id], gender: {fragment: sx}}\n"
         "fragments: {sex: male}",
         'site/mapping.yaml:5:60: no fragment is named "sx" (did you mean "sex"?)'),
        ("source: {adapter: csv}\nrules:\n- {rule: a, as: Patient, key: [row.id], gender: {fragment: s, "
         "with: {y: 1}}}\nfragments: {s: {parameters: [x], match: x, a: male}}",
         'site/mapping.yaml:5:70: the fragment "s" has no parameter "y"'),
        ("source: {adapter: csv}\nrules:\n- {rule: a, as: Patient, key: [row.id], gender: {fragment: s}}\n"
         "fragments: {s: {fragment: t}, t: {fragment: s}}",
         'site/mapping.yaml:6:45: the fragment "s" uses itself'),
        ("include: ~\nsource: {adapter: csv}\nrules: []", "site/mapping.yaml:3:10: `include` is a list of files"),
    ],
)  # fmt: skip
def test_a_change_of_what_is_not_there_is_an_error_with_its_place(
    folder: Path, text: str, expected: str
) -> None:
    file = folder / "site" / "mapping.yaml"
    file.write_text(f"mapping: site\nversion: 1.0.0\n{text}\n")
    assert expected in wrong(file)


def test_an_override_of_what_an_upgrade_removed_names_the_line(folder: Path, convert: Convert) -> None:
    text = "extends: ../base\noverride:\n  patient:\n    contact: {gender: unknown}\n"
    assert convert(text)["patient"]["contact"][0]["gender"] == "unknown"
    upgraded = BASE.replace("    gender: {fragment: sex, with: {x: row.kinsex}}\n", "")
    (folder / "base" / "mapping.yaml").write_text(upgraded)
    [error] = wrong(folder / "site" / "mapping.yaml")
    assert error.startswith('site/mapping.yaml:6:15: the rule "patient".contact has no "gender"')


def test_included_rules_variables_and_fragments_are_as_if_written_in_place(
    folder: Path, context: Callable[..., Context]
) -> None:
    head, rules = BASE.split("rules:\n")
    (folder / "site" / "parts").mkdir()
    (folder / "site" / "parts" / "rules.yaml").write_text(f"include: [shared.yaml]\nrules:\n{rules}")
    shared = head.split("source:")[1].partition("\n")[2]
    (folder / "site" / "parts" / "shared.yaml").write_text(shared)
    file = folder / "site" / "mapping.yaml"
    file.write_text(f"include: [parts/rules.yaml, parts/shared.yaml]\n{head.partition('let:')[0]}")
    whole, parts = load(folder / "base"), load(file)
    expected = whole.convert(Row(CELLS), context()).outputs
    assert [o.resource for o in parts.convert(Row(CELLS), context()).outputs] == [
        o.resource for o in expected
    ]
    assert {path.name for path in mapping_files(file)} == {"mapping.yaml", "rules.yaml", "shared.yaml"}


def test_a_file_that_is_changed_is_read_again_for_what_it_includes(folder: Path) -> None:
    file, part = folder / "site" / "mapping.yaml", folder / "site" / "part.yaml"
    own = "mapping: a/b\nversion: 1.0.0\nsource: {adapter: csv}\n"
    file.write_text(own)
    part.write_text("let: {}\n")
    assert mapping_files(file) == [file]
    file.write_text(f"include: [part.yaml]\n{own}")
    assert mapping_files(file) == [file, part]
    (folder / "site" / "more.yaml").write_text("let: {}\n")
    part.write_text("include: [more.yaml]\n")
    assert mapping_files(file) == [file, part, folder / "site" / "more.yaml"]


def test_errors_and_issues_name_the_included_file(folder: Path, context: Callable[..., Context]) -> None:
    (folder / "site" / "part.yaml").write_text(
        "rules:\n- rule: p\n  as: Patient\n  key: [row.id]\n  birthDate: =row.born\n  gendr: male\n"
    )
    file = folder / "site" / "mapping.yaml"
    file.write_text("mapping: m\nversion: 1\nsource: {adapter: csv}\ninclude: part.yaml\n")
    assert wrong(file) == ['site/part.yaml:6:3: Patient has no element "gendr" (did you mean "gender"?)']
    part = folder / "site" / "part.yaml"
    part.write_text(part.read_text().replace("  gendr: male\n", ""))
    conversion = load(file).convert(Row({"id": "1", "born": "x"}), context())
    assert "part.yaml:5:14" in conversion.issues[0].message


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("mapping: x\n", 'site/part.yaml:1:1: a file that is included has no key "mapping" (a whole mapping is taken '
         "by `extends:`)"),
        ("ruls: []\n", 'site/part.yaml:1:1: a file that is included has no key "ruls" (did you mean "rules"?)'),
        ("rules: {a: b}\n", "site/part.yaml:1:8: `rules` is a list of rules"),
        ("let: {a: '1'}\n", 'site/mapping.yaml:4:7: the variable "a" is in an included file as well'),
        ("a: [", "site/part.yaml:1:5: not YAML 1.2"),
    ],
)  # fmt: skip
def test_what_can_not_be_included_is_an_error(folder: Path, part: str, expected: str) -> None:
    (folder / "site" / "part.yaml").write_text(part)
    file = folder / "site" / "mapping.yaml"
    file.write_text(
        "mapping: m\nversion: 1\ninclude: [part.yaml]\nlet: {a: '2'}\nsource: {adapter: csv}\nrules: []\n"
    )
    assert any(error.startswith(expected) for error in wrong(file)), wrong(file)


def test_fragments_join_their_lists_and_are_spread_in_lists(
    folder: Path, context: Callable[..., Context]
) -> None:
    file = folder / "site" / "mapping.yaml"
    file.write_text("""mapping: m
version: 1
source: {adapter: csv}
fragments:
  id: [row.id, row.name]
  a: {name: [{text: a}], active: true}
  b: {name: [{text: b}], gender: male}
  names: [{text: d}, {text: e}]
rules:
- rule: p
  as: Patient
  key: ["'x'", fragment: id]
  fragment: [a, b]
  name+: [{text: c}, fragment: names]
  active: false
""")
    [output] = load(file).convert(Row(CELLS), context()).outputs
    assert [name["text"] for name in output.resource["name"]] == ["a", "b", "c", "d", "e"]
    assert output.resource["active"] is False
    assert output.resource["gender"] == "male"


def test_a_change_of_any_file_changes_the_hash_that_resume_and_remap_compare(folder: Path) -> None:
    part = folder / "site" / "part.yaml"
    part.write_text("fragments: {sex: male}\n")
    file = folder / "site" / "mapping.yaml"
    file.write_text("mapping: m\nversion: 1\nextends: ../base\ninclude: [part.yaml]\n")
    context = ConversionContext.of(RunRequest("csv"))
    hashes = {context.digest(str(file))}
    for changed in (part, folder / "base" / "mapping.yaml", file):
        changed.write_text(f"{changed.read_text()}# changed\n")
        hashes.add(context.digest(str(file)))
    assert len(hashes) == 4


SITE = """mapping: site
version: 1.0.0
extends: ../base
include: [part.yaml]
source: {decimal: "."}
fragments:
  sex: {parameters: [x], match: x, f: female, else: {fragment: other, with: {y: 1}}}
override:
  patient:
    contact: {gender: ~}
    name+: [{fragment: named}]
  result: ~
rules:
- rule: p
  as: Patient
  key: [row.id]
  fragment: [all]
"""
PART = "fragments:\n  other: {parameters: [y], match: y, else: unknown}\n  named: {text: x}\n  all: {active: true}\n"


def test_the_whole_site_document_loads(folder: Path) -> None:
    (folder / "site" / "part.yaml").write_text(PART)
    (folder / "site" / "mapping.yaml").write_text(SITE)
    assert load(folder / "site").rules == ("patient", "p")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.integers(0, len(SITE)),
    st.integers(0, 12),
    st.sampled_from(
        ["", " ", "\n  ", "~", "{", "}", "[", ": ", "fragment", "with", "+", "!", "sex", "1", "'"]
    ),
)
def test_a_damaged_site_document_is_refused_or_works(folder: Path, place: int, size: int, put: str) -> None:
    (folder / "site" / "part.yaml").write_text(PART)
    (folder / "site" / "mapping.yaml").write_text(SITE[:place] + put + SITE[place + size :])
    errors: tuple[MappingError, ...] = ()
    try:
        load(folder / "site")
    except MappingErrors as raised:
        errors = raised.errors
    assert all(error.position.line >= 1 for error in errors)
