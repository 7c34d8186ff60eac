"""HL7 v2: an empty field leaves what is known unchanged, `""` deletes it, whatever the order of the messages."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from tests.server.messages.sender import codes, connected
from tests.server.messages.test_mllp import patient
from tests.server.serving import Served


def _message(number: str, person: str, day: int, kind: str = "ADT^A08", **fields: str) -> str:
    at = f"2026010{day}080000+0100"
    pid = ["PID", "1", "", f"{person}^^^HOSP^MR", "", "Keller^Ada", *[""] * 30]
    for name, value in fields.items():
        pid[int(name.removeprefix("f"))] = value
    lines = [f"MSH|^~\\&|ADT|HOSP|||{at}||{kind}|{number}|P|2.5.1", "|".join(pid).rstrip("|")]
    if kind == "ORU^R01":
        lines += [f"OBR|1|P{person}|F{person}|58410-2^CBC^LN|||{at}", "OBX|1|NM|718-7^Hb^LN||14|g/dL|||||F"]
    return "\r".join(lines) + "\r"


def _registered(person: str) -> str:
    fields = {
        "f13": "111^PRN^PH",
        "f14": "222^WPN^PH",
        "f15": "de",
        "f16": "M",
        "f17": "CAT",
        "f18": "ACC1^^^HOSP^AN",
        "f19": "999-99-9999",
        "f26": "AT^^ISO3166",
    }
    return _message(f"U{person}1", person, 1, "ADT^A04", **fields)


def _said(stored: dict[str, Any]) -> dict[str, Any]:
    """What a Patient says, without what differs from one person to another."""
    return {
        "numbers": [
            (one["type"]["coding"][0]["code"], one["value"])
            for one in stored["identifier"]
            if one["type"]["coding"][0]["code"] != "MR"
        ],
        "telecom": [(one.get("use"), one["value"]) for one in stored.get("telecom", ())],
        "extension": stored.get("extension", []),
        "married": stored.get("maritalStatus", {}).get("text"),
        "speaks": stored.get("communication", []),
    }


def test_message_without_a_field_takes_nothing_away(served: Served, port: int) -> None:
    with connected(port) as sender:
        assert codes(sender.send(_registered("u1"))) == ["AA"]
        before = _said(patient(served, "u1"))
        assert before["numbers"] == [("AN", "ACC1"), ("SS", "999-99-9999")]
        assert before["telecom"] == [("home", "111"), ("work", "222")]
        assert len(before["extension"]) == 2
        assert codes(sender.send(_message("Uu12", "u1", 2, "ORU^R01"))) == ["AA"]
        assert _said(patient(served, "u1")) == before
        changed = _message("Uu13", "u1", 3, f13="333^PRN^PH", f17="PRO", f18="ACC2^^^HOSP^AN")
        assert codes(sender.send(changed)) == ["AA"]
    after = _said(patient(served, "u1"))
    assert sorted(after["numbers"]) == [("AN", "ACC2"), ("SS", "999-99-9999")]
    assert sorted(after["telecom"]) == [("home", "333"), ("work", "222")]
    told = json.dumps(after["extension"])
    assert "PRO" in told
    assert "CAT" not in told
    assert "AT" in told
    assert (after["married"], after["speaks"]) == (before["married"], before["speaks"])


@pytest.mark.parametrize(
    ("field", "lost"),
    [
        ("f14", ("telecom", [])),
        ("f15", ("speaks", [])),
        ("f16", ("married", None)),
        ("f18", ("numbers", [])),
        ("f19", ("numbers", [])),
    ],
)
def test_deleted_field_is_taken_away(served: Served, port: int, field: str, lost: tuple[str, Any]) -> None:
    person, (name, nothing) = f"d{field}", lost
    with connected(port) as sender:
        assert codes(sender.send(_registered(person))) == ["AA"]
        before = _said(patient(served, person))
        assert codes(sender.send(_message(f"D{field}", person, 2, **{field: '""'}))) == ["AA"]
    after = _said(patient(served, person))
    assert after == {**before, name: nothing}


def test_any_order_and_re_sends_end_in_the_same_patient(served: Served, port: int) -> None:
    results = []
    for number, order in enumerate(permutations(range(4))):
        person = f"o{number}"
        messages = [
            _registered(person),
            _message(f"O{person}2", person, 2, "ORU^R01"),
            _message(f"O{person}3", person, 3, f14="444^WPN^PH", f17="PRO", f18="ACC2^^^HOSP^AN"),
            _message(f"O{person}4", person, 4, f13='""', f14="555^WPN^PH", f15='""', f16='""'),
        ]
        with connected(port) as sender:
            assert set(codes(sender.send(*(messages[i] for i in (*order, order[0]))))) == {"AA"}
        results.append(_said(patient(served, person)))
    assert all(result == results[0] for result in results)
    assert results[0]["telecom"] == [("work", "555")]
    assert sorted(results[0]["numbers"]) == [("AN", "ACC2"), ("SS", "999-99-9999")]
    assert (results[0]["married"], results[0]["speaks"]) == (None, [])
