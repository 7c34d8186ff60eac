"""Who a record is about: (assigning authority, identifier), from site rules and crosswalk, never a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import CrosswalkError, IdentityResolver, Site, SiteError, Unlinked
from fhir_bridge.mapping.identity import read_crosswalk
from tests.mapping.conftest import HEAD, load
from tests.mapping.sources import Cx, Row

KEY = IdKey(DEMO_KEY)
HOSPITAL = "urn:oid:2.25.1"


def resolver(**identity: Any) -> IdentityResolver:
    return IdentityResolver(Site(identity=identity) if identity else Site(), KEY)


def code_of(raised: Any) -> str:
    return str(raised.value.issue.code)


def test_one_authority_is_one_system_however_a_source_writes_it() -> None:
    identity = resolver(authorities={"HOSP": HOSPITAL, "1.2.3": HOSPITAL})
    names: list[Any] = ["HOSP", "1.2.3", HOSPITAL, ("?", "HOSP"), ("XX", "9.9", HOSPITAL)]
    links = [identity.patient(name, "7", adapter="hl7v2", source="A") for name in names[:4]]
    assert len({link.id for link in links}) == 1
    assert links[0].id == KEY.id("Patient", HOSPITAL, "7")
    assert identity.patient("1.2.4", "7", adapter="hl7v2", source="A").system == "urn:oid:1.2.4"
    assert identity.patient("oid:1.2.4", "7", adapter="hl7v2", source="A").system == "urn:oid:1.2.4"


def test_a_number_of_a_registered_system_is_one_by_its_oid_and_by_its_uri() -> None:
    ssn, oid = "http://hl7.org/fhir/sid/us-ssn", "2.16.840.1.113883.4.1"
    for identity in (
        resolver(),
        resolver(authorities={"SSA": ssn}, patient_authority=ssn),
        resolver(authorities={"SSA": f"urn:oid:{oid}"}, patient_authority=f"urn:oid:{oid}"),
    ):
        names: list[Any] = [ssn, oid, f"urn:oid:{oid}", ("?", oid)]
        systems = {identity.patient(name, "7", adapter="ccda", source="A").system for name in names}
        assert systems == {ssn}
        if identity.site.identity:
            assert identity.patient("SSA", "7", adapter="hl7v2", source="A").system == ssn
            assert identity.prefers(oid)
            assert identity.prefers("SSA")


def test_a_site_that_holds_guesses_no_authority() -> None:
    identity = resolver(authorities={"HOSP": HOSPITAL}, default_authority={"csv": "HOSP"})
    assert identity.patient(None, "7", adapter="csv", source="A").system == HOSPITAL
    for authority in (None, "", "UNKNOWN", ("A", "B")):
        with pytest.raises(Unlinked) as raised:
            identity.patient(authority, "7", adapter="dicom", source="A")
        assert (code_of(raised), raised.value.whole) == ("FB-ID-001", True)
    with pytest.raises(Unlinked) as raised:
        identity.patient("HOSP", None, adapter="csv", source="A", fallback="1.2.840")
    assert code_of(raised) == "FB-ID-002"


def test_a_site_without_rules_joins_nothing_across_sources() -> None:
    identity = resolver()
    here = identity.patient(None, "7", adapter="csv", source="a b.csv")
    there = identity.patient(None, "7", adapter="csv", source="c.csv")
    assert here.system == "urn:fhir-bridge:source:csv:a%20b.csv"
    assert here.id != there.id
    assert (
        identity.patient("HOSP", "7", adapter="hl7v2", source="A").system == "urn:fhir-bridge:authority:HOSP"
    )
    study = identity.patient(None, None, adapter="dicom", source="CT1", fallback="1.2.840.1")
    assert (study.system, study.value) == ("urn:fhir-bridge:source:dicom:CT1", "1.2.840.1")


def test_samples_are_linked_by_the_crosswalk(tmp_path: Path) -> None:
    crosswalk = tmp_path / "links.csv"
    crosswalk.write_text("\ufeffsample;system;value\n\n# a comment\nS1; HOSP ;7\nS2;urn:oid:2.25.1;8\n")
    (tmp_path / "site.yaml").write_text(
        f"identity:\n  crosswalk: links.csv\n  authorities: {{HOSP: '{HOSPITAL}'}}\nzone: Europe/Rome\n"
    )
    identity = IdentityResolver(Site.load(tmp_path / "site.yaml"), KEY)
    assert identity.samples == {"S1", "S2"}
    assert identity.sample("S1", source="x.vcf").id == KEY.id("Patient", HOSPITAL, "7")
    with pytest.raises(Unlinked) as raised:
        identity.sample("S3", source="x.vcf")
    assert (code_of(raised), raised.value.whole) == ("FB-ID-003", False)
    assert resolver().sample("S3", source="x.vcf").system == "urn:fhir-bridge:source:vcf:x.vcf"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the file is empty"),
        ("S1;urn:x;1\n", ':1: the first line must be "sample;system;value"'),
        ("sample;system;value\nS1;urn:x\n", ":2: a line needs sample, system and value"),
        ("sample;system;value\nS1;urn:x;\n", ":2: a line needs sample, system and value"),
        ("sample;system;value\nS1;urn:x;1\nS1;urn:x;2\n", ':3: the sample "S1" is already linked'),
    ],
)
def test_a_wrong_crosswalk_is_reported_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "links.csv"
    path.write_text(text)
    with pytest.raises(CrosswalkError) as raised:
        read_crosswalk(path)
    assert str(raised.value).startswith(f"{path}{message}")
    with pytest.raises(CrosswalkError, match="can't be read"):
        read_crosswalk(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zone: Rome", 'zone: Value error, "Rome" is not an IANA time zone'),
        ("zon: Europe/Rome", "zon: Extra inputs are not permitted"),
        ("identity: {unlinked: guess}", "identity.unlinked: Input should be 'hold' or 'source'"),
        ("- a", "a site file is an object"),
        ("a: [", "not YAML"),
        pytest.param("a: " + "[" * 10_000, "not YAML: maximum depth", id="deep"),
    ],
)
def test_a_wrong_site_file_is_reported_with_its_setting(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(SiteError) as raised:
        Site.load(path)
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    with pytest.raises(SiteError, match="can't be read"):
        Site.load(tmp_path / "none.yaml")


def test_a_site_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "site: demo-hospital\nzone: Europe/Rome\ndemo_key: true\nkey_file: keys/site.key\n"
        "schemes: {99LOCAL: 'https://x.test/local'}\nterminology: [terms]\n"
        "precedence: {Patient: [csv, hl7v2]}\nparameters: {ward: 3B}\n"
    )
    site = Site.load(path)
    assert site.key_path == tmp_path / "keys" / "site.key"
    assert site.terminology_paths == [tmp_path / "terms"]
    assert site.values["ward"] == "3B"
    assert (site.values["zone"], site.values["name"]) == ("Europe/Rome", "demo-hospital")
    assert (site.unlinked, Site(identity={}).unlinked) == ("source", "hold")


PATIENT = HEAD + "- rule: p\n  as: Patient\n  key: =patient(row.pid)\n  identifier: =identifier(row.pid)\n"


def test_of_several_identifiers_the_masters_says_who_it_is(context: Any) -> None:
    identity = {
        "patient_authority": HOSPITAL,
        "authorities": {"HOSP": HOSPITAL, "LAB": "urn:lab"},
    }
    run = context(identity=identity)
    pids = [Cx("1", "LAB", "MR"), Cx("2", "HOSP", "VN"), Cx("3", None, "MR")]
    result = load(PATIENT).convert(Row({"pid": pids}), run)
    assert result.outputs[0].id == KEY.id("Patient", HOSPITAL, "2")
    assert [(i["system"], i["value"]) for i in result.outputs[0].resource["identifier"]] == [
        ("urn:lab", "1"), (HOSPITAL, "2"), ("urn:fhir-bridge:source:csv:lab.csv", "3"),
    ]  # fmt: skip


def test_a_record_that_cannot_be_linked_is_held_whole(context: Any) -> None:
    text = PATIENT + "- rule: o\n  as: Organization\n  key: [row.id]\n  name: x\n"
    result = load(text).convert(Row({"id": "1", "pid": Cx("1", "WHO")}), context(identity={}))
    assert (result.outcome, result.outputs) == ("rejected", [])
    assert [(issue.severity, issue.code, issue.source) for issue in result.issues] == [
        ("error", "FB-ID-001", "lab.csv:1")
    ]
    assert result.issues[0].message == (
        'the authority "WHO" is not known; add it under identity.authorities in the site file'
    )


def test_an_unlinked_sample_loses_only_its_part(context: Any) -> None:
    text = (
        HEAD
        + "- rule: a\n  as: Patient\n  key: =sample(row.s)\n- rule: o\n  as: Organization\n  key: [row.id]\n  name: x\n"
    )
    result = load(text).convert(Row({"id": "1", "s": "S9"}), context(identity={}))
    assert (result.outcome, [output.rule for output in result.outputs]) == ("partial", ["o"])
    assert [issue.code for issue in result.issues] == ["FB-ID-003"]
