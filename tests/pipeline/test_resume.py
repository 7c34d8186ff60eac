"""`convert --resume` takes over only what would come out the same today: everything else is refused, by name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.pipeline import ConversionContext, RunRequest, Selection
from fhir_bridge.pipeline import convert as convert_sources
from fhir_bridge.terminology.store import STORE_VARIABLE
from tests.command import Done, run_command
from tests.patience import PATIENCE
from tests.terminology import makers_small

MAPPING = """\
mapping: beds
version: 1.0.0
title: Beds of a ward, for tests
source: {adapter: csv, delimiter: ";"}
rules:
- rule: bed
  as: Location
  key: [row.ward, row.bed]
  status: active
  name: "=row.name"
  description: "=site.hospital"
"""

PACKAGE = {
    "resourceType": "StructureDefinition",
    "url": "https://example.org/StructureDefinition/made",
    "name": "Made",
    "status": "active",
    "kind": "complex-type",
    "abstract": False,
    "type": "Extension",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
    "derivation": "constraint",
    "fhirVersion": "4.0.1",
    "context": [{"type": "element", "expression": "Location"}],
    "differential": {"element": [{"id": "Extension", "path": "Extension", "short": "Made"}]},
}

MAP = {
    "resourceType": "ConceptMap",
    "url": "https://example.org/ConceptMap/made",
    "name": "Made",
    "status": "active",
    "group": [
        {
            "source": "https://example.org/a",
            "target": "https://example.org/b",
            "element": [{"code": "1", "target": [{"code": "2", "equivalence": "equivalent"}]}],
        }
    ],
}


def make_site(folder: Path) -> None:
    """A site with every part that decides a conversion, and two tables."""
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "site.yaml").write_text(
        "key_file: site.key\nidentity: {crosswalk: crosswalk.csv}\nterminology: [maps]\n"
        "terminology_store: store\npackages: [made.json]\nparameters: {hospital: North}\n"
    )
    (folder / "crosswalk.csv").write_text("sample;system;value\nS1;urn:oid:2.25.1;111\n")
    (folder / "maps").mkdir()
    (folder / "maps" / "made.json").write_text(json.dumps(MAP))
    (folder / "made.json").write_text(json.dumps(PACKAGE))
    (folder / "regions.bed").write_text("chr1\t1\t2\n")
    (folder / "beds").mkdir()
    (folder / "beds" / "a.csv").write_text("ward;bed;name\nA;1;Window\nA;2;Door\n")
    (folder / "beds" / "b.csv").write_text("ward;bed;name\nB;1;Window\nB;;No number\n")


def convert_beds(folder: Path, out: str, *more: object) -> Done:
    return run_command(
        "convert", folder / "beds", "-a", "csv", "-m", folder / "mapping.yaml", "--site", folder / "site.yaml",
        "-o", folder / out, *more,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.ndjson"))}


def rewrite(path: Path, old: str, new: str) -> None:
    """Change a file, and leave its size (where `new` is as long as `old`) and its time as they were."""
    status = path.stat()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def import_system(folder: Path) -> None:
    makers_small.make_obo(folder / "hp.obo")
    assert (
        run_command("terminology", "import", folder / "hp.obo", "--store", folder / "store").returncode == 0
    )


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "mapping": ("the mapping", lambda f: rewrite(f / "mapping.yaml", "row.name", "row.ward")),
    "site": ("site file", lambda f: rewrite(f / "site.yaml", "North", "South")),
    "crosswalk": ("crosswalk", lambda f: rewrite(f / "crosswalk.csv", "111", "222")),
    "terminology": (
        "terminology of the site",
        lambda f: rewrite(f / "maps" / "made.json", '"code": "2"', '"code": "3"'),
    ),
    "store": ("imported terminology", import_system),
    "package": ("packages", lambda f: rewrite(f / "made.json", '"short": "Made"', '"short": "Maid"')),
    "key": ("site key", lambda f: (f / "site.key").write_text("ab" * 32)),
    "source": ("a.csv", lambda f: rewrite(f / "beds" / "a.csv", "Door", "Wall")),
    "new source": (
        "new sources",
        lambda f: (f / "beds" / "c.csv").write_text("ward;bed;name\nC;1;Window\n"),
    ),
    "source gone": ("gone", lambda f: (f / "beds" / "b.csv").unlink()),
}


@pytest.fixture(autouse=True)
def only_this_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORE_VARIABLE, raising=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make_site(tmp_path)
    return tmp_path


@pytest.fixture
def interrupted(site: Path) -> Path:
    """A run that gave up after its first table, with that one's part kept."""
    assert convert_beds(site, "out", "--max-rejected", 0).returncode == 4
    assert (site / "out" / ".parts" / "0").is_dir()
    assert not contents(site / "out")
    return site


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("complete", [True, False], ids=["complete", "interrupted"])
def test_a_run_is_not_resumed_with_another_(what: str, complete: bool, site: Path) -> None:
    assert convert_beds(site, "out", *(() if complete else ("--max-rejected", 0))).returncode in (1, 4)
    before = contents(site / "out")
    named, change = CHANGES[what]
    change(site)
    refused = convert_beds(site, "out", "--resume")
    assert refused.returncode == 2, refused.stderr
    assert named in refused.stderr
    assert "--force" in refused.stderr
    assert contents(site / "out") == before, "nothing is touched"


@pytest.mark.parametrize("what", ["mapping", "site", "source", "new source", "source gone"])
def test_force_converts_everything_anew_after_a_change(what: str, site: Path) -> None:
    convert_beds(site, "out")
    old = contents(site / "out")
    CHANGES[what][1](site)
    convert_beds(site, "out", "--force")
    convert_beds(site, "fresh")
    assert contents(site / "out") == contents(site / "fresh") != old


def test_a_run_with_unchanged_content_is_resumed_to_the_same_bytes(interrupted: Path) -> None:
    for path in interrupted.rglob("*.csv"):
        path.touch()  # a new time is no new content
    assert convert_beds(interrupted, "out", "--resume").returncode == 1
    assert convert_beds(interrupted, "fresh").returncode == 1
    assert contents(interrupted / "out") == contents(interrupted / "fresh")


def test_what_was_finished_is_not_converted_again(interrupted: Path) -> None:
    part = interrupted / "out" / ".parts" / "0" / "Location.part"
    part.write_bytes(part.read_bytes().replace(b'"Door"', b'"Kept"'))
    convert_beds(interrupted, "out", "--resume")
    assert b'"Kept"' in contents(interrupted / "out")["Location.ndjson"]


def test_other_options_are_another_run(site: Path) -> None:
    convert_beds(site, "out")
    for more, named in (
        (("--set", "encoding=latin-1"), "--set"),
        (("--validate", "all"), "--validate"),
        (("--limit", 1), "--limit"),
        (("--only", "a.csv:2"), "--only"),
    ):
        refused = convert_beds(site, "out", "--resume", *more)
        assert refused.returncode == 2
        assert named in refused.stderr


def test_several_changes_are_all_named(site: Path) -> None:
    convert_beds(site, "out")
    for what in ("mapping", "site", "crosswalk"):
        CHANGES[what][1](site)
    refused = convert_beds(site, "out", "--resume")
    for what in ("mapping", "site", "crosswalk"):
        assert CHANGES[what][0] in refused.stderr


def test_a_file_that_an_option_of_the_mapping_names_is_part_of_the_context(site: Path) -> None:
    vcf = "source: {adapter: vcf, studied_bed: " + str(site / "regions.bed") + "}\n"
    (site / "mapping.yaml").write_text(re.sub(r"source: .*\n", vcf, MAPPING))
    request = RunRequest("vcf", str(site / "mapping.yaml"))
    before = ConversionContext.of(request).digest(str(site / "mapping.yaml"))
    rewrite(site / "regions.bed", "2", "3")
    assert ConversionContext.of(request).digest(str(site / "mapping.yaml")) != before


def test_the_context_is_the_same_wherever_its_files_are(tmp_path: Path) -> None:
    digests = set()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        make_site(tmp_path / name)
        (tmp_path / name / "site.key").write_text("cd" * 32)
        (tmp_path / name / "site.key").chmod(0o600)
        request = RunRequest("csv", site=tmp_path / name / "site.yaml")
        digests.add(ConversionContext.of(request).digest(str(tmp_path / name / "mapping.yaml")))
    assert len(digests) == 1


def test_a_folder_without_a_manifest_has_no_run_to_resume(site: Path) -> None:
    (site / "out").mkdir()
    (site / "out" / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"old"}\n')
    refused = convert_beds(site, "out", "--resume")
    assert refused.returncode == 2
    assert "no run to resume" in refused.stderr
    assert convert_beds(site, "out", "--force").returncode == 1
    assert set(contents(site / "out")) == {"Location.ndjson", "rejects.ndjson"}


def test_a_finished_file_that_is_missing_or_changed_is_not_passed_over(site: Path) -> None:
    convert_beds(site, "out")
    with (site / "out" / "Location.ndjson").open("a") as file:
        file.write("{}\n")
    assert "was changed" in convert_beds(site, "out", "--resume").stderr
    (site / "out" / "Location.ndjson").unlink()
    refused = convert_beds(site, "out", "--resume")
    assert refused.returncode == 2
    assert "is missing" in refused.stderr


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 1}', '{"format": 2}', '{"format": 2, "done": 3}', '"x"']
)
def test_a_manifest_that_cannot_be_read_is_refused_with_a_sentence(text: str, site: Path) -> None:
    convert_beds(site, "out")
    (site / "out" / "manifest.json").write_text(text)
    refused = convert_beds(site, "out", "--resume")
    assert refused.returncode == 2
    assert "--force" in refused.stderr


def test_a_manifest_that_contradicts_itself_is_refused(interrupted: Path) -> None:
    file = interrupted / "out" / "manifest.json"
    for change in ({"0": {"sources": [], "account": None}}, {"9": None}, {"-9": None}, {"x": None}):
        content = json.loads(file.read_text())
        account = content["done"]["0"]["account"]
        done = {
            number: {**content["done"]["0"], **(item or {}), "account": account}
            for number, item in change.items()
        }
        file.write_text(json.dumps(content | {"done": done}))
        refused = convert_beds(interrupted, "out", "--resume")
        assert refused.returncode == 2, refused.stderr
        assert "--force" in refused.stderr
        file.write_text(json.dumps(content))


def test_a_run_that_is_cut_off_while_the_parts_are_joined_goes_on(interrupted: Path) -> None:
    out = interrupted / "out"
    shutil.copytree(out, interrupted / "kept")
    convert_beds(interrupted, "out", "--resume")
    finished = contents(out)
    # As a kill leaves it between the first and the second rename, and before the manifest says that all is there.
    shutil.copytree(interrupted / "kept", interrupted / "cut")
    (interrupted / "cut" / "Location.ndjson").write_bytes(finished["Location.ndjson"])
    (interrupted / "cut" / ".rejects.ndjson.tmp").write_bytes(b"{")
    assert convert_beds(interrupted, "cut", "--resume").returncode == 1
    assert contents(interrupted / "cut") == finished
    assert convert_beds(interrupted, "kept", "--force").returncode == 1, (
        "half-written files of ours are replaced"
    )


def test_parts_that_are_gone_are_converted_again(interrupted: Path) -> None:
    shutil.rmtree(interrupted / "out" / ".parts")
    assert convert_beds(interrupted, "out", "--resume").returncode == 1
    convert_beds(interrupted, "fresh")
    assert contents(interrupted / "out") == contents(interrupted / "fresh")


def test_resuming_a_finished_run_gives_its_report_again(site: Path) -> None:
    (site / "beds" / "c.csv").write_text(
        (site / "beds" / "a.csv").read_text()
    )  # doubles, taken out in joining
    reports = []
    for more in ((), ("--resume",)):
        convert_beds(site, "out", *more)
        report = json.loads((site / "out" / "report.json").read_text())
        report.pop("seconds"), report.pop("peak_mb")
        reports.append(report)
    assert reports[0] == reports[1]
    assert reports[0]["resources"] == {"Location": 3}


def test_another_number_of_jobs_goes_on_with_a_run(interrupted: Path) -> None:
    assert convert_beds(interrupted, "out", "--resume", "--jobs", 2).returncode == 1


def test_a_source_that_changes_while_it_is_read_leaves_the_run_incomplete(site: Path) -> None:
    request = RunRequest("csv", str(site / "mapping.yaml"), site / "site.yaml")

    def change(_: int) -> None:
        with (site / "beds" / "b.csv").open("a") as file:
            file.write("B;9;Late\n")

    result = convert_sources(request, [str(site / "beds")], site / "out", on_progress=change)
    assert result.incomplete is not None
    assert "b.csv" in result.incomplete
    assert not contents(site / "out")
    assert convert_beds(site, "out", "--resume").returncode == 1
    convert_beds(site, "fresh")
    assert contents(site / "out") == contents(site / "fresh")


def test_a_mapping_that_changes_during_the_run_leaves_it_incomplete(site: Path) -> None:
    request = RunRequest("csv", str(site / "mapping.yaml"), site / "site.yaml")

    def change(_: int) -> None:
        (site / "mapping.yaml").write_text(MAPPING.replace("row.name", "row.ward"))

    result = convert_sources(request, [str(site / "beds")], site / "out", on_progress=change)
    assert result.incomplete is not None
    assert "--force" in result.incomplete
    assert not contents(site / "out")


def test_a_process_that_converts_again_reads_a_changed_mapping(site: Path) -> None:
    convert_beds(site, "one")
    rewrite(site / "mapping.yaml", "row.name", "row.ward")
    convert_beds(site, "two")
    assert contents(site / "one") != contents(site / "two")


def test_a_mapping_with_an_error_is_refused_before_anything_is_written(site: Path) -> None:
    (site / "mapping.yaml").write_text(MAPPING.replace("row.name", "row.nam("))
    assert convert_beds(site, "out").returncode == 2
    assert not (site / "out").exists()


CHANGED = st.sets(st.sampled_from(sorted(set(CHANGES) - {"store"})), max_size=4)


def resume_after(changes: set[str], complete: bool, site: Path) -> None:
    make_site(site)
    convert_beds(site, "out", *(() if complete else ("--max-rejected", 0)))
    for change in sorted(changes):
        CHANGES[change][1](site)
    resumed = convert_beds(site, "out", "--resume")
    assert (resumed.returncode == 2) is bool(changes)
    if not changes:
        convert_beds(site, "fresh")
        assert contents(site / "out") == contents(site / "fresh")


@settings(max_examples=6)
@given(CHANGED, st.booleans())
def test_a_resumed_run_ends_as_a_new_one_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: set[str], complete: bool
) -> None:
    resume_after(changes, complete, tmp_path_factory.mktemp("site"))


@pytest.mark.soak
@settings(max_examples=300)
@given(CHANGED, st.booleans())
def test_any_changes_between_two_runs(
    tmp_path_factory: pytest.TempPathFactory, changes: set[str], complete: bool
) -> None:
    resume_after(changes, complete, tmp_path_factory.mktemp("site"))


def test_standard_input_is_resumed_by_its_content(site: Path) -> None:
    command = [
        sys.executable, "-m", "fhir_bridge.cli", "convert", "-", "-a", "csv", "-m", str(site / "mapping.yaml"),
        "--site", str(site / "site.yaml"), "-o", str(site / "out"),
    ]  # fmt: skip
    table = (site / "beds" / "a.csv").read_bytes()
    temporary = site / "tmp"
    temporary.mkdir()
    codes = []
    for more, text in ((), table), (("--resume",), table), (("--resume",), table.replace(b"Door", b"Wall")):
        done = subprocess.run(
            [*command, *more],
            input=text,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        codes.append(done.returncode)
    assert codes == [0, 0, 2]
    assert not list(temporary.iterdir()), "what came in is not left on the disk"


def test_only_and_limit_are_compared_as_they_were_given(site: Path) -> None:
    request = RunRequest("csv", str(site / "mapping.yaml"), site / "site.yaml", selection=Selection(limit=1))
    assert convert_sources(request, [str(site / "beds")], site / "out").incomplete is None
    assert convert_beds(site, "out", "--resume", "--limit", 1).returncode == 0
