"""The files of the sample application, and the access that a served demonstration gives."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_bridge.demo.access import Access, give_access
from fhir_bridge.server import Settings, create_app, sample_app
from tests.server.conftest import BASE, FHIR, Hospital, bare_plugins, furnish, running


@pytest.fixture(scope="module")
def demo(database_url: str) -> Iterator[Hospital]:
    settings = Settings(database_url=database_url, pages=False, sample_app=True)
    with running(create_app(settings, plugins=bare_plugins())) as http:
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        yield hospital


class TestItsFiles:
    @pytest.mark.parametrize("name", ["", "index.html", "launch.html", "app.js", "app.css"])
    def test_each_carries_a_strict_policy(self, demo: Hospital, name: str) -> None:
        answer = demo.http.get(f"/sample-app/{name}")
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        for part in (
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ):
            assert part in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"

    @pytest.mark.parametrize(
        "name", ["routes.py", "..%2froutes.py", "%2e%2e/app.py", "files/app.js", "x", "%00"]
    )
    def test_nothing_else_is(self, demo: Hospital, name: str) -> None:
        assert demo.http.get(f"/sample-app/{name}").status_code == 404

    def test_without_the_slash_it_goes_there(self, demo: Hospital) -> None:
        answer = demo.http.get("/sample-app", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (308, "/sample-app/")

    def test_it_is_small_and_uses_no_library_and_no_markup_from_data(self, demo: Hospital) -> None:
        script = demo.http.get("/sample-app/app.js").text
        assert script.count("\n") < 250
        assert not re.search(
            r"innerHTML|insertAdjacentHTML|document\.write|eval\(|import\b|https?://", script
        )
        for page in ("index.html", "launch.html"):
            text = demo.http.get(f"/sample-app/{page}").text
            assert re.findall(r'<script[^>]*src="([^"]*)"', text) == ["app.js"]
            assert not re.search(r"<script>|\son\w+=|style=", text)

    def test_its_id_is_the_one_the_script_uses(self, demo: Hospital) -> None:
        script = demo.http.get("/sample-app/app.js").text
        assert f'const CLIENT = "{sample_app.CLIENT_ID}"' in script
        (scopes,) = re.findall(r'const SCOPES = "([^"]*)"', script)
        assert set(scopes.split()) | {"launch", "launch/patient"} == set(sample_app.SCOPE.split())

    def test_its_files_go_into_the_wheel(self, repository: Path) -> None:
        """The wheel takes what git does not ignore."""
        folder = repository / "fhir_bridge/server/sample_app/files"
        assert sorted(path.name for path in folder.iterdir()) == [
            "app.css",
            "app.js",
            "index.html",
            "launch.html",
        ]
        ignored = (repository / ".gitignore").read_text().split()
        assert not any(line.endswith((".html", ".js", ".css", "files/")) for line in ignored)


class TestTheDemonstrationsAccess:
    @pytest.fixture
    def access(self, demo: Hospital) -> Access:
        given: Access = demo.run(give_access, demo.services.store, BASE, "clara")
        return given

    def test_the_token_reads_everything_and_changes_nothing(self, demo: Hospital, access: Access) -> None:
        token = {"Authorization": f"Bearer {access.token}"}
        found = demo.http.get("/fhir/Patient", headers=token).json()["entry"]
        assert {item["resource"]["id"] for item in found} == {"anna", "bert"}
        assert demo.http.get("/fhir/Condition/bert-condition", headers=token).status_code == 200
        assert demo.http.delete("/fhir/Patient/anna", headers=token).status_code == 403

    def test_it_lives_an_hour_and_can_not_be_renewed(self, demo: Hospital, access: Access) -> None:
        info = demo.run(demo.services.grants.info, access.token)
        assert 3500 < info.expires - time.time() <= 3600
        form = {"grant_type": "refresh_token", "refresh_token": access.token, "client_id": "curl"}
        assert demo.http.post("/oauth/token", data=form).status_code == 400

    def test_the_lines_can_be_pasted(self, access: Access) -> None:
        (line,) = access.commands(FHIR)  # nobody here has all three modalities
        words = shlex.split(line)
        assert words == ["curl", "-H", f"Authorization: Bearer {access.token}", f"{FHIR}/Patient"]

    def test_a_new_start_ends_the_token_of_the_one_before(self, demo: Hospital, access: Access) -> None:
        again = demo.run(give_access, demo.services.store, BASE, "clara")
        demo.services.tokens.forget()
        old = {"Authorization": f"Bearer {access.token}"}
        assert demo.http.get("/fhir/Patient", headers=old).status_code == 401
        assert demo.run(demo.services.grants.info, again.token) is not None

    def test_the_app_is_registered_where_the_server_is(self, demo: Hospital, access: Access) -> None:
        accounts, store = demo.services.accounts, demo.services.store
        before = demo.run(accounts.find_client, sample_app.CLIENT_ID)
        assert before.redirect_uris == (f"{BASE}/sample-app/index.html",)
        assert before.launch_uri == f"{BASE}/sample-app/launch.html"
        demo.run(give_access, store, "http://127.0.0.1:9999", "clara")
        moved = demo.run(accounts.find_client, sample_app.CLIENT_ID)
        assert moved.redirect_uris == ("http://127.0.0.1:9999/sample-app/index.html",)
        assert moved.origins == ("http://127.0.0.1:9999",)

    def test_nobody_can_ask_for_a_code_as_curl(self, demo: Hospital, access: Access) -> None:
        answer = demo.http.get("/oauth/authorize?client_id=curl&response_type=code&state=s")
        assert answer.status_code == 400

    def test_it_needs_the_demonstrations_clinician(self, demo: Hospital) -> None:
        with pytest.raises(LookupError, match="nobody"):
            demo.run(give_access, demo.services.store, BASE, "nobody")
