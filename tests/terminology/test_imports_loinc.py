"""LOINC's files as releases from 2.63 on have them: accessory files, older names, padding. The content is made."""

# ruff: noqa: E501 - lines as the forms have them
from __future__ import annotations

import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.store import ContentStore, StoredSystem, open_store

LOINC = "http://loinc.org"
TERMS = """"LOINC_NUM","COMPONENT","PROPERTY","TIME_ASPCT","SYSTEM","SCALE_TYP","METHOD_TYP","CLASS","VersionLastChanged",\
"CHNG_TYPE","DefinitionDescription","STATUS","CONSUMER_NAME","CLASSTYPE","SHORTNAME","ORDER_OBS",\
"EXTERNAL_COPYRIGHT_NOTICE","LONG_COMMON_NAME","COMMON_TEST_RANK"
"10013-1","Made wave","Elpot","Pt","Heart","Qn","EKG","EKG.MEAS","2.79","MIN","","ACTIVE","","2","Made wv","Observation",\
"","Made wave in lead I","0"
"61438-8","Made question","Find","Pt","^Patient","Ord","PhenX","PHENX","2.80","MIN","As asked,
on two lines.","TRIAL","","2","Made q","Both","© made","Made question [PhenX]","7"
"24331-1","Made panel","-","Pt","Ser/Plas","Qn","","PANEL.CHEM","2.73","MIN","","DISCOURAGED","","1","Made Pnl","Order",\
"","Made panel - Serum or Plasma","0"
"""
FILES = {
    "LoincTable/Loinc.csv": TERMS,
    "LoincTable/MapTo.csv": '"LOINC","MAP_TO","COMMENT"\n"24331-1","10013-1",""\n',
    "AccessoryFiles/PartFile/Part.csv": '\ufeff"PartNumber","PartTypeName","PartName","PartDisplayName","Status"\n'
    '"LP1-1","COMPONENT","Made wave","Made wave, shown","ACTIVE"\n"LP9-9","CLASS","EKG.MEAS","EKG","ACTIVE"\n',
    "AccessoryFiles/PartFile/LoincPartLink_Primary.csv": '"LoincNumber","LongCommonName","PartNumber","PartName",'
    '"PartCodeSystem","PartTypeName","LinkTypeName","Property"\n"10013-1","x","LP1-1","Made wave","http://loinc.org",'
    '"COMPONENT","Primary","http://loinc.org/property/COMPONENT"\n',
    "AccessoryFiles/PartFile/LoincPartLink_Supplementary.csv": '"LoincNumber","LongCommonName","PartNumber","PartName",'
    '"PartCodeSystem","PartTypeName","LinkTypeName","Property"\n"10013-1","x","LP1-1","Made wave","http://loinc.org",'
    '"COMPONENT","DetailedModel","http://loinc.org/property/COMPONENT"\n"10013-1","x","LP1-1","Made wave",'
    '"http://loinc.org","COMPONENT","SyntaxEnhancement","http://loinc.org/property/analyte-core"\n',
    "AccessoryFiles/PartFile/PartRelatedCodeMapping.csv": '"PartNumber","PartName","PartTypeName","ExtCodeId",'
    '"ExtCodeDisplayName","ExtCodeSystem","Equivalence"\n"LP1-1","Made wave","COMPONENT"," 420710006","Made (substance)",'
    '"http://snomed.info/sct","wider"\n"LP1-1","Made wave","COMPONENT","1054","Made","http://pubchem.ncbi.nlm.nih.gov",'
    '"equivalent"\n',
    "AccessoryFiles/AnswerFile/AnswerList.csv": '"AnswerListId","AnswerListName","AnswerListOID","ExtDefinedYN",'
    '"AnswerStringId","SequenceNumber","DisplayText","Score"\n"LL1-1","Made list","1.2.3","N","LA2-2",2,"Some","1.5"\n'
    '"LL1-1","Made list","1.2.3","N","LA1-1",1,"None","0"\n"LL2-2","Kept elsewhere","1.2.4","Y",,,,\n',
    "AccessoryFiles/AnswerFile/LoincAnswerListLink.csv": '"LoincNumber","LongCommonName","AnswerListId",'
    '"AnswerListName","AnswerListLinkType","ApplicableContext"\n"61438-8","x","LL1-1","Made list","NORMATIVE",\n',
    "AccessoryFiles/PanelsAndForms/PanelsAndForms.csv": '"ParentId","ParentLoinc","ParentName","ID","SEQUENCE","Loinc",'
    '"LoincName"\n"1","24331-1","Made Pnl","1","1","24331-1","Made Pnl"\n"1","24331-1","Made Pnl","2","2","10013-1","x"\n',
    "AccessoryFiles/PanelsAndForms/Loinc.csv": '"LOINC_NUM","LONG_COMMON_NAME","STATUS"\n',
    "AccessoryFiles/Top2000Results/SI/Top2000CommonLabResultsSi.csv": "LOINC #,Long Common Name,Short Name,CLASS,Rank\n"
    "10013-1,Made wave in lead I,x,Chem,1\n",
    "AccessoryFiles/LinguisticVariants/LinguisticVariants.csv": '"ID","ISO_LANGUAGE","ISO_COUNTRY"\n"24","de","AT"\n',
    "AccessoryFiles/LinguisticVariants/deAT24LinguisticVariant.csv": '"LOINC_NUM","COMPONENT","PROPERTY","SHORTNAME",'
    '"LONG_COMMON_NAME","RELATEDNAMES2","LinguisticVariantDisplayName"\n'
    '"10013-1","Welle","Potential","","Gemachte Welle, lang","","Gemachte Welle"\n"61438-8","Frage","Befund","","","",""\n',
    "AccessoryFiles/LinguisticVariants/arJO32LinguisticVariant.csv": '"LOINC_NUM","COMPONENT","LONG_COMMON_NAME",'
    '"LinguisticVariantDisplayName"\n"10013-1","","Made wave in lead I","موجة"\n"24331-1","","Made panel - Serum or Plasma",""\n',
    "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv": "PATH_TO_ROOT,SEQUENCE,"
    'IMMEDIATE_PARENT,CODE,CODE_TEXT\n,1,,LP7-7,"Made root"\nLP7-7,1,LP7-7,10013-1,"Made wave"\n',
}


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content.replace("\n", "\r\n"))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ContentStore:
    folder = tmp_path_factory.mktemp("loinc")
    store = open_store(folder / "store")
    result = import_file(store, zipped(folder / "Loinc_2.80.zip", FILES))
    assert (result.format, result.notes) == ("loinc", {})
    return store


def loinc(store: ContentStore) -> StoredSystem:
    entry = store.get(LOINC)
    assert entry is not None
    return entry


def codes(store: ContentStore, code: str, name: str) -> list[str]:
    entry = loinc(store).get(code)
    assert entry is not None
    return [value["code"] if isinstance(value, dict) else value for value in entry.values(name)]


def test_parts_stand_for_axes_once_and_text_where_a_term_has_no_part(store: ContentStore) -> None:
    assert loinc(store).version == "2.80"
    assert codes(store, "10013-1", "COMPONENT") == ["LP1-1"]
    assert codes(store, "10013-1", "analyte-core") == ["LP1-1"]
    assert codes(store, "61438-8", "COMPONENT") == ["Made question"]
    assert loinc(store).display("LP1-1") == "Made wave, shown"
    part = loinc(store).get("LP1-1")
    assert part is not None
    assert [designation.value for designation in part.designations] == ["Made wave"]


def test_copyright_distinguishes_third_parties(store: ContentStore) -> None:
    assert list(loinc(store).with_property("copyright", "3rdParty")) == ["61438-8"]


def test_answers_come_in_their_sequence_with_their_score(store: ContentStore) -> None:
    value_set = store.value_set(f"{LOINC}/vs/LL1-1")
    assert value_set is not None
    (include,) = value_set["compose"]["include"]
    assert [(item["code"], item["display"]) for item in include["concept"]] == [
        ("LA1-1", "None"),
        ("LA2-2", "Some"),
    ]
    assert include["concept"][1]["extension"][0]["valueDecimal"] == Decimal("1.5")
    assert codes(store, "61438-8", "answer-list") == ["LL1-1"]
    assert codes(store, "LL1-1", "answers-for") == ["61438-8"]
    assert loinc(store).display("LL2-2") == "Kept elsewhere"
    assert store.value_set(f"{LOINC}/vs/LL2-2") is None


def test_a_panel_has_its_members_without_itself(store: ContentStore) -> None:
    assert codes(store, "24331-1", "has_member") == ["10013-1"]


def test_discouraged_terms_are_active_and_lead_on(store: ContentStore) -> None:
    assert loinc(store).is_active("24331-1")
    assert codes(store, "24331-1", "MAP_TO") == ["10013-1"]


def test_collections_are_value_sets(store: ContentStore) -> None:
    value_set = store.value_set(f"{LOINC}/vs/top-2000-lab-observations-si")
    assert value_set is not None
    assert [item["code"] for item in value_set["compose"]["include"][0]["concept"]] == ["10013-1"]


def test_maps_of_parts_are_concept_maps_by_target(store: ContentStore) -> None:
    maps = {concept_map.url: concept_map for concept_map in store.concept_maps()}
    assert set(maps) == {f"{LOINC}/cm/loinc-parts-to-snomed-ct", f"{LOINC}/cm/loinc-parts-to-pubchem"}
    (row,) = maps[f"{LOINC}/cm/loinc-parts-to-snomed-ct"].targets(LOINC, "LP1-1")
    assert (row.code, row.equivalence) == ("420710006", "wider")
    assert maps[f"{LOINC}/cm/loinc-parts-to-snomed-ct"].version == "2.80"


def test_names_of_a_linguistic_variant_are_in_its_language(store: ContentStore) -> None:
    entry = loinc(store).get("10013-1")
    assert entry is not None
    named = [
        (designation.language, designation.value, (designation.use or ("", ""))[1])
        for designation in entry.designations
    ]
    assert named[1:] == [
        ("ar-JO", "موجة", "LinguisticVariantDisplayName"),
        ("de-AT", "Gemachte Welle", "LinguisticVariantDisplayName"),
        ("de-AT", "Gemachte Welle, lang", "LONG_COMMON_NAME"),
    ]
    question, panel = loinc(store).get("61438-8"), loinc(store).get("24331-1")
    assert question is not None
    assert panel is not None
    assert [
        designation.value for designation in question.designations if designation.language == "de-AT"
    ] == ["Frage:Befund"]
    assert {designation.language for designation in panel.designations} == {"en"}


def test_a_definition_may_go_over_lines(store: ContentStore) -> None:
    entry = loinc(store).get("61438-8")
    assert entry is not None
    assert entry.definition == "As asked,\r\non two lines."


@pytest.mark.parametrize(
    "names",
    [
        {"LoincTable/Loinc.csv": "loinc.csv", "LoincTable/MapTo.csv": "map_to.csv"},
        {
            "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv": "LOINC_2.65_MultiAxialHierarchy.csv"
        },
        {"LoincTable/Loinc.csv": "Loinc_2.80/LoincTable/Loinc.csv"},
    ],
)
def test_older_names_and_a_folder_around_all_are_known(tmp_path: Path, names: dict[str, str]) -> None:
    store = open_store(tmp_path / "store")
    import_file(
        store, zipped(tmp_path / "a.zip", {names.get(name, name): text for name, text in FILES.items()})
    )
    system = loinc(store)
    assert (system.version, system.parents("10013-1")) == ("2.80", ["LP7-7"])
    assert codes(store, "24331-1", "MAP_TO") == ["10013-1"]


def test_the_core_table_alone_is_enough(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    (tmp_path / "LoincTableCore.csv").write_text(
        '"LOINC_NUM","COMPONENT","CLASS","CLASSTYPE","LONG_COMMON_NAME","SHORTNAME","STATUS","VersionLastChanged"\n'
        '"10013-1","Made wave","EKG.MEAS","2","Made wave in lead I","Made wv","ACTIVE","2.80"\n'
    )
    assert import_file(store, tmp_path / "LoincTableCore.csv").systems == [(LOINC, "2.80", 1)]


def test_padded_columns_are_read_without_their_padding(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    (tmp_path / "Loinc.csv").write_text(
        '"LOINC_NUM","LONG_COMMON_NAME"      ,"STATUS","CLASSTYPE","VersionLastChanged"\n'
        '"10013-1"  ,"Made wave , ""lead"" I","ACTIVE",2          ,"2.63"\n"10014-9"  ,"Made"                  ,"TRIAL" ,           ,\n'
    )
    import_file(store, tmp_path / "Loinc.csv")
    assert loinc(store).display("10013-1") == 'Made wave , "lead" I'
    assert codes(store, "10013-1", "CLASSTYPE") == ["2"]
    assert loinc(store).display("10014-9") == "Made"
