"""How fast the content store answers and imports: `python benchmarks/terminology_store.py [--full] [--keep FOLDER]`.

Makes a LOINC zip and a SNOMED-like RF2 zip (tests/terminology/makers), imports each in a process of its own, and asks
uniformly random codes in this process, without a cache of results. `--full` makes 100,000 and 400,000 concepts; the
default is a tenth and a twentieth of that, so that `make bench` stays short. The same questions go to SQLite (code
table, closure table, FTS5), which is what the store was chosen against (docs/decisions/0004-terminology-store.md).
"""

from __future__ import annotations

import argparse
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from fhir_bridge.terminology.folding import words
from fhir_bridge.terminology.operations.ecl import compile_ecl
from fhir_bridge.terminology.store import StoredSystem, open_store
from tests.terminology.makers import make_loinc
from tests.terminology.makers_rf2 import FINDING, MORPH, MORPHOLOGY, SITE, STRUCTURE, make_rf2

IMPORT = """
import resource, sys
from pathlib import Path
from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.store import open_store
result = import_file(open_store(sys.argv[1]), Path(sys.argv[2]))
print(result.seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""
EXPRESSIONS = (
    f"<< {FINDING}",
    f"<< {FINDING} MINUS << {STRUCTURE}",
    "<< (^ 700043003)",
    f"<< {FINDING} : {SITE} = << {STRUCTURE}, {MORPH} = <! {MORPHOLOGY}",
    f"<< {FINDING} : {{ {SITE} = << {STRUCTURE}, {MORPH} = <! {MORPHOLOGY} }}",
    f"<< {FINDING} : {{ {SITE} = *, {MORPH} = * }}",
    f"<< {FINDING} : [0..0] {SITE} = *",
    f"(<< {FINDING}) . {SITE}",
    f'<< {FINDING} {{{{ term = "acute inf" }}}}',
    f'<< {FINDING} {{{{ term = wild:"*structure" }}}}',
    '* {{ term = "acu", type = syn, dialect = en-us (prefer) }}',
    f"<< {FINDING} {{{{ C definitionStatus = primitive, active = 1 }}}}",
    f"<< {FINDING} {{{{ + HISTORY-MAX }}}}",
)
QUESTIONS = 200_000
TEXTS = 1_000


def rate(ask: Callable[..., object], *arguments: Sequence[Any]) -> float:
    """Answers a second, the best of three rounds."""
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        for values in zip(*arguments, strict=True):
            ask(*values)
        best = max(best, len(arguments[0]) / (time.perf_counter() - start))
    return best


def percentiles(ask: Callable[[str], object], texts: Sequence[str]) -> str:
    times = []
    for text in texts:
        start = time.perf_counter()
        ask(text)
        times.append((time.perf_counter() - start) * 1000)
    times.sort()
    return f"p50 {times[len(times) // 2]:7.2f} ms   p95 {times[int(len(times) * 0.95)]:7.2f} ms"


def show(name: str, store: str, sqlite: str = "") -> None:
    print(f"{name:44} {store:>34} {sqlite:>34}", flush=True)


def memory() -> str:
    """Resident memory of this process, its own and that of mapped files, which the system takes back at will."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB at most"
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    own, mapped = (int(status[name].split()[0]) / 1000 for name in ("RssAnon", "RssFile"))
    return f"{own:.0f} MB own, {mapped:.0f} MB mapped"


class InSqlite:
    """The same content in SQLite: codes by primary key, subsumption by closure table, text by FTS5 with its ranking."""

    def __init__(self, path: Path, system: StoredSystem) -> None:
        path.unlink(missing_ok=True)
        self.db = db = sqlite3.connect(path)
        db.executescript(
            "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF; PRAGMA mmap_size=4000000000;"
            "CREATE TABLE concept (code TEXT PRIMARY KEY, number INTEGER, active INTEGER, display TEXT) WITHOUT ROWID;"
            "CREATE TABLE above (code TEXT, ancestor TEXT, PRIMARY KEY (code, ancestor)) WITHOUT ROWID;"
            "CREATE VIRTUAL TABLE name USING fts5 (text, tokenize='unicode61 remove_diacritics 2', prefix='1 2 3');"
        )
        codes = list(system.codes())
        rows = [(code, number, system.display(code) or "") for number, code in enumerate(codes)]
        db.executemany("INSERT INTO concept VALUES (?,?,1,?)", rows)
        db.executemany(
            "INSERT INTO name (rowid, text) VALUES (?,?)", ((number, text) for _, number, text in rows)
        )
        db.executemany("INSERT INTO above VALUES (?,?)", self._closure(system, codes))
        db.execute("INSERT INTO name (name) VALUES ('optimize')")
        db.commit()

    @staticmethod
    def _closure(system: StoredSystem, codes: list[str]) -> Any:
        known: dict[str, set[str]] = {}
        for first in codes:
            waiting = [first]
            while waiting:
                code = waiting[-1]
                missing = [parent for parent in system.parents(code) if parent not in known]
                if missing:
                    waiting.extend(missing)
                    continue
                waiting.pop()
                if code not in known:
                    known[code] = {code}.union(*(known[parent] for parent in system.parents(code)))
        return ((code, ancestor) for code in sorted(known) for ancestor in sorted(known[code]))

    def lookup(self, code: str) -> object:
        return self.db.execute(
            "SELECT number, active, display FROM concept WHERE code = ?", (code,)
        ).fetchone()

    def is_a(self, code: str, ancestor: str) -> bool:
        statement = "SELECT 1 FROM above WHERE code = ? AND ancestor = ?"
        return self.db.execute(statement, (code, ancestor)).fetchone() is not None

    def validate(self, code: str, display: str) -> bool:
        result = self.db.execute("SELECT display FROM concept WHERE code = ?", (code,)).fetchone()
        return result is not None and result[0] == display

    def search(self, text: str) -> object:
        pattern = " ".join(f'"{word}"*' for word in words(text))
        query = "SELECT rowid FROM name WHERE name MATCH ? ORDER BY rank LIMIT 20"
        return self.db.execute(query, (pattern,)).fetchall()


def filters(system: StoredSystem, codes: Sequence[str], choose: random.Random) -> list[str]:
    """What people type into a search box: one to three words of a name, the last one not finished."""
    results: list[str] = []
    while len(results) < TEXTS:
        result = words(system.display(choose.choice(codes)) or "")
        if result:
            some = choose.sample(result, min(len(result), choose.choice((1, 1, 2, 2, 3))))
            results.append(" ".join([*some[:-1], some[-1][: choose.randrange(1, 7)]]))
    return results


def measure(system: StoredSystem, folder: Path) -> None:
    choose = random.Random(7)
    codes = list(system.codes())
    queries, others = choose.choices(codes, k=QUESTIONS), choose.choices(codes, k=QUESTIONS)
    below, above = queries[:50_000], []
    for code in below:
        for _ in range(choose.randrange(1, 5)):
            code = choose.choice(system.parents(code) or [code])
        above.append(code)
    displays = [system.display(code) or "" for code in queries]
    sqlite = InSqlite(folder / "compare.sqlite", system)

    def validate(code: str, display: str) -> bool:
        return system.display(code) == display

    def everything(code: str) -> object:
        detail = system.get(code)
        return detail and (detail.designations, detail.properties)

    def rates(
        name: str, ours: Callable[..., object], theirs: Callable[..., object], *arguments: Sequence[Any]
    ) -> None:
        show(name, f"{rate(ours, *arguments):,.0f}/s", f"{rate(theirs, *arguments):,.0f}/s")

    show(f"{system.url}, {len(system):,} concepts", "store (LMDB, tantivy)", "SQLite (closure table, FTS5)")
    rates("lookup", system.get, sqlite.lookup, queries)
    show("  with designations and properties read", f"{rate(everything, queries[:50_000]):,.0f}/s")
    rates("subsumption, random pairs", system.is_a, sqlite.is_a, queries, others)
    rates("subsumption, ancestors", system.is_a, sqlite.is_a, below, above)
    rates("validate-code with display", validate, sqlite.validate, queries, displays)
    texts = filters(system, codes, choose)
    ours = percentiles(lambda text: system.search(text, 20), texts)
    show("text filter, 20 wanted", ours, percentiles(sqlite.search, texts))
    show("text filter, 1,000 wanted", percentiles(system.search, texts))
    names = [display for display in displays if display][:200]
    misspelt = [name[: len(name) // 2] + name[len(name) // 2 + 1 :] for name in names]
    show(
        "candidates for a misspelt whole name",
        percentiles(lambda text: system.candidates(text, 20), misspelt),
    )


def measure_ecl(system: StoredSystem) -> None:
    """CPU time of finding all codes of an expression, and of deciding for one."""
    some = random.Random(7).choices(list(system.codes()), k=500)
    print(f"\n{'codes':>9} {'all':>12} {'one':>12}   expression")
    for expression in EXPRESSIONS:
        start = time.process_time()
        result = sum(1 for _ in compile_ecl(expression, system).codes())
        whole = time.process_time() - start
        query = compile_ecl(expression, system)
        start = time.process_time()
        for code in some:
            query.matches(code)
        item = (time.process_time() - start) / len(some)
        print(f"{result:9,} {whole * 1e3:9,.0f} ms {item * 1e6:9,.1f} µs   {expression}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100,000 and 400,000 concepts")
    parser.add_argument(
        "--keep", type=Path, help="keep the made files and the store here, and use them again"
    )
    options = parser.parse_args()
    loinc, snomed = (100_000, 400_000) if options.full else (10_000, 20_000)
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-benchmark-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files: list[tuple[Path, Callable[[Path, int], object], int]] = [
            (folder / f"loinc-{loinc}.zip", make_loinc, loinc),
            (folder / f"rf2-{snomed}.zip", make_rf2, snomed),
        ]
        for path, make, concepts in files:
            if not path.exists():
                make(path, concepts)
            start = [sys.executable, "-c", IMPORT, str(folder / "store"), str(path)]
            done = subprocess.run(start, check=True, capture_output=True, text=True)
            seconds, peak = map(float, done.stdout.split())
            show(f"import of {path.name}", f"{seconds:.1f} s, {peak:.0f} MB at the peak")
        store = open_store(folder / "store")
        for url in ("http://loinc.org", "http://snomed.info/sct"):
            system = store.get(url)
            assert system is not None
            print()
            measure(system, folder)
            if url.startswith("http://snomed"):
                measure_ecl(system)
        print(f"\nmemory of this process after all questions: {memory()}")


if __name__ == "__main__":
    main()
