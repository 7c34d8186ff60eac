"""The data dictionary without pydicom: its tables are read as pydicom reads them; usual files need no more of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pydicom import charset, datadict

from fhir_bridge.adapters.imaging import character_sets, data_dictionary
from tests.e2e.test_composites import instance, save

TAGS = st.one_of(
    st.sampled_from(sorted(datadict.DicomDictionary)),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0x50000000, 0x60FFFFFF),  # repeating groups
)


@given(TAGS)
def test_a_tag_has_keyword_vr_and_vm_of_pydicom(tag: int) -> None:
    assert data_dictionary.keyword_for_tag(tag) == datadict.keyword_for_tag(tag)
    known = datadict.mask_match(tag) is not None and not tag >> 16 & 1
    if tag in datadict.DicomDictionary or known:
        assert data_dictionary.vr_of(tag) == datadict.dictionary_VR(tag)
        assert data_dictionary.vm_of(tag) == datadict.dictionary_VM(tag)
    else:
        assert data_dictionary.vr_of(tag) is data_dictionary.vm_of(tag) is None


def test_a_keyword_has_the_tag_of_pydicom() -> None:
    for keyword in data_dictionary.all_keywords():
        assert data_dictionary.tag_for_keyword(keyword) == datadict.tag_for_keyword(keyword)
    assert data_dictionary.tag_for_keyword("NoSuchKeyword") is None


def test_the_usual_character_sets_are_those_of_pydicom() -> None:
    usual = character_sets._USUAL
    assert usual == {name: charset.python_encoding[name] for name in usual}


def test_usual_files_are_read_without_pydicom(tmp_path: Path, repository: Path) -> None:
    save(tmp_path / "files", [instance(number) for number in range(1, 4)])
    program = (
        "import sys; from pathlib import Path; from fhir_bridge.adapters.imaging.reader import read_studies; "
        f"studies = list(read_studies([Path({str(tmp_path / 'files')!r})])); "
        "print([each.records for each in studies], sorted({'pydicom', 'numpy', 'PIL', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[3] []"
