"""The mutation tests name modules and tests that there are, and fail where too little is killed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from scripts.mutation import LEAST, Result, changed_lines, report


def test_modules_and_tests_of_the_mutation_tests_exist(repository: Path) -> None:
    settings = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
    modules, tests = settings["only_mutate"], settings["pytest_add_cli_args_test_selection"]
    assert modules
    for path in (*modules, *tests):
        assert (repository / path.partition("::")[0]).is_file(), path


def test_a_survivor_is_listed_with_its_change_and_lowers_the_share() -> None:
    diff = "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n def f(x):\n-    return x > 0\n+    return x >= 0"
    before, after = changed_lines(diff)
    assert (before, after) == ("return x > 0", "return x >= 0")
    result = Result("a.py", killed=84)
    result.survivors += [("f", before, after, "survived")] * 16
    assert result.share == pytest.approx(0.84)
    assert result.share < LEAST
    text = report([result])
    assert " 84 " in text
    assert " 16 " in text
    assert "a.py f (survived)\n- return x > 0\n+ return x >= 0" in text
    assert Result("nothing.py").share < LEAST, "a module without mutants was not tested"
