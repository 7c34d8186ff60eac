"""BCF through htslib, as the text lines of the VCF that it stands for."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fhir_bridge.adapters.genomics.header import HeaderError
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine
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
        file = pysam.VariantFile(str(path), "rb")
    except (OSError, ValueError) as error:
        raise HeaderError(issue("FB-VCF-010", f"htslib can't open the BCF: {error}")) from error
    with file:
        yield from (line.encode() for line in str(file.header).splitlines())
        records = iter(file)
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except (OSError, ValueError):
                yield Break("htslib can't read further")
                return
            yield str(record).rstrip("\n").encode()
