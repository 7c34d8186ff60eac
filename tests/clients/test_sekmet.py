"""PyPI sekmet-fhir is also a harness: its 14 scenarios of a hospital's work pass against this server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.clients.actors import at_work
from tests.pypi import installed
from tests.server.serving import Served

TOPIC = "https://fhir-bridge.org/fhir/SubscriptionTopic/resource-changed"

SETTINGS = """
base_url: http://127.0.0.1:{port}/fhir
host: 127.0.0.1
port: {port}
data_dir: {folder}/data
peers:
  here:
    base_url: {base}
    auth: {{type: smart, client_id: program, kid: program, private_key_path: {key}, scope: system/*.cruds}}
    roles: [lab-filler, payer]
"""


def test_all_scenarios_pass_and_none_is_skipped(
    served: Served, token: str, key_file: Path, receiver_port: int, tmp_path: Path
) -> None:
    (tmp_path / "settings.yaml").write_text(
        SETTINGS.format(port=receiver_port, folder=tmp_path, base=served.base, key=key_file)
    )
    command = [sys.executable, "-m", "sekmet.cli", "scenario", "run", "all", "--peer", "here"]
    # The topic of the scenario is SEKMET's own; it can be told of another one, and by what that is filtered.
    command += ["--var", f"topic={TOPIC}", "--var", "filter_param=status=finished&patient"]
    environment = {**os.environ, "PYTHONPATH": str(installed("sekmet-fhir", "0.1.1"))}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    # Orders have to be filled and claims paid by somebody; a server stores them.
    with at_work(served.base, token):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False
        )
    (report,) = tmp_path.glob("reports/*/*.json")
    results = json.loads(report.read_text())
    results = results if isinstance(results, list) else results["results"]
    states = {Path(result["file"]).stem: result["status"] for result in results}
    assert states == dict.fromkeys(states, "passed"), done.stdout[-6000:]
    assert len(states) == 14
    skipped = [step["name"] for result in results for step in result["steps"] if step["status"] == "skipped"]
    # A payer's operation, which a store of claims has not.
    assert skipped == ["Synchronous Claim/$submit"]
