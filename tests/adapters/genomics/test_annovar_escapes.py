"""ANNOVAR writes what VCF's INFO can't hold as `\\x2c`."""

from __future__ import annotations

import pytest

from fhir_bridge.adapters.genomics.clinvar import read_clinvar
from fhir_bridge.adapters.genomics.values import unescaped


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Pathogenic\\x2c_risk_factor", "Pathogenic,_risk_factor"),
        ("a\\x3bb\\x3Dc", "a;b=c"),
        ("50%25\\x20", "50% "),
        ("\\x2", "\\x2"),
        ("plain", "plain"),
    ],
)
def test_what_is_escaped_is_read(written: str, read: str) -> None:
    assert unescaped(written) == read


def test_a_class_beside_other_words_counts() -> None:
    assert read_clinvar("Pathogenic\\x2c_risk_factor", None, None, None, None).classification == "pathogenic"
