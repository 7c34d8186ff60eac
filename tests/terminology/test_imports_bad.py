"""Bad downloads: file and line are named, nothing half imported is seen, nothing explodes."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.plugins import importers
from fhir_bridge.terminology.imports import Options, import_file
from fhir_bridge.terminology.store import ContentStore, ImportProblem, open_store
from tests.terminology import makers_small as small
from tests.terminology.makers import make_loinc
from tests.terminology.makers_rf2 import make_rf2


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return open_store(tmp_path / "store")


def refused(store: ContentStore, path: Path, options: Options = Options()) -> ImportProblem:  # noqa: B008
    with pytest.raises(ImportProblem) as caught:
        import_file(store, path, options=options)
    assert store.urls() == []
    assert store.concept_maps() == []
    assert not list(store.path.glob("building/*"))
    return caught.value


def changed(path: Path, member: str, change: Callable[[str], str]) -> Path:
    """The archive with one file changed."""
    result = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content.decode()).encode() if member in name else content)
    return result


def test_a_row_of_loinc_with_too_few_fields_is_named(store: ContentStore, tmp_path: Path) -> None:
    make_loinc(tmp_path / "loinc.zip", 20)
    bad = changed(tmp_path / "loinc.zip", "Loinc.csv", lambda text: text.replace('"CHEM",', "", 1))
    problem = refused(store, bad)
    assert problem.file == f"{bad}!LoincTable/Loinc.csv"
    assert problem.line is not None
    assert "fields, where 40 are expected" in problem.problem


def test_a_missing_column_of_loinc_is_named(store: ContentStore, tmp_path: Path) -> None:
    make_loinc(tmp_path / "loinc.zip", 20)
    bad = changed(
        tmp_path / "loinc.zip", "Loinc.csv", lambda text: text.replace("LONG_COMMON_NAME", "LCN", 1)
    )
    assert "has no column LONG_COMMON_NAME" in refused(store, bad).problem


def test_a_term_of_loinc_that_occurs_twice_is_named(store: ContentStore, tmp_path: Path) -> None:
    terms = make_loinc(tmp_path / "loinc.zip", 20)
    bad = changed(
        tmp_path / "loinc.zip",
        "Loinc.csv",
        lambda text: text + next(x for x in text.splitlines() if terms[2] in x) + "\r\n",
    )
    problem = refused(store, bad)
    assert problem.line == 22
    assert f'"{terms[2]}"' in problem.problem


@pytest.mark.parametrize(
    ("member", "old", "new", "said"),
    [
        ("sct2_Concept_", "138875005\t", "13887x005\t", "identifier of 6 to 18 digits"),
        ("sct2_Concept_", "\t1\t900000000000207008", "\tyes\t900000000000207008", "where 0 or 1 is expected"),
        ("sct2_Description_", "\ten\t", "\t", "fields, where 9 are expected"),
        ("sct2_Relationship_", "destinationId", "destination", "has no column destinationId"),
        ("sct2_Concept_", "138875005\t", "138875006\t", "an extension needs the International Edition"),
    ],
)  # fmt: skip
def test_a_broken_line_of_rf2_is_named(
    store: ContentStore, tmp_path: Path, member: str, old: str, new: str, said: str
) -> None:
    make_rf2(tmp_path / "rf2.zip", 60)
    problem = refused(store, changed(tmp_path / "rf2.zip", member, lambda text: text.replace(old, new, 1)))
    assert said in str(problem)


def test_a_delta_is_not_enough(store: ContentStore, tmp_path: Path) -> None:
    make_rf2(tmp_path / "rf2.zip", 60, kind="Delta")
    assert "a Delta is not enough" in refused(store, tmp_path / "rf2.zip").problem


def test_a_day_can_be_asked_only_of_a_full_release(store: ContentStore, tmp_path: Path) -> None:
    make_rf2(tmp_path / "rf2.zip", 60)
    assert "--as-of" in refused(store, tmp_path / "rf2.zip", Options(as_of="20260101")).problem


def test_another_encoding_is_named_with_its_line(store: ContentStore, tmp_path: Path) -> None:
    small.make_usagi(tmp_path / "lab.csv")
    text = (tmp_path / "lab.csv").read_text(encoding="utf-8")
    (tmp_path / "lab.csv").write_bytes(text.encode("latin-1"))
    problem = refused(store, tmp_path / "lab.csv")
    assert (problem.line, "is not UTF-8 (byte 0xE4" in problem.problem) == (2, True)


def test_cut_off_and_damaged_archives_are_reported(store: ContentStore, tmp_path: Path) -> None:
    make_loinc(tmp_path / "loinc.zip", 50)
    whole = (tmp_path / "loinc.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert refused(store, tmp_path / "cut.zip").code == "FB-TERM-030"
    middle = len(whole) // 4
    (tmp_path / "damaged.zip").write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    refused(store, tmp_path / "damaged.zip")
    small.make_fhir_package(tmp_path / "made.tgz", small.colours())
    package = (tmp_path / "made.tgz").read_bytes()
    (tmp_path / "cut.tgz").write_bytes(package[: len(package) // 2])
    refused(store, tmp_path / "cut.tgz")


def test_a_zip_bomb_is_refused(store: ContentStore, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("LoincTable/Loinc.csv", b"0" * (64 << 20))
    assert refused(store, tmp_path / "bomb.zip").code == "FB-TERM-032"


def test_a_gzip_bomb_is_refused(store: ContentStore, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        info = tarfile.TarInfo("package/CodeSystem-x.json")
        info.size = 128 << 20
        archive.addfile(info, io.BytesIO(b" " * info.size))
    (tmp_path / "bomb.tgz").write_bytes(gzip.compress(inner.getvalue(), 9))
    assert refused(store, tmp_path / "bomb.tgz").code == "FB-TERM-032"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", "hello", "none of the forms"),
        ("x.bin", "\x00\x01", "none of the forms"),
        ("empty.csv", "", "none of the forms"),
        ("x.json", '{"resourceType": "CodeSystem"', "not JSON"),
        ("x.json", '{"resourceType": "CodeSystem", "content": "complete"}', "without url"),
        ("x.json", '{"resourceType": "Patient", "id": "CodeSystem"}', "holds no CodeSystem"),
        ("x.json", '{"resourceType": "CodeSystem", "url": "u", "concept": {}}', "is not a list of objects"),
        (
            "x.json",
            '{"resourceType": "CodeSystem", "url": "u", "concept": [{"display": "d"}]}',
            "a concept has no code",
        ),
        ("hp.obo", "format-version: 1.2\nontology: hp\n\n[Term]\nname: x\n", "without id"),
        ("hp.obo", "format-version: 1.2\nontology: hp\n\n[Term\nid: x\n", "line 4"),
        (
            "hp.obo",
            "format-version: 1.2\nontology: hp\n\n[Term]\nid: A:1\nname: x\nsynonym: none\n",
            "line 7",
        ),
        ("hp.obo", "format-version: 1.2\n\n[Term]\nid: A:1\nname: x\n", "give --system"),
        ("c.xml", "<ClaML><Title name='ICD-10'>t</Title><Class code='A'></ClaML>", "mismatched tag"),
        ("c.xml", "<ClaML><Title name='Mine'>t</Title></ClaML>", "give --system"),
        (
            "c.xml",
            '<!DOCTYPE ClaML [<!ENTITY a "b">]><ClaML><Title name="ICD-10">&a;</Title></ClaML>',
            "entities",
        ),
        ("atc.csv", "atc_code,atc_name\nA,x\nA10,y\nA1,z\n", "line 4"),
    ],
)
def test_what_is_wrong_is_reported(
    store: ContentStore, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert said in str(refused(store, tmp_path / name))


def test_a_missing_file_is_reported(store: ContentStore, tmp_path: Path) -> None:
    assert refused(store, tmp_path / "none.zip").code == "FB-TERM-030"


def test_an_archive_with_a_member_without_name_is_damaged(store: ContentStore, tmp_path: Path) -> None:
    small.make_omop(tmp_path / "omop.zip")
    content = (tmp_path / "omop.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "omop.zip") as archive:
        name = archive.namelist()[-1].encode()
    listed = content.rindex(name)  # in the central directory; a name ends at its first NUL
    (tmp_path / "omop.zip").write_bytes(content[:listed] + b"\0" + content[listed + 1 :])
    problem = refused(store, tmp_path / "omop.zip")
    assert (problem.code, "no name" in problem.problem) == ("FB-TERM-030", True)


def test_sssom_with_an_unknown_prefix_names_the_line(store: ContentStore, tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text(
        "#curie_map:\n#  A: https://a.example.org/\nsubject_id\tpredicate_id\tobject_id\nA:1\tskos:exactMatch\tQQ:2\n"
    )
    problem = refused(store, tmp_path / "s.tsv")
    assert (problem.line, '"QQ:2"' in problem.problem) == (4, True)


MAKERS: list[tuple[str, Callable[[Path], object]]] = [
    ("a.zip", small.make_rxnorm),
    ("a.xml", small.make_claml),
    ("b.xml", small.make_icd10cm_tabular),
    ("icd10cm_order_2026.txt", small.make_icd10cm_order),
    ("atc.csv", small.make_atc),
    ("hp.obo", small.make_obo),
    ("hgnc.txt", small.make_hgnc),
    ("omop.zip", small.make_omop),
    ("usagi.csv", small.make_usagi),
    ("s.tsv", small.make_sssom),
    ("made.tgz", lambda path: small.make_fhir_package(path, small.colours(), small.paint_map())),
]


@pytest.mark.parametrize(("name", "make"), MAKERS, ids=[name for name, _ in MAKERS])
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(place=st.floats(0, 1), damage=st.binary(min_size=1, max_size=6), cut=st.booleans())
def test_damage_anywhere_is_an_import_or_a_problem_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    make: Callable[[Path], object],
    place: float,
    damage: bytes,
    cut: bool,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    make(folder / name)
    content = (folder / name).read_bytes()
    at = int(place * len(content))
    (folder / name).write_bytes(content[:at] + damage + (b"" if cut else content[at + len(damage) :]))
    store = open_store(folder / "store")
    with contextlib.suppress(ImportProblem):
        import_file(store, folder / name)
    assert not list(store.path.glob("building/*"))


def test_every_form_has_a_reader() -> None:
    assert set(importers()) == {
        "loinc", "rf2", "rxnorm", "omop", "claml", "icd10cm", "obo", "hgnc", "usagi", "stcm", "sssom", "atc",
        "iso-codes", "fhir",
    }  # fmt: skip
