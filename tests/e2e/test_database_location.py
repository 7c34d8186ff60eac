"""One database for every command: each honours FHIR_BRIDGE_DATABASE_DIR and _URL, and says which database it uses."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from fhir_bridge.cli.database import open_database
from fhir_bridge.cli.main import app
from fhir_bridge.demo.run import prepare
from fhir_bridge.mapping import Site
from fhir_bridge.storage import DatabaseLocation, OtherSiteKey, Store, default_data_dir
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.embedded import EmbeddedServer
from tests.patience import PATIENCE
from tests.predictions.made_models import manifest, write
from tests.server.conftest import free_port

USES = {
    "load": ["{folder}/fhir", "--site", "{folder}/site.yaml"],
    "demo": ["--no-serve"],
    "user add": ["dora", "--role", "clinician"],
    "user list": [],
    "user remove": ["nobody"],
    "client add": ["app", "--name", "App", "--scope", "patient/*.rs", "--redirect-uri", "https://app.example/"],
    "client list": [],
    "client remove": ["nobody"],
    "inbox list": [],
    "inbox show": ["1"],
    "inbox messages": [],
    "inbox message": ["1"],
    "inbox replay": ["--all", "--site", "{folder}/site.yaml"],
    "inbox discard": ["1"],
    "outbox list": [],
    "outbox show": ["1"],
    "outbox fill": ["second"],
    "outbox retry": [],
    "outbox drop": ["--target", "registry", "--state", "parked"],
    "reindex": [],
    "predict": ["score2", "--all", "--site", "{folder}/site.yaml"],
    "dataset": ["{folder}/cohort.yaml", "--out", "{folder}/data", "--site", "{folder}/site.yaml"],
    "model list": ["--site", "{folder}/site.yaml"],
    "model promote": [
        "score2", "--approver", "Dr. A", "--expires", "2099-01-01", "--site", "{folder}/site.yaml",
    ],
    "model withdraw": ["hcm-risk-scd", "--reason", "test", "--by", "Dr. A", "--site", "{folder}/site.yaml"],
    "model evaluate": ["score2", "--site", "{folder}/site.yaml"],
    "view run": ["patient_demographics", "--stored"],
    "mapping explain": ["Patient/p"],
    "reclassify": ["{folder}/clinvar.vcf", "--site", "{folder}/site.yaml"],
    "serve": [],
}  # fmt: skip
"""The commands that use a database, and arguments with which each does something."""

USES_NONE = {
    "convert", "validate", "plugins", "model check", "model new", "model seal", "mapping audit", "mapping check",
    "mapping coverage", "mapping diff",
    "mapping mutate", "mapping new", "mapping schema", "mapping shrink", "mapping test", "score", "terminology import",
    "terminology list",
    "terminology remove", "terminology lookup", "terminology validate", "terminology expand",
    "terminology translate", "terminology lint", "terminology suggest", "terminology review", "view check",
    "view show", "view list", "fhir difference", "fhir convert", "fhir patch", "fhir make-patch", "fhir path",
}  # fmt: skip


def commands(command: Any, *names: str) -> Iterator[str]:
    """The names of all commands, groups by their members."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(names)
        return
    for name, one in inner.items():
        yield from commands(one, *names, name)


def test_every_command_is_known_to_use_a_database_or_none() -> None:
    found = set(commands(typer.main.get_command(app)))
    assert found == set(USES) | USES_NONE, (
        "say of a new command whether it uses a database; test it if it does"
    )


def test_commands_open_databases_by_one_function(repository: Path) -> None:
    for file in sorted((repository / "fhir_bridge" / "cli").glob("*.py")):
        text = file.read_text()
        if file.name != "database.py":
            assert not re.search(r"\bdatabase_url\(|EmbeddedServer|DATABASE_(URL|DIR)\"", text), file.name


FORKING = """
import json, os, sys, tempfile
import fhir_bridge.pipeline.load_fhir, fhir_bridge.server.app, fhir_bridge.server.background, fhir_bridge.workshop
from fhir_bridge.cli.main import main
from fhir_bridge.plugins import predictors

predictors()
results = []
for call in json.loads(sys.argv[1]):
    files = [tempfile.TemporaryFile() for _ in range(3)]
    files[0].write(b"correct horse battery\\n" * 2)
    files[0].seek(0)
    child = os.fork()
    if not child:
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.argv = ["fhir-bridge", *call]
        main()
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    for file in files:
        file.seek(0)
    results.append([os.waitstatus_to_exitcode(status), *(file.read().decode() for file in files[1:])])
print(json.dumps(results))
"""
"""Each command is a process of its own; what all of them import is imported once."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class OneSite:
    """A site with its own key and one patient, its database the tests' own server, and a home that stays empty."""

    def __init__(self, folder: Path, repository: Path, server: EmbeddedServer) -> None:
        self.folder = folder
        (folder / "fhir").mkdir()
        (folder / "fhir" / "p.ndjson").write_text('{"resourceType":"Patient","id":"p","gender":"female"}\n')
        (folder / "clinvar.vcf").write_text("##fileDate=2026-06-01\n1\t1\t1\tA\tG\t.\t.\tCLNSIG=Benign\n")
        (folder / "site.yaml").write_text(
            "key_file: site.key\nparameters: {predictions: {score2: {enabled: true, region: moderate}}}\n"
        )
        cohort = {"name": "c", "model": "model/model.yaml", "as_of": ["2026-01-01"]}
        (folder / "cohort.yaml").write_text(json.dumps(cohort))
        write(folder / "model", manifest())
        (folder / "targets.yaml").write_text(
            "targets: {second: {url: 'https://x.example', scope: system/*.rs}}\n"
        )
        self.home = folder / "home"
        self.home.mkdir()
        self.data_dir = server.data_dir
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("FHIR_BRIDGE_", "XDG_"))
        }
        self.environment = kept | {
            "HOME": str(self.home),
            "PYTHONPATH": str(repository),
            "FHIR_BRIDGE_PLUGINS": "builtin",
            "FHIR_BRIDGE_DELIVERY": str(folder / "targets.yaml"),
            "FHIR_BRIDGE_PORT": str(free_port()),
        }

    def run(self, *names: str, **environment: str) -> dict[str, Done]:
        """Run these commands, each in a process of its own."""
        calls = [[*name.split(), *(a.format(folder=self.folder) for a in USES[name])] for name in names]
        done = subprocess.run(
            [sys.executable, "-c", FORKING, json.dumps(calls)],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        return {name: Done(*one) for name, one in zip(names, json.loads(done.stdout), strict=True)}

    def serve(self, **environment: str) -> str:
        """The first line that `serve` prints."""
        with subprocess.Popen(
            [sys.executable, "-m", "fhir_bridge.cli", "serve"],
            env=self.environment | environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                return process.stderr.readline()
            finally:
                process.terminate()
                process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def site(postgres: EmbeddedServer, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> OneSite:
    return OneSite(tmp_path_factory.mktemp("site"), repository, postgres)


def lines_of(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("database: ")]


def test_every_command_uses_the_folder_of_the_environment_and_says_so(site: OneSite) -> None:
    place = {"FHIR_BRIDGE_DATABASE_DIR": str(site.data_dir)}
    done = site.run(*(name for name in USES if name != "serve"), **place)
    line = f"database: embedded PostgreSQL in {site.data_dir}"
    for name, result in done.items():
        assert lines_of(result.stderr) == [line], (name, result.stderr)
        assert "internal error" not in result.stderr
    assert site.serve(**place).rstrip() == line
    codes = {name: result.returncode for name, result in done.items()}
    assert codes.pop("demo") == 2, "the database is the site's, not the demonstration's"
    assert "site key" in done["demo"].stderr
    assert codes.pop("dataset") == 1, "the patient has no birth date, and is left out"
    for name in ("user remove", "client remove"):
        codes.pop(name)  # there is nobody of that name
    absent = dict.fromkeys(("inbox show", "inbox message", "outbox show"), 2)  # there is no such entry
    assert codes == {**dict.fromkeys(codes, 0), **absent}
    assert "dora" in done["user list"].stdout
    assert done["user list"].stdout.count("clinician") == 1, "the demonstration added nobody"
    assert "p" in done["view run"].stdout
    assert not list(site.home.rglob("postgres")), "nothing is made in the user's own folder"


def test_a_url_is_used_before_a_folder_and_its_password_is_not_shown(
    site: OneSite, postgres: EmbeddedServer
) -> None:
    url = postgres.url().replace("postgres@", "postgres:s3cret@")
    place = {"FHIR_BRIDGE_DATABASE_URL": url, "FHIR_BRIDGE_DATABASE_DIR": str(site.folder / "no")}
    done = site.run("user list", **place)["user list"]
    assert done.returncode == 0, done.stderr
    (line,) = lines_of(done.stderr)
    assert "dbname=fhir_bridge" in line
    assert "s3cret" not in done.stderr + done.stdout
    assert not (site.folder / "no").exists()


def test_without_a_name_the_database_is_the_users_own(site: OneSite) -> None:
    done = site.run("user list")["user list"]
    (line,) = lines_of(done.stderr)
    folder = Path(line.removeprefix("database: embedded PostgreSQL in "))
    try:
        assert done.returncode == 0, done.stderr
        assert (folder / "cluster").is_dir()
        assert os.geteuid() == 0 or folder.is_relative_to(site.home)
    finally:
        shutil.rmtree(folder.parent if folder.parent != site.home else folder)


def test_the_demonstration_takes_no_database_that_has_users(fresh_database_url: str, tmp_path: Path) -> None:
    async def users(add: bool) -> list[str]:
        async with await Store.open(fresh_database_url, max_size=1) as store:
            accounts = Accounts(store)
            if add:
                await accounts.add_user("dora", "correct horse battery", "clinician")
            return [user.username for user in await accounts.users()]

    asyncio.run(users(add=True))
    with pytest.raises(OtherSiteKey):
        asyncio.run(prepare(tmp_path / "cohort", fresh_database_url))
    assert asyncio.run(users(add=False)) == ["dora"]
    assert not (tmp_path / "cohort").exists()


@pytest.mark.parametrize("user", [0, 1000])
def test_two_users_share_neither_database_nor_key(
    user: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    databases, keys = set(), set()
    for home in ("anna", "bert"):
        monkeypatch.setenv("HOME", str(tmp_path / home))
        databases |= {default_data_dir(), default_data_dir("demo")}
        keys.add(Site().key_path)
        if user:
            assert default_data_dir().parent == Site().key_path.parent
    assert len(databases) == 4, "the demonstration has its own"
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p%40ss@db.example:5433/x", "PostgreSQL user=u host=db.example port=5433 dbname=x"),
        ("postgresql://u@db.example/x?password=p%40ss", "PostgreSQL user=u host=db.example dbname=x"),
        ("host=db.example user=u password=p@ss dbname=x", "PostgreSQL user=u host=db.example dbname=x"),
        ("postgresql:///x?host=/run/pg&sslpassword=p@ss", "PostgreSQL host=/run/pg dbname=x"),
        ("postgres://u:p@ss:wrong url", "PostgreSQL at a URL that can't be read (FHIR_BRIDGE_DATABASE_URL)"),
    ],
)  # fmt: skip
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert str(DatabaseLocation.choose(url)) == shown


def test_an_empty_variable_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", "")
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_DIR", "")
    assert DatabaseLocation.choose().data_dir == default_data_dir()


def test_an_option_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", "postgresql://elsewhere/db")
    assert DatabaseLocation.choose(data_dir=tmp_path).data_dir == tmp_path
    assert open_database("postgresql://u:geheim@named/db") == "postgresql://u:geheim@named/db"
    assert capsys.readouterr().err == "database: PostgreSQL user=u host=named dbname=db\n"
