"""A compiled mapping is loaded at the next start as it was compiled, from a folder that no one else can write to."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.mapping import compiler, load_mapping, loading, stored_programs
from fhir_bridge.mapping.compiled import CompiledMapping, Form
from fhir_bridge.plugins import adapters
from tests.adapters.ehr.conftest import Converter

SMALL = """mapping: small
version: 1.0.0
source: {adapter: hl7v2}
let:
  facility: "=MSH-4.1"
rules:
- rule: patient
  for: PATIENT_RESULT
  as: Patient
  key: "=patient(PID-3)"
  name: "=human_name(PID-5)"
  gender: {match: PID-8, M: male, F: female, else: flag, empty: null}
  birthDate: "=date(PID-7)"
- rule: order
  for: ORDER_OBSERVATION
  as: ServiceRequest
  key: [facility, OBR-3.1]
  status: active
  intent: order
  subject: "=patient(PID-3)"
- rule: result
  for: ORDER_OBSERVATION.OBSERVATION
  as: Observation
  key: [facility, OBR-3.1, OBX-3.1]
  status: {match: OBX-11, F: final, else: unknown, empty: unknown}
  code: "=OBX-3 | concept()"
  subject: "=patient(PID-3)"
  basedOn: "=ref('order')"
  valueQuantity: {when: OBX-2 == 'NM', value: "=decimal(OBX-5)"}
"""
"""It takes a hundredth of the time that HL7 v2 as it ships takes to compile."""

MESSAGE = "\r".join(
    [
        "MSH|^~\\&|LIS|HOSP|||20260301120000+0100||ORU^R01|R1|P|2.5.1",
        "PID|1||77^^^HOSP^MR||Keller^Ada||19600102|F|||Via 1^^Bozen^^39100^IT^H",
        "OBR|1|P1^KIS|F1^LIS|A^a^L|||20260301110000+0100",
        "OBX|1|NM|2823-3^Potassium^LN||5.6|mmol/L|3.5-5.1|H|||F",
        "OBX|2|NM|8867-4^Pulse^LN||x|/min|||||F",
    ]
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FHIR_BRIDGE_CACHE", str(tmp_path))
    return tmp_path / "programs"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path / "small.yaml"


def compiled(
    monkeypatch: pytest.MonkeyPatch, mapping: str | Path, *, form: Form = "dicts", again: bool = False
) -> CompiledMapping:
    with monkeypatch.context() as patch:
        if again:
            patch.setattr(loading, "compile_document", lambda *_: pytest.fail("it is compiled again"))
        return load_mapping(mapping, adapters=adapters(), form=form)


def outputs(mapping: CompiledMapping) -> tuple[Any, Any]:
    converter = Converter()
    converter.compiled = mapping
    result = converter(MESSAGE)
    return result.resources, [(i.severity, i.code, i.message) for i in result.issues]


@pytest.mark.parametrize(
    ("mapping", "form"), [("small", "dicts"), ("small", "traced"), ("small", "bytes"), ("ehr/hl7v2", "bytes")]
)
def test_what_was_kept_converts_as_what_was_compiled(
    mapping: str, form: Form, small: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small if mapping == "small" else mapping
    first = compiled(monkeypatch, file, form=form)
    second = compiled(monkeypatch, file, form=form, again=True)
    assert second.source_of(form) == first.source_of(form)
    assert (second.rules, second.selectors, second.version) == (first.rules, first.selectors, first.version)
    if mapping == "small":  # the other form, which this compiles, is as large
        assert outputs(second) == outputs(first)
    assert cache.stat().st_mode & 0o077 == 0


def test_another_form_is_kept_as_the_first_is(
    small: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compiled(monkeypatch, small, form="bytes")
    sources = {form: first.source_of(form) for form in ("dicts", "traced")}
    second = compiled(monkeypatch, small, form="bytes", again=True)
    monkeypatch.setattr(
        compiler._Compilation, "_program", lambda *_, **__: pytest.fail("it is compiled again")
    )
    assert {form: second.source_of(form) for form in ("dicts", "traced")} == sources
    assert outputs(second) == outputs(first)


def test_another_mapping_is_another_entry(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "mapping: own\nversion: 1.0.0\nsource: {adapter: hl7v2}\nrules:\n- rule: patient\n  for: PATIENT_RESULT\n"
    text += '  as: Patient\n  key: "=patient(PID-3)"\n  gender: GENDER\n'
    for gender in ("female", "male"):
        file = tmp_path / f"{gender}.yaml"
        file.write_text(text.replace("GENDER", gender))
        for _ in range(2):
            mapping = load_mapping(file, adapters=adapters())
            assert outputs(mapping)[0][0]["gender"] == gender
    assert len(list(cache.iterdir())) >= 2


class Evil:
    """What an entry of someone else might hold."""

    def __reduce__(self) -> Any:
        return os.system, ("false",)


def test_an_entry_that_is_damaged_or_not_of_this_package_is_not_loaded(
    small: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(monkeypatch, small)
    (entry,) = cache.iterdir()
    whole, evil = entry.read_bytes(), pickle.dumps((Evil(), b""))
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("it was run"))
    for content in (b"", whole[:-1], whole[:40], hashlib.sha256(evil).digest() + evil):
        entry.write_bytes(content)
        assert stored_programs.read_program(entry.stem) is None
        assert outputs(compiled(monkeypatch, small))[0]
        assert stored_programs.read_program(entry.stem) is not None, "it is written again"


def test_an_entry_that_others_may_write_to_is_not_read(
    small: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(monkeypatch, small)
    (entry,) = cache.iterdir()
    entry.chmod(0o666)
    assert stored_programs.read_program(entry.stem) is None
    entry.chmod(0o600)
    assert stored_programs.read_program(entry.stem) is not None
    cache.chmod(0o770)
    assert stored_programs.read_program(entry.stem) is None
