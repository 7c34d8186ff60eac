"""ClaML as WHO, BfArM and others lay it out: modifiers that are inherited, fragments, daggers. The content is made."""

# ruff: noqa: E501 - lines as the forms have them
from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.terminology.imports import Options, import_file
from fhir_bridge.terminology.store import ImportProblem, StoredSystem, open_store

ICD = "http://hl7.org/fhir/sid/icd-10"


def label(kind: str, text: str, language: str = "en") -> str:
    return f'<Rubric id="id-1" kind="{kind}"><Label xml:lang="{language}" xml:space="default">{text}</Label></Rubric>'


def classified(folder: Path, content: str, title: str = "ICD-10-EN", **wishes: str) -> StoredSystem:
    (folder / "claml.xml").write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ClaML SYSTEM "ClaML.dtd">
<ClaML version="2.0.0">
  <Meta name="lang" value="en"/>
  <Identifier authority="WHO" uid="made"/>
  <Title date="2020-03-22" name="{title}" version="2019-made">Made Classification of Diseases 10th Revision</Title>
  <UsageKinds><UsageKind mark="*" name="aster"/><UsageKind mark="+" name="dagger"/></UsageKinds>
  {content}
</ClaML>""",
        encoding="utf-8",
    )
    store = open_store(folder / "store")
    ((url, _, _),) = import_file(store, folder / "claml.xml", options=Options(**wishes)).systems
    entry = store.get(url)
    assert entry is not None
    return entry


def modifier(code: str, *choices: tuple[str, str]) -> str:
    listed = "".join(f'<SubClass code="{suffix}"/>' for suffix, _ in choices)
    classes = "".join(
        f'<ModifierClass code="{suffix}" modifier="{code}"><SuperClass code="{code}"/>{label("preferred", name)}'
        "</ModifierClass>"
        for suffix, name in choices
    )
    return f'<Modifier code="{code}">{listed}</Modifier>{classes}'


PLACES = modifier("S20W00_4", ("0", "Home"), ("9", "Unspecified place"))
ACTIVITIES = modifier("S20V01T_5", ("0", "While engaged in sports"), ("1", "While at leisure"))


def test_a_modifier_of_a_block_makes_codes_of_the_categories_below_it(tmp_path: Path) -> None:
    system = classified(
        tmp_path,
        PLACES
        + f"""
  <Class code="W00-W19" kind="block"><SubClass code="W00"/><SubClass code="W01"/>
    <ModifiedBy code="S20W00_4"/>{label("preferred", "Falls")}</Class>
  <Class code="W00" kind="category"><SuperClass code="W00-W19"/>{label("preferred", "Fall on ice")}</Class>
  <Class code="W01" kind="category"><SuperClass code="W00-W19"/><ExcludeModifier code="S20W00_4"/>
    {label("preferred", "Fall from tripping")}</Class>""",
    )
    assert list(system.codes()) == ["W00-W19", "W00", "W01", "W00.0", "W00.9"]
    assert system.display("W00.0") == "Fall on ice: Home"
    assert (system.parents("W00.0"), system.children("W01")) == (["W00"], [])


def test_modifiers_of_the_fourth_and_fifth_character_follow_one_another(tmp_path: Path) -> None:
    fifth = modifier("S04E10_5", ("0", "not derailed"), ("1", "derailed"))
    fourth = modifier("S04E10_4", (".0", "With coma"), (".9", "Without complications"))
    system = classified(
        tmp_path,
        f"""{fifth}{fourth}
  <Class code="E10" kind="category"><ModifiedBy code="S04E10_5"/>
    <ModifiedBy code="S04E10_4" all="false"><ValidModifierClass code=".0"/></ModifiedBy>
    {label("preferred", "Type 1 diabetes mellitus")}</Class>""",
    )
    assert list(system.codes()) == ["E10", "E10.0", "E10.00", "E10.01"]
    assert system.display("E10.01") == "Type 1 diabetes mellitus: With coma: derailed"
    assert system.parents("E10.01") == ["E10.0"]


def test_an_inherited_fourth_character_is_not_given_to_codes_that_have_one(tmp_path: Path) -> None:
    system = classified(
        tmp_path,
        modifier("S20V01_4", (".0", "Nontraffic accident"))
        + ACTIVITIES
        + f"""
  <Class code="V01-V09" kind="block"><SubClass code="V01"/><SubClass code="V09"/>
    <ModifiedBy code="S20V01_4"/><ModifiedBy code="S20V01T_5"/>{label("preferred", "Pedestrians")}</Class>
  <Class code="V01" kind="category"><SuperClass code="V01-V09"/>{label("preferred", "Hit by a cycle")}</Class>
  <Class code="V09" kind="category"><SuperClass code="V01-V09"/><SubClass code="V09.3"/>
    {label("preferred", "Other accidents")}</Class>
  <Class code="V09.3" kind="category"><SuperClass code="V09"/>{label("preferred", "Unspecified accident")}</Class>""",
    )
    assert set(system.codes()) - {"V01-V09", "V01", "V09", "V09.3"} == {
        "V01.0", "V01.00", "V01.01", "V09.30", "V09.31",
    }  # fmt: skip


def test_a_choice_that_excludes_an_earlier_one_does_not_follow_it(tmp_path: Path) -> None:
    second = (
        '<ModifierClass code="1" modifier="B"><SuperClass code="B"/>'
        f'<ExcludeOnPrecedingModifier modifier="A" code=".0"/>{label("preferred", "b1")}</ModifierClass>'
    )
    system = classified(
        tmp_path,
        modifier("A", (".0", "a0"), (".1", "a1"))
        + second
        + f'<Class code="X01" kind="category"><ModifiedBy code="A"/><ModifiedBy code="B"/>{label("preferred", "x")}</Class>',
    )
    assert list(system.codes()) == ["X01", "X01.0", "X01.1", "X01.11"]


def test_procedures_are_modified_without_a_dot_of_their_own(tmp_path: Path) -> None:
    system = classified(
        tmp_path,
        modifier("ST5433", ("0", "Excision"), ("x", "Other"))
        + f'<Class code="5-433.3" kind="category"><ModifiedBy code="ST5433"/>{label("preferred", "Destruction")}</Class>',
        title="OPS",
    )
    assert list(system.codes()) == ["5-433.3", "5-433.30", "5-433.3x"]


FRAGMENTS = f"""
  <Class code="A02" kind="category">{label("preferred", "Other salmonella infections")}
    <SubClass code="A02.2"/></Class>
  <Class code="A02.2" kind="category" usage="dagger">
    <Meta name="MortBCode" value="006"/>
    {label("preferred", "Localized")}{label("preferredLong", "Localized salmonella infections")}
    <Rubric kind="inclusion"><Label xml:lang="en">
      <Fragment type="item" usage="dagger">Arthritis<Reference class="in brackets" usage="aster">M01.3</Reference></Fragment>
      <Fragment type="item">in salmonella infection</Fragment></Label></Rubric>
    <Rubric kind="exclusion"><Label xml:lang="en"><Fragment type="list">carrier of:</Fragment><Fragment type="list">
      typhoid <Reference class="in brackets" code="Z22">Z22.-</Reference></Fragment></Label></Rubric>
    <Rubric kind="note"><Label xml:lang="en"><Para>First.</Para><Para>Second.</Para></Label></Rubric>
  </Class>"""


def test_fragments_are_apart_and_references_as_they_are_printed(tmp_path: Path) -> None:
    entry = classified(tmp_path, FRAGMENTS).get("A02.2")
    assert entry is not None
    assert entry.display == "Localized salmonella infections"
    assert [(designation.value, (designation.use or ("", ""))[1]) for designation in entry.designations] == [
        ("Localized", "preferred"),
        ("Arthritis in salmonella infection", "inclusion"),
    ]
    assert list(entry.values("exclusion")) == ["carrier of: typhoid (Z22.-)"]
    assert list(entry.values("note")) == ["First. Second."]
    assert list(entry.values("usage")) == ["dagger"]
    assert list(entry.values("MortBCode")) == ["006"]


def test_a_class_that_only_its_parent_names_is_below_it(tmp_path: Path) -> None:
    assert classified(tmp_path, FRAGMENTS).parents("A02.2") == ["A02"]


def test_labels_in_other_languages_are_designations(tmp_path: Path) -> None:
    names = (
        '<Rubric kind="preferred"><Label xml:lang="nl">Fractuur van schedeldak</Label>'
        '<Label xml:lang="en">Fracture of vault of skull</Label></Rubric>'
    )
    system = classified(tmp_path, f'<Class code="S02.0" kind="category">{names}</Class>', "ICD-10-nl")
    entry = system.get("S02.0")
    assert entry is not None
    assert (system.url, system.language, entry.display) == (
        "http://hl7.org/fhir/sid/icd-10-nl",
        "nl",
        "Fractuur van schedeldak",
    )
    assert [(designation.language, designation.value) for designation in entry.designations] == [
        ("en", "Fracture of vault of skull")
    ]


def test_a_national_edition_without_a_known_url_is_not_taken_for_whos(tmp_path: Path) -> None:
    content = f'<Class code="A00" kind="category">{label("preferred", "Kolera", "sv")}</Class>'
    with pytest.raises(ImportProblem, match="--system"):
        classified(tmp_path, content, "ICD-10-SE")
    system = classified(tmp_path, content, "ICD-10-SE", system="https://example.org/icd-10-se")
    assert (system.url, system.version) == ("https://example.org/icd-10-se", "2019-made")


def test_whos_title_is_the_international_edition(tmp_path: Path) -> None:
    content = f'<Class code="A00" kind="category">{label("preferred", "Cholera")}</Class>'
    assert classified(tmp_path, content).url == ICD
