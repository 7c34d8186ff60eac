"""What real downloads have beside their main file, and the ways in which they are packed; all content is made."""

# ruff: noqa: E501 - rows as the forms have them
from __future__ import annotations

import gzip
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.terminology.imports import ImportResult, Options, detect, import_file, sssom, stcm
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store import ContentStore, ImportProblem, StoredSystem, open_store
from fhir_bridge.terminology.store import staging as staging_module
from fhir_bridge.terminology.store.staging import Staging
from tests.terminology import makers_small as small

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
OMOP = "https://fhir-terminology.ohdsi.org"
HPO = "http://human-phenotype-ontology.org"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return open_store(tmp_path / "store")


def read(store: ContentStore, path: Path, content: str, **wishes: str) -> ImportResult:
    path.write_text(content, encoding="utf-8")
    return import_file(store, path, options=Options(**wishes))


def got(store: ContentStore, url: str) -> StoredSystem:
    entry = store.get(url)
    assert entry is not None
    return entry


# --- RxNorm ---


def rxnorm(path: Path, **files: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, lines in files.items():
            archive.writestr(f"rrf/{name}.RRF", "".join(line + "\n" for line in lines))
    return path


CONSO = [
    "83367|ENG||||||83367||83367||RXNORM|IN|83367|atorvastatin||N|4096|",
    "617318|ENG||||||1||||RXNORM|SCD|617318|atorvastatin 20 MG Oral Tablet||O|4096|",
    "617318|ENG||||||2||||MTHSPL|DP|x|ATORVASTATIN 20 mg, made||N|4096|",
    "999999|ENG||||||3||||MTHSPL|SU|y|made only elsewhere||N||",
]


def test_only_rxcuis_with_a_name_of_rxnorms_own_are_codes(store: ContentStore, tmp_path: Path) -> None:
    result = import_file(store, rxnorm(tmp_path / "RxNorm_full_01052026.zip", RXNCONSO=CONSO))
    assert result.notes == {"concepts without a name of RxNorm's own, left out": 1}
    system = got(store, RXNORM)
    assert list(system.codes()) == ["83367", "617318"]
    assert system.display("617318") == "atorvastatin 20 MG Oral Tablet"
    assert not system.is_active("617318")


def test_semantic_types_are_identified_by_their_code_and_name(store: ContentStore, tmp_path: Path) -> None:
    types = [
        "83367|T109|A1.4.1.2.1|Organic Chemical|AT1||",
        "83367|T121|A1.4.1.1.1|Pharmacologic Substance|AT2||",
    ]
    import_file(store, rxnorm(tmp_path / "a.zip", RXNCONSO=CONSO, RXNSTY=types))
    assert list(got(store, RXNORM).with_property("STY", "T121")) == ["83367"]


def test_archived_rxcuis_are_inactive_and_lead_to_what_took_them_in(
    store: ContentStore, tmp_path: Path
) -> None:
    archive = [
        "1|A1|Lipitor made||||1|N|ENG|||RXNORM|1234|RXNORM|BN|83367|",
        "2|A2|made synonym||||1|N|ENG|||RXNORM|1234|RXNORM|SY|83367|",
        "3|A3|still there||||1|N|ENG|||RXNORM|83367|RXNORM|IN|83367|",
    ]
    import_file(store, rxnorm(tmp_path / "a.zip", RXNCONSO=CONSO, RXNATOMARCHIVE=archive))
    entry = got(store, RXNORM).get("1234")
    assert entry is not None
    assert (entry.display, entry.active) == ("Lipitor made", False)
    assert list(entry.values("MERGED_TO_RXCUI")) == ["83367"]


def test_of_rxnorms_releases_that_of_the_later_year_is_the_newest(
    store: ContentStore, tmp_path: Path
) -> None:
    for day in ("12012025", "01052026", "11032025"):
        named = [*CONSO, f"1|ENG||||||4||||RXNORM|IN|1|made {day}||N||"]
        import_file(store, rxnorm(tmp_path / f"RxNorm_full_{day}.zip", RXNCONSO=named))
    assert got(store, RXNORM).version == "01052026"


# --- ATC, ICD-10-PCS ---


def test_whos_xml_of_atc_has_ddds_in_a_second_file(store: ContentStore, tmp_path: Path) -> None:
    codes = "<?xml version='1.0'?><xml xmlns:rs='urn:rs' xmlns:z='#RowsetSchema'><rs:data>{}</rs:data></xml>"
    with zipfile.ZipFile(tmp_path / "ATC.zip", "w") as archive:
        archive.writestr(
            "2024 ATC_ddd.xml",
            codes.format("<z:row ATCCode='C10AA05' DDD='20' UnitType='mg' AdmCode='O' DDDComment='made'/>"),
        )
        archive.writestr(
            "2024 ATC.xml",
            codes.format(
                "<z:row ATCCode='C' Name='CARDIOVASCULAR SYSTEM'/><z:row ATCCode='C10AA' Name='HMG CoA reductase inhibitors'/>"
                "<z:row ATCCode='C10AA05' Name='atorvastatin' Comment='since long'/>"
            ),
        )
    import_file(store, tmp_path / "ATC.zip")
    system = got(store, "http://www.whocc.no/atc")
    assert (system.version, system.parents("C10AA05"), system.parents("C10AA")) == ("2024", ["C10AA"], ["C"])
    entry = system.get("C10AA05")
    assert entry is not None
    assert list(entry.values("DDD")) == ["20 mg O"]
    assert list(entry.values("note")) == ["since long", "made"]


def test_icd10pcs_order_files_are_procedures_without_dots(store: ContentStore, tmp_path: Path) -> None:
    rows = [
        ("001", 0, "Bypass", "Central Nervous System, Bypass"),
        ("0016070", 1, "Bypass made", "Bypass, made"),
    ]
    content = "".join(
        f"{n:05d} {code:<7} {valid} {short:<60} {name}\n"
        for n, (code, valid, short, name) in enumerate(rows, 1)
    )
    read(store, tmp_path / "icd10pcs_order_2026.txt", content)
    system = got(store, "http://www.cms.gov/Medicare/Coding/ICD10")
    assert (system.version, list(system.codes()), system.parents("0016070")) == (
        "2026",
        ["001", "0016070"],
        ["001"],
    )


def test_an_order_file_in_windows_code_page_is_read(store: ContentStore, tmp_path: Path) -> None:
    small.make_icd10cm_order(tmp_path / "icd10cm_order_2026.txt")
    text = (tmp_path / "icd10cm_order_2026.txt").read_text().replace("Cholera ", "Sjögren ")
    (tmp_path / "icd10cm_order_2026.txt").write_bytes(text.encode("cp1252"))
    import_file(store, tmp_path / "icd10cm_order_2026.txt")
    assert "Sjögren" in (got(store, "http://hl7.org/fhir/sid/icd-10-cm").display("A00.0") or "")


# --- OBO ---


def test_alternative_ids_and_kinds_of_synonyms_are_kept(store: ContentStore, tmp_path: Path) -> None:
    small.make_obo(tmp_path / "hp.obo")
    import_file(store, tmp_path / "hp.obo")
    seizure, former = got(store, HPO).get("HP:0001250"), got(store, HPO).get("HP:0001275")
    assert seizure is not None
    assert former is not None
    assert list(seizure.values("alt_id")) == ["HP:0001275"]
    assert former.display == "Seizure"
    assert [designation.use_display for designation in seizure.designations] == [None, "layperson"]


# --- OMOP and Usagi ---


def test_omop_tables_with_commas_are_read(store: ContentStore, tmp_path: Path) -> None:
    (tmp_path / "omop").mkdir()
    content = (
        "CONCEPT_ID,CONCEPT_NAME,DOMAIN_ID,VOCABULARY_ID,CONCEPT_CLASS_ID,STANDARD_CONCEPT,CONCEPT_CODE,VALID_START_DATE,"
        'VALID_END_DATE,INVALID_REASON\n35208414,"Gastrointestinal hemorrhage, made",Condition,ICD10CM,code,,K92.2,'
        "2007-01-01,2099-12-31,\n"
    )
    (tmp_path / "omop" / "CONCEPT.csv").write_text(content)
    import_file(store, tmp_path / "omop")
    assert got(store, OMOP).display("35208414") == "Gastrointestinal hemorrhage, made"


def test_a_target_that_is_a_value_is_no_equivalent(store: ContentStore, tmp_path: Path) -> None:
    small.make_usagi(tmp_path / "lab.csv")
    content = (tmp_path / "lab.csv").read_text().replace("MAPS_TO", "MAPS_TO_VALUE", 1)
    result = read(store, tmp_path / "lab.csv", content, system="https://lab")
    assert "rows of mapping type MAPS_TO_VALUE, kept as related" in result.notes
    (row,) = store.concept_maps()[0].targets("https://lab", "HB")
    assert (row.equivalence, (row.comment or "")[:13]) == ("relatedto", "MAPS_TO_VALUE")


STCM = (
    "source_code,source_concept_id,source_vocabulary_id,source_code_description,target_concept_id,"
    "target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason\n"
)


def test_a_source_to_concept_map_is_a_map_for_each_vocabulary(store: ContentStore, tmp_path: Path) -> None:
    rows = (
        'HB,0,MyLab,"Hb, Blut",3000963,LOINC,19700101,20991231,\nX,0,MyLab,nothing,0,None,19700101,20991231,\n'
        "OLD,0,MyLab,old,1,LOINC,19700101,20200101,D\nE11.9,0,ICD10,DM2,201826,SNOMED,19700101,20991231,\n"
    )
    result = read(store, tmp_path / "source_to_concept_map.csv", STCM + rows)
    assert (result.format, result.notes) == ("stcm", {"rows that are no longer valid, left out": 1})
    maps = {concept_map.url: concept_map for concept_map in store.concept_maps()}
    local = maps["urn:fhir-bridge:map:omop:MyLab"]
    assert [
        (concept_map.system, concept_map.code)
        for concept_map in local.translate("urn:fhir-bridge:omop:MyLab", "HB")
    ] == [(OMOP, "3000963")]
    assert local.targets("urn:fhir-bridge:omop:MyLab", "X")[0].equivalence == "unmatched"
    icd = maps["urn:fhir-bridge:map:omop:ICD10"]
    assert [concept_map.code for concept_map in icd.translate("http://hl7.org/fhir/sid/icd-10", "E11.9")] == [
        "201826"
    ]


def test_one_system_can_not_name_two_vocabularies(store: ContentStore, tmp_path: Path) -> None:
    rows = "A,0,One,a,1,LOINC,1,2,\nB,0,Two,b,2,LOINC,1,2,\n"
    with pytest.raises(ImportProblem, match="the source vocabularies One and Two"):
        read(store, tmp_path / "stcm.csv", STCM + rows, system="https://lab")


# --- SSSOM ---

SSSOM_HEAD = "#curie_map:\t\t\t\n#  LAB: https://lab.example.org/\t\t\t\n#  MONDO: http://purl.obolibrary.org/obo/MONDO_\n#mapping_set_id: https://example.org/sets/made\t\t\t\n"


def test_sssom_rows_without_like_are_left_out_and_reported(store: ContentStore, tmp_path: Path) -> None:
    rows = (
        "subject_id\tpredicate_id\tobject_id\tmapping_justification\tsubject_type\tcomment\n"
        'LAB:1\tskos:exactMatch\tMONDO:0008720|MONDO:0016042\tsemapv:X\t\t"He said ""yes"""\n'
        "LAB:2\trdfs:seeAlso\tMONDO:1\tsemapv:X\t\t\nLAB:3\tskos:exactMatch\tMONDO:2\tsemapv:X\tcomposed entity expression\t\n"
        "LAB:1\tskos:exactMatch\tMONDO:0016042\tsemapv:X\t\t\n\n"
    )
    result = read(store, tmp_path / "a.sssom.tsv", SSSOM_HEAD + rows)
    assert result.notes == {
        "rows of the predicate rdfs:seeAlso, left out": 1,
        "rows of the type composed entity expression, left out": 1,
    }
    targets = store.concept_maps()[0].targets("https://lab.example.org", "1")
    assert [(item.code, item.comment) for item in targets] == [
        ("MONDO:0008720", 'He said "yes"; semapv:X'),
        ("MONDO:0016042", 'He said "yes"; semapv:X'),
        ("MONDO:0016042", "semapv:X"),
    ]


def test_sssom_metadata_may_be_in_a_file_beside_it(store: ContentStore, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.sssom.yml").write_text(
        "curie_map:\n  LAB: https://lab/\nmapping_set_id: https://example.org/s\n"
    )
    (folder / "a.sssom.tsv").write_text(
        "subject_id\tpredicate_id\tobject_id\nLAB:1\tskos:exactMatch\tHP:0001250\n"
    )
    import_file(store, folder)
    assert [concept_map.url for concept_map in store.concept_maps()] == ["https://example.org/s"]


def test_equal_rows_of_sssom_are_one(store: ContentStore, tmp_path: Path) -> None:
    rows = (
        "subject_id\tpredicate_id\tobject_id\n" + "LAB:1\tskos:exactMatch\tMONDO:2\n" * 3 + "LAB:2\t\t\n" * 2
    )
    read(store, tmp_path / "a.sssom.tsv", SSSOM_HEAD + rows)
    (concept_map,) = store.concept_maps()
    assert [item.code for item in concept_map.targets("https://lab.example.org", "1")] == ["MONDO:2"]
    assert [item.equivalence for item in concept_map.targets("https://lab.example.org", "2")] == ["unmatched"]


# --- all that have one row a line ---


def stcm_of(rows: int) -> str:
    """As many rows, by turns of three vocabularies."""
    return STCM + "".join(f"C{row},0,Lab{row % 3},text {row},{row + 1},LOINC,1,2,\n" for row in range(rows))


def sssom_of(rows: int) -> str:
    head = SSSOM_HEAD + "subject_id\tpredicate_id\tobject_id\n"
    return head + "".join(f"LAB:{row}\tskos:exactMatch\tMONDO:{row}\n" for row in range(rows))


@pytest.mark.parametrize(
    ("form", "name", "content"),
    [(stcm, "stcm.csv", stcm_of), (sssom, "a.sssom.tsv", sssom_of)],
    ids=["stcm", "sssom"],
)
def test_memory_does_not_grow_with_the_rows(
    form: Any, name: str, content: Callable[[int], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "_BATCH", 100)

    def peak(rows: int) -> int:
        folder = tmp_path / str(rows)
        folder.mkdir()
        (folder / name).write_text(content(rows))
        staging = Staging(folder)
        tracemalloc.start()
        try:
            with closing(Source(folder / name)) as source:
                form.read(source, staging, Options())
            assert list(staging.rows("SELECT count(*) FROM map_row")) == [(rows,)]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            staging.close()

    peak(10)  # what is imported and compiled the first time
    assert peak(8_000) < 1.5 * peak(1_000)


# --- ISO ---


def test_countries_of_iso_codes_have_three_codes_each(store: ContentStore, tmp_path: Path) -> None:
    entry = {
        "alpha_2": "XM", "alpha_3": "XMD", "flag": "x", "name": "Made", "numeric": "999", "official_name": "Made Republic"
    }  # fmt: skip
    result = read(store, tmp_path / "iso_3166-1.json", json.dumps({"3166-1": [entry]}), version="2026")
    assert (result.format, result.systems) == ("iso-codes", [("urn:iso:std:iso:3166", "2026", 3)])
    xmd = got(store, "urn:iso:std:iso:3166").get("XMD")
    assert xmd is not None
    assert (xmd.display, list(xmd.values("alpha-2")), list(xmd.values("numeric"))) == (
        "Made",
        ["XM"],
        ["999"],
    )
    assert [designation.value for designation in xmd.designations] == ["Made Republic"]


def test_subdivisions_are_below_one_another(store: ContentStore, tmp_path: Path) -> None:
    entries = [
        {"code": "XM-A", "name": "Region", "type": "Region"},
        {"code": "XM-B", "name": "Town", "type": "Town", "parent": "A"},
    ]
    read(store, tmp_path / "iso_3166-2.json", json.dumps({"3166-2": entries}))
    assert got(store, "urn:iso:std:iso:3166:-2").parents("XM-B") == ["XM-A"]


def test_an_entry_without_a_name_is_refused_with_its_place(store: ContentStore, tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match="entry 1: has no alpha_3 or no name"):
        read(store, tmp_path / "iso_4217.json", json.dumps({"4217": [{"alpha_3": "EUR"}]}))


# --- how it is packed ---


def test_a_zip_within_a_zip_is_opened(store: ContentStore, tmp_path: Path) -> None:
    small.make_rxnorm(tmp_path / "inner.zip")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "RxNorm_full_01052026.zip")
    assert import_file(store, tmp_path / "outer.zip").systems[0][:2] == (RXNORM, "01052026")


def test_a_bomb_within_a_zip_is_refused(store: ContentStore, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Loinc.csv", b"0" * (64 << 20))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.zip", inner.getvalue())
    with pytest.raises(ImportProblem) as caught:
        import_file(store, tmp_path / "outer.zip")
    assert caught.value.code == "FB-TERM-032"


@pytest.mark.parametrize(
    ("name", "make", "form"),
    [
        ("hp.obo", small.make_obo, "obo"),
        ("icd10gm.xml", small.make_claml, "claml"),
        ("lab.csv", small.make_usagi, "usagi"),
        ("hgnc_complete_set.txt", small.make_hgnc, "hgnc"),
        ("colours.json", lambda path: path.write_text(json.dumps(small.colours())), "fhir"),
    ],
)
def test_a_gzipped_file_is_known_by_its_name_without_gz(
    store: ContentStore, tmp_path: Path, name: str, make: object, form: str
) -> None:
    make(tmp_path / name)  # type: ignore[operator]
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert import_file(store, tmp_path / f"{name}.gz").format == form


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("hp.obo", small.make_obo),
        ("hgnc.txt", small.make_hgnc),
        ("s.tsv", small.make_sssom),
        ("u.csv", small.make_usagi),
    ],
)
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(
    store: ContentStore, tmp_path: Path, name: str, make: object
) -> None:
    make(tmp_path / name)  # type: ignore[operator]
    plain = import_file(open_store(tmp_path / "plain"), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    marked = import_file(store, tmp_path / name)
    assert (marked.systems, marked.maps, marked.notes) == (plain.systems, plain.maps, plain.notes)


def test_a_json_file_of_something_else_is_no_terminology(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(ImportProblem, match="none of the forms"):
        detect(Source(tmp_path / "a.json"))
