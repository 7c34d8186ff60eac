"""What a column is taken for."""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_bridge.workshop.first_mapping.lexicon import role_named

__all__ = ["Guess"]


@dataclass(slots=True)
class Guess:
    """What a column is taken for.

    Attributes:
        role: `patient-id`, `birth-date`, `number`, `code`, … (`vocabulary/roles.tsv` and `docs/new.md` list them).
        header: the role that the name alone gives, where values of another kind made another of it.
        format: of dates, as the mapping language writes it; empty for what it reads without.
        unit: in UCUM; empty without.
        system: of codes.
        systems: of codes of several systems, that of each word in the column that says so.
        subject: of codes, what their form or what stands beside them says they are codes of; empty where the name does.
        of: the column that this one belongs to: the code of a display, the value of a unit, the date of a time of day.
        clock: of a date, the time of day that stands in a column of its own.
        until: of a date with a time of day, the time of day at which what began then ended.
        phase: of a measurement, `before` or `after`, as its name says.
        place: of a pressure that is not the body's, the vessel or chamber that it is measured in.
        plain: of a date that the language reads without, its format, which it takes with a time of day.
        words: of truth values yes and no, of a sex the code of each.
        missing: cells that stand for no value, as they are written; `local` those that do so in this column alone.
        mixed: whether some cells are no numbers, and no words for nothing.
        separator: between several codes in a cell, or between family and given names.
        marks: blanks, points or hyphens that a number is written with and that are no part of it.
        evidence: what the guess is made from.
        questions: what is to be answered by a person.
        filled, distinct: how many cells hold something, and how many different things.
        coding: system, code, display and score of a code for the measurement.
        uses: the elements that the rules write the column to.
        name: what the column's name says in this table: without what is common to many of its names.
    """

    column: str
    role: str
    evidence: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    header: str = ""
    format: str = ""
    timed: bool = False
    zoned: bool = False
    unit: str = ""
    decimal: str = ""
    group: str = ""
    system: str = ""
    systems: dict[str, str] = field(default_factory=dict)
    subject: str = ""
    of: str = ""
    clock: Guess | None = None
    until: Guess | None = None
    phase: str = ""
    place: str = ""
    plain: str = ""
    words: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    mixed: bool = False
    separator: str = ""
    marks: str = ""
    filled: int = 0
    distinct: int = 0
    whole: bool = False
    low: float = 0.0
    high: float = 0.0
    measure: bool = False
    coding: tuple[str, str, str, float] | None = None
    near: tuple[str, ...] = ()
    uses: list[str] = field(default_factory=list)
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or self.column

    @property
    def label(self) -> str:
        """Role with what belongs to it, for the table of columns."""
        more = [
            part for part in (self.format, self.unit, self.system, f"of {self.of}" if self.of else "") if part
        ]
        return " ".join([self.role, *more])

    @property
    def what(self) -> str:
        """What it is, in words."""
        role = role_named(self.role)
        if role is not None and self.role != "category":
            return role.what
        return {
            "number": "a number",
            "count": "how many there were of something",
            "boolean": "yes or no",
            "category": "one of a few words",
            "text": "text",
            "time-of-day": "a time of day",
            "other-date": "a date of something else",
            "booked": "when something was booked",
            "unit-of": "a unit of something",
            "flag-of": "a flag on something",
            "note-of": "a note on something",
            "limit-of": "a limit of what is normal of something",
            "name-of": "the name of something",
            "address-of": "an address of something",
            "status-of": "a status of something",
            "blood-pressure": "a blood pressure",
            "dose-ordered": "the dose that was ordered",
            "measured-when": "before or after what its row was measured",
            "measured-where": "where something was measured",
            "measured-how": "how something was measured",
            "measured-position": "in what position something was measured",
            "finding-date": "a date that is a finding",
            "again": "another column again",
            "specimen-id": "the number of a sample",
            "coverage-type": "the kind of an insurance",
            "other-person": "about another person than the patient",
        }.get(self.role, self.role)
