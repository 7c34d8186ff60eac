"""Validate examples, mutants and adapters' output with both validators, and report where they part.

    python -m scripts.agreement [--mutants N] [--seed N] [--definitional N] [--adapters FOLDER]... [--least SHARE]
                                [--kinds REGEX] [--out FOLDER] [--keep FILE]

docs/agreement.md says what is compared and what the figures mean. It ends with 1 where the agreement with checked
reasons is below `--least`, with 2 on wrong use, and with 0 where the official validator can't run here (it says why).
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fhir_bridge.fhir.validation import Validator
from fhir_bridge.terminology import get_terminology
from scripts import referee
from scripts.agreement import report, verdicts
from scripts.agreement.corpus import adapter_output, bundles_of, package_examples
from scripts.agreement.kept_mutants import keep
from scripts.agreement.mutants import draw
from scripts.agreement.mutants.registry import MUTATORS
from scripts.agreement.validators import official, ours


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="How far our validator and the official one agree.")
    parser.add_argument("--mutants", type=int, default=6000, help="how many mutants to make (6000)")
    parser.add_argument("--seed", type=int, default=1, help="the mutants' seed (1)")
    parser.add_argument(
        "--definitional", type=int, default=200, help="resources of each definitional type (200)"
    )
    parser.add_argument(
        "--adapters", type=Path, action="append", default=[], help="a folder of converted NDJSON"
    )
    parser.add_argument(
        "--each", type=int, default=60, help="converted resources of a type from each file (60)"
    )
    parser.add_argument("--kinds", default="", help="only mutation kinds that match this regular expression")
    parser.add_argument(
        "--least",
        type=float,
        default=0.99,
        help="the agreement, with checked reasons, that is asked for (0.99)",
    )
    parser.add_argument("--out", type=Path, default=referee.FOLDER, help="where the report goes (.referee)")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="write small mutants with R4's verdict here"
    )
    options = parser.parse_args(arguments)
    try:
        referee.prepare()
        sources = list(package_examples(options.definitional))
    except referee.Absent as absent:
        print(f"skipped: {absent}")
        return 0
    sources += adapter_output([*referee.examples(), *options.adapters], options.each)
    sources += bundles_of(sources)
    for name in [name for name in MUTATORS if not re.search(options.kinds, name)]:
        del MUTATORS[name]
    checked = _validate([(s.group, s.group, s.name, "", s.text) for s in sources])
    valid = [s for s, case in zip(sources, checked, strict=True) if case.agree and not case.ours.errors]
    mutants = list(draw(valid, options.mutants, options.seed))
    checked += _validate([("mutants", m.kind, m.source.name, m.done, m.text) for m in mutants])
    cases = report.cases(checked, verdicts.load())
    head = f"{len(sources)} examples and converted resources, {len(mutants)} mutants of {len(MUTATORS)} kinds"
    head += f" (seed {options.seed})."
    print(report.write(cases, options.out, head))
    if options.keep is not None:
        print(f"{keep(cases, options.keep)} mutants kept in {options.keep}")
    total = report.figures(cases)
    print(
        f"\nraw agreement {100 * total.raw:.2f} % of what both check, {100 * total.reasoned:.2f} % with checked reasons"
    )
    print(f"all disagreements: {options.out}/agreement.md and agreement.jsonl")
    return 0 if total.reasoned >= options.least else 1


def _validate(texts: Sequence[tuple[str, str, str, str, bytes]]) -> list[report.Case]:
    """What both say of each text, given with its group, kind, name and what was done to it."""
    begin = time.perf_counter()
    own = list(ours([text for *_, text in texts], Validator(get_terminology())))
    print(
        f"{len(own)} resources: ours {time.perf_counter() - begin:.0f} s", end="", file=sys.stderr, flush=True
    )
    begin = time.perf_counter()
    theirs = official([text for *_, text in texts], referee.FOLDER / "judged.sqlite")
    print(f", the official validator {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return [report.Case(*text, mine, other) for text, mine, other in zip(texts, own, theirs, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
