"""Documents are parsed once, not at each start; what is kept is trusted only where no one else can write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fhir_bridge.mapping import parsed_documents
from fhir_bridge.mapping.document import Document, parse
from fhir_bridge.mapping.errors import MappingErrors
from fhir_bridge.mapping.parsed_documents import read_document
from fhir_bridge.plugins import shipped

TEXT = "mapping: a\nnumber: 1.50\nfolded: >-\n  one\n  two\nempty: ''\nquoted: \"a\\tb\"\nlist: [~, yes, 012, =x]\n"
LONG = TEXT + "".join(f"key{n}: 'text {n}'\n" for n in range(60))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FHIR_BRIDGE_CACHE", str(tmp_path))
    read_document.cache_clear()
    return tmp_path / "mappings"


def again(text: str, monkeypatch: pytest.MonkeyPatch) -> Document:
    """As the next process reads it, which must not parse."""
    read_document.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(parsed_documents, "parse", lambda *_: pytest.fail("it is parsed again"))
        return read_document(text, "m.yaml")


def test_what_was_kept_is_what_is_parsed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(shipped("mappings").glob("*/*/**/*.yaml"))
    texts = [LONG, *(file.read_text("utf-8") for file in files if file.stat().st_size > 600)]
    assert len(texts) > 80
    for text in texts:
        first = read_document(text, "m.yaml")
        assert again(text, monkeypatch) == first == parse(text, "m.yaml")
    assert cache.stat().st_mode & 0o077 == 0


def test_another_text_is_another_entry(cache: Path) -> None:
    read_document(LONG, "m.yaml")
    assert read_document(LONG.replace("1.50", "1.51"), "m.yaml") == parse(
        LONG.replace("1.50", "1.51"), "m.yaml"
    )
    assert len(list(cache.iterdir())) == 2


def test_a_folder_that_others_may_write_to_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(mode=0o777)
    cache.chmod(0o777)
    assert read_document(LONG, "m.yaml") == parse(LONG, "m.yaml")
    assert not list(cache.iterdir())
    cache.rmdir()
    other = cache.with_name("other")
    other.mkdir()
    cache.symlink_to(other)
    read_document.cache_clear()
    assert read_document(LONG, "m.yaml") == parse(LONG, "m.yaml")
    assert not list(other.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"[1,1,3", b"{}", b"[]", b"[1,1,0,5,0]", b"[1,1,3,[[[1,1,2,[]],[1,1,2,[]]]]]"]
)
def test_a_damaged_entry_is_parsed_again(content: bytes, cache: Path) -> None:
    read_document(LONG, "m.yaml")
    (entry,) = cache.iterdir()
    entry.write_bytes(content)
    read_document.cache_clear()
    assert read_document(LONG, "m.yaml") == parse(LONG, "m.yaml")
    assert entry.read_bytes() != content


def test_without_a_place_to_keep_them_documents_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FHIR_BRIDGE_CACHE", str(tmp_path / "file"))
    read_document.cache_clear()
    assert read_document(LONG, "m.yaml") == parse(LONG, "m.yaml")
    with pytest.raises(MappingErrors):
        read_document("a: 1\na: 2\n" + "#" * 600, "m.yaml")


def test_entries_are_bounded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_documents, "_MOST", 5)
    for number in range(12):
        read_document(f"{LONG}last: {number}\n", "m.yaml")
    assert 0 < len(list(cache.iterdir())) <= 5


def test_entries_that_are_read_stay_and_those_of_long_ago_go(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsed_documents, "_MOST", 8)
    for number in range(7):
        read_document(f"{LONG}first: {number}\n", "m.yaml")
    for entry in cache.iterdir():
        os.utime(entry, (1, 1))
    read_document.cache_clear()
    used = f"{LONG}first: 3\n"
    read_document(used, "m.yaml")
    for number in range(3):
        read_document(f"{LONG}more: {number}\n", "m.yaml")
    read_document.cache_clear()
    monkeypatch.setattr(parsed_documents, "parse", lambda *_: pytest.fail("it is parsed again"))
    for text in (used, *(f"{LONG}more: {number}\n" for number in range(3))):
        read_document(text, "m.yaml")
