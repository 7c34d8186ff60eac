"""HL7 v2 events about patients and visits through `load`: in several orders, and with messages sent again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

SITE = """site: test
key_file: site.key
zone: Europe/Berlin
identity:
  patient_authority: urn:oid:2.999.1
  authorities: {KIS: "urn:oid:2.999.1"}
  unlinked: source
"""


def message(event: str, control: str, time: str, *segments: str, sender: str = "KIS") -> str:
    """A message about nobody."""
    head = f"MSH|^~\\&|{sender}|KHS|BR|X|{time}||{event}|{control}|P|2.5|||||DEU|UNICODE UTF-8"
    own = [f"EVN|{event[4:7]}|{time}"] if event.startswith("ADT") else []
    return "\r".join([head, *own, *segments]) + "\r"


def pid(number: str, name: str = "Abel^Anna", more: str = "") -> str:
    return f"PID|1||{number}^^^KIS^PI{more}||{name}||19500101|F"


def pv1(number: str, admitted: str = "", discharged: str = "", kind: str = "I") -> str:
    fields = ["PV1", "1", kind, "W1", *[""] * 15, f"{number}^^^KIS^VN", *[""] * 24, admitted, discharged]
    return "|".join(fields).rstrip("|")


def result(order: str, value: str, time: str) -> tuple[str, str]:
    obr = f"OBR|1||{order}^LIS|TNT^Troponin^L|||{time}|||||||||||||||{time}||CH|F"
    return obr, f"OBX|1|NM|TNT^Troponin T^L||{value}|ng/L|||||F"


End = dict[str, list[dict[str, Any]]]


class Store:
    def __init__(self, home: Path, bridge: Callable[..., Any], url: str) -> None:
        self.home, self.bridge, self.url = home, bridge, url
        self.reports: list[dict[str, Any]] = []

    def load(self, *messages: str) -> Store:
        """Each in a load of its own."""
        for number, text in enumerate(messages):
            source, report = self.home / f"{len(self.reports)}-{number}.hl7", self.home / "report.json"
            source.write_text(text)
            site = self.home / "site.yaml"
            done = self.bridge(
                "load", source, "-a", "hl7v2", "--site", site, "--report", report, database=self.url
            )
            assert done.exit_code in (0, 1), done.output
            self.reports.append({**json.loads(report.read_bytes()), "exit": done.exit_code})
        return self

    def issues(self, code: str) -> list[str]:
        return [
            issue["message"]
            for report in self.reports
            for issue in report.get("issues", ())
            if issue["code"] == code
        ]

    def end(self) -> End:
        """What is current, by type."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "SELECT type, resource_text(bytes) FROM resource WHERE NOT deleted AND bytes IS NOT NULL "
                "ORDER BY type, id"
            ).fetchall()
        end: End = {}
        for kind, text in rows:
            content = json.loads(text)
            content["meta"] = {key: item for key, item in content["meta"].items() if key == "security"}
            end.setdefault(kind, []).append(content)
        return end

    def empty(self) -> Store:
        with psycopg.connect(self.url) as connection:
            tables = connection.execute(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = current_schema() "
                "AND tablename IN ('resource', 'contribution', 'output', 'source_record', 'history', 'inbox')"
            ).fetchone()
            assert tables is not None
            connection.execute(f"TRUNCATE {tables[0]} CASCADE")
        return self


@pytest.fixture
def store(tmp_path: Path, bridge: Callable[..., Any], fresh_database_url: str) -> Store:
    (tmp_path / "site.yaml").write_text(SITE)
    return Store(tmp_path, bridge, fresh_database_url)


def each_order(store: Store, messages: Sequence[str]) -> End:
    """What the messages end in, in their order, backwards and turned, each with the first sent again at the end."""
    ends = []
    turned = [*messages[1:], messages[0]]
    orders = [list(messages), list(messages)[::-1]]
    for order in orders if turned in orders else [*orders, turned]:
        store.empty()
        ends.append(store.load(*order, order[0]).end())
    for other in ends[1:]:
        assert other == ends[0]
    return ends[0]


def of(end: End, kind: str, number: str) -> dict[str, Any]:
    """The resource with an identifier, not an old one."""
    (found,) = [
        content
        for content in end.get(kind, ())
        if any(item["value"] == number and item.get("use") != "old" for item in content.get("identifier", ()))
    ]
    return found


STAY = ("20260310080000", "20260312075000")


@pytest.mark.parametrize("event", ["A03", "A11"])
def test_a_result_does_not_say_where_a_visit_stands(store: Store, event: str) -> None:
    admitted, discharged = STAY
    end = each_order(
        store,
        [
            message("ADT^A01", "1", "20260310080000", pid("1"), pv1("V", admitted)),
            message(
                f"ADT^{event}",
                "2",
                "20260312080000",
                pid("1"),
                pv1("V", admitted, discharged if event == "A03" else ""),
            ),
            message(
                "ORU^R01", "3", "20260313080000", pid("1"), pv1("V"), *result("L1", "4", "20260313080000")
            ),
        ],
    )
    visit = of(end, "Encounter", "V")
    assert visit["status"] == {"A03": "finished", "A11": "cancelled"}[event]
    assert visit["period"]["start"].startswith("2026-03-10T08:00:00")
    assert ("end" in visit["period"]) == (event == "A03")


def test_an_update_without_a_time_of_discharge_does_not_open_a_stay_again(store: Store) -> None:
    admitted, discharged = STAY
    end = each_order(
        store,
        [
            message("ADT^A01", "1", "20260310080000", pid("1"), pv1("V", admitted)),
            message("ADT^A03", "2", "20260312080000", pid("1"), pv1("V", admitted, discharged)),
            message("ADT^A08", "3", "20260313080000", pid("1"), pv1("V", "20260310070000")),
        ],
    )
    visit = of(end, "Encounter", "V")
    assert visit["status"] == "finished"
    assert visit["period"]["start"].startswith("2026-03-10T07:00:00")  # the update corrects it
    assert visit["period"]["end"].startswith("2026-03-12T07:50:00")


def test_a_cancelled_discharge_takes_the_end_away(store: Store) -> None:
    admitted, discharged = STAY
    end = each_order(
        store,
        [
            message("ADT^A03", "2", "20260312080000", pid("1"), pv1("V", admitted, discharged)),
            message("ADT^A13", "3", "20260312090000", pid("1"), pv1("V", admitted)),
            message("ADT^A08", "4", "20260313080000", pid("1"), pv1("V")),
        ],
    )
    visit = of(end, "Encounter", "V")
    assert visit["status"] == "in-progress"
    assert visit["period"].keys() == {"start"}


def test_a_deleted_visit_stays_deleted(store: Store) -> None:
    end = each_order(
        store,
        [
            message("ADT^A01", "1", "20260310080000", pid("1"), pv1("V", STAY[0])),
            message("ADT^A23", "2", "20260310090000", pid("1"), pv1("V", STAY[0])),
            message(
                "ORU^R01", "3", "20260313080000", pid("1"), pv1("V"), *result("L1", "4", "20260313080000")
            ),
        ],
    )
    assert of(end, "Encounter", "V")["status"] == "entered-in-error"


def test_a_visit_that_changes_its_number_is_one_visit(store: Store) -> None:
    admitted, discharged = STAY
    mrg = "MRG|1^^^KIS^PI||||V1^^^KIS^VN"
    end = each_order(
        store,
        [
            message("ADT^A01", "1", "20260310080000", pid("1"), pv1("V1", admitted)),
            message("ADT^A50", "2", "20260311080000", pid("1"), mrg, pv1("V2", admitted)),
            message("ADT^A03", "3", "20260312080000", pid("1"), pv1("V2", admitted, discharged)),
        ],
    )
    assert len(end["Encounter"]) == 2
    old, new = of(end, "Encounter", "V1"), of(end, "Encounter", "V2")
    assert (old["status"], new["status"]) == ("entered-in-error", "finished")
    assert old["class"]["code"] == "IMP"
    assert old["partOf"]["reference"] == f"Encounter/{new['id']}"


def test_a_result_takes_no_part_of_an_identity_away(store: Store) -> None:
    whole = pid("1", "Lang^Ida^Maria^^Prof.^^L~Kurz^Ida^^^^^M", "~A123^^^GKV&2.999.8&ISO^NI")
    end = each_order(
        store,
        [
            message("ADT^A01", "1", "20260301080000", whole),
            message("ORU^R01", "2", "20260301090000", pid("1", "Lang^Ida"), *result("L1", "4", "20260301090000")),
            message(
                "ORU^R01", "3", "20260301100000", pid("1", "LANG^I", "~L9^^^LIS&2.999.9&ISO^PI"),
                *result("L2", "4", "20260301100000"), sender="LIS",
            ),
        ],
    )  # fmt: skip
    (patient,) = end["Patient"]
    assert {item["value"] for item in patient["identifier"]} == {"1", "A123", "L9"}
    assert [name["family"] for name in patient["name"]] == ["Lang", "Kurz"]
    assert patient["name"][0]["given"] == ["Ida", "Maria"]


def test_an_admission_takes_away_what_it_does_not_name_any_more(store: Store) -> None:
    end = each_order(
        store,
        [
            message("ADT^A28", "1", "20260301080000", pid("1", "Lang^Ida", "~A123^^^GKV&2.999.8&ISO^NI")),
            message(
                "ORU^R01", "2", "20260301090000", pid("1", "Lang^Ida", "~L9^^^LIS&2.999.9&ISO^PI"),
                *result("L1", "4", "20260301090000"),
            ),
            message("ADT^A31", "3", "20260301100000", pid("1", "Neu^Ida")),
        ],
    )  # fmt: skip
    (patient,) = end["Patient"]
    assert [item["value"] for item in patient["identifier"]] == ["1"]
    assert patient["name"][0]["family"] == "Neu"


def test_a_changed_number_is_the_same_person(store: Store) -> None:
    end = each_order(
        store,
        [
            message("ORU^R01", "1", "20260310090000", pid("1"), *result("L1", "4", "20260310090000")),
            message("ADT^A47^ADT_A30", "2", "20260311080000", pid("2"), "MRG|1^^^KIS^PI"),
            message("ORU^R01", "3", "20260312090000", pid("2"), *result("L2", "5", "20260312090000")),
        ],
    )
    old = next(item for item in end["Patient"] if item.get("active") is False)
    new = next(item for item in end["Patient"] if item is not old)
    assert old["link"] == [{"other": {"reference": f"Patient/{new['id']}"}, "type": "replaced-by"}]
    assert new["link"] == [{"other": {"reference": f"Patient/{old['id']}"}, "type": "replaces"}]
    assert {item["value"] for item in new["identifier"]} == {"1", "2"}


def test_a_merge_that_is_turned_round_leaves_the_survivor_active(store: Store) -> None:
    end = each_order(
        store,
        [
            message("ADT^A28", "1", "20260301080500", pid("2")),
            message("ADT^A40^ADT_A39", "2", "20260301090000", pid("1"), "MRG|2^^^KIS^PI"),
            message("ADT^A40^ADT_A39", "3", "20260301100000", pid("2"), "MRG|1^^^KIS^PI"),
        ],
    )
    one, two = of(end, "Patient", "2"), None
    two = next(item for item in end["Patient"] if item is not one)
    assert (one["active"], two["active"]) == (True, False)
    assert [link["type"] for link in one["link"]] == ["replaces"]
    assert [link["type"] for link in two["link"]] == ["replaced-by"]


def test_a_patient_who_outlives_two_merges_keeps_both_links(store: Store) -> None:
    end = each_order(
        store,
        [
            message(
                "ADT^A40^ADT_A39", str(number), f"202603010{number}0000", pid("1"), f"MRG|{number}^^^KIS^PI"
            )
            for number in (2, 3)
        ],
    )
    assert len(of(end, "Patient", "1")["link"]) == 2


def test_a_deleted_person_is_inactive_until_added_again(store: Store) -> None:
    sent = [
        message("ADT^A28", "1", "20260301080000", pid("1")),
        message("ADT^A29", "2", "20260301090000", pid("1")),
        message("ORU^R01", "3", "20260301100000", pid("1"), *result("L1", "4", "20260301100000")),
    ]
    assert each_order(store, sent)["Patient"][0]["active"] is False
    store.load(message("ADT^A28", "4", "20260302080000", pid("1")))
    assert store.end()["Patient"][0]["active"] is True


def test_an_update_of_a_person_without_a_visit_makes_none(store: Store) -> None:
    store.load(message("ADT^A31", "1", "20260301080000", pid("1"), "PV1|1|N"))
    assert "Encounter" not in store.end()
    assert store.reports[0]["exit"] == 0


def _moved(store: Store, messages: Sequence[str]) -> None:
    end = each_order(store, messages)
    first, second = of(end, "Patient", "1"), of(end, "Patient", "2")
    assert of(end, "Encounter", "V")["subject"] == {"reference": f"Patient/{second['id']}"}
    (observation,) = [item for item in end["Observation"] if item.get("valueQuantity")]
    assert observation["subject"]["reference"] == f"Patient/{second['id']}"
    assert first["name"][0]["family"] == "Berg"
    assert not store.issues("FB-STORE-018")


REGISTERED = message("ADT^A04", "1", "20260320080000", pid("1", "Berg^Bert"), pv1("V", "20260320075500"))
MOVED = message(
    "ADT^A45^ADT_A45", "2", "20260320090000", pid("2"), "MRG|1^^^KIS^PI", pv1("V", "20260320075500")
)
RESULT = message(
    "ORU^R01", "3", "20260320100000", pid("2"), pv1("V"), *result("L7", "812", "20260320100000"), sender="LIS"
)


def test_a_visit_that_is_moved_is_the_other_patients(store: Store) -> None:
    _moved(store, [REGISTERED, MOVED, RESULT])
    again = message("ADT^A45^ADT_A45", "4", "20260320110000", pid("3"), "MRG|2^^^KIS^PI", pv1("V"))
    end = store.load(again).end()
    assert of(end, "Encounter", "V")["subject"]["reference"] == f"Patient/{of(end, 'Patient', '3')['id']}"


def test_a_visit_is_moved_within_one_file(store: Store) -> None:
    _moved(store, ["".join(order) for order in ([MOVED, RESULT, REGISTERED], [REGISTERED, MOVED, RESULT])])


def test_a_visit_that_is_moved_on_ends_with_the_last_patient(store: Store) -> None:
    on = message(
        "ADT^A45^ADT_A45", "4", "20260320110000", pid("3"), "MRG|2^^^KIS^PI", pv1("V", "20260320075500")
    )
    end = each_order(store, [REGISTERED, MOVED, on])
    assert of(end, "Encounter", "V")["subject"]["reference"] == f"Patient/{of(end, 'Patient', '3')['id']}"
    assert not store.issues("FB-STORE-018")


def test_a_visit_is_moved_by_whose_it_is_alone(store: Store) -> None:
    """A move from another patient than the one whose it is changes nothing, nor does a later message of the first."""
    later = message("ADT^A08", "5", "20260320120000", pid("1", "Berg^Bert"), pv1("V", "20260320075500"))
    wrong = message("ADT^A45^ADT_A45", "6", "20260320130000", pid("3"), "MRG|9^^^KIS^PI", pv1("V"))
    end = store.load(REGISTERED, MOVED, later, wrong).end()
    assert of(end, "Encounter", "V")["subject"]["reference"] == f"Patient/{of(end, 'Patient', '2')['id']}"
    assert len(store.issues("FB-STORE-018")) == 2


@pytest.mark.parametrize("event", ["A24", "A37"])
def test_an_event_that_is_not_carried_out_says_so(store: Store, event: str) -> None:
    end = store.load(message(f"ADT^{event}", "1", "20260310090000", pid("1"), pid("2"))).end()
    assert [patient.keys() & {"link", "active"} for patient in end["Patient"]] == [set(), set()]
    assert event in store.issues("FB-HL7-027")[0]


@pytest.mark.parametrize("deleted", ["D", "DE"])
def test_a_deleted_problem_or_goal_was_a_mistake(store: Store, deleted: str) -> None:
    """`DE` is the code of table 0287, which PRB-1 and GOL-1 have; senders write the `D` of 0206 as well."""

    def said(control: str, time: str, action: str) -> str:
        problem = f"PRB|{action}|{time}|I50.9^Heart failure^I10|PB1^KIS||1|20260309"
        goal = f"GOL|{action}|{time}|G1^Weight below 75 kg^L|GI1^KIS||1|20260310|20260610"
        return message("PPR^PC1", control, time, pid("1"), problem, goal)

    end = each_order(store, [said("a", "20260310100000", "AD"), said("b", "20260310120000", deleted)])
    assert of(end, "Condition", "PB1")["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in of(end, "Condition", "PB1")
    assert of(end, "Goal", "GI1")["lifecycleStatus"] == "entered-in-error"
