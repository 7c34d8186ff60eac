"""Compare what the shipped mappings make of real inputs with the FHIR that other engines made of them.

    python -m scripts.peers [--shared FOLDER] [--write FILE] [--details FILE] [--adapter NAME]

Ends with 1 where a difference is explained by no row of verdicts.toml; it lists them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.peers import report, verdicts
from scripts.peers.aligning import align
from scripts.peers.comparing import compare
from scripts.peers.pairs import ours, pairs, theirs

SHARED = Path(__file__).parents[3] / "shared"


def comparisons(root: Path, adapter: str | None = None) -> list[report.Comparison]:
    """The findings of all pairs below a folder, by adapter."""
    results: dict[str, report.Comparison] = {}
    for pair in pairs(root):
        if adapter not in (None, pair.adapter):
            continue
        each = results.setdefault(pair.adapter, report.Comparison(pair.adapter))
        aligned = align(ours(pair), theirs(pair))
        each.engines[pair.engine] += 1
        each.findings += compare(pair.source.name, aligned)
        for mine, _ in aligned.both:
            each.resources[mine.type]["both"] += 1
        for kind, subjects in (("ours", aligned.ours), ("theirs", aligned.theirs)):
            for subject in subjects:
                each.resources[subject.type][kind] += 1
    return list(results.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Where our FHIR and other engines' differ.")
    parser.add_argument("--shared", type=Path, default=SHARED, help="the folder of real inputs (../shared)")
    parser.add_argument("--adapter", help="inputs of this adapter alone")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page here")
    parser.add_argument(
        "--details", type=Path, metavar="FILE", help="write each difference here, a JSON object a line"
    )
    options = parser.parse_args(arguments)
    results, rows = comparisons(options.shared / "data", options.adapter), verdicts.load()
    if options.write:
        options.write.write_text(report.page(results, rows), "utf-8")
    if options.details:
        with options.details.open("w", encoding="utf-8") as file:
            for each in results:
                for finding in each.findings:
                    if finding.outcome != "equal":
                        row = verdicts.verdict_for(each.adapter, finding, rows)
                        entry = {
                            "adapter": each.adapter,
                            "verdict": row.name if row else None,
                            **asdict(finding),
                        }
                        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    missing = report.unexplained(results, rows)
    for adapter, finding in missing:
        print(
            f"{adapter} {finding.where} {finding.element} ({finding.outcome}): {finding.ours} ≠ {finding.theirs}"
        )
    total = sum(finding.outcome != "equal" for each in results for finding in each.findings)
    print(f"{total:,} differences, {len(missing):,} without a reason")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
