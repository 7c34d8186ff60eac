"""The `ccda` adapter: a file with a document in, one record out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import fstat
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.ehr.ccda.limits import refusal
from fhir_bridge.adapters.ehr.ccda.model import CcdaModel
from fhir_bridge.adapters.ehr.ccda.options import DEFAULT_LIMIT_MB
from fhir_bridge.adapters.ehr.ccda.parsing import DocumentError, Root, parse
from fhir_bridge.adapters.ehr.ccda.record import Document
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.sharding import together
from fhir_bridge.plugins import ReadContext, SourceModel

__all__ = ["CcdaAdapter", "read_document"]


class CcdaAdapter:
    """C-CDA documents (R1.1 to R2.1), one a file.

    Option in a mapping's `source:` block: `max_document_mb` (default 64), above which a file is refused unread.
    """

    name = "ccda"
    title = "C-CDA documents"
    model: SourceModel = CcdaModel()
    suffixes: tuple[str, ...] = (".xml", ".ccda", ".cda")

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - one mapping takes all documents
        """`ehr/ccda`."""
        return "ehr/ccda"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:
        """A file each; where there are many, neighbours together."""
        return together(paths, jobs)

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[Document]:
        """Read documents in order, one in memory at a time."""
        limit = int(context.options.get("max_document_mb") or DEFAULT_LIMIT_MB)
        for path in paths:
            try:
                with path.open("rb") as file:
                    if why := refusal(fstat(file.fileno()).st_size, limit):
                        yield _refused(path.name, b"", why, "FB-CDA-003")
                        continue
                    content = file.read((limit << 20) + 1)  # a pipe has no size
            except OSError as error:
                text = f"{path.name}: {error.strerror or 'it can not be read'}"
                yield _refused(path.name, b"", text, "FB-CDA-004")
                continue
            yield read_document(content, path.name, context.options)

    def read_message(self, content: bytes, name: str, context: ReadContext) -> Document:
        """A document that was sent."""
        return read_document(content, name, context.options)


def read_document(content: bytes, name: str, options: Mapping[str, Any] | None = None) -> Document:
    """A document from its bytes; what can't be read comes back as rejected, with the issue."""
    limit = int((options or {}).get("max_document_mb") or DEFAULT_LIMIT_MB)
    if why := refusal(len(content), limit):
        return _refused(name, b"", why, "FB-CDA-003")
    try:
        root = parse(content)
    except DocumentError as error:
        code = "FB-CDA-002" if "begins with" in str(error) else "FB-CDA-001"
        return _refused(name, content, str(error), code)
    if len(patients := _patients(root)) > 1:
        text = f"the document is about {len(patients)} patients (recordTarget); send a document for each"
        return _refused(name, content, text, "FB-CDA-008")
    if not patients:
        text = "the document names no patient (recordTarget): nobody could say whose its entries are"
        return _refused(name, content, text, "FB-CDA-008")
    return Document(name, content, root)


def _refused(name: str, content: bytes, why: str, code: str) -> Document:
    return Document(name, content, None, [new_issue(code, why, name)], "rejected")


def _patients(root: Root) -> list[frozenset[tuple[str, str]]]:
    """The patients of a document, each by its identifiers; those that share one are the same."""
    patients: list[frozenset[tuple[str, str]]] = []
    for target in root.children:
        if target.tag != "recordTarget":
            continue
        identifiers = frozenset(
            (node.attributes["root"], node.attributes.get("extension", ""))
            for role in target.children
            if role.tag == "patientRole"
            for node in role.children
            if node.tag == "id" and "root" in node.attributes
        )
        same = next((known for known in patients if known & identifiers), None)
        if same is not None:
            patients.remove(same)
            identifiers |= same
        patients.append(identifiers)
    return patients
