"""What a mapping of C-CDA may name, and the Python that reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_bridge.adapters.ehr.ccda.functions import FUNCTIONS
from fhir_bridge.adapters.ehr.ccda.kinds import KINDS, PARTS, WRAPPERS
from fhir_bridge.adapters.ehr.ccda.options import check_options
from fhir_bridge.adapters.ehr.ccda.parties import PARTIES
from fhir_bridge.adapters.ehr.ccda.vocabulary import NAMES
from fhir_bridge.adapters.ehr.notes.extracted import FACT_NAMES
from fhir_bridge.mapping import Scope, nearest

__all__ = ["CcdaModel"]

_ROOT: Final = "ClinicalDocument"
_DERIVED: Final = {
    "statement.key": "s.key",
    "statement.container": "s.container",
    "entity.key": "s.key",
    "section.key": "s.in_section.key",
}
_STARTS: Final = {"section": "s.in_section", "parent": "s.container", "document": "s.in_document"}
_STATEMENT_KINDS: Final = KINDS | WRAPPERS | frozenset(PARTS)


class CcdaModel:
    """Scopes, selectors and functions of the `ccda` adapter.

    Selectors are paths of names: elements, statements of a kind in the one in hand (`Reaction.value`), and last an
    attribute (`effectiveTime.low.value`). `section.`, `parent.` and `document.` begin at the section, the statement
    around it, and the document.
    """

    root: str = _ROOT
    token: str = ""
    pure: bool = True
    """Selectors never raise and give the same each time."""
    accounts: bool = True
    """Documents report what no rule represents."""
    texts: bool = True
    foreign: frozenset[str] = frozenset(("times", "codes"))
    functions: Mapping[str, Callable[..., Any]] = FUNCTIONS
    scopes: Mapping[str, Scope] = {
        _ROOT: Scope(_ROOT),
        "Section": Scope("Section", _ROOT),
        **{kind: Scope(kind, "Section") for kind in sorted(KINDS)},
        **{party: Scope(party, _ROOT) for party in PARTIES},
        "Fact": Scope("Fact", _ROOT),
    }

    parts: Mapping[str, str] = dict.fromkeys((*KINDS, "Fact"), "ctx.record.part")
    """Scopes whose outputs are of a version of a document: a version that replaces it replaces them."""

    def with_options(self, options: Mapping[str, Any]) -> CcdaModel:
        """The model of a `source:` block.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        check_options(options)
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python source that reads a path from the element `s`.

        Raises:
            LookupError: a name that no document has.
        """
        text = text.replace("`", "").strip()
        if text in _DERIVED:
            return _DERIVED[text]
        names = text.split(".")
        if names[0] == "fact" and scope == "Fact" and names[-1] in FACT_NAMES and len(names) == 2:
            return f"s.{names[1]}"
        start = "s.outer" if scope == "Fact" else "s"
        if names[0] in _STARTS and len(names) > 1:
            start = "s" if scope == _ROOT and names[0] == "document" else _STARTS[names[0]]
            names = names[1:]
        for name in names:
            if name not in NAMES and name not in _STATEMENT_KINDS and name != "relation":
                meant = nearest(name, sorted(NAMES | _STATEMENT_KINDS), cutoff=0.6)
                raise LookupError(
                    f'"{name}" is no element or attribute of CDA{f"; {meant}" if meant else ""}'
                )
        if names[-1] == "nullFlavor" and len(names) > 1:
            return f"{start}.why({', '.join(map(repr, names[:-1]))})"
        if len(names) == 1:
            return f"{start}.get({names[0]!r})"
        return f"{start}.path({', '.join(map(repr, names))})"

    def example(self, scope: str) -> str:
        """A path within a scope."""
        return "id.root" if scope == _ROOT else "code.code"
