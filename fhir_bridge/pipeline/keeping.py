"""Files whose records are not all stored are kept: a blob with its index, and what of whom is in it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.issues import CODES
from fhir_bridge.pipeline.sink_run import SinkRun
from fhir_bridge.plugins import KeepingAdapter, KeptDelivery
from fhir_bridge.storage import Store
from fhir_bridge.storage.blobs import blob_folder, open_blobs
from fhir_bridge.storage.deliveries import Delivery
from fhir_bridge.storage.kept_files import KeptFile, KeptPart

__all__ = ["keep_delivery", "note_kept_places"]


async def keep_delivery(
    store: Store, run: SinkRun, source: KeptDelivery, delivery: Delivery, last: ConvertedRecord
) -> Issue | None:
    """Keep a file that was read to its end, with the parts that are somebody's; what prevented it, or is lost by it.

    Args:
        last: its last record, not stored yet, whose outputs are the documents by which callers come to the parts.
    """
    documents = {
        output.part: output
        for output in last.outputs
        if output.type == "DocumentReference" and output.rule == "kept-file"
    }
    if not documents:
        return None
    owners = {(part, patient) for part, output in documents.items() for patient in output.patients}
    await store.kept_files.register(delivery, owners)
    studies = {output.part: output.id for output in last.outputs if output.rule == "genomic-study"}
    parts = {
        part: KeptPart(
            patient, documents[part].id, studies.get(part, ""), source.kept_counts.get(part, 0), edition
        )
        for (part, patient), edition in delivery.editions.items()
        if (part, patient) in owners
    }
    mapping = run.keep.mapping if run.keep is not None else ""
    file = KeptFile(
        run.adapter, source.id, delivery.name, source.assembly, mapping, source.kept_options, parts
    )
    blobs = await open_blobs(store, blob_folder())
    with tempfile.TemporaryDirectory() as folder:
        try:
            data, index = await asyncio.to_thread(source.write_kept, Path(folder) / "kept", parts)
        except (ValueError, OSError) as error:
            text = f"{error}; what it says beyond its stored variants is lost"
            return Issue(CODES["FB-RUN-050"].severity, "FB-RUN-050", text, delivery.name)
        release = await _release(store, file)
        await store.kept_files.keep(blobs, file, data, index)
    if release is None or "clinvar" in file.options:
        return None
    text = f"its samples were classified by {Path(release).name}; what is stored now is what the file says itself"
    return Issue(CODES["FB-RUN-051"].severity, "FB-RUN-051", text, delivery.name)


async def note_kept_places(store: Store, adapter: object, delivery: Delivery) -> None:
    """Note what kept files of the delivery's samples speak of where an older file does: theirs is in the file alone.

    One that can't be read any more replaces nothing.
    """
    if not hasattr(adapter, "kept_places"):
        return
    keeping = cast("KeepingAdapter", adapter)
    for file, key in await store.kept_files.beside_older(delivery):
        wanted = await store.kept_files.unknown_places(key)
        if not wanted:
            continue
        blobs = await open_blobs(store, blob_folder())
        paths = blobs.path(file.data), blobs.path(file.index)

        def read(
            file: KeptFile = file, wanted: Sequence[int] = wanted, paths: tuple[Path, Path] = paths
        ) -> list[int]:
            return [*keeping.kept_places(paths, file.name, file.within, file.options, file.parts, wanted)]

        with suppress(ValueError, OSError):
            await store.kept_files.note_places(key, await asyncio.to_thread(read))


async def _release(store: Store, file: KeptFile) -> str | None:
    """The release of ClinVar that an earlier version of a file, or the same, is classified by."""
    own = await store.kept_files.options(file.adapter, file.id)
    if "clinvar" in own:
        return str(own["clinvar"])
    for other in await store.kept_files.every():
        if other.adapter == file.adapter and "clinvar" in other.options:
            people = {(name, part.patient) for name, part in other.parts.items()}
            if any((name, part.patient) in people for name, part in file.parts.items()):
                return str(other.options["clinvar"])
    return None
