"""Outputs of records that are alike: what one of them became, with the values of another in the places of its own.

Two lines of a VCF with the same contig, alleles and genotype become the same but for what each says by itself. An
adapter says of a record which others it is like, and the JSON of the values that are its own. Three of a likeness are
converted; where the third is the second with its own values, all further ones are put together of the two.

Only for mappings that ship with the project: of any other it is not known whether a condition looks at such a value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol, cast

from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.mapping.compiled import CompiledMapping
from fhir_bridge.mapping.runtime import Context, JsonOutput, Output

__all__ = ["Alike", "AlikeBlock", "AlikeOutputs", "AlikeRecord"]

Alike = tuple[Hashable, Sequence[str], str]
"""What records that are alike have in common, the JSON of what is a record's own, in the order of the output, and the
last part of the output's key, of which all others are common."""

_MOST = 4_000
"""Likenesses that are remembered: 2.5 KB each."""


class AlikeRecord(Protocol):
    """A record of which one rule makes one output, of one object."""

    locator: str

    @property
    def alike(self) -> Alike | None:
        """What it is like; None of one that is like no other."""
        ...

    def scope(self, name: str, /) -> Iterable[Any]:
        """The objects of a scope."""
        ...


class AlikeBlock(Protocol):
    """Several records that are converted as one, of which some may be like earlier ones."""

    @property
    def block(self) -> Sequence[AlikeRecord]:
        """The records, in their order."""
        ...

    def among(self, items: Sequence[Any], /) -> Any:
        """Some of them as a block."""
        ...


class _Example:
    """What one of a likeness became; `sure` when another one did so too."""

    __slots__ = ("begun", "kind", "part", "patients", "pieces", "rule", "status", "sure", "time")

    def __init__(self, output: JsonOutput, pieces: list[str], begun: tuple[Any, int]) -> None:
        self.kind, self.rule, self.time = output.type, output.rule, output.time
        self.status, self.patients, self.part = output.status, output.patients, output.part
        self.pieces = pieces
        self.begun = begun
        self.sure = False

    def filled(self, identity: str, own: Sequence[str]) -> bytes:
        """The output with another id and other values."""
        pieces = self.pieces.copy()
        pieces[1] = identity
        pieces[3::2] = own
        return "".join(pieces).encode()

    def output(self, locator: str, own: Sequence[str], key: str) -> Output:
        """What a record becomes that is like the example."""
        identity = IdKey.id_after(self.begun, key)
        return JsonOutput(
            self.kind, identity, self.filled(identity, own), self.rule, self.time, locator, self.status,
            self.patients, self.part,
        )  # fmt: skip

    def is_like(self, output: Output, own: Sequence[str], key: str) -> bool:
        """Whether an output is the example's with other values."""
        same = (output.type, output.rule, output.time, output.patients, output.part)
        return (
            isinstance(output, JsonOutput)
            and same == (self.kind, self.rule, self.time, self.patients, self.part)
            and IdKey.id_after(self.begun, key) == output.id
            and self.filled(output.id, own) == output.json
        )


class AlikeOutputs:
    """What is known of likenesses, for outputs as JSON of one mapping and one site. For one thread."""

    def __init__(self, mapping: CompiledMapping) -> None:
        self._mapping = mapping
        program = mapping.program("bytes")
        self._rules = {
            rule.plan.name: (rule.plan.scope, rule.identify)
            for rule in program.rules
            if rule.identify is not None and not (rule.columns or rule.plan.all or program.lets)
        }
        self._once: set[Hashable] = set()
        self._known: dict[Hashable, _Example | None] = {}

    def outputs(self, block: AlikeBlock, context: Context) -> list[Output | None]:
        """What records of a block become, where earlier ones have shown it; None of one that is to be converted."""
        nothing: list[Output | None] = [None] * len(block.block)
        results = nothing.copy()
        self._mapping.begin(block, context)
        known = self._known
        try:
            for place, record in enumerate(block.block):
                alike = record.alike
                if alike is None:
                    continue
                common, own, key = alike
                example = known.get(common)
                if example is not None and example.sure:
                    results[place] = example.output(record.locator, own, key)
        except Exception:  # noqa: BLE001 - whoever converts them one by one reports it
            return nothing
        return nothing if context.issues else results

    def learn(self, record: AlikeRecord, outputs: Sequence[Output], context: Context) -> None:
        """Note what a record became without any issue."""
        alike = record.alike
        if alike is None or len(outputs) != 1:
            return
        common, own, key = alike
        (output,) = outputs
        known = self._known
        if common not in self._once:  # most insertions and deletions never come again
            if len(self._once) >= _MOST:
                self._once.clear()
            self._once.add(common)
        elif common not in known:
            if len(known) >= _MOST:
                known.clear()
            known[common] = self._example(record, output, own, key, context)
        elif (example := known[common]) is not None and not example.sure:
            example.sure = example.is_like(output, own, key)
            if not example.sure:
                known[common] = None

    def _example(
        self, record: AlikeRecord, output: Output, own: Sequence[str], key: str, context: Context
    ) -> _Example | None:
        scope, identify = self._rules.get(output.rule, ("", None))
        if identify is None or not isinstance(output, JsonOutput):
            return None
        pieces = _split(output.json.decode(), (output.id, *own))
        begun = _begun(identify, list(record.scope(scope)), key, context)
        return None if pieces is None or begun is None else _Example(output, pieces, begun)


class _Parts:
    """Notes of which parts an id is made."""

    def __init__(self, key: IdKey) -> None:
        self._key = key
        self.noted: list[tuple[tuple[str | None, ...], frozenset[int]]] = []

    def id(self, *parts: str | None, optional: frozenset[int] = frozenset()) -> str:
        """As of the key."""
        self.noted.append((parts, optional))
        return self._key.id(*parts, optional=optional)


def _begun(
    identify: Callable[..., Any], items: Sequence[Any], key: str, context: Context
) -> tuple[Any, int] | None:
    """The id of an object without the last part of its key; None where that is not `key`."""
    if len(items) != 1:
        return None
    site_key = context.key
    noting = _Parts(site_key)
    context.key = cast("IdKey", noting)
    try:
        identify(context, items[0], ())
    finally:
        context.key = site_key
    if len(noting.noted) != 1:
        return None
    parts, optional = noting.noted[0]
    return site_key.begun(*parts[:-1], optional=optional) if parts[-1] == key else None


def _split(text: str, own: Sequence[str]) -> list[str] | None:
    """A text around each of its own values; None where one is not in it once, in this order."""
    pieces: list[str] = []
    start = 0
    for value in own:
        place = text.find(value, start)
        if place < 0 or text.count(value) != 1:
            return None
        pieces += (text[start:place], value)
        start = place + len(value)
    return [*pieces, text[start:]]
