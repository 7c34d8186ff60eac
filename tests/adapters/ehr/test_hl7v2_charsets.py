"""Messages that switch between character sets (ISO 2022, MSH-20), by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command

NAME = b"Yamada^Tarou^^^^^L^A~%s^%s^^^^^L^I"


def converted(
    folder: Path, charsets: bytes, name: bytes, method: bytes = b"ISO 2022-1994"
) -> tuple[list[dict[str, Any]], set[str]]:
    """The patients, and the codes of the issues that are no information."""
    (folder / "site.yaml").write_text("demo_key: true\nidentity: {unlinked: source}\n")
    (folder / "message.hl7").write_bytes(
        b"MSH|^~\\&|A|B|C|D|20240701100000||ADT^A08|J1|P|2.5|||||JPN|" + charsets + b"||" + method + b"\r"
        b"PID|1||1^^^KIS||" + name + b"||19700101|M\r"
    )
    out = folder / "out"
    done = run_command(
        "convert", folder / "message.hl7", "-a", "hl7v2", "--site", folder / "site.yaml", "--out", out
    )
    assert "Traceback" not in done.stderr
    issues = json.loads((out / "report.json").read_text())["issues"]
    written = out / "Patient.ndjson"
    patients = [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []
    return patients, {issue["code"] for issue in issues if issue["severity"] != "information"}


@pytest.mark.parametrize(
    ("charsets", "encoding", "family", "given"),
    [
        (b"~ISO IR87", "iso2022_jp", "山田", "太郎"),
        (b"ASCII~ISO IR87", "iso2022_jp", "山田", "太郎"),
        (b"ISO IR6~ISO IR87~ISO IR159", "iso2022_jp_1", "山田", "丂郎"),
        (b"~ISO IR13~ISO IR87", "iso2022_jp_ext", "ﾔﾏﾀﾞ", "太郎"),
        (b"~KS X 1001", "iso2022_jp_2", "김", "철수"),
        (b"ISO IR87", "iso2022_jp", "山田", "太郎"),
        (b"", "iso2022_jp", "山田", "太郎"),
    ],
)
def test_a_message_switches_between_its_sets(
    charsets: bytes, encoding: str, family: str, given: str, tmp_path: Path
) -> None:
    (patient,), codes = converted(
        tmp_path, charsets, NAME % (family.encode(encoding), given.encode(encoding))
    )
    names = [(name["family"], name["given"]) for name in patient["name"]]
    assert names == [("Yamada", ["Tarou"]), (family, [given])]
    assert "FB-HL7-024" not in codes


@pytest.mark.parametrize(
    ("charsets", "name", "code"),
    [
        (b"ASCII~8859/2", NAME % (b"\x1b-B\xb3", b"x"), "FB-HL7-004"),
        (b"UNICODE UTF-8~ISO IR87", NAME % (b"\x1b$B;3ED\x1b(B", b"x"), "FB-HL7-004"),
        (b"~ISO IR87", NAME % (b"\x1b$Z;3ED\x1b(B", b"x"), "FB-HL7-003"),
    ],
)
def test_a_switch_that_can_not_be_followed_is_refused(
    charsets: bytes, name: bytes, code: str, tmp_path: Path
) -> None:
    patients, codes = converted(tmp_path, charsets, name)
    assert (patients, code in codes) == ([], True)


def test_several_sets_without_a_switch_are_the_first(tmp_path: Path) -> None:
    (patient,), _ = converted(tmp_path, b"8859/1~8859/15", "Müller^Jörg".encode("latin-1"), b"")
    assert patient["name"][0]["family"] == "Müller"
