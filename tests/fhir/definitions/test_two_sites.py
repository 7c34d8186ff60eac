"""Two sites with different packages in one process: each is checked, searched and evaluated by its own definitions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, definitions, get_validator
from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004
from fhir_bridge.fhir.search_parameters import extract, extract_composites, find, uncompiled
from fhir_bridge.fhir.views import ViewError, compile_view
from fhir_bridge.mapping import Site
from tests.fhir.definitions.makers import BASE, element, extension, package, profile
from tests.fhir.resources import patient

COLOURS = "http://example.org/colours"
NOTE = BASE + "Note"


def _definitions(required: str, code: str, note: str) -> list[dict[str, Any]]:
    """The same urls as the other site's, and something else behind each."""
    return [
        profile("Ours", "Patient", element(f"Patient.{required}", min=1)),
        extension("Note", element("Extension.value[x]", min=1, type=[{"code": note}])),
        {
            "resourceType": "CodeSystem",
            "url": COLOURS,
            "version": "1",
            "name": "Colours",
            "status": "active",
            "content": "complete",
            "concept": [{"code": code}],
        },
        {
            "resourceType": "ValueSet",
            "url": COLOURS + "/all",
            "name": "All",
            "status": "active",
            "compose": {"include": [{"system": COLOURS}]},
        },
        {
            "resourceType": "SearchParameter",
            "url": "http://example.org/SearchParameter/ours",
            "name": "ours",
            "code": "ours",
            "status": "active",
            "type": "string",
            "base": ["Patient"],
            "expression": f"Patient.{'name.family' if code == 'red' else 'address.city'}",
        },
        {
            "resourceType": "SearchParameter",
            "url": f"http://example.org/SearchParameter/only-{code}",
            "name": "only",
            "code": f"only-{code}",
            "status": "active",
            "type": "token",
            "base": ["Patient"],
            "expression": "Patient.gender",
        },
    ]


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Site, Site]:
    monkeypatch.setenv("FHIR_BRIDGE_CACHE", str(tmp_path / "cache"))
    results = []
    for name, result in (
        ("red", _definitions("birthDate", "red", "string")),
        ("blue", _definitions("gender", "blue", "integer")),
    ):
        folder = tmp_path / name
        folder.mkdir()
        archive = package(folder, f"site.{name}", *result)
        (folder / "site.yaml").write_text(f"site: {name}\npackages: [{archive.name}]\n")
        results.append(Site.load(folder / "site.yaml"))
    return results[0], results[1]


NOBODY: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"family": "Rossi"}],
    "address": [{"city": "Roma"}],
    "meta": {"profile": [BASE + "Ours"]},
}


def _missing(validator: Validator) -> list[str]:
    return [issue.message.partition(" is missing")[0] for issue in validator.validate(NOBODY)]


def test_each_validates_by_its_own_profile_whichever_was_loaded_last(sites: tuple[Site, Site]) -> None:
    red, blue = (Validator(definitions=site.definitions) for site in sites)
    for _ in range(2):
        assert _missing(red) == ["Patient.birthDate"]
        assert _missing(blue) == ["Patient.gender"]
    assert get_validator("warning", sites[0].definitions) is get_validator("warning", sites[0].definitions)
    assert _missing(get_validator("warning", sites[1].definitions)) == ["Patient.gender"]
    (unknown,) = Validator().validate(NOBODY)
    assert unknown.code == "FB-FHIR-035"


def test_each_has_its_own_extensions_codes_and_terminology(sites: tuple[Site, Site]) -> None:
    for site, own, other, value in (
        (sites[0], "red", "blue", "valueString"),
        (sites[1], "blue", "red", "valueInteger"),
    ):
        validator = Validator(definitions=site.definitions)
        noted = {"valueString": "x", "valueInteger": 1}
        for key, content in noted.items():
            person = {**patient(), "extension": [{"url": NOTE, key: content}]}
            assert (validator.validate(person) == []) is (key == value)
        for code, known in ((own, True), (other, False)):
            person = {**patient(), "maritalStatus": {"coding": [{"system": COLOURS, "code": code}]}}
            codes = {issue.code for issue in validator.validate(person)}
            assert ("FB-FHIR-022" in codes) is not known
        terminology = site.open_terminology()
        assert terminology.lookup(COLOURS, own) is not None
        assert terminology.lookup(COLOURS, other) is None
        assert terminology.member(COLOURS + "/all", COLOURS, other) is False


def test_each_searches_by_its_own_parameters(sites: tuple[Site, Site]) -> None:
    red, blue = (site.definitions for site in sites)
    for _ in range(2):
        for known, text in ((red, "Rossi"), (blue, "Roma")):
            exacts = [entry.exact for entry in extract(NOBODY, known=known) if entry.parameter == "ours"]  # type: ignore[union-attr]
            assert exacts == [text]
    assert find("Patient", "only-red", red) is not None
    assert find("Patient", "only-red", blue) is None
    assert find("Patient", "ours") is None
    assert [entry for entry in extract(NOBODY) if entry.parameter == "ours"] == []
    assert extract_composites(NOBODY, known=red) == []
    assert {u.code for u in uncompiled("Patient", red)} == {u.code for u in uncompiled("Patient", blue)}


def test_fhirpath_and_views_ask_the_definitions_they_are_given(sites: tuple[Site, Site]) -> None:
    person = {**patient(), "maritalStatus": {"coding": [{"system": COLOURS, "code": "red"}]}}
    expression = f"maritalStatus.memberOf('{COLOURS}/all')"
    member, conforms = compile(expression, "Patient"), compile(f"conformsTo('{BASE}Ours')", "Patient")
    view = {
        "resource": "Patient",
        "select": [
            {
                "column": [
                    {"name": "is", "path": expression, "type": "boolean"},
                    {"name": "p", "path": "$this", "type": BASE + "Ours"},
                ]
            }
        ],
    }
    for site, known in zip(sites, (True, False), strict=True):
        own = site.definitions
        assert member.evaluate(person, definitions=own) == [known]
        assert next(iter(compile_view(view, own).rows(person)))[0] is known
        undated = {**NOBODY, "gender": "male"}
        validator = Validator(definitions=own)
        assert conforms.evaluate(undated, definitions=own, conformance=validator) == [not known]
    with pytest.raises(FHIRPathError, match="not available"):
        member.evaluate(person)
    with pytest.raises(ViewError, match="no type"):
        compile_view(view)


def test_they_may_work_at_the_same_time(sites: tuple[Site, Site]) -> None:
    def one(number: int) -> bool:
        site, wanted = (sites[0], "Patient.birthDate") if number % 2 else (sites[1], "Patient.gender")
        text = "Rossi" if number % 2 else "Roma"
        entries = extract(NOBODY, known=site.definitions)
        return (
            _missing(Validator(definitions=site.definitions)) == [wanted]
            and [entry.exact for entry in entries if entry.parameter == "ours"] == [text]  # type: ignore[union-attr]
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(24)))


def test_loading_sites_changes_no_one_else_s_definitions(sites: tuple[Site, Site]) -> None:
    assert definitions.profile(BASE + "Ours") is None
    assert Site().definitions is definitions.DEFAULT
    again = Site.load(sites[0].package_paths[0].parent / "site.yaml")
    assert again.definitions is sites[0].definitions
