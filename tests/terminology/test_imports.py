"""Official download forms are read as their publishers write them; the files are small, and made."""

from __future__ import annotations

import json
import shutil
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_bridge.terminology.imports import ImportResult, Options, import_file
from fhir_bridge.terminology.store import ContentStore, StoredSystem, open_store
from tests.terminology import makers_small as small
from tests.terminology.makers import loinc_number, make_loinc
from tests.terminology.makers_rf2 import SITE, US, Release, make_rf2

LOINC, SCT = "http://loinc.org", "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
OMOP = "https://fhir-terminology.ohdsi.org"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return open_store(tmp_path / "store")


def imported(store: ContentStore, path: Path, **wishes: str) -> ImportResult:
    return import_file(store, path, options=Options(**wishes))


def got(store: ContentStore, url: str, version: str | None = None) -> StoredSystem:
    entry = store.get(url, version)
    assert entry is not None
    return entry


# --- LOINC ---


@pytest.fixture(scope="module")
def loinc(tmp_path_factory: pytest.TempPathFactory) -> tuple[ContentStore, list[str]]:
    folder = tmp_path_factory.mktemp("loinc")
    terms = make_loinc(folder / "Loinc_2.78.zip", 300)
    store = open_store(folder / "store")
    result = imported(store, folder / "Loinc_2.78.zip")
    assert (result.format, result.notes) == ("loinc", {})
    return store, terms


def test_loinc_terms_come_with_axes_as_parts(loinc: tuple[ContentStore, list[str]]) -> None:
    store, terms = loinc
    system = got(store, LOINC)
    assert (system.version, system.case_sensitive, system.language) == ("2.78", False, "en")
    assert "Regenstrief" in str(system.metadata["copyright"])
    term = system.get(terms[0])
    assert term is not None
    component = next(term.values("COMPONENT"))
    assert component["code"].startswith("LP")
    assert list(term.values("STATUS")) == ["ACTIVE"]
    assert terms[0] in list(system.with_property("COMPONENT", component["code"]))
    part = system.get(component["code"])
    assert part is not None
    assert part.display == component["display"]


def test_loinc_hierarchy_leads_from_parts_to_terms(loinc: tuple[ContentStore, list[str]]) -> None:
    store, terms = loinc
    system = got(store, LOINC)
    (root,) = [code for code in system.roots() if system.display(code) == "Laboratory"]
    assert all(system.is_a(term, root) for term in terms)
    (parent,) = system.parents(terms[5])
    assert terms[5] in system.children(parent)


def test_loinc_linguistic_variants_are_designations(loinc: tuple[ContentStore, list[str]]) -> None:
    store, terms = loinc
    detail = got(store, LOINC).get(terms[3])
    assert detail is not None
    assert {"en", "de-DE", "fr-FR"} <= {designation.language for designation in detail.designations}
    assert {designation.use for designation in detail.designations if designation.language == "de-DE"} == {
        (LOINC, "FullySpecifiedName")
    }


def test_loinc_answer_lists_are_value_sets(loinc: tuple[ContentStore, list[str]]) -> None:
    store, _ = loinc
    number = loinc_number(360, "LL")
    value_set = store.value_set(f"{LOINC}/vs/{number}")
    assert value_set is not None
    (include,) = value_set["compose"]["include"]
    assert [concept["display"] for concept in include["concept"]] == ["Positive", "Negative", "Trace"]
    system = got(store, LOINC)
    assert system.display(include["concept"][0]["code"]) == "Positive"
    assert system.display(number) == "Pos/Neg/Trace"
    assert list(system.with_property("answer-list", number))


def test_loinc_deprecated_terms_are_inactive_and_lead_on(loinc: tuple[ContentStore, list[str]]) -> None:
    store, terms = loinc
    system = got(store, LOINC)
    gone = [detail for term in terms if (detail := system.get(term)) and not detail.active]
    assert gone
    assert all(list(detail.values("MAP_TO")) == [terms[0]] for detail in gone)
    assert all(
        detail.code not in {code for code, *_ in system.candidates(detail.display or "")}
        for detail in gone[:3]
    )


def test_loinc_table_alone_is_enough(store: ContentStore, tmp_path: Path) -> None:
    terms = make_loinc(tmp_path / "loinc.zip", 20)
    with zipfile.ZipFile(tmp_path / "loinc.zip") as archive:
        (tmp_path / "Loinc.csv").write_bytes(archive.read("LoincTable/Loinc.csv"))
    assert imported(store, tmp_path / "Loinc.csv", version="2.78").systems == [(LOINC, "2.78", 20)]
    term = got(store, LOINC).get(terms[0].lower())
    assert term is not None
    assert isinstance(next(term.values("COMPONENT")), str)


# --- SNOMED CT ---


@pytest.fixture(scope="module")
def snomed(tmp_path_factory: pytest.TempPathFactory) -> tuple[ContentStore, Release]:
    folder = tmp_path_factory.mktemp("rf2")
    release = make_rf2(folder / "rf2.zip", 500)
    store = open_store(folder / "store")
    result = imported(store, folder / "rf2.zip")
    assert (result.format, result.notes) == ("rf2", {})
    return store, release


def test_snomed_version_is_the_uri_of_the_edition(snomed: tuple[ContentStore, Release]) -> None:
    store, release = snomed
    system = got(store, SCT)
    assert system.version == f"{SCT}/900000000000207008/version/20260101"
    assert len(system) == len(release.concepts) + len(release.retired)


def test_snomed_polyhierarchy_is_whole(snomed: tuple[ContentStore, Release]) -> None:
    store, release = snomed
    system = got(store, SCT)
    above = {code: set(parents) for code, _, _, parents, _ in release.concepts}
    assert any(len(parents) > 1 for parents in above.values())
    for code in [concept[0] for concept in release.concepts][::7]:
        ancestors, waiting = {code}, [code]
        while waiting:
            for parent in above[waiting.pop()]:
                if parent not in ancestors:
                    ancestors.add(parent)
                    waiting.append(parent)
        assert {concept for concept in above if system.is_a(code, concept)} == ancestors
    assert set(system.descendants("138875005")) == set(above) - {"138875005"}


def test_snomed_display_is_the_preferred_term(snomed: tuple[ContentStore, Release]) -> None:
    store, _ = snomed
    detail = got(store, SCT).get("404684003")
    assert detail is not None
    assert (detail.display, detail.definition is not None) == ("Clinical finding", True)
    uses = {(designation.use or ("", ""))[1]: designation.value for designation in detail.designations}
    assert uses["900000000000003001"] == "Clinical finding (finding)"
    assert uses["preferredForLanguage"] == "Clinical finding"


def test_snomed_attributes_and_concrete_values_are_properties(snomed: tuple[ContentStore, Release]) -> None:
    store, release = snomed
    system = got(store, SCT)
    code, _, _, _, defining = next(concept for concept in release.concepts if concept[4])
    detail = system.get(code)
    assert detail is not None
    assert defining is not None
    assert list(detail.values(SITE)) == [defining[0]]
    assert list(detail.values("sufficientlyDefined")) == [True]
    assert code in set(system.with_property(SITE, defining[0]))
    last = system.get(release.concepts[-1][0])
    assert last is not None
    assert Decimal("5.5") in list(last.values(SITE))


def test_snomed_other_languages_are_designations(snomed: tuple[ContentStore, Release]) -> None:
    store, release = snomed
    detail = got(store, SCT).get(release.concepts[20][0])
    assert detail is not None
    assert "de" in {designation.language for designation in detail.designations}


def test_snomed_reference_sets_are_value_sets_by_membership(snomed: tuple[ContentStore, Release]) -> None:
    store, release = snomed
    value_set = store.value_set(f"{SCT}?fhir_vs=refset/700043003")
    assert value_set is not None
    assert value_set["compose"]["include"][0]["filter"] == [
        {"property": "concept", "op": "in", "value": "700043003"}
    ]
    members = set(got(store, SCT).with_property("memberOf", "700043003"))
    assert members == {concept[0] for concept in release.concepts[::50]}


def test_snomed_history_and_maps_are_concept_maps(snomed: tuple[ContentStore, Release]) -> None:
    store, release = snomed
    maps = {concept_map.url: concept_map for concept_map in store.concept_maps()}
    same = maps[f"{SCT}?fhir_cm=900000000000527005"]
    retired = release.retired[0]
    assert [concept_map.code for concept_map in same.translate(SCT, retired)] == [release.concepts[-1][0]]
    icd = maps[f"{SCT}?fhir_cm=447562003"]
    assert [concept_map.code for concept_map in icd.translate(SCT, release.concepts[-1][0])] == ["A00.1"]
    assert [group["target"] for group in icd.resource["group"]] == ["http://hl7.org/fhir/sid/icd-10"]
    detail = got(store, SCT).get(retired)
    assert detail is not None
    assert (detail.active, list(detail.values("same-as"))) == (False, [release.concepts[-1][0]])


def test_of_a_full_release_the_newest_state_counts(store: ContentStore, tmp_path: Path) -> None:
    make_rf2(tmp_path / "full.zip", 100, kind="Full")
    imported(store, tmp_path / "full.zip")
    detail = got(store, SCT).get("138875005")
    assert detail is not None
    assert detail.display == "SNOMED CT Concept"
    assert not any(designation.value.startswith("Old name") for designation in detail.designations)


def test_of_a_full_release_an_older_state_can_be_had(store: ContentStore, tmp_path: Path) -> None:
    make_rf2(tmp_path / "full.zip", 100, kind="Full")
    imported(store, tmp_path / "full.zip", as_of="20200131")
    detail = got(store, SCT).get("138875005")
    assert detail is not None
    assert [designation.value for designation in detail.designations] == [
        "Old name: SNOMED CT Concept (SNOMED CT Concept)"
    ]


def test_snomed_from_an_unpacked_folder_is_the_same(store: ContentStore, tmp_path: Path) -> None:
    make_rf2(tmp_path / "rf2.zip", 60)
    shutil.unpack_archive(tmp_path / "rf2.zip", tmp_path / "folder")
    assert (
        imported(store, tmp_path / "folder").systems
        == imported(open_store(tmp_path / "b"), tmp_path / "rf2.zip").systems
    )


def test_snomed_dialects_are_distinguished(store: ContentStore, tmp_path: Path) -> None:
    make_rf2(tmp_path / "rf2.zip", 60)
    shutil.unpack_archive(tmp_path / "rf2.zip", tmp_path / "folder")
    (language,) = (tmp_path / "folder").rglob("*cRefset_Language*")
    lines = [
        line for line in language.read_text().splitlines(keepends=True) if US in line or line.startswith("id")
    ]
    language.write_text(
        "".join(lines) + lines[2].replace(US, "900000000000508004").replace("00000000-", "00000001-")
    )
    imported(store, tmp_path / "folder")
    system = got(store, SCT)
    details = [detail for code in system.codes() if (detail := system.get(code)) is not None]
    tags = {designation.language for detail in details for designation in detail.designations}
    assert {"en", "en-US", "de"} <= tags


# --- the others ---


def test_rxnorm_concepts_are_rxcuis(store: ContentStore, tmp_path: Path) -> None:
    small.make_rxnorm(tmp_path / "RxNorm_full_01052026.zip")
    imported(store, tmp_path / "RxNorm_full_01052026.zip")
    system = got(store, RXNORM)
    assert system.version == "01052026"
    tablet, brand = system.get(small.TABLET), system.get(small.BRAND)
    assert tablet is not None
    assert brand is not None
    assert (tablet.display, tablet.active, brand.active) == ("atorvastatin 20 MG Oral Tablet", True, False)
    assert [designation.value for designation in tablet.designations] == [
        "atorvastatin 20 MG Oral Tablet, made"
    ]
    assert list(tablet.values("has_ingredient")) == [small.ATORVASTATIN]
    assert list(tablet.values("NDC")) == ["00071015623"]


def test_claml_is_read_with_modifiers_and_languages(store: ContentStore, tmp_path: Path) -> None:
    small.make_claml(tmp_path / "icd10gm2026syst_claml.xml")
    imported(store, tmp_path / "icd10gm2026syst_claml.xml")
    system = got(store, "http://fhir.de/CodeSystem/bfarm/icd-10-gm")
    assert (system.version, system.language) == ("2026", "de")
    assert list(system.codes()) == ["IV", "E10-E14", "E10", "E11", "E10.0", "E10.9"]
    assert system.display("E10") == "Diabetes mellitus, Typ 1"
    assert system.display("E10.0") == "Diabetes mellitus, Typ 1: Mit Koma"
    assert system.is_a("E10.9", "IV")
    detail, block = system.get("E10"), system.get("E10-E14")
    assert detail is not None
    assert block is not None
    assert block.abstract
    assert [designation.value for designation in detail.designations] == ["Juveniler Diabetes mellitus"]
    assert list(detail.values("exclusion")) == ["Neonataler Diabetes P70.2"]


@pytest.mark.parametrize(
    ("title", "url"),
    [
        ("ICD-10-WHO", "http://hl7.org/fhir/sid/icd-10"),
        ("OPS", "http://fhir.de/CodeSystem/bfarm/ops"),
        ("ATC", "http://www.whocc.no/atc"),
    ],
)
def test_claml_is_distinguished_by_its_title(
    store: ContentStore, tmp_path: Path, title: str, url: str
) -> None:
    small.make_claml(tmp_path / "one.xml", title)
    assert imported(store, tmp_path / "one.xml").systems[0][0] == url


def test_icd10cm_order_file(store: ContentStore, tmp_path: Path) -> None:
    small.make_icd10cm_order(tmp_path / "icd10cm_order_2026.txt")
    imported(store, tmp_path / "icd10cm_order_2026.txt")
    system = got(store, "http://hl7.org/fhir/sid/icd-10-cm", "2026")
    assert list(system.codes()) == ["A00", "A00.0", "S72.001A"]
    assert system.parents("A00.0") == ["A00"]
    category = system.get("a00")
    assert category is not None
    assert category.abstract


def test_icd10cm_tabular_has_7th_characters(store: ContentStore, tmp_path: Path) -> None:
    small.make_icd10cm_tabular(tmp_path / "tabular.xml")
    imported(store, tmp_path / "tabular.xml")
    system = got(store, "http://hl7.org/fhir/sid/icd-10-cm", "2026")
    assert list(system.codes()) == [
        "19", "S00-S09", "S06", "S06.0X7", "S06.0X7A", "S06.1", "S06.1XXA", "S06.1XXS", "T07",
    ]  # fmt: skip
    assert system.parents("T07") == ["19"]
    assert system.is_a("S06.1XXS", "19")


def test_atc_table_has_its_hierarchy_in_the_codes(store: ContentStore, tmp_path: Path) -> None:
    small.make_atc(tmp_path / "WHO ATC-DDD 2026-01-05.csv")
    imported(store, tmp_path / "WHO ATC-DDD 2026-01-05.csv")
    system = got(store, "http://www.whocc.no/atc", "2026")
    assert system.parents("C10AA05") == ["C10AA"]
    substance = system.get("C10AA05")
    assert substance is not None
    assert list(substance.values("DDD")) == ["20 mg O", "10 mg P"]


def test_obo_terms_have_two_parents_and_former_ids(store: ContentStore, tmp_path: Path) -> None:
    small.make_obo(tmp_path / "hp.obo")
    imported(store, tmp_path / "hp.obo")
    system = got(store, "http://human-phenotype-ontology.org", "2026-01-16")
    seizure, former, gone = (system.get(code) for code in ("HP:0001250", "HP:0001275", "HP:0000057"))
    assert seizure is not None
    assert former is not None
    assert gone is not None
    assert seizure.definition == 'A seizure is "made" here.'
    assert [
        (designation.value, (designation.use or ("", ""))[1]) for designation in seizure.designations
    ] == [
        ("Epileptic seizure", "EXACT"),
        ("Fits", "RELATED"),
    ]
    assert set(system.parents("HP:0001250")) == {"HP:0000118", "HP:0000001"}
    assert (former.active, list(former.values("replaced_by"))) == (False, ["HP:0001250"])
    assert (gone.active, list(gone.values("replaced_by"))) == (False, ["HP:0001250"])


def test_hgnc_genes_are_found_by_former_symbols(store: ContentStore, tmp_path: Path) -> None:
    small.make_hgnc(tmp_path / "hgnc_complete_set.txt")
    imported(store, tmp_path / "hgnc_complete_set.txt")
    system = got(store, "http://www.genenames.org", "2026-01-03")
    assert system.display("HGNC:1100") == "BRCA1"
    assert system.search("rnf53") == ["HGNC:1100"]
    assert not system.is_active("HGNC:13")


def test_omop_vocabularies_are_a_code_system_and_maps(store: ContentStore, tmp_path: Path) -> None:
    small.make_omop(tmp_path / "vocabulary_download_v5.zip")
    imported(store, tmp_path / "vocabulary_download_v5.zip")
    system = got(store, OMOP, "v5.0 01-JAN-26")
    hemoglobin = system.get("3000963")
    assert hemoglobin is not None
    assert hemoglobin.display == 'Hemoglobin "Hb" in Blood'
    assert [(designation.value, designation.language) for designation in hemoglobin.designations] == [
        ("Hämoglobin", "de")
    ]
    assert system.parents("3000963") == ["37208644"]
    assert system.parents("1") == []
    assert not system.is_active("1")
    maps = {designation.url: designation for designation in store.concept_maps()}
    local = maps[f"{OMOP}/ConceptMap/MyLab-maps-to"]
    assert [
        (designation.system, designation.code) for designation in local.translate(f"{OMOP}/MyLab", "HB")
    ] == [
        (LOINC, "718-7"),
        (OMOP, "3000963"),
    ]


def test_usagi_export_becomes_a_map(store: ContentStore, tmp_path: Path) -> None:
    small.make_usagi(tmp_path / "lab.csv")
    result = imported(store, tmp_path / "lab.csv", system="https://lab.example.org")
    assert result.notes == {"rows that nobody approved, kept as related": 1}
    (item,) = store.concept_maps()
    results = {code: item.targets("https://lab.example.org", code)[0] for code in ("HB", "KREA", "XYZ")}
    assert (results["HB"].system, results["HB"].code, results["HB"].equivalence) == (
        OMOP,
        "3000963",
        "equivalent",
    )
    assert results["HB"].comment == "approved by ann on 2026-01-01"
    assert (results["KREA"].code, results["KREA"].equivalence) == ("3016723", "relatedto")
    assert (results["XYZ"].code, results["XYZ"].equivalence) == (None, "unmatched")


def test_sssom_predicates_become_equivalences(store: ContentStore, tmp_path: Path) -> None:
    small.make_sssom(tmp_path / "hp.sssom.tsv")
    imported(store, tmp_path / "hp.sssom.tsv")
    (item,) = store.concept_maps()
    assert (item.url, item.version) == ("https://example.org/sets/made", "2026-01-01")
    rows = item.targets("http://human-phenotype-ontology.org", "HP:0001250")
    assert [(row.system, row.code, row.equivalence) for row in rows] == [
        (SCT, "91175000", "equivalent"),
        (SCT, "118940003", "wider"),
        (SCT, "313307000", "disjoint"),
    ]
    assert [row.code for row in item.targets("https://lab.example.org", "HB")] == ["38082009"]


@pytest.mark.parametrize("form", ["json", "ndjson", "bundle"])
def test_fhir_resources_are_read_as_they_come(store: ContentStore, tmp_path: Path, form: str) -> None:
    resources = [small.colours(), small.paint_map()]
    file = tmp_path / f"made.{'ndjson' if form == 'ndjson' else 'json'}"
    if form == "json":
        file.write_text(json.dumps(resources[0]))
    elif form == "ndjson":
        file.write_text("\n".join(map(json.dumps, resources)))
    else:
        file.write_text(
            json.dumps(
                {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}
            )
        )
    result = imported(store, file)
    assert [resource[0] for resource in result.systems] == ["https://example.org/colours"]
    assert len(result.maps) == (0 if form == "json" else 1)
