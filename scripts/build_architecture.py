"""Draws docs/architecture.svg from the imports: the packages in their layers, and who imports whom.

python scripts/build_architecture.py            # writes the picture
python scripts/build_architecture.py --check    # exit code 1 where it is not what the imports say
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH, ROW, BOX, HIGH = 920, 92, 190, 46


def layers() -> list[list[str]]:
    """The layers of the contract that import-linter checks, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    match = next(
        contract for contract in contracts if contract["type"] == "layers" and "containers" not in contract
    )
    return [
        [name.strip().removeprefix("fhir_bridge.") for name in layer.split(":")] for layer in match["layers"]
    ]


def imports(names: list[str]) -> Counter[tuple[str, str]]:
    """How many modules of one package import a module of another, by (importer, imported)."""
    graph = grimp.build_graph("fhir_bridge", cache_dir=None)
    result: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = (module.split(".")[1:2], other.split(".")[1:2])
            if all(part and part[0] in names for part in pair) and pair[0] != pair[1]:
                result[pair[0][0], pair[1][0]] += 1
    return result


def without_implied(counted: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """The imports without those of what is reached through another package anyway: the picture would be all lines."""

    def reached(start: str) -> set[str]:
        results: set[str] = set()
        for importer, imported in counted:
            if importer == start:
                results |= {imported} | reached(imported)
        return results

    implied = {(a, c) for a, b in counted for c in reached(b)}
    return Counter({pair: number for pair, number in counted.items() if pair not in implied})


def drawn() -> str:
    """The picture as SVG."""
    rows = layers()
    locations = {
        name: ((WIDTH * (2 * column + 1)) // (2 * len(row)), 40 + ROW * line)
        for line, row in enumerate(rows)
        for column, name in enumerate(row)
    }
    counted = without_implied(imports(list(locations)))
    most = max(counted.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {ROW * len(rows) + 10}" '
        'font-family="system-ui, sans-serif" font-size="15" role="img">',
        "<title>The packages in their layers; a line leads from who imports to what is imported</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for (importer, imported), number in sorted(counted.items()):
        (x, y), (to_x, to_y) = locations[importer], locations[imported]
        bend = 60 if abs(to_y - y) > ROW else 0
        parts.append(
            f'<path d="M{x} {y + HIGH // 2} C{x + bend} {(2 * y + to_y) // 3} {to_x + bend} {(y + 2 * to_y) // 3} '
            f'{to_x} {to_y - HIGH // 2}" fill="none" stroke="#7a8ca3" stroke-opacity="0.55" '
            f'stroke-width="{1 + round(5 * number / most)}">'
            f"<title>{number} modules of {importer} import {imported}</title></path>"
        )
    for name, (x, y) in locations.items():
        parts.append(
            f'<rect x="{x - BOX // 2}" y="{y - HIGH // 2}" width="{BOX}" height="{HIGH}" rx="8" fill="#e8f0fa" '
            f'stroke="#3a5f8a"/><text x="{x}" y="{y + 5}" text-anchor="middle" fill="#12263f">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main(arguments: list[str]) -> int:
    """Write the picture, or compare it."""
    picture = drawn()
    if arguments == ["--check"]:
        if PICTURE.is_file() and PICTURE.read_text("utf-8") == picture:
            return 0
        print("docs/architecture.svg is not what the imports say: run python scripts/build_architecture.py")
        return 1
    PICTURE.write_text(picture, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
