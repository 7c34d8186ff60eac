"""FHIR of any engine as an index of its values: what stands where, and which resources refer to which."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote

from fhir_bridge.workshop.audit.moments import Moment, moment
from fhir_bridge.workshop.normal_forms import digits, folded, number, plain, words

__all__ = ["EVERYTHING", "OF_NOBODY", "Allowed", "FhirLeaf", "Pool", "PoolResource"]

_DATE: Final = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d.*)?)?)?\Z")
_SKIPPED: Final = frozenset(("div", "resourceType", "fullUrl", "versionId", "profile"))
_SUBJECT: Final = re.compile(
    r"^\w+\.(subject|patient|beneficiary|individual)\.(reference|identifier\.value)$"
)
_CONTENT: Final = 5_000_000


class FhirLeaf:
    """A primitive value in a resource.

    Attributes:
        path: elements without positions, `Observation.code.coding.code`.
        chain: numbers of the objects around it, from the resource inwards.
        holder: the last of them, the same for the parts of one Coding or Quantity.
    """

    __slots__ = ("chain", "holder", "path", "resource", "text", "value")

    def __init__(
        self, resource: PoolResource, path: str, value: Any, text: str, chain: tuple[int, ...]
    ) -> None:
        self.resource, self.path, self.value, self.text = resource, path, value, text
        self.chain, self.holder = chain, chain[-1]

    @property
    def element(self) -> str:
        """The last name of the path."""
        return self.path.rsplit(".", 1)[-1]

    @property
    def number(self) -> Decimal | None:
        """The number that it is."""
        return None if isinstance(self.value, bool) else number(self.text)

    @property
    def moment(self) -> Moment | None:
        """The time that it is."""
        return moment(self.text) if isinstance(self.value, str) and _DATE.match(self.text) else None


@dataclass(eq=False)
class PoolResource:
    """A resource.

    Attributes:
        index: number in the pool.
        locator: file and place.
        bundle: number of the Bundle it came in; -1 outside of one.
        references: numbers of the resources that it refers to.
        referred: numbers of those that refer to it.
        targets: its references as written, each with the objects around it.
        container: number of the resource that it is contained in; -1 of one that stands alone.
        patients: numbers of the Patients whom it is about.
        subjects: the same; of a Patient that is not in the pool a negative number.
        mentions: resource that it refers to -> objects (`diagnosis`, `participant`) that are about that one.
    """

    index: int
    type: str
    id: str
    locator: str
    bundle: int
    container: int = -1
    leaves: list[FhirLeaf] = field(default_factory=list)
    targets: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    mentions: dict[int, set[int]] = field(default_factory=dict)
    references: set[int] = field(default_factory=set)
    referred: set[int] = field(default_factory=set)
    patients: frozenset[int] = frozenset()
    subjects: frozenset[int] = frozenset()

    @cached_property
    def code(self) -> str:
        """What it is of: the codes of its `code`, else the text."""
        return code_of(leaf for leaf in self.leaves if leaf.path.startswith(f"{self.type}.code"))

    @cached_property
    def holders(self) -> dict[int, list[FhirLeaf]]:
        """Leaves by the object that holds them."""
        results: dict[int, list[FhirLeaf]] = defaultdict(list)
        for leaf in self.leaves:
            results[leaf.holder].append(leaf)
        return results


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which resources of a pool may be of a record.

    Attributes:
        bundle: number of the Bundle that they are in; None for any.
        patients: numbers of the Patients whom they are about, if they are about any; empty for any.
        subjects: the same, with Patients that are not in the pool.
        alone: whether no other record is about them.
        single: whether the record is one result.
    """

    bundle: int | None = None
    patients: frozenset[int] = frozenset()
    subjects: frozenset[int] = frozenset()
    alone: bool = False
    single: bool = False

    def takes(self, resource: PoolResource) -> bool:
        """Whether a resource is one of them."""
        if self.bundle is not None:
            return resource.bundle == self.bundle
        if self.subjects:
            return not resource.subjects or not self.subjects.isdisjoint(resource.subjects)
        return not self.patients or not resource.patients or not self.patients.isdisjoint(resource.patients)


EVERYTHING = Allowed()
OF_NOBODY = Allowed(patients=frozenset((-1,)))
"""What is about no patient."""


class Pool:
    """All FHIR that the records of a source may have become."""

    def __init__(self) -> None:
        self.resources: list[PoolResource] = []
        self.bundles = 0
        self.twins: list[tuple[PoolResource, PoolResource]] = []
        """Resources of one type and id with different content."""
        self.strangers: dict[str, int] = {}
        """Patients who are referred to and not in the pool, by what the references say."""
        self.about: dict[int, list[int]] = defaultdict(list)
        """Subject -> numbers of the resources about it."""
        self._by_key: dict[str, list[FhirLeaf]] = defaultdict(list)
        self._known: dict[str, list[int]] = defaultdict(list)

    def add(self, document: Mapping[str, Any], locator: str) -> None:
        """Take a resource, or the resources of a Bundle."""
        if document.get("resourceType") != "Bundle":
            self._take(document, locator, -1, None)
            return
        bundle = self.bundles
        self.bundles += 1
        own = {key: value for key, value in document.items() if key != "entry"}
        self._take(own, locator, bundle, None)
        entries = document.get("entry")
        for position, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                url = entry.get("fullUrl")
                place = f"{locator}#entry[{position}]"
                resource = entry["resource"]
                if resource.get("resourceType") == "Bundle":
                    self.add(resource, place)
                else:
                    self._take(resource, place, bundle, url if isinstance(url, str) else None)

    def _take(
        self, document: Mapping[str, Any], locator: str, bundle: int, url: str | None, container: int = -1
    ) -> None:
        resource = PoolResource(
            len(self.resources),
            str(document.get("resourceType") or "?"),
            str(document.get("id") or ""),
            locator,
            bundle,
            container,
        )
        inside = document.get("contained")
        parts = [each for each in inside if isinstance(each, dict)] if isinstance(inside, list) else []
        own = {key: value for key, value in document.items() if key != "contained"} if parts else document
        _Flattener(resource).flatten(own)
        self.resources.append(resource)
        for each in parts:
            self._take(each, f"{locator}#{each.get('id')}", bundle, None, resource.index)
        names = [f"{resource.type}/{resource.id}"] if resource.id else []
        if container >= 0:
            names = [f"{container}#{resource.id}"]
        names += [url] if url else []
        for name in names:
            for known in self._known[name][:5]:
                other = self.resources[known]
                if other.bundle == bundle and _content(other) != _content(resource):
                    self.twins.append((other, resource))
            self._known[name].append(resource.index)
        for leaf in resource.leaves:
            for key in keys(leaf):
                self._by_key[key].append(leaf)

    def link(self) -> None:
        """Resolve references and patients; to be called when all is taken."""
        for resource in self.resources:
            if resource.container >= 0:
                resource.referred.add(resource.container)
                self.resources[resource.container].references.add(resource.index)
            for stated, chain in resource.targets:
                target = stated
                if stated.startswith("#"):
                    target = f"{resource.container if resource.container >= 0 else resource.index}{stated}"
                seen = self._known.get(target) or self._known.get("/".join(target.split("/")[-2:])) or ()
                near = [n for n in seen if self.resources[n].bundle == resource.bundle] or seen[:1]
                for index in near:
                    if index != resource.index:
                        resource.references.add(index)
                        if len(chain) > 2:
                            resource.mentions.setdefault(index, set()).add(chain[1])
                        self.resources[index].referred.add(resource.index)
        for resource in self.resources:
            own = {resource.index} if resource.type == "Patient" else set()
            linked = {n for n in resource.references if self.resources[n].type == "Patient"}
            resource.patients = frozenset(own or linked)
        for resource in self.resources:
            if resource.container >= 0 and not resource.patients:
                resource.patients = self.resources[resource.container].patients
        for resource in self.resources:
            names = (
                () if resource.patients else (leaf for leaf in resource.leaves if _SUBJECT.search(leaf.path))
            )
            strangers = {
                self.strangers.setdefault(folded(leaf.text), -2 - len(self.strangers)) for leaf in names
            }
            resource.subjects = resource.patients or frozenset(strangers)
            for subject in resource.subjects:
                self.about[subject].append(resource.index)

    def find(self, key: str) -> list[FhirLeaf]:
        """The leaves that have a key."""
        return self._by_key.get(key, [])

    def types(self, names: Iterable[str]) -> Iterator[PoolResource]:
        """The resources of some types."""
        wanted = frozenset(names)
        return (resource for resource in self.resources if resource.type in wanted)


def code_of(leaves: Iterable[FhirLeaf]) -> str:
    """A CodeableConcept as one text: its codes, else what it says in words."""
    known = list(leaves)
    codes = {leaf.text for leaf in known if leaf.element == "code"}
    return "|".join(
        sorted(codes or {folded(leaf.text) for leaf in known if leaf.element in ("text", "display")})
    )


def keys(leaf: FhirLeaf) -> Iterator[str]:
    """The keys under which a leaf is found."""
    text = leaf.text
    if isinstance(leaf.value, bool):
        return
    yield "t:" + folded(text)
    if leaf.element == "contentType":
        for part in text.split("/"):
            yield "t:" + folded(part)
    value = leaf.number
    if value is not None:
        yield f"n:{value.normalize():f}"
    time = leaf.moment
    if time is not None:
        yield "d:" + "".join(f"{part:02}" for part in time.parts[:3])
        instant = time.instant
        if instant is not None and time.has_time:
            yield f"i:{instant:%Y%m%d%H%M}"
        return
    squeezed = plain(text)
    if squeezed:
        yield "a:" + squeezed
    for word in set(words(text)):
        if len(word) > 1:
            yield "w:" + word
    if ":" in text and " " not in text:  # a URI: its last part names what it is about
        for part in re.split(r"[/:#]", unquote(text))[-2:]:
            yield "a:" + plain(part)
    if "telecom" in leaf.path or leaf.element in ("value", "valueString"):
        telephone = digits(text)
        if len(telephone) >= 3:
            yield "p:" + telephone


class _Flattener:
    """Collects the leaves of a resource."""

    def __init__(self, resource: PoolResource) -> None:
        self._resource = resource
        self._objects = 0

    def flatten(self, document: Mapping[str, Any]) -> None:
        """Collect."""
        self._object(document, self._resource.type, ())

    def _object(self, value: Mapping[str, Any], path: str, around: tuple[int, ...]) -> None:
        chain = (*around, self._objects)
        self._objects += 1
        for name, item in value.items():
            if name in _SKIPPED or (name == "url" and path.lower().endswith("extension")):
                continue
            here = f"{path}.{name.removeprefix('_')}"
            if name == "reference" and isinstance(item, str):
                self._resource.targets.append((item, chain))
                self._leaf(here, item.rsplit("/", 1)[-1], chain)
                continue
            if name == "data" and isinstance(item, str) and len(item) < _CONTENT:
                self._data(here, item, chain)
            for single in item if isinstance(item, list) else (item,):
                if isinstance(single, dict):
                    self._object(single, here, chain)
                elif single is not None:
                    self._leaf(here, single, chain)

    def _leaf(self, path: str, value: Any, chain: tuple[int, ...]) -> None:
        text = str(value).strip() if not isinstance(value, bool) else str(value).lower()
        if text:
            self._resource.leaves.append(FhirLeaf(self._resource, path, value, text, chain))

    def _data(self, path: str, value: str, chain: tuple[int, ...]) -> None:
        """The text of base64 content; a kept message is not a representation of what it says."""
        try:
            text = base64.b64decode(value, validate=False).decode("utf-8")
        except (ValueError, binascii.Error):
            return
        if not text.lstrip("\ufeff\x0b").startswith(("MSH|", "FHS|", "BHS|")):
            self._leaf(f"{path}.text", text, chain)


def _content(resource: PoolResource) -> frozenset[tuple[str, str]]:
    return frozenset((leaf.path, leaf.text) for leaf in resource.leaves)
