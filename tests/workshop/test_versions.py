"""`mapping diff`: two versions over a corpus, by rule and element."""

from __future__ import annotations

import json
from pathlib import Path

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
    assert [(i["code"], i["before"], i["after"]) for i in result["issues"]] == [("FB-MAP-107", 0, 1)]
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
    assert [(i["code"], i["before"], i["after"]) for i in back["issues"]] == [("FB-CSV-011", 0, 1)]
