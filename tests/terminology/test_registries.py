"""Language tags and countries are called as the registries call them."""

from __future__ import annotations

import pytest

from fhir_bridge.terminology.grammars import LanguageTags
from fhir_bridge.terminology.registries import COUNTRIES, COUNTRY_CODES, registry_date, subtag_names

TAGS = LanguageTags()


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("de", "German"),
        ("de-CH", "German (Switzerland)"),
        ("en-US", "English (United States)"),
        ("es-419", "Spanish (Latin America and the Caribbean)"),
        ("zh-Hant", "Chinese (Han (Traditional variant))"),
        ("zh-yue", "Chinese (Yue Chinese)"),
        ("sr-Latn-RS", "Serbian (Latin, Serbia)"),
        ("de-1996", "German (German orthography of 1996)"),
        ("de-DE-u-co-phonebk", "German (Germany, u-co-phonebk)"),
        ("i-klingon", "Klingon"),
        ("en-GB-oed", "English, Oxford English Dictionary spelling"),
        ("qaa", "Private use"),
    ],
)
def test_a_language_tag_is_called_by_its_subtags(tag: str, name: str) -> None:
    assert TAGS.find(tag) == tag
    assert TAGS.display(tag) == name


@pytest.mark.parametrize(
    "tag", ["xx", "de-XX1", "de-QZZ", "en-us", "zz-NL", "de-Zzzq", "en-boguss", "", "de-", "qzz"]
)
def test_subtags_that_nobody_registered_make_no_tag(tag: str) -> None:
    assert TAGS.find(tag) is None
    assert TAGS.get(tag) is None
    assert TAGS.display(tag) is None


def test_other_names_of_a_language_are_designations() -> None:
    entry = TAGS.get("es-AR")
    assert entry is not None
    assert [designation.value for designation in entry.designations] == ["Castilian (Argentina)"]


def test_a_tag_of_private_use_has_no_name() -> None:
    entry = TAGS.get("x-lab-7")
    assert entry is not None
    assert (entry.display, entry.designations) == (None, ())


def test_a_country_has_three_codes_of_one_name() -> None:
    countries = COUNTRIES.content(COUNTRY_CODES)
    assert countries is not None
    assert {countries.display(code) for code in ("NL", "NLD", "528")} == {"Netherlands"}
    ch = countries.get("CH")
    assert ch is not None
    assert (list(ch.values("alpha-3")), list(ch.values("numeric"))) == (["CHE"], ["756"])


def test_all_assigned_countries_are_there_and_codes_for_users() -> None:
    countries = COUNTRIES.content(COUNTRY_CODES, registry_date())
    assert countries is not None
    kinds = [next(country.values("kind")) for code in countries.codes() if (country := countries.get(code))]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "alpha-2": 249 + 42,
        "alpha-3": 249,
        "numeric": 249,
    }
    assert countries.display("XY") == "User-assigned"
    assert all(countries.find(code) is None for code in ("SU", "EU", "UK", "nl", "999", "AAA"))


def test_ranges_for_private_use_have_an_end() -> None:
    assert subtag_names("script", "Qabx")
    assert not subtag_names("script", "Qaby")
    assert not subtag_names("region", "XAA")
