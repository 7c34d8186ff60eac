"""What a caller may do, as data that storage compiles into SQL before LIMIT and totals are taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["EVERYTHING", "NOTHING", "AccessFilter", "AccessRule"]


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One grant: some interactions on one resource type, perhaps within one patient's record.

    Attributes:
        type: a resource type, or `*`.
        interactions: letters of SMART scopes v2: c create, r read/vread/history, u update/patch, d delete,
            s search, type and system history.
        patient: id of the Patient whose record bounds the grant (`fhir.record`): it reaches what is about that person,
            linked Patients included, and about nobody else. None is no bound.
        criteria: granular scope, as search parameter and token (`("category", "system|code")`); all must hold.
    """

    type: str
    interactions: frozenset[str]
    patient: str | None = None
    criteria: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """The union of a caller's rules, and what is withheld in spite of them.

    Attributes:
        rules: grants; no rule, no access (deny by default).
        purpose: purpose of use (v3-ActReason code) as the authorization server asserted it; consent decides by it.
        withheld_labels: security labels (`system|code`) whose resources this caller never sees.
        subject: who calls, for audit and for paging cursors (a cursor serves only its subject).
    """

    rules: tuple[AccessRule, ...] = ()
    purpose: str | None = None
    withheld_labels: frozenset[str] = field(default_factory=frozenset)
    subject: str = ""

    def rules_for(self, resource_type: str, interaction: str) -> tuple[AccessRule, ...]:
        """The grants that allow `interaction` on `resource_type`; empty means refused."""
        return tuple(
            rule
            for rule in self.rules
            if rule.type in ("*", resource_type) and interaction in rule.interactions
        )

    def permits(self, resource_type: str, interaction: str) -> bool:
        """Whether any grant allows the interaction at all; which resources is for the query to decide."""
        return any(
            interaction in rule.interactions and rule.type in ("*", resource_type) for rule in self.rules
        )

    @property
    def writes_everything(self) -> bool:
        """Whether all may be created, updated and deleted: what a message says is not known before it is converted."""
        return all(
            any(
                rule.type == "*" and rule.patient is None and not rule.criteria
                for rule in self.rules_for("*", letter)
            )
            for letter in "cud"
        )

    @classmethod
    def of(
        cls, rules: Iterable[AccessRule], *, purpose: str | None = None, subject: str = ""
    ) -> AccessFilter:
        """A filter of these rules."""
        return cls(tuple(rules), purpose, frozenset(), subject)


EVERYTHING = AccessFilter((AccessRule("*", frozenset("cruds")),), subject="system")
"""For the bridge's own work (load, predictors, reindex) and for `--auth none`."""

NOTHING = AccessFilter()
"""For callers who are nobody."""
