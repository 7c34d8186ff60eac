"""Of what is received over MLLP everything is validated, however much came before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.messages.sender import codes, connected
from tests.server.messages.test_mllp import found, kept
from tests.server.serving import Served, serving

MAPPING = """mapping: st-elsewhere
version: 1.0.0
extends: ehr/hl7v2
override:
  adverse-reaction:
    verificationStatus: "=IAM-17 | concept()"
"""
BEFORE = 25
"""More than are validated of a sample from its beginning."""


@pytest.fixture(scope="module")
def served(
    database_url: str, site: Path, port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    mapping = tmp_path_factory.mktemp("mapping") / "mapping.yaml"
    mapping.write_text(MAPPING)
    with serving(database_url, auth="none", site=site, mllp=port, hl7v2_mapping=mapping) as process:
        process.database_url = database_url
        yield process


def reaction(number: int, status: str = "") -> str:
    return (
        f"MSH|^~\\&|ADT|HOSP|||20260101080000+0100||ADT^A60|V{number}|P|2.5.1\r"
        f"EVN|A60|20260101080000+0100\rPID|1||v1^^^HOSP^MR||Keller^Ada||19600102|F\r"
        f"IAM|1|DA|D{number}^Drug {number}^99A|SV|Rash|A|I{number}||||||||||{status}\r"
    )


def test_a_resource_that_is_not_valid_is_withheld_after_many_that_are(served: Served, port: int) -> None:
    with connected(port) as sender:
        for number in range(BEFORE):
            assert codes(sender.send(reaction(number))) == ["AA"]
        assert codes(sender.send(reaction(BEFORE, "^Verified"))) == ["AA"]
    assert kept(served.database_url, f"V{BEFORE}") == [("partial", 1)]
    (person,) = found(served, "Patient?identifier=v1")
    stored = found(served, f"AllergyIntolerance?patient={person['id']}&_count=100")
    assert {one["identifier"][0]["value"] for one in stored} == {f"I{number}" for number in range(BEFORE)}
