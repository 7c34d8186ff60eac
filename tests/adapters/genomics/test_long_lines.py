"""Lines of many megabytes, and compressed files that become them, cost what their bytes cost."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from fhir_bridge.adapters.genomics import stream
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine, lines


class Joined(bytes):
    """Bytes that count how many of them are copied to be joined with others."""

    copied = 0

    def __radd__(self, other: bytes) -> bytes:
        Joined.copied += len(other)
        return bytes(other) + bytes(self)


@pytest.mark.parametrize("limit", [1 << 26, 5_000_000])
def test_a_line_of_many_blocks_is_joined_once(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    block, count = b"G" * 10_000, 1_000

    def blocks(_source: object) -> Iterator[bytes]:
        yield Joined(b"first\nchr1\t5\t.\tA\t")
        for _ in range(count):
            yield Joined(block)
        yield Joined(b"\nlast\n")

    monkeypatch.setattr(stream, "_blocks", blocks)
    Joined.copied = 0
    first, long, last = lines(io.BytesIO(), limit)
    assert (first, last) == (b"first", b"last")
    size = len(b"chr1\t5\t.\tA\t") + len(block) * count
    assert (len(long) if isinstance(long, bytes) else long) == (size if limit > size else OverlongLine(size))
    assert Joined.copied < 2 * size


@pytest.mark.parametrize("limit", [4, 5, 9, 100])
@pytest.mark.parametrize(
    "text", [b"", b"\n", b"a\n", b"abcdef", b"ab\nabcdefgh\nc\r\nabcdefghijkl\n", b"abcdefgh\nab"]
)
def test_lines_are_the_same_however_the_text_comes_in_blocks(
    text: bytes, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty block, as bgzip ends with, is no line."""

    def read(size: int) -> list[bytes | OverlongLine | Break]:
        blocks = [text[at : at + size] for at in range(0, len(text), size)]
        monkeypatch.setattr(stream, "_blocks", lambda _: iter([*blocks, b""]))
        return list(lines(io.BytesIO(), limit))

    whole = [
        part.removesuffix(b"\r") if len(part) <= limit else OverlongLine(len(part))
        for part in text.split(b"\n")
    ]
    ended = text.endswith(b"\n") or not text
    expected = whole[:-1] if ended else whole
    for size in (1, 2, 3, 7, 100):
        result = [each for each in read(size) if not isinstance(each, Break)]
        assert result == expected, size


def test_an_allele_longer_than_a_fhir_string_is_rejected_before_it_is_read(read) -> None:
    most = 1_048_576
    lines = [
        "1 100 . A T 50 PASS . GT 0/1",
        f"1 200 . A {'C' * most} 50 PASS . GT 0/1",
        f"1 300 . A T,{'C' * (most + 1)} 50 PASS . GT 0/1",
        f"1 2000000 . {'C' * (most + 1)} A 50 PASS . GT 0/1",
        "1 9000000 . A T 50 PASS . GT 0/1",
    ]
    found = read(*lines)
    assert found.outcomes == {"read": 3, "rejected": 2}
    assert found.codes.count("FB-VCF-055") == 2
    long = found.alleles[1]
    # Its names would have more characters than a string.
    assert (len(long.alt), long.hgvs_g, long.spdi) == (most, None, None)
    assert "FB-VCF-055" not in read(*lines, check="true").codes  # it is valid
