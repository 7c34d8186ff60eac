"""By command line alone, without a server: a laboratory corrects a value, and the risk made from it is withdrawn."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from pathlib import Path
from typing import Any

from fhir_bridge.demo.cohort import patient_id
from fhir_bridge.demo.people import people
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.storage import Store
from tests.e2e.conftest import Prepared

PERSON = people()[0]
HDL = "HDL"


def corrected(prepared: Prepared, folder: Path, value: str) -> Path:
    """The laboratory's extract with one row: the person's HDL cholesterol, corrected a day later."""
    text = (prepared.folder / "ehr" / "laboratory.csv").read_text("utf-8")
    header, *rows = csv.reader(io.StringIO(text), delimiter=";")
    place = {name: number for number, name in enumerate(header)}
    (row,) = [
        row
        for row in rows
        if row[place["PatNr"]] == PERSON.mrn
        and HDL in row[place["Bezeichnung"]]
        and "LDL" not in row[place["Code"]]
    ]
    row[place["Wert"]], row[place["Status"]] = value, "C"
    day, month, rest = row[place["Freigabe"]].split(".")
    row[place["Freigabe"]] = f"{int(day) + 1:02}.{month}.{rest}"
    folder.mkdir()
    written = io.StringIO()
    csv.writer(written, delimiter=";").writerows([header, row])
    path = folder / "laboratory.csv"
    path.write_text(written.getvalue(), "utf-8")
    return path


def results(url: str) -> list[dict[str, Any]]:
    """The person's SCORE2 results, the newest last."""

    async def read() -> list[dict[str, Any]]:
        async with await Store.open(url, max_size=1) as store:
            search = [("patient", patient_id(PERSON.mrn)), ("code", "score2")]
            page = await store.search("Observation", search, EVERYTHING, count=50)
            return sorted((loads(entry.bytes) for entry in page.entries), key=lambda item: item["issued"])

    return asyncio.run(read())


def test_a_corrected_laboratory_value_withdraws_the_risk_at_once(
    demo_url: str, prepared: Prepared, bridge: Any, tmp_path: Path
) -> None:
    (before,) = results(demo_url)
    source = corrected(prepared, tmp_path / "first", "0,9")
    load = ("load", source, "-a", "csv", "--site", prepared.site)
    assert bridge(*load, database=demo_url).exit_code == 0
    (withdrawn,) = results(demo_url)
    assert (withdrawn["id"], withdrawn["status"]) == (before["id"], "entered-in-error")
    again = bridge("predict", "score2", "--all", "--site", prepared.site, database=demo_url)
    assert again.exit_code == 0, again.output
    assert len(re.findall(r"│ *written *│", again.output)) == 1
    _, now = results(demo_url)
    assert now["status"] == "preliminary"
    assert now["valueQuantity"]["value"] > before["valueQuantity"]["value"]
    assert bridge(*load, database=demo_url).exit_code == 0  # sent again
    assert [item["status"] for item in results(demo_url)] == ["entered-in-error", "preliminary"]


def test_an_implausible_correction_is_refused_by_name_without_its_value(
    demo_url: str, prepared: Prepared, bridge: Any, tmp_path: Path
) -> None:
    source = corrected(prepared, tmp_path / "second", "13")
    text = source.read_text("utf-8")
    source.write_text(re.sub(r";(\d\d)\.(\d\d)\.2026 (\d\d:\d\d);C", r";28.\2.2026 \3;C", text), "utf-8")
    assert bridge("load", source, "-a", "csv", "--site", prepared.site, database=demo_url).exit_code == 0
    arguments = ("predict", "score2", "--patient", patient_id(PERSON.mrn), "--site", prepared.site)
    said = bridge(*arguments, database=demo_url)
    assert said.exit_code == 0, said.output
    assert "out-of-range" in said.output
    *_, refused = results(demo_url)
    assert "HDL cholesterol is outside 0.1 to 5 mmol/L" in refused["dataAbsentReason"]["text"]
    assert any("HDL cholesterol: 13 mmol/L" in item["display"] for item in refused["derivedFrom"])
    assert not re.search(r"\b13 mmol", said.output)
