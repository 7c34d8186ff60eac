"""`terminology import`, `list` and `remove` as a person types them."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from fhir_bridge.cli.main import app
from fhir_bridge.cli.terminology_progress import Bar, Lines, shown_progress
from fhir_bridge.mapping import Site
from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.store import STORE_VARIABLE, StoreNotWritten, open_store
from tests.terminology import makers_small as small


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["terminology", *map(str, words)])


def test_import_list_and_remove(tmp_path: Path) -> None:
    small.make_obo(tmp_path / "hp.obo")
    small.make_sssom(tmp_path / "map.tsv")
    done = run("import", tmp_path / "hp.obo", tmp_path / "map.tsv")
    assert done.exit_code == 0
    assert "http://human-phenotype-ontology.org version 2026-01-16, 5 concepts" in done.output
    assert "map https://example.org/sets/made, 4 rows" in done.output
    assert "already there" in run("import", tmp_path / "hp.obo").output
    listed = run("list").output
    assert "2026-01-16" in listed
    assert "hp.obo" in listed
    assert run("remove", "http://human-phenotype-ontology.org|2026-01-16").exit_code == 0
    assert run("remove", "http://human-phenotype-ontology.org").exit_code == 1
    assert open_store(tmp_path / "store").urls() == []


def test_a_bad_file_is_reported_and_the_others_are_imported(tmp_path: Path) -> None:
    small.make_obo(tmp_path / "hp.obo")
    (tmp_path / "bad.txt").write_text("nothing")
    done = run("import", tmp_path / "bad.txt", tmp_path / "hp.obo")
    assert done.exit_code == 1
    assert "FB-TERM-033" in done.output
    assert open_store(tmp_path / "store").urls() == ["http://human-phenotype-ontology.org"]


def test_of_a_package_with_many_code_systems_their_number_is_reported(tmp_path: Path) -> None:
    systems = [
        {**small.colours(), "url": f"https://example.org/{n}", "name": f"Made{n}", "id": f"m{n}"}
        for n in range(21)
    ]
    small.make_fhir_package(tmp_path / "many.tgz", *systems)
    done = run("import", tmp_path / "many.tgz")
    assert "many.tgz: 21 code systems, 84 concepts" in done.output
    assert "https://example.org/7" not in done.output


def test_of_several_versions_the_one_that_counts_is_reported(tmp_path: Path) -> None:
    for version in ("2.0", "10.0"):
        (tmp_path / f"{version}.json").write_text(json.dumps(small.colours(version)))
        run("import", tmp_path / f"{version}.json")
    listed = run("list").output.splitlines()
    assert next(line for line in listed if "no version is asked for" in line).strip().startswith("10.0 ")
    assert listed[1] == "https://example.org/colours"


def test_a_log_hears_of_a_long_import_now_and_then(tmp_path: Path) -> None:
    small.make_obo(tmp_path / "hp.obo")
    log = io.StringIO()
    import_file(
        open_store(tmp_path / "store"), tmp_path / "hp.obo", progress=Lines(Console(file=log), every=0)
    )
    text = log.getvalue()
    assert "hp.obo: reading, 0.0 of 0.0 MB, after 0 s" in text
    assert "hp.obo: concepts of http://human-phenotype-ontology.org, 0 of 5 concepts" in text
    assert "\x1b" not in text
    quick = io.StringIO()
    import_file(open_store(tmp_path / "b"), tmp_path / "hp.obo", progress=Lines(Console(file=quick)))
    assert quick.getvalue() == ""


def test_a_bar_of_unknown_length_shows_no_amount_of_the_one_before() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with shown_progress(console) as progress:
        assert isinstance(progress, Bar)
        progress.begin("reading", 5_000_000)
        progress.advance(1_000_000)
        progress.begin("sorting")
    assert isinstance(console.file, io.StringIO)
    last = console.file.getvalue().rpartition("sorting")[2]
    assert "MB" not in last


def test_a_full_disk_is_reported_as_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    small.make_obo(tmp_path / "hp.obo")
    monkeypatch.setattr("fhir_bridge.terminology.store.build._write_whole", full)
    done = run("import", tmp_path / "hp.obo")
    assert isinstance(done.exception, StoreNotWritten)
    assert "No space left" in str(done.exception)


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    assert "nothing is imported" in run("list").output


def test_the_site_file_names_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(STORE_VARIABLE)
    (tmp_path / "site.yaml").write_text("terminology_store: ours\n")
    assert Site.load(tmp_path / "site.yaml").terminology_store_path == tmp_path / "ours"
    small.make_obo(tmp_path / "hp.obo")
    assert run("import", tmp_path / "hp.obo", "--site", tmp_path / "site.yaml").exit_code == 0
    hpo = "http://human-phenotype-ontology.org"
    assert open_store(tmp_path / "ours").urls() == [hpo]
    details = run("lookup", hpo, "HP:0001250", "--site", tmp_path / "site.yaml")
    assert (
        details.output.strip()
        == run("lookup", hpo, "HP:0001250", "--store", tmp_path / "ours").output.strip()
    )
    assert details.exit_code == 0
    result = Site.load(tmp_path / "site.yaml").open_terminology().lookup(hpo, "HP:0001250")
    assert result is not None
    assert result.display == details.output.strip()


def test_suggestions_come_from_the_store_that_the_site_file_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(STORE_VARIABLE)
    site = tmp_path / "site.yaml"
    site.write_text("terminology_store: ours\n")
    small.make_obo(tmp_path / "hp.obo")
    assert run("import", tmp_path / "hp.obo", "--site", site).exit_code == 0
    (tmp_path / "signs.csv").write_text("code,name\n1,Seizure\n")
    requested = ("suggest", tmp_path / "signs.csv", "--target", "http://human-phenotype-ontology.org")
    elsewhere = run(*requested, "--store", tmp_path / "none")
    assert "not available" in elsewhere.output + str(elsewhere.exception)
    done = run(*requested, "--site", site)
    assert done.exit_code == 0
    assert "1 term" in done.output
