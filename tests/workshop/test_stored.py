"""What is in the store, explained months later from its ledger."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from fhir_bridge.plugins import shipped
from fhir_bridge.storage import Store
from fhir_bridge.storage.origins import origins_of
from tests.command import run_command


@pytest.fixture(autouse=True)
def database(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)


def ids(sources: Path, adapter: str, mapping: Path | str, site: Path, out: Path) -> dict[str, list[str]]:
    assert run_command(
        "convert", sources, "-a", adapter, "-m", mapping, "--site", site, "-o", out
    ).returncode in (0, 1)
    return {
        file.stem: [json.loads(line)["id"] for line in file.read_bytes().splitlines()]
        for file in out.glob("*.ndjson")
        if file.stem[0].isupper()
    }


def test_a_row_is_found_again_by_its_content(table: Path, mapping: Path, site: Path, tmp_path: Path) -> None:
    (first, *_) = ids(table, "csv", mapping, site, tmp_path / "out")["Observation"]
    assert run_command("load", table, "-a", "csv", "-m", mapping, "--site", site).returncode in (0, 1)
    done = run_command("mapping", "explain", f"Observation/{first}")
    assert done.returncode == 0
    assert "record walks.csv:2" in done.stdout
    assert "source urn:fhir-bridge:csv:walks" in done.stdout
    assert f"mapping {mapping} version 1.0.0 (csv), content " in done.stdout
    assert "ids by the site key" in done.stdout
    assert "--source FILE explains it" in done.stderr
    again = (
        "mapping",
        "explain",
        f"Observation/{first}",
        "--site",
        site,
        "--element",
        "Observation.value[x]",
    )
    done = run_command(*again, "--source", table)
    assert '  from row.Wert "412,5"  walks.csv, line 2, bytes 31-36' in done.stdout
    assert "is not what it was" not in done.stderr
    mapping.write_text(mapping.read_text().replace("text: walk", "text: stroll"))
    done = run_command(*again, "--source", table)
    assert "is not what it was" in done.stderr
    table.write_bytes(table.read_bytes().replace(b"412,5", b"412,6"))
    done = run_command(*again, "--source", table)
    assert (done.returncode, "none of its records is in --source" in done.stderr) == (1, True)


def test_a_row_that_was_sent_again_is_found_in_either_file(
    table: Path, mapping: Path, site: Path, tmp_path: Path
) -> None:
    named = mapping.read_text().replace("source: {adapter: csv,", "source: {adapter: csv, system: walks,")
    mapping.write_text(named)
    (first, *_) = ids(table, "csv", mapping, site, tmp_path / "out")["Observation"]
    later = tmp_path / "resent.csv"
    header, *rows = table.read_bytes().split(b"\r\n")
    later.write_bytes(b"\n".join([header, *rows[1:2], *rows[:1], b""]))
    for file in (table, later):
        run_command("load", file, "-a", "csv", "-m", mapping, "--site", site)
    done = run_command(
        "mapping", "explain", f"Observation/{first}", "--source", later, "--site", site, "--leaf", "Datum"
    )
    assert done.stdout.count("record walks.csv:2") == 1
    assert 'at row.Datum "03.02.2026 09:30"  resent.csv, line 3' in done.stdout


def test_a_study_whose_instances_the_store_keeps_needs_no_source(tmp_path: Path) -> None:
    folder = shipped("mappings") / "imaging/dicom/examples/study"
    site = folder / "site.yaml"
    (study,) = ids(folder, "dicom", "imaging/dicom", site, tmp_path / "out")["ImagingStudy"]
    run_command("load", folder, "-a", "dicom", "--site", site)
    done = run_command(
        "mapping", "explain", f"ImagingStudy/{study}", "--site", site, "--element", "ImagingStudy.description"
    )
    assert "the store keeps its 3 parts" in done.stdout
    assert "from (0008,1030) StudyDescription" in done.stdout


def test_what_came_as_fhir_has_no_record(tmp_path: Path) -> None:
    file = tmp_path / "p.ndjson"
    file.write_text('{"resourceType":"Patient","id":"ada"}\n')
    run_command("load", file)
    done = run_command("mapping", "explain", "Patient/ada")
    assert (done.returncode, "it was loaded as FHIR" in done.stdout) == (0, True)
    done = run_command("mapping", "explain", "Patient/nobody")
    assert (done.returncode, "Patient/nobody is not in the store" in done.stdout) == (1, True)


def test_what_was_loaded_before_says_that_it_is_not_known(
    table: Path, mapping: Path, site: Path, tmp_path: Path, fresh_database_url: str
) -> None:
    (first, *_) = ids(table, "csv", mapping, site, tmp_path / "out")["Observation"]
    run_command("load", table, "-a", "csv", "-m", mapping, "--site", site)

    async def forget() -> None:
        async with (
            await Store.open(fresh_database_url, max_size=2) as store,
            store.connection() as connection,
        ):
            await connection.execute("UPDATE source_record SET locator = '', conversion = NULL")
            origins = await origins_of(connection, "Observation", first)
            assert origins is not None
            assert [origin.converted_by for origin in origins] == [None]

    asyncio.run(forget())
    done = run_command("mapping", "explain", f"Observation/{first}")
    assert "(locator not kept)" in done.stdout
    assert "version 1.0.0 of a mapping whose name was not kept" in done.stdout
