"""The files of a run are kept by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.pipeline.context import SourceState
from fhir_bridge.pipeline.source_files import SourceFiles, SourceStates


def test_files_come_back_as_they_were_named_and_in_their_order() -> None:
    names = ["a/b/1.dcm", "1.dcm", "/x/Ä ö.dcm", "a/b/2.dcm", "/root"]
    files = SourceFiles(names)
    assert list(files) == list(map(Path, names))
    assert (len(files), files[2], files[-1]) == (5, Path(names[2]), Path("/root"))
    assert list(files[1:3]) == list(map(Path, names[1:3]))
    with pytest.raises(IndexError):
        files[5]
    assert not SourceFiles([])


def test_states_of_files_come_back_as_they_were_and_another_thing_is_none() -> None:
    states = [SourceState((2**64 - 1, 0, -5, 2**62), "0" * 32), SourceState((1, 2, 3, 4), "ab" * 16)]
    kept = SourceStates(states)
    assert (list(kept), kept[-1], kept[:1]) == (states, states[1], states[:1])
    for status, content in (((1, 2, 3), "ab" * 16), ((1, 2, 3, 4), "no hash")):
        with pytest.raises(ValueError, match=r"no state|non-hexadecimal"):
            SourceStates([SourceState(status, content)])
