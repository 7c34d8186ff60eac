"""BCF through htslib, as the text lines of the VCF that it stands for."""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fhir_bridge.adapters.genomics.header import HeaderError
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.stream import BGZF_END, Break, OverlongLine
from fhir_bridge.plugins.extras import require

__all__ = ["bcf_lines", "is_bcf"]


def is_bcf(path: Path) -> bool:
    """Whether a file is a BCF, by its first bytes (BCF 2.2 §6.2), bgzip-compressed or not.

    Raises:
        OSError: the file can't be read.
    """
    if str(path) == "-":
        peek = getattr(sys.stdin.buffer, "peek", None)
        start = peek(1 << 16) if peek else b""
    else:
        with path.open("rb") as file:
            start = file.read(1 << 16)
    if start.startswith(b"\x1f\x8b"):
        import zlib

        try:
            start = zlib.decompressobj(wbits=31).decompress(start, 16)
        except zlib.error:
            return False
    return start.startswith(b"BCF\x02")


def bcf_lines(path: Path) -> Iterator[bytes | OverlongLine | Break]:
    """Header and records as text.

    Raises:
        HeaderError: htslib can't read the header (FB-VCF-010).
        MissingExtra: pysam, which is not in the core install, is missing.
    """
    require("vcf")
    import pysam

    pysam.set_verbosity(0)
    if str(path) == "-":  # htslib reads files: what was peeked of a stream is gone for it
        with tempfile.NamedTemporaryFile(suffix=".bcf") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            yield from bcf_lines(Path(copy.name))
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is cut; it is reported where what is there ends
            file = pysam.VariantFile(str(path), "rb", ignore_truncation=True)
    except (OSError, ValueError) as error:
        text = "htslib can't read the header: the BCF is damaged, or of another version than 2.2"
        raise HeaderError(issue("FB-VCF-010", text)) from error
    try:
        yield from (line.encode() for line in str(file.header).splitlines())
        for record in file:
            yield str(record).rstrip("\n").encode()
        if _lacks_end(path):
            yield Break("bgzip's end-of-file block is missing", certain=False, code="FB-VCF-082")
    except (OSError, ValueError):
        yield Break("htslib can't read further")
    finally:
        with suppress(OSError):  # where the file is damaged, which is reported
            file.close()


def _lacks_end(path: Path) -> bool:
    """Whether a file is packed and its last block is not the one that ends a file: what followed may be lost."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(max(0, path.stat().st_size - len(BGZF_END)))
        return packed and file.read() != BGZF_END
