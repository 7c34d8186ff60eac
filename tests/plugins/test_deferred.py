"""Names that packages offer and load when they are asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = """
from fhir_bridge.deferred import deferred

__getattr__ = deferred(__name__, {"convert": "convert", "Other": "others"})
"""


def test_a_package_offers_its_own_name_though_the_module_of_this_name_was_imported_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "package_of_deferred"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "convert.py").write_text("def convert(): return 1\n\nTWO = 2\n")
    (folder / "others.py").write_text("Other = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("package_of_deferred.convert")
    package = import_module("package_of_deferred")
    assert (module.TWO, package.convert(), package.Other) == (2, 1, 3)
    assert vars(package)["convert"] is module.convert, "asked for once"
    assert package.others.Other == 3, "a module of another name is what its import makes it"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("code", "unused"),
    [
        (
            "import fhir_bridge.predictions.model_process",
            ("fhir.validation", "mapping", "pipeline"),
        ),
        (
            "from fhir_bridge.plugins import get_manager; get_manager()",
            ("fhir.validation", "mapping", "pipeline.shard"),
        ),
        ("import fhir_bridge.cli.main", ("fhir.validation", "mapping.compiled", "pipeline.shard", "storage")),
    ],
    ids=["the process of a model", "the plug-ins", "a command before it runs"],
)
def test_what_starts_often_loads_nothing_that_it_does_not_use(code: str, unused: tuple[str, ...]) -> None:
    show = f"{code}; import sys; print(*(m for m in sys.modules if m.startswith('fhir_bridge.')))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in unused if f"fhir_bridge.{name}" in loaded] == []
