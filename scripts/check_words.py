"""Checks that names follow the glossary of CONTRIBUTING.md: no identifier and no file name has a word it replaces.

    python scripts/check_words.py

Names are split at underscores and capitals (`EnoughFound` has the word `found`). Exit code 1 where a word is met.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKED = ("fhir_bridge", "scripts", "benchmarks", "migrations")
WORDS = frozenset(
    "told tell tells telling judge judges judged judging found made mended odd oddity spoilt stands said says "
    "house room floor".split()
)
PHRASES = (("at", "hand"), ("held", "against"), ("what", "became"))
FILE_NAMES = frozenset("late lazy pack hints drafts substrate owned at_hand judges".split())
ALLOWED = frozenset(
    {
        "FileNotFoundError", "ModuleNotFoundError", "NotFound", "NotFoundError", "NOT_FOUND",
        "ROUND_FLOOR", "floor", "_floor", "tell", "connection_made",
    }
)  # fmt: skip
"""Names of Python, asyncio, HTTP and lmdb, and functions of FHIRPath and of file objects (`floor()`, `tell()`)."""


def words_of(name: str) -> list[str]:
    """The words of an identifier, in lower case."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return [word.lower() for word in split.split("_") if word]


def is_dialect(name: str) -> bool:
    """Whether a name has a word that the glossary replaces."""
    if name in ALLOWED:
        return False
    words = words_of(name)
    return not WORDS.isdisjoint(words) or any(pair in PHRASES for pair in pairwise(words))


def names_in(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each identifier of a file."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def problems() -> Iterator[str]:
    """What is to be renamed, with its file and line."""
    for path in sorted(path for folder in CHECKED for path in (ROOT / folder).rglob("*.py")):
        shown = path.relative_to(ROOT)
        if path.stem in FILE_NAMES:
            yield f"{shown}: the file's name is in the glossary"
        for line, name in names_in(path):
            if is_dialect(name):
                yield f"{shown}:{line}: {name}"


def main() -> int:
    """Check every file."""
    lines = list(problems())
    print("\n".join(lines) or "names follow the glossary")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
