"""References that are searches (`Patient?identifier=…`), to what is stored and to what the same transaction writes.

R4 http.html#trules resolves them after the writes. These are not stored yet, so their contents are compared here: by
tokens (`identifier=system|value`), which is how business identifiers are named, and by `_id`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.search.entries import TokenEntry, indexable
from fhir_bridge.storage.breathing import beside, is_large
from fhir_bridge.storage.errors import BadReference, MultipleMatches
from fhir_bridge.storage.indexing import Identity, Indexed, index
from fhir_bridge.storage.search_text import split_list, split_token
from fhir_bridge.storage.stored import Written

__all__ = ["Matching", "SearchedReferences"]

Pairs = Sequence[tuple[str, str]]


class Matching(Protocol):
    """What finds the one resource that criteria match."""

    async def match(self, resource_type: str, criteria: Pairs, access: AccessFilter) -> Written | None: ...


class SearchedReferences:
    """Finds what references name.

    Args:
        written: contents that the transaction writes, by type and id; None: a deletion.
    """

    def __init__(
        self, store: Matching, access: AccessFilter, written: Mapping[Identity, dict[str, Any] | None]
    ) -> None:
        self._store = store
        self._access = access
        self._written = written
        self._indexed: dict[Identity, Indexed] = {}

    async def find(self, reference: str) -> str:
        """What a reference that is a search finds, as `Type/id`.

        Raises:
            BadReference: nothing, or several. Forbidden, BadSearch: it can't be done.
        """
        resource_type, _, query = reference.partition("?")
        # With blank values, which are refused: without them, the rest might match another resource.
        criteria = parse_qsl(query, keep_blank_values=True)
        try:
            # Through `match`, so within what the caller may search: a reference can't reveal what is hidden.
            match = await self._store.match(resource_type, criteria, self._access)
        except MultipleMatches as error:
            raise BadReference(error.message) from error
        matches = set() if match is None else {(resource_type, match.stored.id)}
        own = [identity for identity in self._written if identity[0] == resource_type]
        unknown = [name for name, _ in criteria if not await self._takes(name, own)]
        if own and not unknown:
            # As they will be: an update may have taken away what the search matches.
            matches = (matches - set(own)) | {each for each in own if await self._meets(each, criteria)}
        elif matches & {identity for identity in own if self._written[identity] is None}:
            matches = set()
        if len(matches) > 1:
            raise BadReference("the criteria match more than one resource")
        if not matches:
            hint = (
                f"; {unknown[0][:40]} is not looked for in what is written with it" if own and unknown else ""
            )
            raise BadReference(f"the reference by search to a {resource_type} matches nothing{hint}")
        ((_, identity),) = matches
        return f"{resource_type}/{identity}"

    async def _takes(self, name: str, own: Iterable[Identity]) -> bool:
        """Whether the criterion can be compared with contents that are written."""
        if name == "_id":
            return True
        items = [await self._item(identity) for identity in own]
        entries = [entry for item in items if item for entry in item.entries if entry.parameter == name]
        return all(type(entry) is TokenEntry for entry in entries) and ":" not in name and "." not in name

    async def _meets(self, identity: Identity, criteria: Pairs) -> bool:
        item = await self._item(identity)
        return item is not None and all(_meets(item, name, value) for name, value in criteria)

    async def _item(self, identity: Identity) -> Indexed | None:
        content = self._written[identity]
        if content is None:
            return None
        if identity not in self._indexed:
            self._indexed[identity] = await beside(is_large(content), partial(index, content, identity[1]))
        return self._indexed[identity]


def _meets(item: Indexed, name: str, value: str) -> bool:
    if name == "_id":
        return item.id in split_list(value)
    tokens = [entry for entry in item.entries if type(entry) is TokenEntry and entry.parameter == name]
    for wanted in split_list(value):
        parts = split_token(wanted)
        code = indexable(parts[-1])
        for token in tokens:
            if len(parts) == 2 and (token.system or "") != parts[0]:
                continue
            if (len(parts) == 2 and not parts[1]) or token.code == code:
                return True
    return False
