"""No record that waits in the inbox is lost, and a corrected link reaches what several records gave."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_ledger import SITE, Bridge, oru, resources, waiting
from tests.e2e.test_ledger import hospital as hospital
from tests.e2e.test_ledger import load as load

Load = Callable[..., dict[str, Any]]


def elsewhere(control: str, patient: str, order: str) -> str:
    """A message of a patient whose authority the site does not know."""
    return oru(control, patient, ("718-7", "1"), order=order).replace("^^^HOSP^MR", "^^^NEW^MR")


def know(hospital: Path) -> None:
    """The site learns the authority."""
    (hospital / "site.yaml").write_text(SITE + "    NEW: urn:oid:2.999.2\n")


def test_held_messages_in_files_of_one_name_all_wait_and_are_all_stored(
    load: Load, bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    """Two folders of one load, and the feed of the next day: three files `feed.hl7`, all with control id 1."""
    for folder, patient in (("a", "1"), ("b", "2")):
        (hospital / "in" / folder).mkdir(parents=True)
        (hospital / "in" / folder / "feed.hl7").write_text(elsewhere("1", patient, f"F{patient}"))
    load(hospital / "in", "hl7v2")
    (hospital / "feed.hl7").write_text(elsewhere("1", "3", "F3"))
    for _ in range(2):  # sent again it is the same entry
        load(hospital / "feed.hl7", "hl7v2")
    assert sorted(entry["count"] for entry in waiting(bridge, fresh_database_url)) == [1, 1, 2]
    know(hospital)
    (hospital / "other.hl7").write_text(oru("9", "9", ("718-7", "1"), order="F9"))
    assert load(hospital / "other.hl7", "hl7v2")["inbox"]["waiting"] == 0
    stored = {one["identifier"][0]["value"] for one in resources(fresh_database_url, "Patient")}
    assert stored == {"1", "2", "3", "9"}
    assert not waiting(bridge, fresh_database_url)


def test_a_replay_that_fails_leaves_everything_on_the_list(
    load: Load, bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    (hospital / "one.hl7").write_text(elsewhere("1", "1", "F1"))
    load(hospital / "one.hl7", "hl7v2")
    (hospital / "site.yaml").write_text("nonsense: 1\n")
    failed = bridge(
        "inbox", "replay", "--all", "--site", str(hospital / "site.yaml"), database=fresh_database_url
    )
    assert failed.exit_code != 0
    (entry,) = waiting(bridge, fresh_database_url)
    assert (entry["state"], entry["kept"]) == ("open", True)
    know(hospital)
    done = bridge(
        "inbox", "replay", "--all", "--site", str(hospital / "site.yaml"), database=fresh_database_url
    )
    assert done.exit_code == 0, done.output
    assert len(resources(fresh_database_url, "Observation")) == 1


def test_what_one_site_converted_waits_for_a_load_with_its_settings(
    load: Load, bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    """Two clinics share a database; the second one's settings would take the first one's patients for others."""
    (hospital / "one.hl7").write_text(elsewhere("1", "1", "F1"))
    load(hospital / "one.hl7", "hl7v2")
    own = (hospital / "site.yaml").read_text()
    (hospital / "site.yaml").write_text(
        own.replace("site: test", "site: clinic-b") + "    NEW: urn:oid:2.999.66\n"
    )
    (hospital / "other.hl7").write_text(oru("9", "9", ("718-7", "1"), order="F9"))
    assert "inbox" not in load(hospital / "other.hl7", "hl7v2")
    replayed = bridge(
        "inbox", "replay", "--all", "--site", str(hospital / "site.yaml"), database=fresh_database_url
    )
    assert (replayed.exit_code, "1 of another site" in replayed.output) == (1, True)
    assert len(waiting(bridge, fresh_database_url)) == 1
    know(hospital)
    (hospital / "more.hl7").write_text(oru("10", "9", ("718-7", "1"), order="F10"))
    assert load(hospital / "more.hl7", "hl7v2")["inbox"]["settled"] == 1


def test_a_lost_mapping_of_what_waits_does_not_fail_another_load(
    load: Load, bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    mapping = hospital / "mapping.yaml"
    mapping.write_text("mapping: here\nversion: 1.0.0\nextends: ehr/hl7v2\n")
    (hospital / "one.hl7").write_text(elsewhere("1", "1", "F1"))
    load(hospital / "one.hl7", "hl7v2", "--mapping", str(mapping))
    mapping.unlink()
    know(hospital)
    (hospital / "other.hl7").write_text(oru("9", "9", ("718-7", "1"), order="F9"))
    report = load(hospital / "other.hl7", "hl7v2")
    assert report["records"]["rejected"] == 0
    assert report["inbox"]["no_mapping"] == {str(mapping): 1}
    assert len(waiting(bridge, fresh_database_url)) == 1


@pytest.mark.parametrize("together", [True, False])
def test_a_corrected_authority_moves_what_several_messages_gave(
    load: Load, bridge: Bridge, hospital: Path, fresh_database_url: str, together: bool
) -> None:
    """A preliminary and a final result of one order; then the site names another master authority."""
    both = [
        oru("1", "1", ("718-7", "5"), time="20240301090000", status="P"),
        oru("2", "1", ("718-7", "6"), time="20240301100000", status="F"),
    ]
    both = [text.replace("1^^^HOSP^MR", "1^^^HOSP^MR~77^^^NEW^PI") for text in both]
    identity = SITE.replace("identity:\n", "identity:\n  patient_authority: {}\n")
    identity += "    NEW: urn:oid:2.999.2\n"
    master = itertools.cycle(("urn:oid:2.999.1", "urn:oid:2.999.2"))
    order: list[str] = []
    for turn in range(3):
        (hospital / "site.yaml").write_text(identity.format(next(master)))
        texts = ["".join(both)] if together else both if turn < 2 else both[::-1]
        for number, text in enumerate(texts):
            (hospital / f"m{number}.hl7").write_text(text)
            load(hospital / f"m{number}.hl7", "hl7v2")
        (stored,) = resources(fresh_database_url, "Observation")
        assert (stored["status"], stored["valueQuantity"]["value"]) == ("final", 6)
        order.append(stored["subject"]["reference"])
        assert {one["subject"]["reference"] for one in resources(fresh_database_url, "DiagnosticReport")} == {
            order[-1]
        }
        assert not waiting(bridge, fresh_database_url)
    assert order[0] == order[2] != order[1]
