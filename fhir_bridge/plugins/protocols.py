"""The shapes of what plug-ins add. Protocols only: a plug-in imports nothing of ours to satisfy them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

__all__ = [
    "Adapter",
    "AssigningAdapter",
    "CompletingAdapter",
    "ComposingSink",
    "CompositeAdapter",
    "CompositeRecord",
    "ContentAdapter",
    "CountingRecord",
    "Extractor",
    "Importer",
    "IssueLike",
    "KeepingAdapter",
    "KeptDelivery",
    "Operation",
    "OptionError",
    "Pages",
    "Predictor",
    "ReadContext",
    "ReceivedRecord",
    "ReceivingAdapter",
    "RecordBlock",
    "RecordOutcome",
    "RecordPart",
    "ScopeSpec",
    "ServerContext",
    "Sink",
    "SinkFactory",
    "SourceModel",
    "SourceRecord",
    "SplittingAdapter",
]

RecordOutcome = Literal["read", "skipped", "rejected"]


class OptionError(ValueError):
    """An option of a mapping's `source:` block is wrong.

    Attributes:
        option: its name.
        advice: what was probably meant, or what to write.
    """

    def __init__(self, option: str, message: str, advice: str = "") -> None:
        super().__init__(f"{message} ({advice})" if advice else message)
        self.option = option
        self.message = message
        self.advice = advice


class IssueLike(Protocol):
    """A finding: `fhir_bridge.fhir.Issue` is one."""

    @property
    def severity(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def source(self) -> str: ...


class ScopeSpec(Protocol):
    """A group of the source that a rule may iterate with `for:`."""

    @property
    def name(self) -> str:
        """As written in a mapping: `Study`, `ORDER_OBSERVATION.OBSERVATION`, `row`."""
        ...

    @property
    def parent(self) -> str | None:
        """The scope around it, reached as `outer.` at run time; None for the record itself."""
        ...


class SourceModel(Protocol):
    """What a mapping of an adapter may name, and the Python that reads it."""

    @property
    def root(self) -> str:
        """Name of the record's own scope: what a rule without `for:` sees."""
        ...

    @property
    def scopes(self) -> Mapping[str, ScopeSpec]: ...

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Functions that the adapter adds to the expression language (`human_name`, `private`)."""
        ...

    @property
    def token(self) -> str:
        """Regular expression of selector tokens beyond dotted names (`OBX-5.1`); empty for none."""
        ...

    def selector(self, text: str, scope: str) -> str:
        """Python source of an expression that reads selector `text`, with `s` bound to the scope object.

        Raises:
            LookupError: this source has no such field; the message suggests the nearest.
        """
        ...


class SourceRecord(Protocol):
    """One unit of work: an HL7 message, a table row, a DICOM study, a VCF line with its samples."""

    @property
    def locator(self) -> str:
        """Where it is, for people: `adt.hl7#3`, `lab.csv:17`."""
        ...

    @property
    def records(self) -> int:
        """How many source records it accounts for (a study: its instances). Usually 1."""
        ...

    @property
    def outcome(self) -> RecordOutcome:
        """`read`: for the mapping. `skipped`, `rejected`: the reader decided; `issues` say why."""
        ...

    @property
    def issues(self) -> Sequence[IssueLike]:
        """What the reader found; an `error` on a record that is `read` makes it partial."""
        ...

    @property
    def source(self) -> str:
        """Name of the system it came from, in the source's own terms (MSH-3, file): the owner of elements."""
        ...

    @property
    def time(self) -> datetime | None:
        """Business time of the record; naive where the source gives no zone."""
        ...

    @property
    def key(self) -> str:
        """Identifies the record within its `source`, the same when the same content is sent again; empty for none."""
        ...

    @property
    def sequence(self) -> str:
        """Sorts by code point (C collation) as records of one business time follow on each other; empty for none."""
        ...

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope, in source order; each has `outer`."""
        ...


class SourceDelivery(Protocol):
    """A file that says all of something (the variants of its samples), so that a newer one replaces an older one."""

    @property
    def id(self) -> str:
        """Hash of what it says: the same under any name."""
        ...

    @property
    def name(self) -> str:
        """What the file is called."""
        ...

    @property
    def assembly(self) -> str:
        """What two files must have in common to speak of the same: the genome build."""
        ...

    @property
    def time(self) -> datetime | None:
        """Business time; naive where the source gives no zone."""
        ...

    @property
    def complete(self) -> bool:
        """All of it could be read, so far."""
        ...

    @property
    def sexes(self) -> Mapping[str, str]:
        """Parts (samples) that show a sex, `female` or `male`; one of a Patient of another gender is not stored."""
        ...


class KeptDelivery(SourceDelivery, Protocol):
    """A delivery that may be kept as a file, since not all of it is stored as resources."""

    @property
    def keeps(self) -> bool:
        """Whether it is to be kept."""
        ...

    @property
    def kept_options(self) -> Mapping[str, Any]:
        """What it is to be read with, JSON values by name."""
        ...

    @property
    def kept_counts(self) -> Mapping[str, int]:
        """What of each part is in the file alone, by the part's name."""
        ...

    def write_kept(self, target: Path, parts: Collection[str]) -> tuple[Path, Path]:
        """Write it and its index, of these parts alone.

        Raises:
            ValueError: it can't be; the message says why.
        """
        ...


class KeepingAdapter(Protocol):
    """An adapter whose deliveries may be kept."""

    def kept_places(
        self,
        files: tuple[Path, Path],
        name: str,
        within: str,
        options: Mapping[str, Any],
        parts: Collection[str],
        wanted: Sequence[int],
    ) -> Iterator[int]:
        """Of places (`DeliveredRecord.place`), sorted, those that a kept file speaks of. Blocking.

        Args:
            files: the file and its index, as `KeptDelivery.write_kept` wrote them; name: what it was called.
            within, options: its `assembly` and `kept_options`.

        Raises:
            ValueError, OSError: it can't be read any more.
        """
        ...


class DeliveredRecord(SourceRecord, Protocol):
    """A record of a delivery. Its outputs name the part of the delivery that they are about (`SourceModel.parts`)."""

    @property
    def delivery(self) -> SourceDelivery | None:
        """The file; None where it could not be read."""
        ...

    @property
    def place(self) -> int | None:
        """What it speaks of, as a number of 64 bits with sign; a newer delivery replaces what is said of its places."""
        ...

    @property
    def ends_delivery(self) -> bool:
        """Whether it is the last one."""
        ...


class CountingRecord(Protocol):
    """A record that counts its parts (the calls of a line's samples), and reports them once all are counted."""

    def count_outputs(self, outputs: Sequence[Any], issues: Sequence[IssueLike]) -> None:
        """Count what was written of the record, of what it has; `issues` of its conversion say why some was not."""
        ...

    def part_accounts(self) -> Iterable[Mapping[str, Any]]:
        """Rows for the report's `calls`, JSON values by name, where the record ends what is counted; else none."""
        ...


class RecordBlock(Protocol):
    """Several records that are converted as one, where the run's `ReadContext` has `blocks`.

    None of them has an issue that makes it partial. The block is a record as well, with the objects of all in their
    order; where a rule gives anything but one output for each object of its scope, they are converted one by one.
    """

    @property
    def block(self) -> Sequence[SourceRecord]:
        """The records, in their order."""
        ...

    def sizes(self, scope: str) -> Sequence[int]:
        """How many objects of a scope each of the records has."""
        ...


class RecordPart(Protocol):
    """One contribution to a composite record: an instance of a study. Read-only; a row of a store satisfies it."""

    @property
    def key(self) -> str:
        """What it is within its record: the SOP Instance UID."""
        ...

    @property
    def subject(self) -> str:
        """Whom it is about, in the source's words; compared by `CompositeAdapter.same_subject`, not by equality."""
        ...

    @property
    def time(self) -> datetime | None:
        """Business time; naive where the source gives no zone."""
        ...

    @property
    def content(self) -> bytes:
        """All that composing needs, in a format of the adapter that says its version; empty for a deletion."""
        ...

    @property
    def deletes(self) -> bool:
        """The part of this key is deleted, unless it is newer than `time`."""
        ...


@runtime_checkable
class CompositeRecord(SourceRecord, Protocol):
    """A record of a `CompositeAdapter`: the union of its parts over all loads.

    A record without living parts (a study whose only news is a deletion) has no objects in any scope. It may have an
    attribute `witness`: a record that is converted only to find out whose the deletions are.
    """

    @property
    def key(self) -> str:
        """What the record is in all loads: the Study Instance UID. Empty for one without parts (a skipped file)."""
        ...

    @property
    def parts(self) -> Sequence[RecordPart]:
        """What this run read of it, in no order that matters; built when asked for, then kept.

        Several may have one key: a content and its deletion, or two contents. Empty for a rejected record.
        `issues` may grow meanwhile: a part that can no longer be read is missing, with an error.
        """
        ...


class ReadContext(Protocol):
    """What a reader may know of the run."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The mapping's `source:` block, overlaid with `--set`."""
        ...

    @property
    def site(self) -> Any:
        """The site's settings (`fhir_bridge.mapping.Site`)."""
        ...

    @property
    def selectors(self) -> frozenset[tuple[str, str]] | None:
        """Scope and text of every selector that the mapping names; None where nothing is converted."""
        ...


@runtime_checkable
class Adapter(Protocol):
    """Reads one kind of source."""

    name: str
    title: str
    model: SourceModel
    suffixes: tuple[str, ...]
    """File names it takes when a folder is given (`.vcf`, `.vcf.gz`); empty takes every file."""

    def choose_mapping(self, paths: Sequence[Path]) -> str:
        """Name of the default mapping for these sources (`ehr/hl7v2`)."""
        ...

    def shards(self, paths: Sequence[Path], jobs: int) -> Sequence[Sequence[Path]]:
        """Split the sources into pieces that can be read apart, in order; most adapters: a file each."""
        ...

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[SourceRecord]:
        """Read records in source order, with memory for one of them.

        A record that can't be read is yielded as rejected; it never ends the iteration.
        """
        ...


class ReceivedRecord(SourceRecord, Protocol):
    """A record that was sent, and is acknowledged."""

    @property
    def control_id(self) -> str | None:
        """What its sender calls it (MSH-10)."""
        ...

    @property
    def kind(self) -> str:
        """What it is (`ORU^R01`)."""
        ...

    @property
    def readable(self) -> bool:
        """Whether anything of it could be read."""
        ...

    def identifiers(self) -> Sequence[str]:
        """Values of the identifiers that it names its patient by."""
        ...


@runtime_checkable
class ReceivingAdapter(Adapter, Protocol):
    """An adapter whose records are sent one by one."""

    def read_message(self, content: bytes, name: str, context: ReadContext) -> ReceivedRecord:
        """One record from its bytes; what can't be read comes back as rejected, with the issue.

        Args:
            name: where it is kept, for locators.
        """
        ...


@runtime_checkable
class ContentAdapter(Adapter, Protocol):
    """An adapter of whose sources one may be sent as a whole, to be converted and answered (`$convert-data`)."""

    def read_content(self, content: bytes, name: str, context: ReadContext) -> Iterator[SourceRecord]:
        """The records of a source from its bytes, as `read` reads them from a file.

        Args:
            name: where it is, for locators.
        """
        ...


@runtime_checkable
class AssigningAdapter(Adapter, Protocol):
    """An adapter with several default mappings (a table each), which knows what file each one reads."""

    def assign(self, paths: Sequence[Path]) -> dict[str, list[Path]]:
        """Mapping name to the files it reads; every file is under exactly one."""
        ...


@runtime_checkable
class CompletingAdapter(Adapter, Protocol):
    """An adapter that remembers what was read, so that the next run reads on."""

    def complete(self, paths: Sequence[Path], options: Mapping[str, Any]) -> None:
        """All that was read of these sources is written: remember it. Never called after a part of a run."""
        ...


@runtime_checkable
class SplittingAdapter(Adapter, Protocol):
    """An adapter that reads one file in pieces, side by side, and then what all of them came to."""

    def pieces(self, path: Path, jobs: int, options: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """What each piece is read with, as JSON, in the file's order; none where the file is read whole."""
        ...

    def read_piece(
        self, path: Path, piece: Mapping[str, Any], context: ReadContext, state: dict[str, Any]
    ) -> Iterator[SourceRecord]:
        """The records of a piece; `state` gets what they came to, as JSON, when they are read."""
        ...

    def read_end(
        self, path: Path, piece: Mapping[str, Any], context: ReadContext, states: Sequence[Mapping[str, Any]]
    ) -> Iterator[SourceRecord]:
        """The records that the file ends with; `piece` is one of them, `states` are of all."""
        ...


@runtime_checkable
class CompositeAdapter(Adapter, Protocol):
    """An adapter whose records are the union of their parts: whatever the batches, their order and re-sends.

    All of it is pure: functions of sets of parts, without files.
    """

    def choose(self, parts: Sequence[RecordPart]) -> RecordPart | None:
        """Which of several parts with one key counts; None where it is deleted."""
        ...

    def differences(self, one: bytes, other: bytes) -> list[str]:
        """What two contents differ in: names of attributes, no values. Empty where they say the same."""
        ...

    def same_subject(self, subjects: Iterable[str]) -> bool:
        """Whether parts with these subjects can be about one person."""
        ...

    def compose(self, parts: Sequence[RecordPart], context: ReadContext) -> SourceRecord:
        """The record of these parts: as if all of them had been read in one run.

        Args:
            parts: one living part a key, as `choose` gives; at least one.
            context: of the run; the options that were given when the parts were read.

        Raises:
            ValueError: a part's content can't be read; the message says what to do.
        """
        ...


class Extractor(Protocol):
    """Finds what a clinical text states. A mapping makes preliminary, derived resources of it."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str:
        """Raised where it finds more or otherwise."""
        ...

    def extract(self, text: str) -> Iterable[Any]:
        """The facts of a text: objects with the attributes of `fhir_bridge.adapters.ehr.notes.Fact`.

        Nothing where the text denies, supposes, plans or only repeats. Raises nothing for what a text may hold.
        """
        ...


class Importer(Protocol):
    """Reads one download form of terminologies into the content store."""

    @property
    def name(self) -> str:
        """As in `terminology import --format`."""
        ...

    @property
    def version(self) -> int:
        """Raised where it reads more or otherwise, so that the same file is imported anew."""
        ...

    def recognizes(self, source: Any) -> bool:
        """Whether a file (`fhir_bridge.terminology.imports.sources.Source`) is of this form, by its content."""
        ...

    def read(self, source: Any, staging: Any, options: Any) -> None:
        """Put its concepts, maps and value sets into a `fhir_bridge.terminology.store.staging.Staging`.

        Raises:
            ImportProblem: the file can't be used; file and line are named.
        """
        ...


class Predictor(Protocol):
    """A model: what it needs, for whom it is meant, and what it says. See docs/predictors.md.

    It runs in a process of its own, to which it is sent by pickle: a class of an importable module, without open files.
    Its codes are of the code system that its attribute `code_system` names (a plug-in ships it with the
    terminology hook), else in `urn:fhir-bridge:predictor:<name>`. Attribute `result_code` (code, display): that of a
    run without an answer; absent, such a run has a text alone. Attribute `files`: paths of what it reads beside its
    code (weights), whose content is part of what the model is. Attribute `categories` ((code, display), …): those that
    it may give, and a person may put in place of its own. Attribute `reads_elsewhere`: True where an answer rests on
    more than record, code and files (a server), so that an unchanged record does not mean an unchanged answer.
    Attribute `observation_codes` ((system, code), …): the codes of all Observations that it reads, of their own or in a
    component; of a long record only these are read, and those that may state a finding. Absent, it sees all. Attribute
    `input_names`: what it calls them, by (system, code), for a run that failed.
    """

    name: str
    """The logical model, whatever its version: one result of it is current for a patient."""
    version: str
    title: str
    manufacturer: str
    card: Any
    """A `fhir_bridge.predictions.ModelCard`."""

    def predict(self, records: Sequence[Any], settings: Any) -> Sequence[Any]:
        """A `fhir_bridge.predictions.Prediction` or `Refusal` for each `PatientRecord`, in their order.

        Raises nothing for what a record may hold. What fails for one of many patients is asked again for each alone.
        """
        ...


class Operation(Protocol):
    """A FHIR operation served at `[base]/$name`, `[base]/Type/$name` or `[base]/Type/id/$name`."""

    name: str
    types: tuple[str, ...]
    access: str
    """The interaction letters a caller needs, as in SMART scopes (`rs`). A route without it is refused."""

    def __call__(self, request: Any, parameters: Mapping[str, Any]) -> Awaitable[Any]:
        """The answer: a resource as a dict, as JSON text in bytes, as an object of `fhir.resources`, or a response.

        Args:
            request: `fhir_bridge.server.rest.operations.OperationRequest`; its `model` is the body as such an object.
        """
        ...


class ServerContext(Protocol):
    """What operations may share with the server that they are made for."""

    @property
    def terminology(self) -> Any:
        """The terminology that the server validates with (`fhir_bridge.server.terminology.ServedTerminology`)."""
        ...

    @property
    def settings(self) -> Any:
        """`fhir_bridge.server.Settings`."""
        ...


class Pages(Protocol):
    """Routes beside the FHIR API: pages for people, JSON for them and for administration."""

    @property
    def access(self) -> Literal["public", "user"]:
        """Who may see them: everybody, or who is signed in; others are sent to sign in. Without it they are refused."""
        ...

    @property
    def router(self) -> Any:
        """A `fastapi.APIRouter`."""
        ...


class Sink(Protocol):
    """Takes a shard's resources: files, our store, another server. One sink a shard, in the shard's process."""

    def write(self, record: Any, account: Any) -> None:
        """Take a converted record (`fhir_bridge.pipeline.ConvertedRecord`), and count its resources in `account`."""
        ...

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:
        """Take the name of a rejected or partial record."""
        ...

    def flush(self, account: Any) -> None:
        """Put everything taken so far where it belongs."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


@runtime_checkable
class ComposingSink(Sink, Protocol):
    """A sink that keeps the parts of records, so that one is the union of its parts over all loads."""

    def write_parts(self, record: CompositeRecord, run: Any, account: Any) -> Any:
        """Take a record's parts, and what the record becomes of all parts known; gives the converted record.

        Args:
            run: composes a record of stored parts, and converts it (`fhir_bridge.pipeline.composing.Composer`).
        """
        ...


class SinkFactory(Protocol):
    """Opens a sink for a target: scheme `parts` for a folder, `store` for a database, `nothing` for a dry run.

    Sinks of a factory that has `takes_bytes = True` get outputs that were made as JSON (`output.json`), which costs a
    fraction; their `resource` is parsed when it is asked for. Others get dicts.
    """

    scheme: str

    def open(self, target: str, run: Any) -> Sink:
        """Open the sink for one shard.

        Args:
            target: what follows the scheme: a folder, a database URL.
            run: `fhir_bridge.pipeline.SinkRun`: adapter, key fingerprint and precedence of the run.
        """
        ...
