"""Results and documents as HL7 v2 over MLLP, to the peer of the package `hl7`: what it acknowledges is delivered."""

from __future__ import annotations

import asyncio
import base64
import importlib
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.egress import Allowed
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.server.delivery.v2_messages import build
from fhir_bridge.storage.outbox import Outbox
from tests.patience import until
from tests.pypi import installed
from tests.server.conftest import free_port, patient
from tests.server.delivery.conftest import NETWORKS, Post, lab
from tests.server.serving import serving

VERSION = "0.4.5"


@pytest.fixture(scope="module")
def hl7() -> Any:
    folder = installed("hl7", VERSION)
    sys.path.insert(0, str(folder))
    try:
        importlib.import_module("hl7.mllp")
        yield importlib.import_module("hl7")
    finally:
        sys.path.remove(str(folder))


class Ward:
    """A system that takes HL7 v2. `answers` gives an acknowledgement in place of AA, by the message."""

    def __init__(self, hl7: Any) -> None:
        self.hl7 = hl7
        self.messages: list[Any] = []
        self.answers: Callable[[Any], Any] = lambda message: message.create_ack("AA")
        self.port = 0

    @property
    def url(self) -> str:
        return f"mllp://127.0.0.1:{self.port}"

    def last(self, name: str) -> list[Any]:
        """The segments of a name in the last message."""
        return [segment for segment in self.messages[-1] if str(segment[0]) == name]

    def statuses(self) -> list[tuple[str, str]]:
        """OBR-25 and OBX-11 of each message, in the order they came."""
        return [
            (str(message.segment("OBR")[25]), str(message.segment("OBX")[11])) for message in self.messages
        ]


@pytest.fixture
def ward(hl7: Any) -> Iterator[Ward]:
    ward = Ward(hl7)
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def serve(reader: Any, writer: Any) -> None:
        try:
            message = await reader.readmessage()
            ward.messages.append(message)
            answer = ward.answers(message)
            if isinstance(answer, bytes):
                writer.write(answer)
            elif answer is not None:
                writer.writemessage(answer)
            await writer.drain()
            if answer is None:
                await reader.read()  # until the sender gives up
        except asyncio.IncompleteReadError:  # TLS, or nothing at all
            pass
        finally:
            writer.close()

    async def run() -> None:
        server = await sys.modules["hl7.mllp"].start_hl7_server(serve, "127.0.0.1", 0, encoding="utf-8")
        ward.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield ward
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


def fresh() -> str:
    return f"m{secrets.token_hex(4)}"


def prediction(identity: str, status: str = "preliminary", value: float = 4.2) -> dict[str, Any]:
    resource = lab(identity, value=value, status=status)
    resource["code"] = {
        "coding": [{"system": "urn:fhir-bridge:predictor:score2", "code": "score2", "display": "SCORE2"}],
        "text": "10-year risk | of CVD",
    }
    resource["identifier"] = [
        {"system": "https://fhir-bridge.org/fhir/identifier/prediction", "value": f"p-{identity}"}
    ]
    resource["valueQuantity"] = {
        "value": value,
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    resource["note"] = [{"text": "Over 10 years.\nResearch use & nothing else"}]
    resource["component"] = [{"code": {"text": "age"}, "valueQuantity": {"value": 0.5, "code": "1"}}]
    return resource


def test_a_result_is_sent_corrected_and_withdrawn(post: Post, ward: Ward) -> None:
    name, target = fresh(), post.target(ward.url, facility="ST|E", authorities={"HOSP": "urn:oid:2.25.1"})
    post.write(prediction(name))
    post.work(target)
    (message,) = ward.messages
    assert str(message.segment("MSH")[9]) == "ORU^R01^ORU_R01"
    assert str(message.segment("MSH")[4]) == "ST\\F\\E"
    assert str(message.segment("PID")[3]) == "MRN-anna^^^HOSP&2.25.1&ISO^MR"
    assert str(message.segment("PID")[5]) == "Alpha^Ada^^^^^L"
    order, (value, age) = message.segment("OBR"), ward.last("OBX")
    assert str(order[3]) == f"p-{name}^FHIR_BRIDGE"
    assert str(order[4]) == "score2^10-year risk \\F\\ of CVD^99FB"
    assert str(order[7]) == "20260305080000+0100"
    assert [str(value[number]) for number in (2, 5, 6, 11)] == ["NM", "4.2", "%^%^UCUM", "P"]
    assert [str(age[number]) for number in (4, 5)] == ["1", "0.5"]
    assert str(ward.last("NTE")[0][3]) == "Over 10 years.\\.br\\Research use \\T\\ nothing else"
    assert post.row(target, f"Observation/{name}").state == "delivered"
    assert post.audited(target) == [f"Observation/{name}"]

    post.write(prediction(name, "final"))
    post.work(target)
    post.write(prediction(name, "final", 5.0))
    post.work(target)
    post.write(prediction(name, "final", 5.0) | {"language": "en"})  # nothing that a message tells
    post.work(target)
    post.write(prediction(name, "amended", 5.5))
    post.work(target)
    post.write(prediction(name, "entered-in-error", 5.5))
    post.work(target)
    assert ward.statuses() == [("P", "P"), ("F", "F"), ("C", "C"), ("C", "C"), ("X", "D")]
    assert {str(message.segment("OBR")[3]) for message in ward.messages} == {f"p-{name}^FHIR_BRIDGE"}
    assert [str(ward.last("OBX")[0][number]) for number in (2, 5)] == ["", ""], (
        "what is withdrawn is not told again"
    )
    assert len({str(message.segment("MSH")[10]) for message in ward.messages}) == 5


@pytest.mark.parametrize("kind", ["ORU^R01", "MDM^T02"])
@pytest.mark.parametrize(
    ("history", "statuses"),
    [
        ([5, 6, 6.2, 6, 6.2, 6], "FCCCCC"),
        ([5, "entered-in-error", 5, "deleted", 5, "deleted", 5], "FDFDFDF"),
        ([5, 6, "cancelled", 6, "entered-in-error", 6], "FCXFDF"),
    ],
)
def test_what_comes_back_to_an_earlier_value_is_no_repetition(
    post: Post, ward: Ward, kind: Any, history: list[Any], statuses: str
) -> None:
    """A receiver drops what has an MSH-10 that it knows: it would keep 6.2 where 6 is right."""
    name, target = fresh(), post.target(ward.url, message=kind)
    for step in history:
        if step == "deleted":
            post.delete("Observation", name)
        else:
            known = isinstance(step, str)
            post.write(prediction(name, step, 5) if known else prediction(name, "final", step))
        post.work(target)
    controls = [str(message.segment("MSH")[10]) for message in ward.messages]
    assert len(set(controls)) == len(statuses)
    if kind == "ORU^R01":
        assert "".join(status for _, status in ward.statuses()) == statuses
        return
    triggers = [str(message.segment("MSH")[9]).split("^")[1] for message in ward.messages]
    assert triggers == [{"F": "T02", "C": "T10", "D": "T11", "X": "T11"}[status] for status in statuses]
    documents: list[str] = []
    for trigger, message in zip(triggers, ward.messages, strict=True):
        number, parent = (
            (str(message.segment("TXA")[field] or "") for field in (12, 13))
            if trigger == "T10"
            else (str(message.segment("TXA")[12]), "")
        )
        if trigger == "T11":
            assert number == documents[-1], "the document that is there is cancelled"
            continue
        assert number not in documents, "each document has a number of its own"
        assert parent == (documents[-1] if trigger == "T10" else "")
        documents.append(number)


def test_a_value_that_was_never_acknowledged_and_comes_back_is_no_repetition(post: Post, ward: Ward) -> None:
    """Neither 6 nor 6.2 was acknowledged, and the receiver may have both."""
    name, target = fresh(), post.target(ward.url, seconds=1)
    post.write(prediction(name, "final", 5))
    post.work(target)
    ward.answers = lambda _: b""
    for value in (6, 6.2, 6):
        post.write(prediction(name, "final", value))
        post.work(target)
        post.later(target)
    ward.answers = lambda message: message.create_ack("AA")
    post.later(target)
    by_control: dict[str, set[str]] = {}
    for message in ward.messages:
        by_control.setdefault(str(message.segment("MSH")[10]), set()).add(str(message.segment("OBX")[5]))
    assert list(by_control.values()) == [{"5"}, {"6"}, {"6.2"}, {"6"}]


def test_what_was_never_sent_is_not_withdrawn_and_what_was_deleted_is(post: Post, ward: Ward) -> None:
    one, two = fresh(), fresh()
    target = post.target(ward.url)
    post.write(prediction(one, "entered-in-error"), prediction(two, "cancelled"))
    post.work(target)
    assert ward.statuses() == [("X", "X")]
    assert post.row(target, f"Observation/{one}").state == "delivered"
    third = fresh()
    post.write(prediction(third, "final"))
    post.work(target)
    post.delete("Observation", third)
    post.work(target)
    assert ward.statuses()[1:] == [("F", "F"), ("X", "D")]


@pytest.mark.parametrize(("code", "refused", "state"), [("AE", "park", "parked"), ("AR", "retry", "waiting")])
def test_an_error_is_recorded_with_its_text(
    post: Post, ward: Ward, code: str, refused: str, state: str
) -> None:
    name, target = fresh(), post.target(ward.url, refused=refused)

    def answer(message: Any) -> Any:
        acknowledgement = message.create_ack(code)
        acknowledgement.segment("MSA").assign_field("unknown patient", 3)
        return acknowledgement

    ward.answers = answer
    post.write(prediction(name), prediction(other := fresh()))
    post.work(target)
    row = post.row(target, f"Observation/{name}")
    assert (row.state, row.reason) == (state, f"{code}: unknown patient")
    assert len(ward.messages) == 2, "others go on"
    ward.answers = lambda message: message.create_ack("AA")
    if state == "parked":
        post.run(Outbox(post.store.pool).retry(keys=[row.key]))
    post.later(target)
    assert post.row(target, f"Observation/{name}").state == "delivered"
    assert post.row(target, f"Observation/{other}").state == state.replace("waiting", "delivered")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: None, "does not acknowledge within 1 seconds"),
        (lambda _: b"", "closes the connection"),
        (lambda _: b"MSH|^~\\&\rMSA|AA|x\x1c\r", "not framed"),
        (lambda _: b"\x0bMSH|^~\\&\rMSA|AA|another\r\x1c\r", "acknowledges another message"),
        (lambda _: b"\x0bMSH|^~\\&\r\x1c\r", "no MSA"),
        (lambda _: b"\x0b" + b"x" * 200_000, "larger than"),
    ],
)
def test_without_an_acknowledgement_of_it_a_message_is_sent_again_as_the_same(
    post: Post, ward: Ward, answer: Any, reason: str
) -> None:
    name, target = fresh(), post.target(ward.url, seconds=1)
    ward.answers = answer
    post.write(prediction(name))
    post.work(target)
    assert reason in post.sender(target).reason
    assert post.row(target, f"Observation/{name}").state == "waiting"
    ward.answers = lambda message: message.create_ack("AA")
    post.restart(target)
    post.later(target)
    assert post.row(target, f"Observation/{name}").state == "delivered"
    assert len({str(message.segment("MSH")[10]) for message in ward.messages}) == 1, (
        "a peer can tell that it has it"
    )


def test_a_document_is_sent_replaced_and_cancelled(post: Post, ward: Ward) -> None:
    name, target = (
        fresh(),
        post.target(ward.url, message="MDM^T02", send=("DocumentReference", "Observation")),
    )
    pdf = b"%PDF-1.4 a report"

    def document(content: bytes, status: str = "current") -> dict[str, Any]:
        attachment = {"contentType": "application/pdf", "data": base64.b64encode(content).decode()}
        return {
            "resourceType": "DocumentReference",
            "id": name,
            "status": status,
            "type": {"text": "Report"},
            "subject": {"reference": "Patient/anna"},
            "content": [{"attachment": attachment}],
        }

    def number(field: int) -> str:
        return str(ward.messages[-1].segment("TXA")[field])

    post.write(document(pdf))
    post.work(target)
    assert str(ward.messages[-1].segment("MSH")[9]) == "MDM^T02^MDM_T02"
    value = ward.messages[-1].segment("OBX")
    assert (str(value[2]), str(value[11])) == ("ED", "F")
    assert base64.b64decode(str(value[5]).split("^")[4]) == pdf
    first = number(12)
    post.write(document(b"%PDF-1.4 corrected"))
    post.work(target)
    assert str(ward.messages[-1].segment("MSH")[9]) == "MDM^T10^MDM_T02"
    assert (number(13), str(ward.messages[-1].segment("OBX")[11])) == (first, "C")
    second = number(12)
    assert second != first
    post.write(document(b"%PDF-1.4 corrected", "entered-in-error"))
    post.work(target)
    assert str(ward.messages[-1].segment("MSH")[9]) == "MDM^T11^MDM_T01"
    assert (number(12), number(19)) == (second, "CA")

    observed = fresh()
    post.write(prediction(observed, "final"))
    post.work(target)
    page = base64.b64decode(str(ward.messages[-1].segment("OBX")[5]).split("^")[4])
    assert page.startswith(b"%PDF-")
    for text in (b"(10-year risk | of CVD: 4.2 %)", b"Alpha, Ada", b"MRN-anna", b"Status: final"):
        assert text in page


def test_a_page_names_the_patient_as_people_read_it(post: Post, ward: Ward) -> None:
    target = post.target(ward.url, message="MDM^T02")
    name = {"family": "O^Brien & Sons | ~", "given": [None, "Zoe", "Maria"]}
    name["_given"] = [{"extension": [{"url": "urn:x", "valueString": "y"}]}, None, None]
    post.write(patient("olga", "x") | {"name": [name]})
    post.write(prediction(fresh(), "final") | {"subject": {"reference": "Patient/olga"}})
    post.work(target)
    page = base64.b64decode(str(ward.messages[-1].segment("OBX")[5]).split("^")[4])
    assert b"(Patient: O^Brien & Sons | ~, Zoe Maria)" in page
    assert str(ward.messages[-1].segment("PID")[5]) == "O\\S\\Brien \\T\\ Sons \\F\\ \\R\\^Zoe^Maria^^^^L"


def test_a_result_without_a_form_or_a_patient_is_parked_and_says_so(post: Post, ward: Ward) -> None:
    target = post.target(ward.url, authorities={"OTHER": "urn:oid:9.9"})
    sampled, name = fresh(), fresh()
    post.write(prediction(name))
    post.work(target)
    assert "no identifier of an authority" in post.row(target, f"Observation/{name}").reason
    other = post.target(ward.url)
    resource = prediction(sampled)
    del resource["valueQuantity"]
    post.write(resource | {"valueSampledData": {"origin": {"value": 0}, "period": 1, "dimensions": 1}})
    post.work(other)
    assert "SampledData has no form" in post.row(other, f"Observation/{sampled}").reason
    refusal = prediction(third := fresh())
    del refusal["valueQuantity"]
    post.write(refusal | {"dataAbsentReason": {"text": "No result: smoking status missing"}})
    post.work(other)
    assert post.row(other, f"Observation/{third}").state == "delivered"
    assert [str(ward.last("OBX")[0][number]) for number in (2, 5)] == [
        "ST",
        "No result: smoking status missing",
    ]
    assert [message for message in ward.messages if "MRN" not in str(message.segment("PID")[3])] == []


def test_no_message_goes_where_none_may_go(post: Post, ward: Ward) -> None:
    name, target = fresh(), post.target(ward.url)
    post.restart(target, Allowed.of(f"mllp://127.0.0.1:{ward.port}", ""))
    post.write(prediction(name))
    post.work(target)
    assert "private address" in post.sender(target).reason
    post.restart(target, Allowed.of("https://127.0.0.1", NETWORKS))
    post.work(target)
    assert "is not listed" in post.sender(target).reason
    secure = post.target(ward.url.replace("mllp:", "mllps:"))
    post.write(prediction(fresh()))
    post.work(secure)
    assert "can't be reached" in post.sender(secure).reason or "acknowledge" in post.sender(secure).reason
    assert ward.messages == [] or "MSH" not in str(ward.messages)
    with socket.socket() as taken:  # a port where nobody listens
        taken.bind(("127.0.0.1", 0))
        away = post.target(f"mllp://127.0.0.1:{taken.getsockname()[1]}")
        post.write(prediction(fresh()))
        post.work(away)
    assert "can't be reached" in post.sender(away).reason


def test_names_in_any_script_arrive(post: Post, ward: Ward, hl7: Any) -> None:
    target = post.target(ward.url)
    post.write(
        patient("dora", "Łukasiewicz-山田"), prediction(fresh()) | {"subject": {"reference": "Patient/dora"}}
    )
    post.work(target)
    assert str(ward.messages[-1].segment("PID")[5]).startswith("Łukasiewicz-山田^Ada")


def test_the_bridge_reads_its_own_messages(post: Post, ward: Ward, tmp_path: Any) -> None:
    from typer.testing import CliRunner

    from fhir_bridge.cli.main import app

    name, target = fresh(), post.target(ward.url)
    post.write(prediction(name, "final"))
    post.work(target)
    (tmp_path / "oru.hl7").write_text(str(ward.messages[-1]))
    call = ["convert", str(tmp_path / "oru.hl7"), "--adapter", "hl7v2", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    read = [loads(line) for line in (tmp_path / "out" / "Observation.ndjson").read_bytes().splitlines()]
    (value,) = [one for one in read if one.get("valueQuantity", {}).get("code") == "%"]
    assert (value["valueQuantity"]["value"], value["status"]) == (4.2, "final")


def test_another_bridge_takes_results_corrections_and_withdrawals(
    post: Post, other_database_url: str, tmp_path: Any
) -> None:
    """The program itself as the receiver: what it has in the end is what was said last."""
    (tmp_path / "site.yaml").write_text(
        "site: ward\nzone: Europe/Rome\ndemo_key: true\nidentity:\n  authorities: {HOSP: 'urn:oid:2.25.1'}\n"
    )
    port, name = free_port(), fresh()
    with serving(other_database_url, auth="none", site=tmp_path / "site.yaml", mllp=port) as served:

        def there() -> list[tuple[str, float | None]]:
            bundle = served.get("Observation?_sort=_lastUpdated").json()
            resources = [entry["resource"] for entry in bundle.get("entry", [])]
            coded = [one for one in resources if "CVD" in str(one["code"])]
            return [(one["status"], one.get("valueQuantity", {}).get("value")) for one in coded]

        target = post.target(f"mllp://127.0.0.1:{port}", authorities={"HOSP": "urn:oid:2.25.1"}, seconds=60)

        def taken() -> bool:
            post.later(target)
            return post.row(target, f"Observation/{name}").state == "delivered"

        for status, value, received in (
            ("preliminary", 4.2, "preliminary"),
            ("final", 4.2, "final"),
            ("amended", 5.0, "corrected"),
            ("entered-in-error", 5.0, "entered-in-error"),
        ):
            resource = prediction(name, status, value)
            del resource["component"]
            post.write(resource)
            until(taken, "it was not acknowledged", 0.5)  # the listener may come up after the API
            (last,) = there()
            assert last[0] == received
            assert last[1] in (value, None)


@pytest.mark.parametrize("kind", ["ORU^R01", "MDM^T02"])
@pytest.mark.parametrize(("status", "before"), [("P", ""), ("C", "d1"), ("D", "d1"), ("X", "d1")])
def test_messages_have_the_structure_of_their_type(
    kind: Any, status: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the tables of 2.5.1 that the package `hl7apy` has."""
    monkeypatch.syspath_prepend(str(installed("hl7apy", "1.3.5")))
    parser = importlib.import_module("hl7apy.parser")
    target = Target(
        url="mllp://x:1",
        scope="system/*.rs",
        message=kind,
        facility="H",
        receiving_application="EHR",
        authorities={"HOSP": "urn:oid:2.25.1"},
    )
    message = build(target, prediction("x"), patient("anna", "Alpha"), status, "mark", before)
    parsed = parser.parse_message(message.encoded(target, "A" * 20).decode(), find_groups=True)
    report = tmp_path / "report.txt"
    assert parsed.validate(report_file=str(report)), report.read_text()
