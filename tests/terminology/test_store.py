"""The content store: what is imported is read back from files, in versions, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_bridge.fhir.ports import Translation
from fhir_bridge.terminology.content import CodeSystemContent, Designation
from fhir_bridge.terminology.imports import Options, import_file
from fhir_bridge.terminology.store import (
    STORE_VARIABLE,
    ContentStore,
    ImportProblem,
    StoredSystem,
    StoreError,
    code_system_resource,
    default_store,
    open_store,
    store_path,
)
from fhir_bridge.terminology.store.build import Building
from fhir_bridge.terminology.store.import_archive import ImportArchive
from tests.patience import until
from tests.terminology.makers import make_loinc
from tests.terminology.makers_small import colours, make_fhir_package, paint_map

COLOURS = "https://example.org/colours"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return open_store(tmp_path / "store")


@pytest.fixture
def painted(store: ContentStore, tmp_path: Path) -> ContentStore:
    package = tmp_path / "made.tgz"
    value_set = {
        "resourceType": "ValueSet",
        "url": "https://example.org/vs",
        "version": "2",
        "name": "Vs",
        "compose": {"include": [{"system": COLOURS}]},
    }
    make_fhir_package(package, colours(), paint_map(), value_set)
    import_file(store, package)
    return store


@pytest.fixture
def system(painted: ContentStore) -> StoredSystem:
    entry = painted.get(COLOURS)
    assert entry is not None
    return entry


@pytest.mark.parametrize("name", ["Jane's store", 'a "quoted" store', "größe; 100 %"])
def test_a_store_may_be_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    package = tmp_path / "made.tgz"
    make_fhir_package(package, colours())
    import_file(open_store(tmp_path / name), package)
    assert open_store(tmp_path / name).get(COLOURS) is not None


def test_a_stored_system_is_content_as_the_operations_ask_it(system: StoredSystem) -> None:
    content: CodeSystemContent = system
    assert isinstance(content, CodeSystemContent)
    assert (content.url, content.version, content.name, content.content) == (
        COLOURS,
        "1.0",
        "Colours",
        "complete",
    )
    assert (content.case_sensitive, content.language, content.hierarchy_meaning) == (False, "en", "is-a")
    assert content.metadata["status"] == "active"
    assert "concept" not in content.metadata
    assert {item.code: item.type for item in content.properties}["shade"] == "integer"


def test_a_concept_comes_back_with_everything(system: StoredSystem) -> None:
    red = system.get("RED")
    assert red is not None
    assert (red.code, red.display, red.definition, red.active, red.abstract) == (
        "Red",
        "Red",
        "As blood.",
        True,
        False,
    )
    assert red.designations == (
        Designation("Rot", "de"),
        Designation("Rouge", "fr", ("https://u", "x"), "X"),
    )
    assert red.properties == (
        ("shade", 7, "integer"),
        ("weight", Decimal("1.5"), "decimal"),
        ("like", {"system": "https://o", "code": "o1"}, "Coding"),
    )
    assert red.extensions == ({"url": "https://e", "valueString": "e"},)
    assert replace(red, display="Other").designations == red.designations


def test_codes_are_found_in_any_case_where_case_does_not_count(system: StoredSystem) -> None:
    assert [system.find(code) for code in ("red", "RED", "Red", "reds", "")] == [
        "Red",
        "Red",
        "Red",
        None,
        None,
    ]
    assert system.display("pink") == "Pink"
    assert system.get("nothing") is None
    assert system.get("\ud800") is None
    assert system.find("x" * 5000) is None


def test_the_hierarchy_is_that_of_nesting_and_of_parent_properties(system: StoredSystem) -> None:
    assert list(system.codes()) == ["Warm", "Red", "Pink", "Puce"]
    assert system.roots() == ["Warm", "Puce"]
    assert system.parents("Pink") == ["Warm", "Red"]
    assert system.children("Warm") == ["Red", "Pink"]
    assert sorted(system.descendants("Warm")) == ["Pink", "Red"]
    assert system.count_below("Warm") == 2
    assert system.is_a("Pink", "Warm")
    assert system.is_a("Pink", "Pink")
    assert not system.is_a("Warm", "Pink")
    assert not system.is_a("none", "none")
    assert list(system.descendants("none")) == []


def test_inactive_and_abstract_concepts_are_reported(system: StoredSystem) -> None:
    warm, puce = system.get("Warm"), system.get("Puce")
    assert warm is not None
    assert puce is not None
    assert warm.abstract
    assert not puce.active
    assert [system.is_active(code) for code in ("Warm", "Puce", "none")] == [True, False, False]


def test_concepts_are_found_by_property(system: StoredSystem) -> None:
    assert list(system.with_property("shade", "7")) == ["Red"]
    assert list(system.with_property("like", "o1")) == ["Red"]
    assert list(system.with_property("notSelectable", "true")) == ["Warm"]
    assert list(system.with_property("shade", "8")) == []
    assert list(system.with_property("nothing", "8")) == []
    assert list(system.property_values("status")) == [("retired", 1)]


def test_value_sets_come_back_by_url_and_version(painted: ContentStore) -> None:
    assert list(painted.value_sets()) == [("https://example.org/vs", "2")]
    value_set = painted.value_set("https://example.org/vs")
    assert value_set is not None
    assert value_set["compose"] == {"include": [{"system": COLOURS}]}
    assert painted.value_set("https://example.org/vs", "1") is None
    assert painted.value_set("https://example.org/v") is None


def test_a_map_is_looked_up_on_disk_both_ways(painted: ContentStore) -> None:
    (paint,) = painted.concept_maps()
    paints = "https://example.org/paints"
    assert (paint.url, len(paint)) == ("https://example.org/paint", 4)
    assert paint.translate(paints, "p1") == [
        Translation(COLOURS, "Red", "Red", "equivalent", paint.url),
        Translation(COLOURS, "Warm", None, "wider", paint.url),
    ]
    assert paint.translate(paints, "p2") == []
    assert [(row.code, row.equivalence, row.comment) for row in paint.targets(paints, "p2")] == [
        (None, "unmatched", "no such colour")
    ]
    assert [source.code for source in paint.translate(None, " dark red")] == ["Red"]
    assert paint.translate(paints, "none") == []
    assert {(source.system, source.code) for source in paint.sources(COLOURS, "Red")} == {
        (paints, "p1"),
        (None, "Dark Red"),
    }


def test_a_map_describes_one_code_as_fhir(painted: ContentStore) -> None:
    (paint,) = painted.concept_maps()
    about = paint.about("p1")
    assert about["group"][0]["unmapped"] == {"mode": "fixed", "code": "Puce"}
    assert about["group"][0]["element"] == paint_map()["group"][0]["element"][:1]
    assert about["group"][1]["element"] == []
    back = paint.about("Red", reverse=True)
    assert [element["code"] for group in back["group"] for element in group["element"]] == ["p1", "Dark Red"]


def test_several_versions_are_available_and_the_newest_is_the_default(
    store: ContentStore, tmp_path: Path
) -> None:
    for version in ("2.9", "2.10"):
        package = tmp_path / f"{version}.tgz"
        make_fhir_package(package, colours(version))
        import_file(store, package)
    assert store.versions(COLOURS) == ["2.9", "2.10"]
    newest, older = store.get(COLOURS), store.get(COLOURS, "2.9")
    assert newest is not None
    assert older is not None
    assert (newest.version, older.version) == ("2.10", "2.9")
    assert store.get(COLOURS, "3") is None
    assert store.get("https://example.org/other") is None


def test_importing_the_same_again_says_so(store: ContentStore, tmp_path: Path) -> None:
    package = tmp_path / "made.tgz"
    make_fhir_package(package, colours())
    assert not import_file(store, package).already
    moved = package.rename(tmp_path / "renamed.tgz")
    assert import_file(store, moved).already
    assert not import_file(store, moved, options=Options(version="7")).already
    assert store.versions(COLOURS) == ["1.0", "7"]


def test_a_new_form_of_a_version_replaces_the_old(store: ContentStore, tmp_path: Path) -> None:
    package = tmp_path / "made.tgz"
    make_fhir_package(package, colours())
    import_file(store, package)
    changed = colours()
    changed["concept"].append({"code": "Blue"})
    make_fhir_package(package, changed)
    assert import_file(store, package).replaced == [f"{COLOURS}|1.0"]
    (info,) = store.systems()
    assert info.concepts == 5
    assert len(list((store.path / "imports").iterdir())) == 1


def test_what_is_removed_is_gone_and_can_come_back(painted: ContentStore, tmp_path: Path) -> None:
    assert painted.remove(COLOURS, "9") == []
    assert painted.remove(COLOURS) == [f"{COLOURS}|1.0"]
    assert painted.get(COLOURS) is None
    assert len(painted.concept_maps()) == 1
    assert painted.remove("https://example.org/vs", "2") == ["https://example.org/vs|2"]
    assert list(painted.value_sets()) == []
    painted.remove("https://example.org/paint")
    assert list((painted.path / "imports").iterdir()) == []
    assert not import_file(painted, tmp_path / "made.tgz").already
    assert painted.get(COLOURS) is not None


def test_another_process_sees_what_is_imported(painted: ContentStore, tmp_path: Path) -> None:
    other = open_store(painted.path)
    assert other.urls() == [COLOURS]
    painted.remove(COLOURS)
    until(lambda: not other.urls(), "the other process still sees it")


def test_two_stores_of_one_folder_read_the_same_files(system: StoredSystem, painted: ContentStore) -> None:
    assert system.display("red") == "Red"
    other = open_store(painted.path).get(COLOURS)
    assert other is not None
    assert other.display("red") == "Red"


def test_what_was_got_before_another_import_is_read_on(
    system: StoredSystem, painted: ContentStore, tmp_path: Path
) -> None:
    assert system.search("red") == ["Red"]
    package = tmp_path / "second.tgz"
    make_fhir_package(package, colours("2.0"))
    import_file(painted, package)
    newer, older = painted.get(COLOURS), painted.get(COLOURS, "1.0")
    assert newer is not None
    assert older is not None
    assert [item.search("red") for item in (newer, older, system)] == [["Red"]] * 3


def test_many_threads_read_one_store(system: StoredSystem) -> None:
    wrong: list[object] = []

    def read() -> None:
        for _ in range(200):
            red = system.get("red")
            if red is None or red.designations[0].value != "Rot" or system.search("rot") != ["Red"]:
                wrong.append(red)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_reads_on(system: StoredSystem) -> None:
    assert system.search("rot") == ["Red"]
    child = os.fork()
    if child == 0:
        os._exit(0 if system.display("red") == "Red" and system.search("rouge") == ["Red"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert system.display("red") == "Red"


@pytest.fixture
def killed(store: ContentStore, tmp_path: Path) -> ContentStore:
    """A store into which an import was killed half way."""
    archive = tmp_path / "loinc.zip"
    make_loinc(archive, 300)
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from fhir_bridge.terminology.imports import Progress, import_file\n"
        "from fhir_bridge.terminology.store import open_store\n"
        "class Killing(Progress):\n"
        "    def begin(self, what, *_):\n"
        "        if 'indexing' in what: os.kill(os.getpid(), signal.SIGKILL)\n"
        "import_file(open_store(sys.argv[1]), Path(sys.argv[2]), progress=Killing())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.path), str(archive)], check=False)
    assert done.returncode == -signal.SIGKILL
    return store


def test_a_killed_import_leaves_nothing_to_be_seen(killed: ContentStore, tmp_path: Path) -> None:
    assert killed.urls() == []
    assert len(list((killed.path / "building").iterdir())) == 1
    result = import_file(killed, tmp_path / "loinc.zip")
    assert not result.already
    assert killed.urls() == ["http://loinc.org"]
    assert list((killed.path / "building").iterdir()) == []


def test_an_import_that_another_process_is_building_is_left_alone(store: ContentStore) -> None:
    with store.building("a" * 64) as building:
        assert isinstance(building, Building)
        assert store.clear() == 0
        assert building.folder.exists()
    assert not building.folder.exists()


@pytest.mark.parametrize("kilobytes", [100, 600, 1500])
def test_what_the_disk_does_not_take_is_not_half_imported(
    store: ContentStore, tmp_path: Path, kilobytes: int
) -> None:
    """Files may not grow beyond that: first the staging, then the concepts fail, and last nothing."""
    make_loinc(tmp_path / "loinc.zip", 1000)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from fhir_bridge.terminology.imports import import_file\n"
        "from fhir_bridge.terminology.store import StoreNotWritten, open_store\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes * 1024}, {kilobytes * 1024}))\n"
        "try:\n"
        "    import_file(open_store(sys.argv[1]), Path(sys.argv[2]))\n"
        "except StoreNotWritten as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path), str(tmp_path / "loinc.zip")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(f"{store.path}: the terminology store can't be written")
    assert list((store.path / "building").iterdir()) == []
    assert store.urls() == []


def test_two_imports_of_the_same_at_once_leave_one(
    store: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that can be seen must not be removed by the second while it removes that one."""
    make_fhir_package(tmp_path / "made.tgz", colours())
    show = Building.show

    def shown_slowly(building: Building) -> ImportArchive:
        archive = show(building)
        time.sleep(0.3)
        return archive

    monkeypatch.setattr(Building, "show", shown_slowly)
    threads = [
        threading.Thread(target=import_file, args=(open_store(store.path), tmp_path / "made.tgz"))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.urls() == [COLOURS]
    assert len(list((store.path / "imports").iterdir())) == 1


def test_a_code_that_occurs_twice_is_named_and_nothing_is_imported(
    store: ContentStore, tmp_path: Path
) -> None:
    broken = colours()
    broken["concept"].append({"code": "RED"})
    package = tmp_path / "made.tgz"
    make_fhir_package(package, broken)
    with pytest.raises(ImportProblem, match=r'"RED" of https://example\.org/colours occurs twice'):
        import_file(store, package)
    assert store.urls() == []
    assert not (store.path / "imports").exists()


def test_a_broken_store_says_what_to_do(painted: ContentStore) -> None:
    (folder,) = (painted.path / "imports").iterdir()
    (folder / "content.lmdb").write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="import it again"):
        open_store(painted.path).get(COLOURS).display("red")  # type: ignore[union-attr]
    (folder / "import.json").write_text('{"format": 0, "sources": ["made.tgz"]}')
    with pytest.raises(StoreError, match=r"import made\.tgz again"):
        open_store(painted.path).urls()


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    store = open_store(tmp_path / "none")
    assert store.urls() == []
    assert store.systems() == []
    assert store.concept_maps() == []
    assert store.remove(COLOURS) == []
    assert store.clear() == 0


def test_a_supplement_can_be_had_as_the_resource_it_was(store: ContentStore, tmp_path: Path) -> None:
    added = {
        "resourceType": "CodeSystem",
        "url": "https://example.org/more",
        "name": "More",
        "status": "active",
        "content": "supplement",
        "supplements": COLOURS,
        "concept": [{"code": "Red", "designation": [{"language": "nl", "value": "Rood"}]}],
    }
    package = tmp_path / "made.tgz"
    make_fhir_package(package, colours(), added)
    import_file(store, package)
    (supplement,) = store.supplements(COLOURS)
    assert code_system_resource(supplement) == added
    assert store.supplements("https://example.org/more") == []


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    assert store_path() == default_store()
    assert store_path(None, tmp_path / "site") == tmp_path / "site"
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "env"))
    assert store_path(None, tmp_path / "site") == tmp_path / "env"
    assert store_path(tmp_path / "given", tmp_path / "site") == tmp_path / "given"
