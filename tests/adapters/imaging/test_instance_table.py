"""Instances kept by columns are the ones that were added."""

from __future__ import annotations

from fhir_bridge.adapters.imaging.instance_table import InstanceTable
from fhir_bridge.adapters.imaging.locations import FileLocation, Folder, StoredLocation
from fhir_bridge.adapters.imaging.patients import NOBODY

FOLDER = Folder("/archive/ct", "ct/")


def test_each_of_many_instances_is_found_by_its_uid_as_it_was_added() -> None:
    table = InstanceTable()
    study = table.new_study()
    for number in range(3000):
        row = table.add(
            study,
            f"1.2.{number}",
            f"1.2.840.{number % 3}",
            number,
            None,
            NOBODY,
            FileLocation(FOLDER, f"IM{number}"),
        )
        assert row == number
    for number in (0, 1, 63, 64, 2999):
        assert table.first(f"1.2.{number}") == number
        assert (table.uid(number), table.sop_class(number)) == (f"1.2.{number}", f"1.2.840.{number % 3}")
        assert (table.number(number), table.frames(number), table.subject(number)) == (number, None, NOBODY)
        assert table.location(number) == FileLocation(FOLDER, f"IM{number}")
    assert table.first("1.2.3000") is None


def test_one_uid_in_two_studies_is_two_rows_and_the_first_one_owns_it() -> None:
    table = InstanceTable()
    one, other = table.new_study(), table.new_study()
    stored = StoredLocation("1.2.3", b"content")
    table.add(one, "1.2.3", "1.2", None, 4, NOBODY, stored)
    again = table.add(other, "1.2.3", "1.2", -(1 << 70), None, NOBODY, FileLocation(FOLDER, "IM\udcff"))
    assert (table.first("1.2.3"), table.first("1.2.3", other), table.first("1.2.3", 7)) == (0, again, None)
    assert (table.study(0), table.number(0), table.frames(0), table.location(0)) == (one, None, 4, stored)
    assert table.number(again) == -(1 << 70)
    assert table.location(again) == FileLocation(FOLDER, "IM\udcff")
