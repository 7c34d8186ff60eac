"""Several VCFs of one sample: which one counts, whatever they are called and in whatever order they come."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.command import run_command
from tests.e2e.conftest import stored

A, B, C, D = "1 100 A C", "1 200 A C", "2 300 A C", "2 400 A C"
OLD, NEW, NEWEST = "20260101", "20260201", "20260301"


def vcf(
    path: Path,
    calls: Sequence[str],
    *,
    date: str = OLD,
    samples: str = "S",
    genotypes: str = "0/1",
    headers: Sequence[str] = (),
) -> Path:
    """Write a file; a call is `contig pos ref alt`, or with the genotypes of its own behind it."""
    head = ["##fileformat=VCFv4.2", *([f"##fileDate={date}"] if date else []), *headers]
    head += [f"##contig=<ID={name},length={length}>" for name, length in ((1, 248956422), (2, 242193529))]
    head += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    columns = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT " + samples
    lines = [columns]
    for call in calls:
        contig, position, reference, alternate, *own = call.split(" ")
        lines.append(
            f"{contig} {position} . {reference} {alternate} . PASS . GT {' '.join(own) or genotypes}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*head, *(line.replace(" ", "\t") for line in lines)]) + "\n")
    return path


class Site:
    """A site with a database: loads files, and says which variants count for which patient."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.link(S="111")

    def link(self, *, unlinked: str = "hold", **samples: str) -> None:
        """Write the crosswalk."""
        text = f"demo_key: true\nidentity: {{crosswalk: crosswalk.csv, unlinked: {unlinked}}}\n"
        (self.folder / "site.yaml").write_text(text)
        rows = "".join(f"{sample};urn:oid:2.999.1;{value}\n" for sample, value in samples.items())
        (self.folder / "crosswalk.csv").write_text("sample;system;value\n" + rows)

    def load(self, path: Path, *more: object) -> dict[str, Any]:
        """Load a file; the report, with the exit code."""
        report = self.folder / "report.json"
        site = self.folder / "site.yaml"
        done = run_command("load", path, "--adapter", "vcf", "--site", site, "--report", report, *more)
        assert "Traceback" not in done.stderr, done.stderr
        return {"exit": done.returncode, **json.loads(report.read_text())}

    def current(self) -> dict[str, Any]:
        """Everything that counts, by name."""
        found = {name: json.loads(content) for name, content in stored(self.url, versions=False).items()}
        return {name: one for name, one in found.items() if one.get("status") != "entered-in-error"}

    def said(self) -> dict[str, set[str]]:
        """The variants that count: patient's number to `position alt`; patients without any are left out."""
        found = self.current()
        numbers = {
            name: one["identifier"][0]["value"]
            for name, one in found.items()
            if one["resourceType"] == "Patient"
        }
        said: dict[str, set[str]] = {}
        for one in found.values():
            if one["resourceType"] == "Observation":
                values = {
                    part["code"]["coding"][0]["code"]: next(
                        value for key, value in part.items() if key.startswith("value")
                    )
                    for part in one["component"]
                }
                place = values["81254-5"]["low"]["value"]
                patient = numbers[one["subject"]["reference"]]
                said.setdefault(patient, set()).add(f"{place} {values['69551-0']}")
        return said

    def reports(self) -> list[str]:
        """Dates of the reports that count."""
        reports = [one for one in self.current().values() if one["resourceType"] == "DiagnosticReport"]
        return sorted(one.get("effectiveDateTime", "") for one in reports)


def codes(report: dict[str, Any]) -> set[str]:
    return {issue["code"] for issue in report["issues"]}


def places(*calls: str) -> set[str]:
    return {f"{call.split(' ')[1]} {call.split(' ')[3]}" for call in calls}


@pytest.fixture
def site(tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)
    return Site(tmp_path, fresh_database_url)


def test_sent_again_under_another_name_a_corrected_crosswalk_moves_it_whole(
    site: Site, tmp_path: Path
) -> None:
    site.load(vcf(tmp_path / "a.vcf", [A, B]))
    site.link(S="222")
    done = site.load(vcf(tmp_path / "b.vcf", [A, B]))
    assert done["exit"] == 0
    assert site.said() == {"222": places(A, B)}
    assert len(site.reports()) == 1
    site.link(S="111")
    site.load(tmp_path / "a.vcf")
    assert site.said() == {"111": places(A, B)}
    assert len(site.reports()) == 1


def test_another_laboratorys_file_of_the_same_names_and_with_an_identical_line_changes_nothing(
    site: Site, tmp_path: Path
) -> None:
    site.load(vcf(tmp_path / "one" / "a.vcf", [A, B]))
    site.link(S="222")
    other = vcf(tmp_path / "other" / "a.vcf", [A, C])
    newer = vcf(tmp_path / "newer" / "a.vcf", [A], date=NEW)
    for path in (other, newer):
        assert site.load(path)["exit"] == 0
    assert site.said() == {"111": places(A, B), "222": places(A)}
    assert site.reports() == ["2026-01-01", "2026-02-01"]


def test_unlinked_samples_of_one_name_in_files_of_one_name_are_two_patients(
    site: Site, tmp_path: Path
) -> None:
    site.link(unlinked="source")
    site.load(vcf(tmp_path / "one" / "a.vcf", [A]))
    site.load(vcf(tmp_path / "other" / "a.vcf", [B], date=NEW))
    patients = [one for one in site.current().values() if one["resourceType"] == "Patient"]
    assert len(patients) == 2
    subjects = [one["subject"]["reference"] for one in site.current().values() if "component" in one]
    assert len(set(subjects)) == 2
    site.load(vcf(tmp_path / "again.vcf", [A]))
    assert len([one for one in site.current().values() if one["resourceType"] == "Patient"]) == 2


@pytest.mark.parametrize(
    ("order", "name", "second"),
    [
        ("on", "again.vcf", [A, f"{B} 0/0"]),
        ("no", "again.vcf", [A]),
        ("on", "again.vcf", [f"{A} 0/0", f"{B} 0/0"]),
        ("non", "calls.vcf", [f"{A} 0/0"]),
        ("ono", "calls.vcf", [A, f"{B} ./."]),
        ("noo", "calls.vcf", [A]),
    ],
)
def test_a_newer_file_replaces_the_older_ones_set(
    site: Site, tmp_path: Path, order: str, name: str, second: list[str]
) -> None:
    files = {
        "o": vcf(tmp_path / "old" / "calls.vcf", [A, B]),
        "n": vcf(tmp_path / "new" / name, second, date=NEW),
    }
    done = [site.load(files[one]) for one in order]
    assert [one["exit"] for one in done] == [0] * len(order)
    expected = places(*(call for call in second if len(call.split(" ")) == 4))
    assert site.said() == ({"111": expected} if expected else {})
    assert site.reports() == ["2026-02-01"]
    if order.endswith("o"):
        assert "FB-STALE" in codes(done[-1])
    assert not {"created", "updated"} & {key for key, n in done[-1]["stored"].items() if n} or len(order) < 3


def test_a_newer_file_without_any_variant_replaces_the_one_of_its_name(site: Site, tmp_path: Path) -> None:
    site.load(vcf(tmp_path / "old" / "calls.vcf", [A, B]))
    site.load(vcf(tmp_path / "new" / "calls.vcf", [], date=NEW))
    assert site.said() == {}
    assert site.reports() == ["2026-02-01"]


def test_parts_of_one_study_stand_beside_each_other(site: Site, tmp_path: Path) -> None:
    site.load(vcf(tmp_path / "chr1.vcf", [A, B]))
    done = site.load(vcf(tmp_path / "chr2.vcf", [C, D], date=NEW))
    assert site.said() == {"111": places(A, B, C, D)}
    assert site.reports() == ["2026-01-01", "2026-02-01"]
    assert "FB-STORE-029" in codes(done)


def test_a_newer_file_of_a_few_of_the_places_speaks_of_those_alone(site: Site, tmp_path: Path) -> None:
    site.load(vcf(tmp_path / "exome.vcf", [A, B, C, D, "2 500 A C"]))
    site.load(vcf(tmp_path / "panel.vcf", [f"{B} 0/0", "1 900 A C"], date=NEW))
    assert site.said() == {"111": places(A, C, D, "2 500 A C", "1 900 A C")}


def test_a_newer_file_that_can_not_be_read_whole_takes_nothing_back_that_it_lost(
    site: Site, tmp_path: Path
) -> None:
    site.load(vcf(tmp_path / "calls.vcf", [A, B, C]))
    done = site.load(vcf(tmp_path / "again" / "calls.vcf", [f"{A} 0/0", "1 200 R C", f"{C} 0/5"], date=NEW))
    assert done["exit"] == 1
    assert site.said() == {"111": places(B, C)}


def test_other_samples_of_the_older_file_stay(site: Site, tmp_path: Path) -> None:
    site.link(S="111", T="222")
    site.load(vcf(tmp_path / "calls.vcf", [A, B], samples="S T", genotypes="0/1 0/1"))
    site.load(vcf(tmp_path / "new" / "calls.vcf", [A], date=NEW))
    assert site.said() == {"111": places(A), "222": places(A, B)}


def test_where_the_newer_file_was_anothers_the_older_one_counts_again(site: Site, tmp_path: Path) -> None:
    site.load(vcf(tmp_path / "calls.vcf", [A, B]))
    newer = vcf(tmp_path / "new" / "calls.vcf", [A], date=NEW)
    site.load(newer)
    assert site.said() == {"111": places(A)}
    site.link(S="222")
    site.load(newer)
    assert site.said() == {"111": places(A, B), "222": places(A)}
    assert site.reports() == ["2026-01-01", "2026-02-01"]


@pytest.mark.parametrize("date", ["", OLD])
def test_files_that_no_date_puts_in_an_order_are_reported(site: Site, tmp_path: Path, date: str) -> None:
    assert "FB-STORE-028" not in codes(site.load(vcf(tmp_path / "calls.vcf", [A, B], date=date)))
    done = site.load(vcf(tmp_path / "new" / "calls.vcf", [A, f"{B} 0/0", C], date=date))
    assert "FB-STORE-028" in codes(done)
    assert site.said() == {"111": places(A, B, C)}
    assert "FB-STORE-028" in run_command("inbox", "list", "--json").stdout


def test_a_build_says_nothing_of_another(site: Site, tmp_path: Path) -> None:
    site.load(vcf(tmp_path / "calls.vcf", [A, B]))
    other = vcf(tmp_path / "new" / "calls.vcf", [A], date=NEW)
    other.write_text(other.read_text().replace("248956422", "249250621").replace("242193529", "243199373"))
    site.load(other)
    assert site.said() == {"111": places(A, B)}
    assert len(site.reports()) == 2


def test_a_held_sample_found_later_is_replaced_by_the_newer_file_too(site: Site, tmp_path: Path) -> None:
    site.link()
    assert site.load(vcf(tmp_path / "calls.vcf", [A, B]))["exit"] == 1
    site.link(S="111")
    site.load(vcf(tmp_path / "new" / "calls.vcf", [A], date=NEW))  # what was held is processed with it
    assert site.said() == {"111": places(A)}
    assert site.reports() == ["2026-02-01"]


def test_two_processes_at_once_end_as_one_after_the_other(site: Site, tmp_path: Path) -> None:
    calls = [f"1 {1000 + 10 * number} A C" for number in range(300)]
    files = [
        vcf(tmp_path / "old" / "calls.vcf", calls),
        vcf(tmp_path / "new" / "calls.vcf", calls[:200], date=NEW),
        vcf(tmp_path / "newest" / "again.vcf", calls[:150], date=NEWEST),
    ]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "fhir_bridge.cli", "load", str(path), "--adapter", "vcf", "--site",
             str(tmp_path / "site.yaml")],
            stdout=subprocess.DEVNULL,
        )
        for path in files
    ]  # fmt: skip
    assert [one.wait() for one in running] == [0, 0, 0]
    assert site.said() == {"111": places(*calls[:150])}
    assert site.reports() == ["2026-03-01"]


VERSIONS = st.lists(st.sets(st.sampled_from([A, B, C, D])).map(sorted), min_size=2, max_size=3)
RUNS = st.data()
_NUMBER = iter(range(1_000_000))


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(versions=VERSIONS, data=RUNS)
def test_the_newest_of_a_name_counts_after_any_loads(
    site: Site, tmp_path: Path, versions: list[list[str]], data: st.DataObject
) -> None:
    number = str(next(_NUMBER))
    folder = tmp_path / number
    dates = (OLD, NEW, NEWEST)
    files = [
        vcf(folder / date / "calls.vcf", calls, date=date, samples=f"P{number}")
        for date, calls in zip(dates, versions, strict=False)
    ]
    order = data.draw(st.permutations(range(len(files))))
    again = data.draw(st.lists(st.sampled_from(range(len(files))), max_size=2))
    site.link(**{f"P{number}": number})
    for at, one in enumerate([*order, *again]):
        path = files[one]
        if at >= len(order):
            path = path.rename(path.with_name(f"sent-{at}.vcf")) if path.exists() else path
            files[one] = path
        assert site.load(path)["exit"] == 0
    assert site.said().get(number, set()) == places(*versions[-1])
