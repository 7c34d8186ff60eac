"""What our pages show is true: commands parse, Python imports and runs, YAML loads, links lead somewhere."""

from __future__ import annotations

import asyncio
import importlib
import re
import shlex
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from fhir_bridge.cli.main import app
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Site
from fhir_bridge.plugins import Operation
from fhir_bridge.predictions import PatientRecord, Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.run import PredictionRun
from fhir_bridge.server.rest.operation_registry import Operations
from fhir_bridge.storage import Store
from tests.docs.markdown import Block, blocks

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]


@cache
def _all_commands() -> Any:
    return typer.main.get_command(app)


def _commands() -> list[tuple[str, str]]:
    results = []
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        text = re.sub(r"\n {8,}(--)", r" \1", text)
        for line in text.splitlines():
            for part in re.split(r"&&|;|\|", line):
                shown = re.match(r"(?: {4,})?(fhir-bridge [a-z].*)", part) if part is line else None
                shown = shown or re.match(r"\s*(fhir-bridge [a-z-]+ .*)", part)
                if shown and "…" not in shown[1] and not shown[1].startswith("fhir-bridge-"):
                    results.append((page.name, shown[1].strip()))
    return results


@pytest.mark.parametrize(("page", "line"), _commands())
def test_every_command_shown_is_one(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, options and number of arguments; files need not be there."""
    words = shlex.split(line, comments=True)[1:]
    command = _all_commands()
    while isinstance(getattr(command, "commands", None), dict):
        assert words, f"{line}: which one?"
        assert words[0] in command.commands, f"{page}: there is no command {words[0]} in `{line}`"
        command = command.commands[words.pop(0)]
    known = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
    missing = {option.name for option in command.params if option.required}
    while words:
        word = words.pop(0)
        if word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            assert name in known, f"{page}: `{line}` has an unknown option {name}"
            missing.discard(known[name].name)
            if not known[name].is_flag and not equals:
                assert words, f"{page}: {name} wants a value in `{line}`"
                words.pop(0)
        else:
            missing -= {option.name for option in command.params if option.param_type_name == "argument"}
    assert missing == set(), f"{page}: `{line}` lacks {missing}"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=str)
def test_python_compiles_and_imports_what_is_there(block: Block) -> None:
    compile(block.text, str(block), "exec")
    for line in re.findall(r"^from fhir_bridge\S* import .+$", block.text, re.MULTILINE):
        exec(line.split("  #")[0], {})


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=str)
def test_yaml_is_yaml(block: Block) -> None:
    assert YAML(typ="safe").load(block.text)


def test_the_site_page_shows_a_site_file(tmp_path: Path) -> None:
    (block,) = (b for b in blocks(ROOT / "docs/site.md") if b.language == "yaml")
    (tmp_path / "site.yaml").write_text(block.text)
    (tmp_path / "crosswalk.csv").write_text("sample;system;value\n")
    (tmp_path / "concept-maps").mkdir()
    assert Site.load(tmp_path / "site.yaml").site == "st-elsewhere"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def _module(block: Block) -> ModuleType:
    module = ModuleType("shown")
    sys.modules["shown"] = module
    exec(compile(block.text, str(block), "exec"), module.__dict__)
    return module


def _shown(page: str, containing: str) -> ModuleType:
    (block,) = (b for b in blocks(ROOT / "docs" / page) if b.language == "python" and containing in b.text)
    return _module(block)


def _pressure(value: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"pressure-{value}",
        "meta": {"source": "urn:fhir-bridge:csv:vitals"},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": "Patient/anna"},
        "effectiveDateTime": "2026-02-03T09:30:00+01:00",
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    }


class TestThePredictorOfThePlugInPage:
    @pytest.fixture
    def predictor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """In a module that the process of the model can import."""
        (block,) = (
            b
            for b in blocks(ROOT / "docs/plugins.md")
            if "fhir_bridge_predictors" in b.text and b.language == "python"
        )
        (tmp_path / "shown_in_plugins.py").write_text(block.text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "shown_in_plugins", raising=False)
        (predictor,) = importlib.import_module("shown_in_plugins").fhir_bridge_predictors()
        return predictor

    @pytest.mark.parametrize(("pressure", "percent"), [(150, 100), (120, 0)])
    def test_it_predicts(self, pressure: int, percent: int, predictor: Any) -> None:
        record = PatientRecord(
            {"resourceType": "Patient", "id": "anna"}, [_pressure(pressure)], datetime.now(UTC)
        )
        settings = PredictorSettings.from_site({}, predictor.name)
        empty = PatientRecord({"resourceType": "Patient", "id": "anna"}, [], datetime.now(UTC))
        result, empty = predictor.predict([record, empty], settings)
        assert isinstance(result, Prediction)
        assert result.percent == Decimal(percent)
        assert isinstance(empty, Refusal)

    async def store_and_predict(self, url: str, predictor: Any) -> list[str]:
        page = ROOT / "docs/plugins.md"
        (site,) = (b for b in blocks(page) if b.language == "yaml")
        parameters = YAML(typ="safe").load(site.text)["parameters"]
        async with await Store.open(url, max_size=1) as store:
            patient = {"resourceType": "Patient", "id": "anna", "gender": "female", "birthDate": "1961-04-05"}
            for resource in (patient, _pressure(150)):
                await store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)
            run = PredictionRun(predictor, parameters, IdKey(DEMO_KEY), store)
            return [(await run.for_patient("anna")).outcome for _ in range(2)]

    def test_what_it_says_is_stored_once(self, fresh_database_url: str, predictor: Any) -> None:
        outcomes = asyncio.run(self.store_and_predict(fresh_database_url, predictor))
        assert outcomes == ["written", "unchanged"]


def test_the_operation_of_the_rest_page_is_served() -> None:
    echo: Operation = _shown("rest.md", "class Echo").Echo()
    served = Operations([echo])
    assert served.find("Patient", "echo") is echo
    assert served.find("", "echo") is None


def _terminology_lines() -> list[tuple[str, str]]:
    return [
        (code, text)
        for block in blocks(ROOT / "docs/terminology.md")
        if block.language == "python"
        for code, _, text in (line.partition("  # ") for line in block.text.splitlines())
    ]


def test_the_terminology_page_says_what_comes_out() -> None:
    """A comment behind an expression is its value, with `…` for what is left out and words after a colon."""
    scope: dict[str, Any] = {}
    compared = 0
    for code, text in _terminology_lines():
        if re.match(r"from |import |\w+ = ", code):
            exec(code, scope)
        elif text.startswith("Incommensurable"):
            with pytest.raises(scope["ucum"].Incommensurable):
                eval(code, scope)
        elif re.match(r"True|False|Decimal|Concept|\[", text):
            value = text.split(":")[0] if text.startswith(("True", "False")) else text
            seen = repr(eval(code, scope))
            assert [piece for piece in value.split("…") if piece.strip(" ,)]") not in seen] == [], (
                code,
                seen,
            )
            compared += 1
    assert compared >= 5
