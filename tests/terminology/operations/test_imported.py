"""The operations over content that was imported: a made SNOMED CT release in the content store."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fhir_bridge.terminology import Terminology
from fhir_bridge.terminology.imports.run import import_file
from fhir_bridge.terminology.operations.ecl.work import Work
from fhir_bridge.terminology.operations.options import Limits
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.service import OPERATIONS, Request, TerminologyService
from fhir_bridge.terminology.store import open_store
from tests.terminology.makers import make_loinc
from tests.terminology.makers_rf2 import FINDING, MORPH, SITE, STRUCTURE, make_rf2
from tests.terminology.operations.conftest import parameter_value, parameters

LOINC = "http://loinc.org"
SCT = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def terminology(tmp_path_factory: pytest.TempPathFactory) -> Terminology:
    folder = tmp_path_factory.mktemp("snomed")
    make_rf2(folder / "release.zip", 300)
    import_file(open_store(folder / "store"), folder / "release.zip")
    return Terminology((), store=lambda: folder / "store")


class Asked:
    def __init__(self, terminology: Terminology) -> None:
        self.service = TerminologyService(terminology.library)

    def __call__(self, kind: str, name: str, **values: object) -> dict[str, object]:
        return OPERATIONS[kind, name](self.service, Request(parameters(**values)))

    def codes(self, ecl: str) -> set[str]:
        url = f"{SCT}?fhir_vs=ecl/{ecl}"
        expansion = self("ValueSet", "expand", url=url, count=1000, excludeNested=True)["expansion"]
        assert isinstance(expansion, dict)
        return {entry["code"] for entry in expansion.get("contains", [])}


@pytest.fixture(scope="module")
def ask(terminology: Terminology) -> Asked:
    return Asked(terminology)


def test_concepts_are_looked_up_and_compared(ask: Asked) -> None:
    answer = ask("CodeSystem", "lookup", system=SCT, code=FINDING)
    assert parameter_value(answer, "display") == "Clinical finding"
    some = next(iter(ask.codes(f"<!{FINDING}")))
    assert (
        parameter_value(ask("CodeSystem", "subsumes", system=SCT, codeA=FINDING, codeB=some), "outcome")
        == "subsumes"
    )


def test_expressions_select_by_hierarchy_and_attributes(ask: Asked) -> None:
    findings = ask.codes(f"<<{FINDING}")
    assert len(findings) > 50
    assert ask.codes(f"<{FINDING}") == findings - {FINDING}
    sited = ask.codes(f"<<{FINDING}:{SITE}=<<{STRUCTURE}")
    assert sited
    assert sited < findings
    assert ask.codes(f"<<{FINDING}:{SITE}=<<{STRUCTURE},{MORPH}=*") <= sited
    assert ask.codes(f"<<{FINDING} MINUS (<<{FINDING}:{SITE}=*)") == findings - ask.codes(
        f"<<{FINDING}:{SITE}=*"
    )
    locations = ask.codes(f"(<<{FINDING}).{SITE}")
    assert locations
    assert locations <= ask.codes(f"<<{STRUCTURE}")


def test_the_total_of_a_page_is_reported_without_listing_where_it_is_known(terminology: Terminology) -> None:
    service = TerminologyService(terminology.library, Limits(page=10))
    filters = [
        {"property": "concept", "op": "is-a", "value": FINDING},
        {"property": "concept", "op": "descendent-of", "value": FINDING},
        {"property": "constraint", "op": "=", "value": f"< {FINDING}"},
        {"property": SITE, "op": "exists", "value": "true"},
    ]
    totals = []
    for item in filters:
        value_set = {
            "resourceType": "ValueSet",
            "url": "https://hospital.example.org/ValueSet/v",
            "status": "active",
            "compose": {"include": [{"system": SCT, "filter": [item]}]},
        }
        request = Request(parameters(valueSet=value_set, count=3))
        totals.append(service.expand(request)["expansion"].get("total"))
    below = len(list(terminology.library.code_system(SCT).descendants(FINDING)))  # type: ignore[union-attr]
    assert below > 50
    assert totals == [below + 1, below, below, None]


def test_implicit_value_sets_know_role_groups_and_filters(ask: Asked) -> None:
    """The made release has site and morphology in one role group, and no name with a word of its own that begins so."""
    sited = ask.codes(f"<<{FINDING}:{SITE}=*,{MORPH}=*")
    assert sited
    assert ask.codes(f"<<{FINDING}:{{{SITE}=*,{MORPH}=*}}") == sited
    assert ask.codes(f"<<{FINDING}:[2..*]{{{SITE}=*}}") == set()
    assert ask.codes(f"<<{FINDING}{{{{C definitionStatus=defined}}}}") == sited
    assert ask.codes(f'<<{FINDING}{{{{term="clinical find", dialect=en-gb(prefer)}}}}') == {FINDING}
    retired = ask.codes("*{{C active=0}}")
    assert retired
    assert ask.codes("* {{C active=1}} {{+HISTORY-MIN}}") >= retired


def test_one_code_is_validated_against_an_expression_without_expanding_it(
    ask: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = next(iter(ask.codes(f"<<{FINDING}:{{{SITE}=*,{MORPH}=*}}")))
    monkeypatch.setattr(Work, "empty", lambda _: pytest.fail("it was expanded"))
    url = f"{SCT}?fhir_vs=ecl/<<{FINDING}:{{{SITE}=<<{STRUCTURE},{MORPH}=*}}"
    for code, answer in ((inside, True), (STRUCTURE, False)):
        answered = ask("ValueSet", "validate-code", url=url, system=SCT, code=code)
        assert parameter_value(answered, "result") is answer


def test_an_expression_that_is_wrong_is_reported_with_its_place(ask: Asked) -> None:
    with pytest.raises(OperationError) as caught:
        ask("ValueSet", "expand", url=f"{SCT}?fhir_vs=ecl/<<{FINDING}:{SITE}")
    (issue,) = caught.value.json()["issue"]
    assert "expected = or another comparator, found the end at character 22" in issue["details"]["text"]


def test_an_expression_that_takes_too_long_is_too_costly(terminology: Terminology) -> None:
    service = TerminologyService(terminology.library, Limits(seconds=-1))
    request = Request(parameters(url=f"{SCT}?fhir_vs=ecl/<<{FINDING}:{SITE}=*"))
    with pytest.raises(OperationError) as caught:
        OPERATIONS["ValueSet", "expand"](service, request)
    assert [issue["code"] for issue in caught.value.json()["issue"]] == ["too-costly"]


def test_membership_is_the_same_for_one_code_as_for_all(ask: Asked, terminology: Terminology) -> None:
    url = f"{SCT}?fhir_vs=isa/{FINDING}"
    codes = ask.codes(f"<<{FINDING}")
    for code in [*sorted(codes)[:20], STRUCTURE, "12345"]:
        answer = ask("ValueSet", "validate-code", url=url, system=SCT, code=code)
        assert parameter_value(answer, "result") is (code in codes)
        assert terminology.member(url, SCT, code) is (code in codes)
    assert terminology.knows_system(SCT)


def test_what_is_imported_goes_away_when_it_is_removed(tmp_path: Path) -> None:
    make_rf2(tmp_path / "release.zip", 50)
    store = open_store(tmp_path / "store")
    import_file(store, tmp_path / "release.zip")
    before = Terminology((), store=lambda: tmp_path / "store")
    assert before.library.code_system(SCT) is not None
    store.remove(SCT)
    after = Terminology((), store=lambda: tmp_path / "store")
    assert after.library.code_system(SCT) is None


def test_parts_of_loinc_are_named_by_code_or_name_and_are_ancestors(tmp_path: Path) -> None:
    """The filters of R4 loinc.html, on a made release."""
    make_loinc(tmp_path / "loinc.zip", 200)
    import_file(open_store(tmp_path / "store"), tmp_path / "loinc.zip")
    terminology = Terminology((), store=lambda: tmp_path / "store")
    ask = Asked(terminology)
    loinc = terminology.library.code_system(LOINC)
    assert loinc is not None
    term = next(code for code in loinc.codes() if any(loinc.get(code).values("COMPONENT")))  # type: ignore[union-attr]
    part = next(loinc.get(term).values("COMPONENT"))  # type: ignore[union-attr]
    (parent,) = loinc.parents(term)

    def codes(name: str, op: str, value: str) -> set[str]:
        include = {"system": LOINC, "filter": [{"property": name, "op": op, "value": value}]}
        value_set = {
            "resourceType": "ValueSet",
            "url": "https://hospital.example.org/ValueSet/v",
            "status": "active",
            "compose": {"include": [include]},
        }
        answer = ask("ValueSet", "validate-code", valueSet=value_set, system=LOINC, code=term)
        expansion = ask("ValueSet", "expand", valueSet=value_set, count=1000, excludeNested=True)["expansion"]
        results = {entry["code"] for entry in expansion.get("contains", ())}  # type: ignore[attr-defined]
        assert parameter_value(answer, "result") is (term in results)
        return results

    by_code = codes("COMPONENT", "=", part["code"])
    assert term in by_code
    assert codes("COMPONENT", "=", part["display"]) == by_code
    assert codes("COMPONENT", "in", f"{part['code']},nothing") == by_code
    assert codes("COMPONENT", "regex", re.escape(part["display"])) == by_code
    assert codes("ancestor", "=", parent) == set(loinc.descendants(parent))
    assert codes("ancestor", "in", f"{parent},{part['code']}") >= codes("parent", "=", parent)
    assert codes("ancestor", "=", term) == set()
