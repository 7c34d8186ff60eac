"""Named nodes (`fragments:`) and the places that they are put in (`fragment:`)."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field

from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import Report, nearest, refuse
from fhir_bridge.mapping.overrides import merged

__all__ = ["Expander", "Fragment"]

_OWN_KEYS = ("fragment", "with")


@dataclass(slots=True)
class Fragment:
    """A named node.

    Attributes:
        name: as `fragment:` writes it.
        node: the node, without its `parameters:`.
        parameters: names that must be given by `with:`.
        library: it was included, so that nothing need use it.
    """

    name: Scalar
    node: Node
    parameters: tuple[str, ...] = ()
    library: bool = False

    @classmethod
    def of(cls, name: Scalar, node: Node, report: Report, *, library: bool) -> Fragment:
        """From an entry of `fragments:`."""
        stated = node.get("parameters") if isinstance(node, Mapping) else None
        if stated is None:
            return cls(name, node, library=library)
        assert isinstance(node, Mapping)
        rest = Mapping(node.position, [(key, value) for key, value in node if key.text != "parameters"])
        items = stated.items if isinstance(stated, Sequence) else []
        names = tuple(item.text for item in items if isinstance(item, Scalar) and item.text.isidentifier())
        if not items or len(names) != len(items):
            refuse(report, stated.position, "`parameters` is a list of names", "parameters: [field]")
        return cls(name, rest, names, library)


@dataclass(slots=True)
class Expander:
    """Puts fragments where they are used.

    Attributes:
        used: names of the fragments that something used.
    """

    fragments: MappingOf[str, Fragment]
    report: Report
    used: set[str] = field(default_factory=set)

    def node(self, node: Node, within: tuple[str, ...] = ()) -> Node:
        """The node with all that it uses in place; `within`: fragments that it is part of."""
        if isinstance(node, Sequence):
            items: list[Node] = []
            for item in node.items:
                result = self.node(item, within)
                # A list that is used in a list is spread, as one that an expression gives.
                spread = isinstance(result, Sequence) and isinstance(item, Mapping)
                items += result.items if spread and isinstance(result, Sequence) else [result]
            return Sequence(node.position, items)
        if not isinstance(node, Mapping):
            return node
        use = node.get("fragment")
        entries = [(key, self.node(value, within)) for key, value in node if key.text not in _OWN_KEYS]
        if use is None:
            if (given := node.key("with")) is not None:
                refuse(self.report, given.position, "`with:` is only beside `fragment:`")
            return Mapping(node.position, entries)
        own = Mapping(node.position, entries)
        names = use.items if isinstance(use, Sequence) else [use]
        chosen = [fragment for name in names if (fragment := self._fragment(name, within)) is not None]
        if len(chosen) < len(names) or not chosen:
            return own
        return self._used(node, own, chosen, within)

    def change(self, node: Mapping) -> Mapping:
        """The changes of an `override:` with fragments in place: where one is put, it replaces what was there."""
        if node.get("fragment") is not None:
            result = self.node(node)
            return result if isinstance(result, Mapping) else Mapping(node.position, [])
        entries: list[tuple[Scalar, Node]] = []
        for key, value in node:
            if not isinstance(value, Mapping):
                entries.append((key, self.node(value)))
            elif value.get("fragment") is None:
                entries.append((key, self.change(value)))
            else:
                name = (
                    key
                    if key.text.endswith(("+", "!"))
                    else Scalar(key.position, f"{key.text}!", f"{key.text}!")
                )
                entries.append((name, self.node(value)))
        return Mapping(node.position, entries)

    def _fragment(self, name: Node, within: tuple[str, ...]) -> Fragment | None:
        if not isinstance(name, Scalar) or not isinstance(name.value, str):
            refuse(self.report, name.position, "`fragment` names one, or several in a list")
            return None
        fragment = self.fragments.get(name.text)
        if fragment is None:
            near = nearest(name.text, self.fragments)
            refuse(self.report, name.position, f'no fragment is named "{name.text}"', near, "012")
        elif name.text in within:
            refuse(self.report, name.position, f'the fragment "{name.text}" uses itself', number="012")
            return None
        else:
            self.used.add(name.text)
        return fragment

    def _used(self, node: Mapping, own: Mapping, chosen: list[Fragment], within: tuple[str, ...]) -> Node:
        parameters = self._parameters(node, chosen)
        parts = [self.node(fragment.node, (*within, fragment.name.text)) for fragment in chosen]
        if not all(isinstance(part, Mapping) for part in parts):
            if len(parts) > 1 or own.entries or parameters:
                name = next(
                    f.name.text
                    for f, part in zip(chosen, parts, strict=True)
                    if not isinstance(part, Mapping)
                )
                message = f'nothing can be beside the fragment "{name}", which is no object'
                refuse(self.report, node.position, message)
            return parts[0]
        whole = parts[0]
        for fragment, part in zip(chosen[1:], parts[1:], strict=True):
            assert isinstance(whole, Mapping)
            assert isinstance(part, Mapping)
            whole = self._joined(whole, part, fragment)
        assert isinstance(whole, Mapping)
        result = merged(whole, own, "the fragment", self.report, strict=False)
        return _with_variables(result, parameters) if parameters else result

    def _joined(self, whole: Mapping, part: Mapping, fragment: Fragment) -> Mapping:
        """Two fragments as one object: what both have must be lists, or objects."""
        entries = list(whole.entries)
        for key, value in part:
            index = next((number for number, (own, _) in enumerate(entries) if own.text == key.text), None)
            if index is None:
                entries.append((key, value))
                continue
            own, before = entries[index]
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                entries[index] = (own, self._joined(before, value, fragment))
            elif isinstance(before, Sequence) and isinstance(value, Sequence):
                entries[index] = (own, Sequence(before.position, [*before.items, *value.items]))
            else:
                message = f'"{key.text}" of the fragment "{fragment.name.text}" is in another one beside it'
                hint = "what several give is a list, or an object, in each"
                refuse(self.report, key.position, message, hint)
        return Mapping(whole.position, entries)

    def _parameters(self, node: Mapping, chosen: list[Fragment]) -> list[tuple[Scalar, Node]]:
        given = node.get("with")
        entries = list(given) if isinstance(given, Mapping) else []
        if given is not None and not isinstance(given, Mapping):
            refuse(self.report, given.position, "`with` is an object of parameters and expressions")
        wanted = [name for fragment in chosen for name in fragment.parameters]
        for key, _ in entries:
            if key.text not in wanted:
                shown = f'the fragment "{chosen[0].name.text}"'
                message = f'{shown} has no parameter "{key.text}"'
                refuse(self.report, key.position, message, nearest(key.text, wanted), "006")
        names = {key.text for key, _ in entries}
        for name in dict.fromkeys(wanted):
            if name not in names:
                shown = f'the fragment "{chosen[0].name.text}" needs the parameter "{name}"'
                refuse(self.report, node.position, shown, f"with: {{{name}: …}}", "006")
        return entries


def _with_variables(node: Mapping, parameters: list[tuple[Scalar, Node]]) -> Mapping:
    """The object with parameters as its first variables."""
    let = node.get("let")
    own = list(let) if isinstance(let, Mapping) else []
    names = {key.text for key, _ in parameters}
    variables = Mapping(node.position, [*parameters, *(entry for entry in own if entry[0].text not in names)])
    key = node.key("let") or Scalar(node.position, "let", "let", "let")
    return Mapping(node.position, [(key, variables), *(entry for entry in node if entry[0].text != "let")])
