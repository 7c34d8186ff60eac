"""A resource that a load writes: its row, what its sources say of it, and what happens to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.storage.contributions import (
    MERGED,
    REST,
    Contribution,
    arrive,
    disagreements,
    fold,
    incoming,
    merge,
    newest_of,
)
from fhir_bridge.storage.indexing import Identity, Indexed, index
from fhir_bridge.storage.issues import CODES
from fhir_bridge.storage.stored import content_hash, now, parse, stamp
from fhir_bridge.storage.version_rows import next_moment
from fhir_bridge.storage.versions import Current, NewVersion, PastVersion
from fhir_bridge.storage.withdrawal import withdrawn

__all__ = ["MAX_ISSUES", "LoadResult", "Message", "Subject", "read_subject"]

# In memory and in the report; a mapping that is wrong in every record would fill both.
MAX_ISSUES = 1000
"""Issues beyond this are counted, not listed."""


@dataclass(slots=True)
class LoadResult:
    """What a load came to. Each output counts once.

    Attributes:
        created: resources that were not there.
        updated: new versions of resources that were.
        unchanged: outputs that say what is stored already, or what a source with precedence says.
        stale: outputs older than what is stored; they are in history.
        conflicts: outputs that differ from another of the same source and time; one is current, the others in history.
        withdrawn: resources that their record, processed again, no longer says.
        moved: resources of which all their records, processed again, say that they are another patient's.
        rejected: outputs that can't be loaded.
        refused: outputs of records that changed nothing, since a business key of theirs is under another patient.
        resources: how many outputs of each type, without those rejected or refused.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    conflicts: int = 0
    withdrawn: int = 0
    moved: int = 0
    rejected: int = 0
    refused: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    issues: list[Issue] = field(default_factory=list)
    unlisted_issues: int = 0

    def add_issue(self, code: str, message: str, source: str) -> None:
        """List an issue, or count it where the list is full."""
        if len(self.issues) >= MAX_ISSUES:
            self.unlisted_issues += 1
        else:
            self.issues.append(Issue(CODES[code].severity, code, message, source))

    def add_outcomes(self, other: LoadResult) -> None:
        """Take over the counts and issues of a batch, once it is durable."""
        # `rejected` is counted as outputs are read, before there is a batch.
        for name in (
            "created",
            "updated",
            "unchanged",
            "stale",
            "conflicts",
            "withdrawn",
            "moved",
            "refused",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.resources.update(other.resources)
        for issue in other.issues:
            self.add_issue(issue.code, issue.message, issue.source)


@dataclass(slots=True)
class Message:
    """An output on its way into the store.

    Attributes:
        content: as it came, with the instructions of a delta.
        part: what of its delivery it is about; edition: the number of what the delivery says of that.
        superseded: a newer delivery replaces it.
        whole: nothing was taken off it, so that its hash is that of its content.
    """

    type: str
    id: str
    contribution: Contribution
    item: Indexed
    content: dict[str, Any]
    part: str = ""
    edition: int | None = None
    superseded: bool = False
    whole: bool = False

    @property
    def identity(self) -> Identity:
        """Type and id."""
        return self.type, self.id

    @property
    def patient(self) -> str:
        """The one patient whom it is about; empty for none or several."""
        patients = set(self.item.owners.patients)
        return patients.pop() if len(patients) == 1 else ""

    @property
    def locator(self) -> str:
        """Where an issue about it is."""
        return f"{self.type}/{self.id}"


@dataclass(slots=True)
class Subject:
    """A resource that a batch writes."""

    current: Current
    states: dict[str, Contribution]
    content: dict[str, Any] | None
    hash: bytes | None
    version: int
    last_version: int
    live: bool
    item: Indexed | None = None
    contribution: Contribution | None = None
    changed: bool = False
    touched: bool = False
    folded_again: bool = False
    overruled: bool = False
    past: list[PastVersion] = field(default_factory=list)

    def take(
        self, message: Message, known_hashes: set[bytes], precedence: Sequence[str], outcomes: LoadResult
    ) -> int:
        """Fold one message in, and count what came of it; gives the message's arrival.

        Args:
            known_hashes: contents that a timed message said before; the new one is added.
        """
        contribution, where = message.contribution, message.locator
        known = self.states.get(contribution.source)
        # The last message of its source says it already, or a timed message did: nothing
        # to fold, and no history of it.
        if (known is not None and known.hash == contribution.hash) or contribution.hash in known_hashes:
            outcomes.unchanged += 1
            return contribution.arrival if known is None or known.hash != contribution.hash else known.arrival
        contribution = arrive(contribution, known)
        # Two messages that differ in nothing but their content: no order says which is right. A
        # delta does not claim to be all.
        conflict = (
            known is not None and not contribution.delta and contribution.order[:-1] == known.order[:-1]
        )
        state = fold(known, contribution)
        self.touched = True
        self.states[contribution.source] = state
        if contribution.time is not None:
            known_hashes.add(contribution.hash)
        # After the fold the source's state is that of another message: this one came late.
        late = known is not None and state.hash != contribution.hash
        content = merge(list(self.states.values()), precedence)
        own = message.whole and content is message.contribution.resource
        digest = message.contribution.hash if own else content_hash(content)
        # Not live and not changed by a late message: a deletion by a person stays
        # until a source has something new.
        same = (
            digest == self.hash
            if self.live
            else late and known is not None and state.resource == known.resource
        )
        newest = newest_of(self.states.values())
        if same and not late and not conflict and _same_content(contribution.resource, newest.resource):
            outcomes.unchanged += 1  # another source says it too: a file under another name
            return contribution.arrival
        if same and contribution.passing and not newest.passing and not conflict:
            outcomes.unchanged += 1  # said in passing, of what others are about
            return contribution.arrival
        if conflict:
            outcomes.conflicts += 1
            text = "another content came from the same source with the same time and status"
            outcomes.add_issue("FB-STORE-013", text, where)
        # Of types that are not merged a second source's state changes nothing that is shown;
        # its message is kept in history.
        if same and (late or (message.type not in MERGED and newest.source != contribution.source)):
            self._keep_late(contribution, "c" if conflict else "s")
            if not conflict:
                outcomes.stale += 1
                outcomes.add_issue("FB-STALE", "older than what is stored: kept in history", where)
            return contribution.arrival
        if same:
            outcomes.unchanged += 0 if conflict else 1
            return contribution.arrival
        # The index entries computed from the message hold only where the content
        # is the message's own, unmerged.
        own = own or content == message.contribution.resource
        self._become(content, digest, state, message.item if own else None)
        if not conflict:
            # By version: a resource that was deleted and comes again is an update.
            if self.version == 1:
                outcomes.created += 1
            else:
                outcomes.updated += 1
        # Only where this message changed something: else each re-send would report it again.
        if known is None or known.resource != state.resource:
            for name in disagreements(list(self.states.values())):
                outcomes.add_issue("FB-STORE-014", f"the sources differ on {name}", where)
        return contribution.arrival

    def fold_again(self, states: dict[str, Contribution]) -> None:
        """Take the sources' states as they are without what a record gave up; people's edits stay."""
        # REST has no source record, so no record can give up what a person wrote.
        rest = self.states.get(REST)
        self.states = states if rest is None else {**states, REST: rest}
        self.touched = self.folded_again = True

    def settle(self, precedence: Sequence[str], outcomes: LoadResult, *, referred: bool) -> None:
        """Bring the content up to date after `fold_again`, if no message did.

        Args:
            referred: another resource that stays refers to this one, so it can't be deleted.
        """
        if not self.live and not self.states:
            return
        where = f"{self.current.type}/{self.current.id}"
        if not self.states:
            present = self.content or parse(self.current.bytes or b"{}")
            content = withdrawn(_without_stamp(present))
            # A type without a status for it can only be deleted; not while others refer to it.
            if content is None and referred:
                outcomes.add_issue(
                    "FB-STORE-016", "no source says it any more; others refer to it: kept", where
                )
                return
            digest = None if content is None else content_hash(content)
            if digest is not None and digest == self.hash:  # the source had said so itself
                return
            self._become(content, digest, None, None)
            outcomes.withdrawn += 1
            outcomes.add_issue("FB-STORE-015", "no source says it any more: withdrawn", where)
            return
        if set(self.states) == {REST}:  # what people edited stays as it is, and is theirs from now on
            present = incoming(self.content or parse(self.current.bytes or b"{}"), "rest").resource
            self.states[REST] = replace(self.states[REST], resource=present, orders=None)
            return
        content = merge(list(self.states.values()), precedence)
        digest = content_hash(content)
        if not self.live or digest != self.hash:
            newest = newest_of(self.states.values())
            self._become(content, digest, newest, None)
            outcomes.updated += 1

    @property
    def present(self) -> dict[str, Any] | None:
        """The content as it will be; None where it is deleted."""
        if self.content is not None or not self.live:
            return self.content
        return parse(self.current.bytes or b"{}")

    def stated(self, precedence: Sequence[str]) -> dict[str, Any]:
        """What its sources say of it, whatever became of it."""
        return merge(list(self.states.values()), precedence) if self.states else {}

    def follow(self, statement: dict[str, Any], outcomes: LoadResult, *, wrong: bool) -> None:
        """Take what a text states back, or make it current again, with its document."""
        content = (
            withdrawn(statement) if wrong and statement.get("status") != "entered-in-error" else statement
        )
        if not statement or content is None or REST in self.states:  # people's edits stay
            return
        self.overruled = wrong
        digest = content_hash(content)
        if self.live and digest == self.hash:
            self.touched = self.touched or wrong
            return
        self.touched = True
        self._become(content, digest, newest_of(self.states.values()), None)
        outcomes.updated += 1
        if wrong:
            text = "its document was replaced or withdrawn: entered in error"
            outcomes.add_issue("FB-STORE-015", text, f"{self.current.type}/{self.current.id}")

    def _become(
        self,
        content: dict[str, Any] | None,
        digest: bytes | None,
        contribution: Contribution | None,
        item: Indexed | None,
    ) -> None:
        """Create a content current (None: deleted). What the same batch made before goes to history."""
        # A version that is never the row of `resource` still existed: history has every number.
        if self.changed and self.content is not None:
            identity = self.current.id
            self.past.append(
                PastVersion(
                    self.current.key,
                    self.current.type,
                    self.version,
                    "v",
                    now(),
                    self.contribution.time if self.contribution else None,
                    self.hash,
                    stamp(self.content, identity, self.version, now()),
                )
            )
        self.last_version += 1
        self.version = self.last_version
        self.content, self.hash = content, digest
        self.live, self.changed = content is not None, True
        self.contribution, self.item = contribution, item

    def _keep_late(self, contribution: Contribution, kind: str) -> None:
        """Put a message that came too late into history."""
        self.last_version += 1
        moment = now()
        # As an arrival, not as a version that was current: histories of a resource show
        # it, histories of a type don't.
        self.past.append(
            PastVersion(
                self.current.key,
                self.current.type,
                self.last_version,
                kind,
                moment,
                contribution.time,
                content_hash(contribution.resource),
                stamp(contribution.resource, contribution.resource["id"], self.last_version, moment),
            )
        )

    def new_version(self, known: Definitions) -> NewVersion:
        """The version to write, where `changed`."""
        current, content = self.current, self.content
        moment = next_moment(current)
        # Indexed again where it is no message's own content (merged, withdrawn).
        return NewVersion(
            current,
            self.version,
            self.last_version,
            moment,
            self.contribution.time if self.contribution else None,
            None if content is None else stamp(content, current.id, self.version, moment),
            self.hash,
            None if content is None else self.item or index(content, current.id, known),
        )


def read_subject(row: Current, states: dict[str, Contribution], *, claimed: bool) -> Subject:
    """A resource as it is stored.

    Args:
        claimed: some record has ever said something of it. What REST made before any did is REST's contribution.
    """
    # Only where no record has said anything: after a withdrawal the row is live too, and nobody's.
    if row.live and not states and not claimed and row.bytes is not None:
        contribution = incoming(parse(row.bytes), "rest")
        states = {REST: replace(contribution, source=REST, time=row.last_updated, delta=False, cleared=())}
    return Subject(row, states, None, row.hash, row.version, row.last_version, row.live)


def _same_content(item: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two contents differ at most in the source that says them."""

    def without_source(resource: dict[str, Any]) -> dict[str, Any]:
        meta = {name: value for name, value in (resource.get("meta") or {}).items() if name != "source"}
        return {**resource, "meta": meta}

    return without_source(item) == without_source(other)


def _without_stamp(resource: dict[str, Any]) -> dict[str, Any]:
    meta = {
        name: value
        for name, value in (resource.get("meta") or {}).items()
        if name not in ("versionId", "lastUpdated")
    }
    content = {name: value for name, value in resource.items() if name != "meta"}
    return {**content, "meta": meta} if meta else content
