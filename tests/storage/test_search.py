"""Search: each parameter type with its prefixes and modifiers, AND and OR, sort, totals, paging (R4 search.html)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import BadCursor, BadSearch, NotFound, Store, searchable
from fhir_bridge.storage.search_support import refuse_unsupported
from tests.patience import PATIENCE
from tests.storage.cohort import observation, with_store

UCUM = "http://unitsofmeasure.org"


def _quantity(value: float, code: str, **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": code, "system": UCUM, "code": code, **more}


RESOURCES: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "anna",
        "identifier": [{"system": "urn:oid:2.25.1", "value": "100"}, {"value": "bare"}],
        "name": [{"family": "D'Ángelo", "given": ["Anna", "Maria"]}],
        "telecom": [{"system": "phone", "value": "+39 1"}],
        "gender": "female",
        "birthDate": "1950-02-01",
        "managingOrganization": {
            "reference": "Organization/h",
            "identifier": {"system": "urn:h", "value": "H1"},
        },
    },
    {"resourceType": "Patient", "id": "bea", "name": [{"family": "Rossi"}], "deceasedDateTime": "2020-01-01"},
    observation(
        "hb",
        "anna",
        "718-7",
        effectiveDateTime="2024-03-01",
        valueQuantity=_quantity(13.5, "g/dL"),
        category=[
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
    ),
    observation(
        "glucose",
        "anna",
        "2345-7",
        effectiveDateTime="2024-03-02T10:00:00+01:00",
        valueQuantity=_quantity(90, "mg/dL"),
    ),
    observation(
        "crp",
        "anna",
        "1988-5",
        effectivePeriod={"start": "2024-02-01", "end": "2024-04"},
        valueQuantity=_quantity(5, "mg/L", comparator="<"),
    ),
    observation("text", "bea", "1-8", valueString="Trace of protein", effectiveDateTime="2023"),
    {
        "resourceType": "RiskAssessment",
        "id": "risk",
        "status": "final",
        "subject": {"reference": "Patient/anna"},
        "prediction": [{"probabilityDecimal": 0.12}],
    },
    {"resourceType": "ValueSet", "id": "vs", "url": "http://example.org/vs/a/b", "status": "active"},
]


@pytest.fixture(scope="module")
def store_url(database_url: str) -> str:
    async def work(store: Store) -> None:
        for resource in RESOURCES:
            await store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)

    with_store(database_url, work)
    return database_url


OBSERVATIONS = [
    ("code=718-7", "hb"),
    ("code=http://loinc.org|718-7", "hb"),
    ("code=urn:other|718-7", ""),
    ("code=http://loinc.org|", "crp glucose hb text"),
    ("code=|718-7", ""),
    ("code=718-7,1988-5", "crp hb"),
    ("code=718-7&code=1988-5", ""),
    ("code:not=718-7,1988-5", "glucose text"),
    ("code-value-quantity=http://loinc.org|718-7$gt13", "hb"),
    ("code-value-quantity=718-7$gt14", ""),
    ("code-value-quantity=2345-7$gt14", "glucose"),
    ("code-value-quantity=718-7$gt14,2345-7$90||mg/dL", "glucose"),
    ("code-value-string=1-8$trace", "text"),
    ("code-value-string=718-7$trace", ""),
    ("category=laboratory", "hb"),
    ("category:missing=true", "crp glucose text"),
    ("category:missing=false", "hb"),
    ("patient=anna", "crp glucose hb"),
    ("patient=Patient/anna", "crp glucose hb"),
    ("subject=Patient/bea", "text"),
    ("subject:Patient=bea", "text"),
    ("subject=Device/bea", ""),
    ("patient=anna,bea", "crp glucose hb text"),
    ("patient=nobody", ""),
    ("date=2024-03-01", "hb"),
    ("date=2024-03", "glucose hb"),
    ("date=2024", "crp glucose hb"),
    ("date=ne2024-03", "crp text"),
    ("date=gt2024-03-01", "crp glucose"),
    ("date=ge2024-03-02", "crp glucose"),
    ("date=lt2024-03-01", "crp text"),
    ("date=le2024-03-01", "crp hb text"),
    ("date=sa2024-02-28", "glucose hb"),
    ("date=eb2024-03-02", "hb text"),
    ("date=2024-03-02T09:00:00Z", "glucose"),
    ("date=0001-01-01T00:00:00%2B00:01", ""),
    ("date=ap0001-01-01T00:00:00%2B00:01", ""),
    ("date=ap0090", ""),
    ("date=ge2024-03-01&date=lt2024-03-02", "crp hb"),
    ("value-quantity=13.5", "hb"),
    ("value-quantity=14", "hb"),
    ("value-quantity=14.0", ""),
    ("value-quantity=13.5|http://unitsofmeasure.org|g/dL", "hb"),
    ("value-quantity=13.5||g/dL", "hb"),
    ("value-quantity=13.5||mg/dL", ""),
    ("value-quantity=gt50", "glucose"),
    ("value-quantity=le13.5", "crp hb"),
    ("value-quantity=lt5", "crp"),
    ("value-quantity=ap85", "glucose"),
    ("value-string=trace", "text"),
    ("value-string:contains=PROTEIN", "text"),
    ("value-string:exact=trace of protein", ""),
    ("value-string:exact=Trace of protein", "text"),
    ("_id=hb,text", "hb text"),
    ("_lastUpdated=gt2020-01-01", "crp glucose hb text"),
    ("_lastUpdated=lt2020-01-01", ""),
    ("status=final", "crp glucose hb text"),
    ("status=http://hl7.org/fhir/observation-status|final", "crp glucose hb text"),
    ("patient=anna&code=718-7&date=2024-03-01", "hb"),
]
OTHERS = [
    ("Patient?family=d'angelo", "anna"),
    ("Patient?name=mari", "anna"),
    ("Patient?name=aria", ""),
    ("Patient?identifier=100", "anna"),
    ("Patient?identifier=urn:oid:2.25.1|100", "anna"),
    ("Patient?identifier=|bare", "anna"),
    ("Patient?phone=%2B39 1", "anna"),
    ("Patient?gender=female", "anna"),
    ("Patient?birthdate=1950", "anna"),
    ("Patient?deceased=true", "bea"),
    ("Patient?deceased=false", "anna"),
    ("Patient?organization=h", "anna"),
    ("Patient?organization:identifier=urn:h|H1", "anna"),
    ("RiskAssessment?probability=gt0.1", "risk"),
    ("RiskAssessment?probability=0.12", "risk"),
    ("RiskAssessment?probability=0.1", "risk"),
    ("RiskAssessment?probability=0.10", ""),
    ("ValueSet?url=http://example.org/vs/a/b", "vs"),
    ("ValueSet?url:below=http://example.org/vs", "vs"),
    ("ValueSet?url:below=http://example.org/v", ""),
]


def _parameters(query: str) -> list[tuple[str, str]]:
    return [
        (name, value.replace("%2B", "+"))
        for name, _, value in (part.partition("=") for part in query.split("&"))
    ]


@pytest.mark.parametrize(
    ("query", "expected"), [(f"Observation?{query}", ids) for query, ids in OBSERVATIONS] + OTHERS
)
def test_search_finds(store_url: str, query: str, expected: str) -> None:
    resource_type, _, parameters = query.partition("?")

    async def work(store: Store) -> None:
        page = await store.search(resource_type, _parameters(parameters), EVERYTHING)
        assert sorted(entry.id for entry in page.entries) == expected.split()
        assert page.total == len(page.entries)
        assert page.unknown == []

    with_store(store_url, work)


@pytest.mark.parametrize(
    "query",
    [
        "date=yesterday",
        "date=2024-13-01",
        "value-quantity=much",
        "value-quantity=1|2",
        "code:above=1",
        "date:missing=maybe",
        "code=a|b|c",
        "subject:Nonsense=1",
        "_count=many",
        "_sort=colour",
        f"_sort={'date,' * 16}date",
        "_total=perhaps",
        "code=",
        "code=\0",
    ],
)
def test_what_can_not_be_understood_is_refused_and_named(store_url: str, query: str) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadSearch) as caught:
            await store.search("Observation", _parameters(query), EVERYTHING)
        assert query.partition("=")[0].partition(":")[0] in caught.value.message

    with_store(store_url, work)


def test_a_search_has_a_bounded_number_of_parameters(store_url: str) -> None:
    async def work(store: Store) -> None:
        many = [("component-code-value-quantity", f"a{number}$5") for number in range(61)]
        with pytest.raises(BadSearch, match="more than 60 parameters"):
            await store.search("Observation", many, EVERYTHING)

    with_store(store_url, work)


def test_names_that_r4_does_not_have_are_left_out_and_told(store_url: str) -> None:
    async def work(store: Store) -> None:
        page = await store.search("Observation", _parameters("colour=red&code=718-7&Code=x"), EVERYTHING)
        assert [parameter.name for parameter in page.unknown] == ["colour", "Code"]

    with_store(store_url, work)


@pytest.mark.parametrize(
    "query",
    "subject.colour=x subject:Group.birthdate=1961 code.name=x _has:Observation:patient=1 _has=x "
    "component-code-value-quantity=1 _filter=code+eq _text=() "
    "_content=( _list=x _query=x _type=Patient _elements=code "
    "_include=Observation:code _include:iterate=x _include:x=* _revinclude=Patient:organization _revinclude=* "
    "_contained=true _containedType=container _score=1 code:=718-7 "
    "_sort:desc=date _count:exact=5 date:text=x code:in=http://x code:not-in=http://x code:above=x code:below=x "
    "code:of-type=x|y|z date:exact=2026 subject:contains=x patient:Group=x value-quantity:not=5 _id:not=x "
    "_lastUpdated:missing=true _sort=,date _sort=date,,code _sort=colour _sort=code-value-quantity _sort=_score "
    "_sort=_text _sort=_content "
    "value-quantity=1_000 value-quantity=NaN value-quantity=٣ date=gt".split(),
)
def test_what_r4_has_and_the_store_can_not_do_refuses_the_search(store_url: str, query: str) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadSearch):
            await store.search("Observation", _parameters(query), EVERYTHING)

    with_store(store_url, work)


@given(data=st.data())
def test_no_parameter_of_r4_is_left_out_in_silence(data: st.DataObject) -> None:
    """Either the store can search by a code of R4, or it refuses it; whatever the type."""
    kind = data.draw(st.sampled_from(sorted(definitions.resource_types())))
    code = data.draw(st.sampled_from(sorted(definitions.search_parameters(kind))))
    chain = data.draw(st.sampled_from(["", ":"]))
    served = {parameter.code for parameter in searchable(kind)}
    if code in served and not chain:
        refuse_unsupported(kind, code)
    else:
        with pytest.raises(BadSearch):
            refuse_unsupported(kind, code + chain)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("date", "text crp hb glucose"),
        ("-date", "crp glucose hb text"),
        ("_id", "crp glucose hb text"),
        ("-_id", "text hb glucose crp"),
        ("-_lastUpdated", "text crp glucose hb"),
        ("value-quantity,_id", "crp hb glucose text"),
        ("-status,-_id", "text hb glucose crp"),
    ],
)
@pytest.mark.parametrize("count", [1, 3, 50])
def test_sort_holds_over_pages(store_url: str, sort: str, expected: str, count: int) -> None:
    async def work(store: Store) -> None:
        parameters = [("_sort", sort), ("_count", str(count))]
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await store.search("Observation", parameters, EVERYTHING, cursor=cursor)
            found += [entry.id for entry in page.entries]
            cursor = page.next
            if cursor is None:
                break
            assert len(page.entries) == count
        assert found == expected.split()

    with_store(store_url, work)


def test_totals(store_url: str) -> None:
    async def work(store: Store) -> None:
        counted = await store.search("Observation", [("_count", "0")], EVERYTHING)
        assert (counted.entries, counted.total, counted.next) == ([], 4, None)
        summary = await store.search("Observation", [("_summary", "count"), ("patient", "anna")], EVERYTHING)
        assert summary.total == 3
        first = await store.search("Observation", [("_count", "1")], EVERYTHING)
        assert first.total is None
        accurate = await store.search("Observation", [("_count", "1"), ("_total", "accurate")], EVERYTHING)
        assert accurate.total == 4

    with_store(store_url, work)


def test_a_cursor_serves_only_its_caller_and_its_search(store_url: str) -> None:
    other = AccessFilter((AccessRule("*", frozenset("rs")),), subject="someone else")

    async def work(store: Store) -> None:
        page = await store.search("Observation", [("_count", "1")], EVERYTHING)
        cursor = page.next
        assert cursor is not None
        await store.search("Observation", [("_count", "2")], EVERYTHING, cursor=cursor)
        for parameters, access, text in (
            ([], other, cursor),
            ([("code", "718-7")], EVERYTHING, cursor),
            ([], EVERYTHING, cursor[:-2] + "AA"),
            ([], EVERYTHING, "nonsense!"),
            ([], EVERYTHING, ""),
        ):
            with pytest.raises(BadCursor):
                await store.search("Observation", parameters, access, cursor=text)
        with pytest.raises(BadCursor):
            await store.search("Patient", [], EVERYTHING, cursor=cursor)

    with_store(store_url, work)


def test_pages_are_stable_while_resources_come_and_go(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        before = [f"o{number:02}" for number in range(20)]
        await store.load(
            [observation(identity, "anna", effectiveDateTime="2024-01-01") for identity in before]
        )
        for sort in ("", "-date", "_id"):
            seen: list[str] = []
            cursor: str | None = None
            step = 0
            while True:
                page = await store.search(
                    "Observation", [("_sort", sort), ("_count", "3")], EVERYTHING, cursor=cursor
                )
                seen += [entry.id for entry in page.entries]
                cursor = page.next
                if cursor is None:
                    break
                step += 1
                identity = f"a{sort.strip('_')}{step}"
                await store.update(
                    "Observation",
                    identity,
                    observation(identity, "anna", effectiveDateTime="2023"),
                    EVERYTHING,
                )
                await store.update(
                    "Observation",
                    seen[0],
                    observation(seen[0], "anna", f"{step}-0", effectiveDateTime="2024-01-01"),
                    EVERYTHING,
                )
            # Of what is of one time, the last that was stored is the latest.
            wanted = list(reversed(before)) if sort == "-date" else before
            assert [identity for identity in seen if identity in before] == wanted
            assert len(seen) == len(set(seen))

    with_store(fresh_database_url, work)


def test_many_searches_on_few_connections_do_not_wait_for_each_other(store_url: str) -> None:
    async def work(store: Store) -> None:
        async with await Store.open(store_url, max_size=2) as narrow:
            parameters = [("code", "urn:unheard-of|1"), ("category", "urn:another|")]
            await asyncio.wait_for(
                asyncio.gather(*(narrow.search("Observation", parameters, EVERYTHING) for _ in range(20))),
                PATIENCE,
            )

    with_store(store_url, work)


def test_a_type_that_is_none_is_not_found(store_url: str) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(NotFound):
            await store.search("Nonsense'; --", [], EVERYTHING)
        with pytest.raises(NotFound):
            await store.read("Nonsense", "1", EVERYTHING)

    with_store(store_url, work)
