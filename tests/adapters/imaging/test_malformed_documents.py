"""Malformed attributes within reports, ECGs and rejection notes cost at most themselves and are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import keyword_for_tag

from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import convert
from tests.adapters.imaging.documents import changed, ecg, echo_report, places, rejection
from tests.adapters.imaging.raw_files import EVERYTHING, Raw, code, everything, tag, write
from tests.adapters.imaging.test_malformed_attributes import MALFORMED, NOTHING, Checked, leaves

KINDS = (
    "backslash",
    "NUL within",
    "not decodable",
    "absurdly long",
    "a huge number",
    "binary number",
    "not a number",
    "a UID that is none",
    "a sequence that is none",
    "a sequence cut short",
    "a sequence of an empty item",
)
ANOTHER_CODE = {"a huge number", "a UID that is none"}
"""What is a code as good as any: nothing is malformed, and another thing is said."""
SITE = Site(demo_key=True, zone="Europe/Rome")
HEADER = {tag(keyword) for keyword in EVERYTHING}
REQUIRED = {
    "WaveformSequence",
    "NumberOfWaveformChannels",
    "NumberOfWaveformSamples",
    "SamplingFrequency",
    "WaveformBitsAllocated",
    "WaveformSampleInterpretation",
    "WaveformData",
    "ChannelDefinitionSequence",
}
"""Type 1 in a waveform: without one of them its group can't be read, and the issue may name the group."""
EXPECTED_LOSSES = {
    "CompletionFlag": ".status",  # a report that may be incomplete is not called final
    "CodeMeaning": ".unit",  # the text is another one
    "ChannelSensitivity": ".valueSampledData",  # without what scales them the voltages are not known
    "ChannelSensitivityCorrectionFactor": ".valueSampledData",
    "ChannelBaseline": ".valueSampledData",
}
"""What a value that can't be read takes with it although its absence would not."""


def inner(values: dict[int, Raw]) -> list[tuple[Any, ...]]:
    """What is read beside the header's own attributes: of an image the insides of their sequences."""
    paths = [path for path in places(values) if path[0] not in HEADER]
    return paths or [path for path in places(values) if len(path) > 1]


def kinds_of(number: int, *, every: bool) -> tuple[str, ...]:
    """All kinds, or some that change from one attribute to the next."""
    return KINDS if every else tuple(KINDS[(number + step) % len(KINDS)] for step in (0, 3, 7))


EXTENTS = [pytest.param(False, id="some"), pytest.param(True, id="every", marks=pytest.mark.soak)]


@pytest.mark.parametrize("every", EXTENTS)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(echo_report(), id="report"),
        pytest.param(ecg(), id="ecg"),
        pytest.param(everything(SpecificCharacterSet="ISO_IR 192"), id="header"),
    ],
)
def test_a_malformed_attribute_within_costs_at_most_itself_and_is_reported(
    values: dict[int, Raw], every: bool, tmp_path: Path
) -> None:
    checked = Checked()
    path = tmp_path / "a.dcm"
    first = convert([write(path, values)], SITE)
    assert [issue for issue in first.issues if issue.code.startswith("FB-DCM")] == []
    whole = leaves(first)
    for number, location in enumerate(inner(values)):
        less = leaves(convert([write(path, changed(values, location, None))], SITE))
        keyword = keyword_for_tag(location[-1])
        for kind in kinds_of(number, every=every):
            if keyword in ("CodeValue", "CodingSchemeDesignator") and kind in ANOTHER_CODE:
                continue
            write(path, changed(values, location, MALFORMED[kind]))
            converted = convert([path], SITE)
            text = leaves(converted)
            where = ([keyword_for_tag(each) for each in location if each > 99], kind, converted.issues)
            assert converted.outcomes in (["converted"], ["partial"]), where
            assert len(converted.of("ImagingStudy")) == 1, where
            allowed = EXPECTED_LOSSES.get(keyword, "nothing")
            missing = {each for each in (whole & less) - text if allowed not in each[0]}
            assert not missing, (*where, missing)
            wrong = checked.errors(converted)
            assert not wrong, (*where, wrong)
            read = (
                keyword == "WaveformPaddingValue" and kind == "binary number"
            )  # of another VR, but a number
            if text == less != whole and kind not in NOTHING and not read:
                named = [issue for issue in converted.issues if keyword in issue.message]
                lost = keyword in REQUIRED and any(issue.code == "FB-DCM-016" for issue in converted.issues)
                assert named or lost, where
                assert all(issue.source.startswith(path.name) for issue in converted.issues), where


@pytest.mark.parametrize("every", EXTENTS)
def test_a_malformed_rejection_note_deletes_nothing_that_it_does_not_name(
    every: bool, tmp_path: Path
) -> None:
    values = rejection("1.2.3.4.1")
    kept = write(tmp_path / "files" / "kept.dcm", everything(SOPInstanceUID="1.2.3.4.5", InstanceNumber="5"))
    write(tmp_path / "files" / "rejected.dcm", everything())
    note = tmp_path / "files" / "note.dcm"
    for number, location in enumerate(inner(values)):
        for kind in kinds_of(number, every=every):
            write(note, changed(values, location, MALFORMED[kind]))
            converted = convert([kept.parent], SITE)
            (study,) = converted.of("ImagingStudy")
            uids = {each["uid"] for series in study["series"] for each in series["instance"]}
            assert "1.2.3.4.5" in uids
            assert uids <= {"1.2.3.4.1", "1.2.3.4.5", "1.2.3.4.99"}, (location, kind)
            if "1.2.3.4.1" in uids and location[0] != tag("ConceptNameCodeSequence"):
                named = [issue for issue in converted.issues if issue.source == "note.dcm"]
                assert named or kind in NOTHING, (location, kind, converted.issues)


@pytest.mark.parametrize(("number", "title"), [("1.1", "EKG study"), ("2.1", "Waveform")])
def test_what_is_stated_of_a_waveform_does_not_go_with_its_samples(
    number: str, title: str, tmp_path: Path
) -> None:
    values = everything(
        SOPClassUID=f"1.2.840.10008.5.1.4.1.1.9.{number}",
        WaveformSequence=[{"MultiplexGroupLabel": "RHYTHM"}],
        WaveformAnnotationSequence=[
            {"UnformattedTextValue": "Severe stenosis"},
            {"ConceptCodeSequence": [code("1", "99LOCAL", "Abnormal")]},
        ],
    )
    converted = convert([write(tmp_path / "a.dcm", values)], SITE)
    (report,) = converted.of("DiagnosticReport")
    assert report["conclusion"] == "Severe stenosis\nAbnormal"
    assert report["conclusionCode"][0]["text"] == "Abnormal"
    assert title in (report["code"].get("text"), report["code"].get("coding", [{}])[0].get("display"))
    assert "FB-DCM-016" in {issue.code for issue in converted.issues}
