"""SMART scopes are read exactly, and never widen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.access import AccessRule
from fhir_bridge.server.smart.scopes import (
    CONTEXT_SCOPES,
    SHARED_TYPES,
    Scope,
    _shared,
    access_of,
    grant,
    parse,
    parse_all,
    user_access,
)
from fhir_bridge.storage.accounts import User

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CLINICIAN = User("u1", "clara", "Clara", "clinician", "Practitioner/clara", None)
PATIENT = User("u2", "anna", "Anna", "patient", "Patient/anna", "anna")


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.dus",
        "patient/Observation.read.rd",
        "patient/Observation.sr",
        "patient/Observation.rr",
        "patient/Observation.",
        "patient/Obs*.rs",
        "patient/observation.rs",
        "patient/Nonsense.rs",
        "Patient/Observation.rs",
        "group/Observation.rs",
        "patient/Observation.rs?patient.birthdate=1961",
        "patient/Observation.rs?category:not=a|b",
        "patient/Observation.rs?_include=Observation:subject",
        "patient/Observation.rs?_filter=x",
        "patient/Observation.rs?category=vital-signs,laboratory",
        "patient/Observation.rs?",
        "patient/Observation.rs?&",
        "patient/Observation.rs?code=a|b",
        "patient/Observation.rs?category=a|b&_include=",
        "patient/Observation.rs?category=a|b&category=",
        "patient/Observation.rs?category=a%20b|c",
        "patient/Observation.rs?category=a|b&category=a|c&category=a|d&category=a|e&category=a|f",
        "patient/Observation.read?category=a|b",
        "patient/*.rs?category=a|b",
        "patient/Patient.rs?category=a|b",
        "patient/Observation.rs\u200b",
    ],
)
def test_a_scope_that_is_not_exactly_one_is_none(text: str) -> None:
    assert parse(text) is None


def test_scopes_of_version_1_mean_what_smart_says_and_are_written_back() -> None:
    for written, letters in (("read", "rs"), ("write", "cud"), ("*", "cruds")):
        scope = parse(f"user/Patient.{written}")
        assert scope is not None
        assert (scope.letters, str(scope)) == (letters, f"user/Patient.{written}")


def test_a_granular_scope_keeps_its_category() -> None:
    scope = parse(f"patient/Observation.rs?category={CATEGORY}|laboratory")
    assert scope is not None
    assert scope.criteria == (("category", f"{CATEGORY}|laboratory"),)


def test_the_grant_is_the_part_of_the_request_that_is_allowed() -> None:
    allowed = "openid launch/patient patient/*.rs user/Observation.cruds"
    assert grant("openid fhirUser patient/Observation.cruds", allowed) == "openid patient/Observation.rs"
    assert grant("patient/*.read", allowed) == "patient/*.read"
    assert grant("user/*.rs", allowed) == "user/Observation.rs"
    assert grant("system/*.rs", allowed) == ""
    assert grant("patient/Patient.read patient/Patient.read", allowed) == "patient/Patient.read"


def test_a_granular_registration_narrows_a_wide_request() -> None:
    lab = f"patient/Observation.rs?category={CATEGORY}|laboratory"
    assert grant("patient/Observation.rs", lab) == lab
    assert grant(lab, "patient/*.rs") == lab


scopes = st.builds(
    "{}/{}.{}".format,
    st.sampled_from(["patient", "user", "system"]),
    st.sampled_from(["*", "Patient", "Observation", "Condition"]),
    st.sampled_from(["read", "write", "*", "r", "s", "rs", "cruds", "cu", "sr", ""]),
)


@given(st.lists(scopes, max_size=4), st.lists(scopes, max_size=4))
def test_no_grant_is_wider_than_the_request_or_the_registration(
    wanted: list[str], allowed: list[str]
) -> None:
    granted, _ = parse_all(grant(" ".join(wanted), " ".join(allowed)))
    for side in (parse_all(" ".join(wanted))[0], parse_all(" ".join(allowed))[0]):
        for scope in granted:
            for letter in scope.letters:
                assert any(
                    other.level == scope.level and other.type in ("*", scope.type) and letter in other.letters
                    for other in side
                )


def test_patient_scopes_without_a_patient_allow_nothing() -> None:
    access = access_of("patient/*.cruds", user=CLINICIAN, patient=None, purpose=None, subject="x")
    assert access.rules == ()


def test_a_patient_reads_only_the_own_record_whatever_the_scope_says() -> None:
    access = access_of(
        "user/*.cruds patient/*.cruds", user=PATIENT, patient="anna", purpose=None, subject="x"
    )
    assert not access.permits("Observation", "c")
    assert {rule.patient for rule in access.rules_for("Observation", "r")} == {"anna"}
    assert access_of("patient/*.rs", user=PATIENT, patient="bert", purpose=None, subject="x").rules == ()


def test_patient_scopes_reach_types_about_no_patient_for_reading_only() -> None:
    access = access_of("patient/*.cruds", user=CLINICIAN, patient="anna", purpose=None, subject="x")
    assert AccessRule("Practitioner", frozenset("rs")) in access.rules
    assert all(rule.patient == "anna" for rule in access.rules_for("Device", "r"))
    assert all(rule.patient == "anna" for rule in access.rules_for("Practitioner", "u"))


def test_system_scopes_are_for_clients_without_a_user() -> None:
    assert access_of("system/*.rs", user=CLINICIAN, patient=None, purpose=None, subject="x").rules == ()
    assert access_of("user/*.rs", user=None, patient=None, purpose=None, subject="x").rules == ()


def test_scopes_that_share_no_letter_grant_nothing() -> None:
    assert grant("patient/Observation.c", "patient/Observation.rs patient/Patient.c") == ""


def rules(scope: str, user: User | None, patient: str | None = None) -> tuple[AccessRule, ...]:
    return access_of(scope, user=user, patient=patient, purpose=None, subject="x").rules


READ = frozenset("rs")
SHARED = tuple(AccessRule(name, READ) for name in SHARED_TYPES)


def test_the_rules_of_a_scope_are_these_and_no_others() -> None:
    every = frozenset("cruds")
    assert rules("user/*.cruds", CLINICIAN) == (AccessRule("*", every),)
    assert rules("system/*.rs", None) == (AccessRule("*", READ),)
    assert rules("patient/*.cruds", CLINICIAN, "anna") == (AccessRule("*", every, "anna"), *SHARED)
    assert rules("patient/Observation.rs", CLINICIAN, "anna") == (AccessRule("Observation", READ, "anna"),)
    assert rules("patient/*.c", CLINICIAN, "anna") == (AccessRule("*", frozenset("c"), "anna"),)
    practitioner = AccessRule("Practitioner", frozenset("r"), "anna")
    assert rules("patient/Practitioner.r", CLINICIAN, "anna") == (
        practitioner,
        AccessRule("Practitioner", frozenset("r")),
    )
    for scope in ("patient/*.cruds", "user/*.cruds"):
        assert rules(scope, PATIENT, "anna") == (AccessRule("*", READ, "anna"), *SHARED)
    assert rules("user/*.cruds", PATIENT) == (AccessRule("*", READ, "anna"), *SHARED)
    assert rules("patient/Observation.cud", PATIENT, "anna") == ()


def test_a_rule_with_criteria_reaches_no_further() -> None:
    narrow = AccessRule("*", READ, "anna", (("category", f"{CATEGORY}|laboratory"),))
    assert list(_shared(narrow)) == [narrow]


@pytest.mark.parametrize("patient", [None, ""])
def test_a_patients_account_without_a_patient_is_granted_nothing(patient: str | None) -> None:
    unlinked = replace(PATIENT, patient=patient)
    for context in (None, "", "anna"):
        assert rules("patient/*.cruds user/*.cruds system/*.cruds", unlinked, context) == ()
    assert user_access(unlinked).rules == ()


def test_a_patient_level_scope_with_an_empty_patient_grants_nothing() -> None:
    assert rules("patient/*.cruds", CLINICIAN, "") == ()


def test_pages_show_a_patient_the_own_record_and_a_clinician_all() -> None:
    assert user_access(PATIENT).rules == (AccessRule("*", READ, "anna"), *SHARED)
    assert user_access(CLINICIAN).rules == (AccessRule("*", frozenset("cruds")),)


def granular(*codes: str, system: str = CATEGORY) -> str:
    return "patient/Observation.rs?" + "&".join(f"category={system}|{code}" for code in codes)


FIVE = ("laboratory", "vital-signs", "exam", "imaging", "survey")


def test_a_granular_scope_has_at_most_four_categories() -> None:
    scope = parse(granular(*FIVE[:4]))
    assert scope is not None
    assert [value.rpartition("|")[2] for _, value in scope.criteria] == list(FIVE[:4])
    assert str(scope) == granular(*FIVE[:4])
    assert grant(granular(*FIVE), "patient/*.rs") == ""
    assert grant(granular(*FIVE[:4]), granular(*FIVE[:4])) == granular(*FIVE[:4])
    assert grant(granular(*FIVE[:2]), granular(*FIVE[2:4])) == granular(*FIVE[:4])
    assert grant(granular(*FIVE[:3]), granular(*FIVE[3:])) == ""


values = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters="|,"), min_size=1, max_size=6
)


@given(st.lists(st.builds("{}|{}".format, values, values), min_size=1, max_size=4))
def test_a_granular_scope_that_is_written_is_read_as_the_same(categories: list[str]) -> None:
    scope = Scope("patient", "Observation", "rs", tuple(("category", value) for value in categories))
    assert parse(str(scope)) == scope


def test_a_code_is_written_into_a_scope_so_that_it_stays_one_code() -> None:
    for written, code in (("a%26category=x", "a&category=x"), ("a%2Bb", "a+b"), ("a%2541", "a%41")):
        scope = parse(granular(written, system="urn:x"))
        assert scope is not None
        assert scope.criteria == (("category", f"urn:x|{code}"),)
        assert grant(granular(written, system="urn:x"), "patient/*.rs") == granular(written, system="urn:x")


def test_a_request_in_the_syntax_of_version_1_never_loses_what_narrows_it() -> None:
    assert grant("patient/Observation.read", granular("laboratory")) == granular("laboratory")
    assert grant("patient/Observation.*", "patient/Observation.rs") == "patient/Observation.rs"
    assert grant("patient/Observation.*", granular("laboratory")) == granular("laboratory")
    assert grant("patient/*.read", "patient/Observation.rs") == "patient/Observation.read"


def test_a_request_that_is_allowed_as_a_whole_is_granted_once_and_not_in_parts() -> None:
    lab = granular("laboratory")
    assert grant("patient/Observation.rs", f"{lab} patient/*.rs patient/Observation.cruds") == (
        "patient/Observation.rs"
    )
    assert grant("patient/Observation.rs", f"patient/Observation.r {lab}") == f"patient/Observation.r {lab}"


def test_scopes_of_context_are_granted_in_the_order_of_the_request_each_once() -> None:
    wanted = "openid nonsense offline_access patient/Patient.r launch/patient openid patient/Patient.r"
    scopes, context = parse_all(wanted)
    assert [str(scope) for scope in scopes] == ["patient/Patient.r"]
    assert context == ["openid", "offline_access", "launch/patient"]
    registered = " ".join([*sorted(CONTEXT_SCOPES), "patient/*.rs"])
    assert grant(wanted, registered) == "openid offline_access launch/patient patient/Patient.r"
    assert parse_all("patient/Observation.rs patient/Observation.read")[0] == [
        Scope("patient", "Observation", "rs"),
        Scope("patient", "Observation", "rs", version=1),
    ]


def test_a_scope_that_grants_nothing_does_not_take_the_others_with_it() -> None:
    observation = AccessRule("Observation", READ)
    assert rules("patient/*.rs user/Observation.rs", CLINICIAN) == (observation,)
    assert rules("system/*.rs user/Observation.rs", CLINICIAN) == (observation,)
    assert rules("user/*.rs system/Observation.rs", None) == (observation,)
    own = AccessRule("Observation", READ, "anna")
    assert rules("patient/Condition.rs user/Observation.rs", PATIENT, "bert") == (own,)


def test_a_category_bounds_the_rule_of_its_scope() -> None:
    lab = (("category", f"{CATEGORY}|laboratory"),)
    assert rules(granular("laboratory"), CLINICIAN, "anna") == (AccessRule("Observation", READ, "anna", lab),)
    assert rules(granular("laboratory"), PATIENT, "anna") == (AccessRule("Observation", READ, "anna", lab),)


def test_access_says_who_asks_and_for_what_purpose() -> None:
    access = access_of("user/*.rs", user=CLINICIAN, patient=None, purpose="ETREAT", subject="client:app")
    assert (access.purpose, access.subject) == ("ETREAT", "client:app")
    # v3-ActReason: on the pages a clinician treats, and a patient asks.
    assert (user_access(CLINICIAN).purpose, user_access(CLINICIAN).subject) == ("TREAT", "user:u1")
    assert (user_access(PATIENT).purpose, user_access(PATIENT).subject) == ("PATRQT", "user:u2")
