"""What a file says of the regions that were looked at reaches the answers: blocks of a gVCF, and the BED of a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.server import Settings, create_app
from tests.command import run_command
from tests.server.conftest import Http, bare_plugins, running
from tests.server.genomics.genome import HEAD, site

ONE, SEVEN = "NC_000001.11", "NC_000007.14"
BLOCKS = (
    "chr1 1 . N <NON_REF> . . END=10000 GT:DP:GQ:MIN_DP 0/0:0:0:0",
    "chr1 10001 . A <NON_REF> . . END=10500 GT:DP:GQ:MIN_DP 0/0:30:90:25",
    "chr1 10501 . A G,<NON_REF> 500 . . GT:DP:GQ 0/1:30:99",
    "chr1 10502 . A <NON_REF> . . END=10600 GT:DP:GQ:MIN_DP 0/0:9:12:0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("studied")
    site(path)
    return path


@pytest.fixture(scope="module")
def load(folder: Path, database_url: str) -> Iterator[Any]:
    """Loads lines of a sample, as a file of a day."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))

        def run(sample: str, date: str, lines: tuple[str, ...], *more: str) -> None:
            path = folder / f"{sample}-{date}.vcf"
            head = HEAD.format(date=date).replace("NA-ANNA\tNA-BERT", sample)
            head = head.replace("##SAMPLE=<ID=NA-ANNA>\n", "")
            for key in ("DP", "GQ", "MIN_DP"):
                described = f'##FORMAT=<ID={key},Number=1,Type=Integer,Description="{key}">\n'
                head = head.replace("##FORMAT=<ID=GT", f"{described}##FORMAT=<ID=GT")
            path.write_text(head + "".join(line.replace(" ", "\t") + "\n" for line in lines))
            done = run_command("load", path, "-a", "vcf", "--site", folder / "site.yaml", *more)
            assert done.returncode == 0, done.stderr

        yield run


@pytest.fixture(scope="module")
def http(folder: Path, database_url: str) -> Iterator[Http]:
    settings = Settings(
        database_url=database_url,
        auth="none",
        site=folder / "site.yaml",
        blob_dir=folder / "blobs",
        pages=False,
    )
    with running(create_app(settings, plugins=bare_plugins())) as client:
        yield client


def asked(http: Http, number: str, places: str) -> tuple[Any, str]:
    """What is answered of a range: presence (the reason where there is none), and whether it was studied."""
    (entry,) = http.get(f"/fhir/Patient?identifier=urn:oid:2.25.7|{number}").json()["entry"]
    answer = http.get(
        "/fhir/$find-subject-variants", params={"subject": entry["resource"]["id"], "ranges": places}
    )
    parts = {part["name"]: part for part in answer.json()["parameter"][0]["part"]}
    presence = parts["presence"]
    if "valueBoolean" in presence:
        return presence["valueBoolean"], parts["studied"]["valueCode"]
    return presence["_valueBoolean"]["extension"][0]["valueCode"], parts["studied"]["valueCode"]


@pytest.mark.parametrize("keep", [(), ("--keep-file",)])
def test_a_block_that_no_read_covers_was_not_called(http: Http, load: Any, keep: tuple[str, ...]) -> None:
    load("NA-BERT", "20260303" if keep else "20260302", BLOCKS, *keep)
    assert asked(http, "B1", f"{ONE}:2000-3000") == ("not-performed", "no")
    assert asked(http, "B1", f"{ONE}:10100-10200") == (False, "yes")
    assert asked(http, "B1", f"{ONE}:9000-10100") == (False, "partly")
    assert asked(http, "B1", f"{ONE}:10500-10501") == (True, "yes")
    assert asked(http, "B1", f"{ONE}:10550-10560") == ("not-performed", "no")
