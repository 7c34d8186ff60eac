"""Whose study it is: instances of two patients are never merged, and form alone creates no second patient."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.adapters.imaging import DicomAdapter, StudyRecord, read_studies
from fhir_bridge.adapters.imaging.patients import Subject, same_subject
from tests.adapters.imaging.raw_files import everything, tag, write


def outcome(make: Any, *stated: dict[str, Any]) -> str:
    """What happens to one study whose instances state these attributes, in all orders."""
    with pydicom.config.disable_value_validation():
        paths = [
            make(
                f"{number}.dcm",
                SOPInstanceUID=f"1.2.3.4.{number}",
                SpecificCharacterSet="ISO_IR 192",
                **attributes,
            )
            for number, attributes in enumerate(stated)
        ]
    results = set()
    for order in permutations(paths):
        records = list(read_studies(order))
        kinds = {(type(record).__name__, record.outcome) for record in records}
        assert sum(record.records for record in records) == len(paths)
        assert len(kinds) == 1
        results |= kinds
        subjects = [part.subject for path in order for part in next(read_studies([path])).parts]  # type: ignore[union-attr]
        assert DicomAdapter().same_subject(subjects) is (records[0].outcome == "read")
    ((_, result),) = results
    return result


def who(number: str | None = None, name: str | None = None, **attributes: Any) -> dict[str, Any]:
    return {"PatientID": number, "PatientName": name, **attributes}


@pytest.mark.parametrize(
    "stated",
    [
        (who("P1", "A^B"), who("P2", "A^B")),
        (who(None, "A^B"), who(None, "C^D")),
        (who(None, "A^B"), who(None, "A^B^Junior")),
        (who(None, "A^B", PatientBirthDate="19700101"), who(None, "A^B", PatientBirthDate="19990101")),
        (who(None, None, PatientBirthDate="19700101"), who(None, None, PatientBirthDate="19990101")),
        (who("P1", "A^B"), who(None, "C^D")),
        (who("P1", "A^B", IssuerOfPatientID="X"), who("P1", "A^B", IssuerOfPatientID="Y")),
        (who(None, "A^B"), who(None, "=山田^太郎")),
        (who("p1", "A^B"), who("P1", "A^B")),
        (who("P1", "A^B"), who("P1", "A^B"), who("P1 2", "A^B")),
    ],
)
def test_two_patients_are_rejected_whole(make: Any, stated: tuple[dict[str, Any], ...]) -> None:
    assert outcome(make, *stated) == "rejected"


@pytest.mark.parametrize(
    "stated",
    [
        (who("P1", "A^B"), who("P1", "a^b")),
        (who(None, "A^B"), who(None, "A^B^^^")),
        (who(None, "A^B"), who(None, "^A^B")),
        (who(None, "A^B"), who(None, " A ^ B ")),
        (who(None, "A B^C"), who(None, "A  B^C")),
        (who(None, "MÜLLER^ANNA"), who(None, "Mu\u0308ller^Anna")),
        (who(None, "Yamada^Tarou"), who(None, "Yamada^Tarou=山田^太郎=やまだ^たろう")),
        (who(None, "=山田^太郎"), who(None, "Yamada^Tarou=山田^太郎")),
        (who("P1", "A^B"), who("P1", None)),
        (who("P1", "A^B"), who(" P1 ", "A^B")),
        (who("P1", "Maiden^A"), who("P1", "Married^A")),
        (who("P1", "A^B"), who("P1", "A^B", IssuerOfPatientID="X")),
        (who("P1", "A^B"), who(None, "A^B")),
        (who("P1", "A^B"), who(None, None)),
        (who(None, "A^B", PatientBirthDate="1970.01.01"), who(None, "A^B", PatientBirthDate="19700101")),
        (who(None, "A^B", PatientBirthDate="19700101"), who(None, "A^B")),
    ],
)
def test_one_patient_in_several_forms_is_one(make: Any, stated: tuple[dict[str, Any], ...]) -> None:
    assert outcome(make, *stated) == "read"


def test_a_number_of_several_values_is_nobodys(tmp_path: Any) -> None:
    write(tmp_path / "a.dcm", everything() | {tag("PatientID"): ("LO", b"HOSP\\P1 ")})
    (record,) = read_studies([tmp_path])
    assert isinstance(record, StudyRecord)
    assert record.study.patient.value is None
    assert [(issue.severity, issue.code) for issue in record.issues] == [("error", "FB-DCM-023")]


def test_a_number_that_can_not_be_decoded_is_nobodys(tmp_path: Any) -> None:
    for number, value in enumerate((b"\xc4\x31", b"\xd6\x31")):
        uids = {"StudyInstanceUID": f"1.2.3.{number}", "SOPInstanceUID": f"1.2.3.4.{number}"}
        values = everything(SpecificCharacterSet="ISO_IR 192", **uids) | {tag("PatientID"): ("LO", value)}
        write(tmp_path / f"{number}.dcm", values)
    patients = [
        record.study.patient for record in read_studies([tmp_path]) if isinstance(record, StudyRecord)
    ]
    assert [patient.value for patient in patients] == [None, None]
    assert len({patient.fallback for patient in patients}) == 2


words = st.sampled_from(["", "a", "b"])
subjects = st.builds(
    Subject,
    st.sampled_from([None, "1", "2"]),
    st.sampled_from([(), ("X",), ("Y",), ("O", "X")]),
    st.none(),
    st.tuples(words, words, st.just("")),
    st.sampled_from([None, "19700101", "19800101"]),
)


@given(st.lists(subjects, max_size=5), st.randoms())
def test_more_instances_never_make_one_patient_of_two(stated: list[Subject], random: Any) -> None:
    item = same_subject(stated)
    shuffled = [*stated, *stated[:2]]
    random.shuffle(shuffled)
    assert same_subject(shuffled) is item
    assert all(Subject.parse(each.text) == each for each in stated)
    if item:
        assert all(same_subject([first, second]) for first in stated for second in stated)
        assert len({each.value for each in stated if each.value}) < 2
