"""`mapping test`: the difference of a golden example, and what is expected brought up to date hunk by hunk."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import run_command


@pytest.fixture
def tested(mapping: Path) -> Path:
    """The mapping with what its example becomes as expected."""
    assert run_command("mapping", "test", mapping, "--update").returncode == 0
    return mapping


def expected(mapping: Path) -> list[dict]:
    file = mapping.parent / "examples/three/expected.ndjson"
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def change(mapping: Path, *replacements: tuple[str, str]) -> None:
    text = mapping.read_text()
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    mapping.write_text(text)


def test_an_example_without_expectation_fails_until_it_is_written(mapping: Path) -> None:
    done = run_command("mapping", "test", mapping)
    assert done.returncode == 1
    assert "expected.ndjson is missing" in done.stdout
    assert run_command("mapping", "test", mapping, "--update").returncode == 0
    assert run_command("mapping", "test", mapping).returncode == 0
    assert [
        resource["valueQuantity"]["value"] for resource in expected(mapping) if "valueQuantity" in resource
    ] == [412.5, 99.0]


def test_the_difference_names_resource_path_old_and_new(tested: Path) -> None:
    change(tested, ("code: {text: walk}", "code: {text: stroll}"))
    done = run_command("mapping", "test", tested)
    assert done.returncode == 1
    assert done.stdout.count("@ Observation/") == 3
    lines = [line.strip() for line in done.stdout.splitlines()]
    at = lines.index("Observation.code.text")
    assert lines[at + 1 : at + 3] == ['-   "walk"', '+   "stroll"']


def test_ids_that_one_renaming_explains_do_not_count(tested: Path) -> None:
    change(tested, ("- rule: walk", "- rule: stroll"))  # the rule is part of the keyed hash
    assert run_command("mapping", "test", tested).returncode == 0


def test_update_without_a_terminal_refuses_to_ask(tested: Path) -> None:
    before = expected(tested)
    change(tested, ("code: {text: walk}", "code: {text: stroll}"))
    done = run_command("mapping", "test", tested, "--update")
    assert done.returncode == 2
    assert "needs a terminal; --update --all takes all" in done.stderr
    assert expected(tested) == before
    assert run_command("mapping", "test", tested, "--update", "--all").returncode == 0
    assert {resource["code"]["text"] for resource in expected(tested)} == {"stroll"}
    assert run_command("mapping", "test", tested).returncode == 0


def test_hunks_are_taken_one_by_one(tested: Path) -> None:
    change(tested, ("code: {text: walk}", "code: {text: stroll}"))
    output, code = in_terminal(tested, "n\n?\ny\nq\n")
    assert code == 1
    assert "y: take it" in output
    assert "\x1b[3" in output  # colour
    assert [resource["code"]["text"] for resource in expected(tested)] == ["walk", "stroll", "walk"]
    assert in_terminal(tested, "a\n")[1] == 0
    assert [resource["code"]["text"] for resource in expected(tested)] == ["stroll", "stroll", "stroll"]


def test_a_resource_that_is_gone_or_new_is_a_hunk(tested: Path) -> None:
    source = tested.parent / "examples/three/walks.csv"
    lines = source.read_bytes().split(b"\r\n")
    source.write_bytes(b"\r\n".join([*lines[:2], *lines[3:]]))
    assert "is gone" in run_command("mapping", "test", tested).stdout
    in_terminal(tested, "y\n")
    assert [resource["valueQuantity"]["value"] for resource in expected(tested)] == [412.5, 99.0]
    source.write_bytes(b"\r\n".join([*lines[:-1], b"4;5,0;m;05.02.2026 10:00;", b""]))
    assert run_command("mapping", "test", tested).stdout.count("is new") == 2
    in_terminal(tested, "n\ny\n")
    assert [resource["valueQuantity"]["value"] for resource in expected(tested)] == [412.5, 99.0, 5.0]


def test_examples_are_chosen_by_name(tested: Path) -> None:
    assert "1 example, 0 differ" in run_command("mapping", "test", tested, "-k", "thr*").stderr
    assert "1 example, 0 differ" in run_command("mapping", "test", tested, "-k", "three").stderr
    done = run_command("mapping", "test", tested, "-k", "four")
    assert (done.returncode, "no example has a name with four" in done.stderr) == (2, True)


def in_terminal(mapping: Path, answers: str) -> tuple[str, int]:
    """`mapping test --update` in a terminal of its own, with what a person types."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "fhir_bridge.cli", "mapping", "test", str(mapping), "--update"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    os.write(leader, answers.encode())
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # the end of a terminal on Linux
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    return shown.decode(errors="replace"), process.wait(timeout=60)
