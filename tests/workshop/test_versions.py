"""`mapping diff`: two versions over a corpus, by rule and element."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import chdir
from pathlib import Path

import pytest

from tests.command import run_command


def test_differences_are_grouped_with_count_lines_and_example(
    mapping: Path, table: Path, site: Path, tmp_path: Path
) -> None:
    after = tmp_path / "after.yaml"
    text = mapping.read_text().replace("code: {text: walk}", "code: {text: stroll}")
    after.write_text(text.replace('    m: "=quantity(row.Wert, row.Einheit)"\n', "    m: flag\n"))
    arguments = ("mapping", "diff", mapping, after, "--corpus", table, "--site", site)
    done = run_command(*arguments, "--format", "json")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    groups = {(each["element"], each["kind"]): each for each in result["groups"]}
    assert groups["Observation.code.text", "changed"]["count"] == 3
    assert groups["Observation.code.text", "changed"]["example"]["record"] == "walks.csv:2"
    assert groups["Observation.code.text", "changed"]["after"] == f"{after}:10:9"
    removed = groups["Observation.valueQuantity", "removed"]
    assert (removed["rule"], removed["count"]) == ("walk", 1)
    assert removed["before"] == f"{mapping}:14:8"
    assert ("FB-MAP-107", 0, 1) in [(i["code"], i["before"], i["after"]) for i in result["issues"]]
    assert "412" not in done.stdout  # values of patients only where they are asked for
    shown = run_command(*arguments, "--with-values")
    assert "Observation.code.text changed, 3 times" in shown.stdout
    assert '"stroll"' in shown.stdout
    assert "issue FB-MAP-107 appears: 0 → 1" in shown.stdout


def test_the_same_mapping_does_not_differ(mapping: Path, table: Path, site: Path) -> None:
    assert run_command("mapping", "diff", mapping, mapping, "--corpus", table, "--site", site).returncode == 0


def test_a_changed_key_is_one_difference_a_resource(
    mapping: Path, table: Path, site: Path, tmp_path: Path
) -> None:
    after = tmp_path / "after.yaml"
    after.write_text(mapping.read_text().replace("key: [row.Nr]", "key: [row.Nr, row.Datum]"))
    done = run_command(
        "mapping", "diff", mapping, after, "--corpus", table, "--site", site, "--format", "json"
    )
    assert [(g["element"], g["kind"], g["count"]) for g in json.loads(done.stdout)["groups"]] == [
        ("Observation.id", "changed", 3)
    ]


def test_a_rule_that_is_new_or_gone(mapping: Path, table: Path, site: Path, tmp_path: Path) -> None:
    after = tmp_path / "after.yaml"
    after.write_text(
        mapping.read_text()
        + "- rule: place\n  as: Location\n  when: row.Nr == '3'\n  key: [row.Nr]\n  name: =row.Rest\n"
    )
    arguments = ("--corpus", table, "--site", site, "--format", "json")
    done = run_command("mapping", "diff", mapping, after, *arguments)
    (group,) = json.loads(done.stdout)["groups"]
    assert (group["rule"], group["element"], group["kind"], group["count"]) == (
        "place",
        "Location",
        "added",
        1,
    )
    assert group["example"]["record"] == "walks.csv:4"
    back = json.loads(run_command("mapping", "diff", after, mapping, *arguments).stdout)
    assert [(each["element"], each["kind"]) for each in back["groups"]] == [("Location", "removed")]
    assert {issue["code"] for issue in back["issues"]} == {"FB-CSV-011"}


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody, without this machine's settings."""
    who = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    environment = {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()
    }
    environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env=environment)


COMPOSED = """\
mapping: walks
version: 1.0.0
source: {adapter: csv, delimiter: ";"}
include: [parts.yaml]
rules:
- rule: walk
  as: Observation
  key: [row.Nr]
  status: final
  code: {fragment: code}
"""


@pytest.fixture
def repository_of_a_site(tmp_path: Path) -> Path:
    """A mapping, with a fragment in another file that has changed twice: once committed, once not yet."""
    top = tmp_path / "site"
    (top / "lab").mkdir(parents=True)
    (top / "lab/mapping.yaml").write_text(
        COMPOSED.replace(", joins: {wards: {file: wards.csv, key: Station}}", "")
    )
    git(tmp_path, "init", "-q", str(top))
    for word in ("walk", "stroll"):
        (top / "lab/parts.yaml").write_text(f"fragments:\n  code: {{text: {word}}}\n")
        git(top, "add", ".")
        git(top, "commit", "-qm", word)
    (top / "lab/parts.yaml").write_text("fragments:\n  code: {text: march}\n")
    (top / "rows.csv").write_text("Nr\n1\n2\n")
    return top


def changed(folder: Path, *arguments: str, within: str = ".") -> dict[str, tuple[str, str, str]]:
    with chdir(folder / within):
        done = run_command(
            "mapping",
            "diff",
            *arguments,
            "--corpus",
            folder / "rows.csv",
            "--format",
            "json",
            "--with-values",
        )
    groups = json.loads(done.stdout)["groups"]
    return {g["element"]: (g["example"]["left"], g["example"]["right"], g["before"]) for g in groups}


def test_a_version_of_git_is_read_with_the_files_that_it_included_then(repository_of_a_site: Path) -> None:
    top = repository_of_a_site
    place = "lab/parts.yaml:2:9"
    assert changed(top, "HEAD~1:lab/mapping.yaml", "lab/mapping.yaml") == {
        "Observation.code.text": ("walk", "march", f"HEAD~1:{place}")
    }
    assert changed(top, "HEAD~1:lab", "HEAD:lab") == {
        "Observation.code.text": ("walk", "stroll", f"HEAD~1:{place}")
    }
    assert changed(top, "lab", "--from", "HEAD") == {
        "Observation.code.text": ("stroll", "march", f"HEAD:{place}")
    }
    assert changed(top, "HEAD:./mapping.yaml", "mapping.yaml", within="lab")


def test_what_git_has_not_is_reported_and_nothing_runs(repository_of_a_site: Path, tmp_path: Path) -> None:
    top = repository_of_a_site
    for arguments, message in (
        (("nowhere:lab", "lab"), "knows no revision nowhere"),
        (("HEAD:other/mapping.yaml", "lab"), "HEAD has no file other/mapping.yaml"),
        (("lab", "--from=--exec=x"), "knows no revision"),
        (("lab",), "name two versions"),
    ):
        with chdir(top):
            done = run_command("mapping", "diff", *arguments, "--corpus", "rows.csv")
        assert (done.returncode, message in done.stderr + done.stdout) == (2, True), done.stderr
    outside = tmp_path / "m.yaml"
    outside.write_text("mapping: m\n")
    done = run_command("mapping", "diff", outside, "--from", "HEAD", "--corpus", top / "rows.csv")
    assert done.returncode == 2
    assert "not a git repository" in done.stderr
