"""The sentences of a text, each with what is around it: its section, the person that it goes on about, its language."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from fhir_bridge.adapters.ehr.notes.conditions import CONDITION, relative_alone
from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.layout import Passage, passages
from fhir_bridge.adapters.ehr.notes.persons import FAMILY, PATIENT, leading_person, speaks_of_another
from fhir_bridge.adapters.ehr.notes.sections import Section, label_of, section_of_heading

__all__ = ["ASKED", "MOST", "UNCHANGED", "Sentence", "is_german", "is_of_another", "sentences"]

_END: Final = re.compile(r"((?<![.!?])[.!?]+[)\"”“«»]?)\s+(?=[^\W\d_a-zäöü]|[\d([<>≤≥+-])|(;)\s+|\n\s*")
_ABBREVIATED: Final = re.compile(
    r"""(?:\b(?:ca|dr|st|approx|est|vs|cl|pat|pt|hx|bzgl|entspr|inkl|ggf|resp|ehem|väterl|mütterl|art|kard|geb
    |gel|max
    |min|mind|stad|syst|vgl|fam|kongen|eingeschr|zw|evtl|wg|occ|prof|fr|hr|nr|left\ ventric|ventric|systol|z|n|v
    |a|b|i|e|g|s|d|h|u|o
    |bek|dekomp|komp|dilat|verst|gest|pos|neg|path|persist|präop|postop|gesch|anam|sog|bds|li|re|med|zig|tgl|mg
    |akt|chron|rez|hochgr
    |mittelgr|leichtgr|inf|ant|lat|post|sept|isch|insb|ms|vs|mütt|prev|incl|mod|sev|mr|mrs|jan|feb|mar|apr|jun
    |jul|aug|sep|sept|oct
    |okt|nov|dec|dez|kum|cum|unverh|verh|led|gr|gen|erw|ehm)
    |\d\ ?(?:J|Lj|yrs?|y)|\d)\.\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""A point after these ends no sentence."""
_NUMBERED: Final = re.compile(r"\d\.\Z")
_LIST_NUMBER: Final = re.compile(r"\s*\d{1,2}\.")
_MONTH: Final = re.compile(
    r"(?:\d|(?:jan|feb|mär|mar|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])\w*\b"
    r"|(?:Geburtstag|Lebensj|LJ|Quartal|Dekade)\w*)",
    re.IGNORECASE,
)

ASKED: Final = re.compile(
    r"""\?\W*$|\?\s*(?:y(?:es)?|ja|j|no?|nein)\s*(?:[/|]|no\b|nein\b|\W*$)|^\W*\?
    |\b(?:circle\ one|tick|ankreuzen|delete\ as|Nichtzutreffendes)\b|\b(?:y(?:es)?|ja)\s*/\s*n(?:o|ein)?\b""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""A question, or a form with answers to choose from."""

UNCHANGED: Final = re.compile(
    r"\b(?:no (?:significant |relevant )?change|unchanged|keine (?:wesentliche )?Änderung"
    r"|unverändert(?:e[rsnm]?)?)\b",
    re.IGNORECASE,
)

_GERMAN: Final = frozenset(
    """der die das des dem den und mit bei von vom zur zum im am ein eine einer einem einen eines kein keine keiner
    keinem keinen ist war wurde
    hat hatte haben hatten nicht nach auf für seit unter wird werden sich als auch sowie aus weder noch jahr jahre
    jahren lj ed vater mutter
    bruder brüder schwester schwestern onkel tante großvater großmutter sohn söhne tochter töchter eltern oma opa
    cousine neffe nichte geschwister
    familie familienanamnese familienanamnestisch familiär familiäre raucher raucherin raucht nikotin herzinfarkt
    myokardinfarkt hinterwandinfarkt
    schlaganfall schlaganfälle herzinsuffizienz mammakarzinom ovarialkarzinom bronchialkarzinom kolonkarzinom
    brustkrebs darmkrebs lungenkrebs
    diabetikerin diabetiker khk verst verstorben gestorben beim väterlicherseits mütterlicherseits bekannt beide
    herztod fa
    hypertonie aht vhf vorhofflimmern kardiomyopathie kardiomyopathien apoplex bluthochdruck
    hypercholesterinämie""".split()
)
_ENGLISH: Final = frozenset(
    """the and with of is has had have his her he she no not to from for by on aged age year years old history hx
    died which who this that father mother
    brother brothers sister sisters uncle uncles aunt aunts grandfather grandmother son daughter parents mom mum
    dad family fhx fh smoker smokes
    smoking tobacco quit disease failure heart cancer stroke attack death mild severe moderate pt normal both
    maternal paternal
    brain siblings nephew niece a""".split()
)
_WORD: Final = re.compile(r"[^\W\d_]+")


def is_german(text: str, otherwise: bool = False) -> bool:
    """Whether a text is in German; `otherwise` where its words do not say."""
    german = english = 0
    for word in _WORD.findall(text.lower()):
        german += word in _GERMAN
        english += word in _ENGLISH
    return otherwise if german == english else german > english


class Language:
    """That of a whole text; found where it is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def is_german(self) -> bool:
        return is_german(self._text[:20_000])


_BREAK: Final = re.compile(
    r"""(?:(?<!\d),|,(?!\d))\s*|\s*[()\[\]]\s*|\s[-–]\s|\s\|\s|\s/\s|;
    |\s(?=(?:but|however|whereas|although|aber|jedoch|sondern|obwohl|wobei)\b)""",
    re.VERBOSE | re.IGNORECASE,
)
"""Between two clauses."""


class Sentence:
    """A sentence of a passage.

    Attributes:
        text: its characters, a line break within it as a space.
        section: what it is a part of.
        before: the sentence before it in the same paragraph.
        person: the relative or other person that it goes on about: `m`, `f` or `?` by the pronouns for them; empty
        for the patient.
        body: where its words begin after those of a label.
        lead: the label that opens its line and reaches to the end of it (`Letter of 2019:`), or empty.
        heir: the word for a relative in a line of its own above, of whom this line is; or empty.
        is_owned: whether a label at the start of its line, or its own, names a relative (`Mother:`): all of it is hers.
        is_joined: whether a semicolon alone is between it and the sentence before it.
        in_german: whether its language is German.
    """

    __slots__ = (
        "_breaks",
        "_language",
        "_passage",
        "_start",
        "before",
        "body",
        "heir",
        "is_joined",
        "is_owned",
        "lead",
        "person",
        "section",
        "text",
    )

    def __init__(self, passage: Passage, start: int, end: int, section: Section, language: Language) -> None:
        self._passage, self._start = passage, start
        self.text = passage.text[start:end]
        self.section = section
        self._language = language
        self.before: Sentence | None = None
        self.person = ""
        self.body = 0
        self.lead = ""
        self.heir = ""
        self.is_owned = False
        self.is_joined = False
        self._breaks: list[re.Match[str]] | None = None

    @property
    def in_german(self) -> bool:
        return is_german(self.text, self._language.is_german)

    @property
    def is_under_heading(self) -> bool:
        """Whether its section is that of a heading on a line of its own."""
        return self._passage.section is self.section

    @property
    def carried(self) -> bool:
        """Whether its pronouns are for a person whom a sentence before it names."""
        return bool(self.person) and leading_person(self.text) is None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the sentence is in the text that it is of."""
        at = self._start
        return self._passage.place(at + start), self._passage.place(at + end - 1) + 1

    def fact(
        self, kind: str, value: str, start: int, end: int, relation: str = "", *, negated: bool = False
    ) -> Fact:
        """A fact whose span is from `start` to `end` of the sentence."""
        begin, stop = self.span(start, end)
        return Fact(kind, value, begin, stop, self.text[start:end], relation, negated)

    @property
    def breaks(self) -> list[re.Match[str]]:
        """What is between its clauses."""
        if self._breaks is None:
            self._breaks = list(_BREAK.finditer(self.text))
        return self._breaks

    def opening(self, start: int) -> int:
        """Where the clause of a place begins; of a place in brackets, the clause that they are in."""
        begin = self.clause(start, start)[0]
        return self.clause(begin - 1, begin - 1)[0] if "(" in self.text[max(begin - 2, 0) : begin] else begin

    def clause(self, start: int, end: int) -> tuple[int, int]:
        """The clause that what is from `start` to `end` is in."""
        begin, stop = 0, len(self.text)
        for mark in self.breaks:
            if mark.end() <= start:
                begin = mark.end()
            elif mark.start() >= end:
                stop = mark.start()
                break
        return begin, stop


def is_of_another(sentence: Sentence, start: int, end: int) -> bool:
    """Whether what is from `start` to `end` of a sentence is said of another person than the patient."""
    return sentence.carried or speaks_of_another(sentence.text, start, end, sentence.clause(start, end))


def sentences(text: str, place: str = "") -> Iterator[Sentence]:
    """The sentences of a text; `place` is the heading of what the text is a part of.

    Those of a quotation of several sentences are none of it.
    """
    language = Language(text)
    quotations = _Quotations(text)
    reach = _Reach()
    before: Sentence | None = None
    for passage in passages(text, section_of_heading(place) or Section("", "")):
        if not passage.follows:
            before = None
        reach.begin(passage)
        section = passage.section
        for start, end in _spans(passage.text):
            sentence = Sentence(passage, start, end, section, language)
            label = label_of(sentence.text)
            owned = leading_person(sentence.text[: label[1]]) if label else None
            if label is not None and owned is None and not _is_row(section, sentence.text, label[1]):
                sentence.section = label[0]
            sentence.body = label[1] if label else 0
            sentence.before = before
            sentence.is_joined = passage.text[:start].rstrip().endswith(";")
            reach.read(sentence, owned, passage)
            section = sentence.section
            before = sentence
            if not quotations.has(*sentence.span(0, end - start)):
                yield sentence
            if start and section.kind in ("plan", "general"):  # said within running text: of one sentence
                section = Section()


class _Reach:
    """What reaches beyond the sentence that says it: the label that opens a line, and a relative who is named in a
    label or alone in a line above."""

    def __init__(self) -> None:
        self._lead = self._owner = self._heir = ""

    def begin(self, passage: Passage) -> None:
        """Begin a line."""
        self._heir = relative_alone(passage.text) or (self._heir if passage.follows else "")
        self._lead, self._owner = "", leading_person(self._heir) or ""

    def read(self, sentence: Sentence, owned: str | None, passage: Passage) -> None:
        """Say of a sentence what reaches it; `owned`: the relative whom its own label names."""
        opens = _OPENING.match(sentence.text)
        if opens is not None and (not self._lead or _DATED.search(opens[0])):
            self._lead = opens[0]
        elif self._lead and _TODAY.match(sentence.text):
            self._lead = ""
            sentence.section = passage.section
        if sentence.body or _names_patient(sentence):
            self._owner = owned or ""
            if not relative_alone(passage.text):
                self._heir = ""
        sentence.heir, sentence.lead = self._heir, self._lead
        sentence.person = _person(sentence, sentence.before) or self._owner
        sentence.is_owned = bool(self._owner)
        if sentence.body and owned is None:
            self._owner = _only_relative(sentence.text, sentence.body)


_OPENING: Final = re.compile(r"[^:;%\n]{1,70}:(?=\s)")
"""The words before a colon at the start of a sentence."""
_TODAY: Final = re.compile(r"\W*(?:now|today|heute|jetzt)\b", re.IGNORECASE)
"""With this begins what is of the day of the note again, after a dated label."""
_DATED: Final = re.compile(r"\d{4}|\d[./]\d")


def _only_relative(text: str, start: int) -> str:
    """The relative whom a second label names, where a sentence names no other."""
    label = _OPENING.match(text, start)
    person = leading_person(label[0]) if label else None
    return person if person is not None and len(FAMILY.findall(text, start)) == 1 else ""


def _is_row(section: Section, text: str, end: int) -> bool:
    """Whether a label in a section on the family is a condition, and a relative is named right after it."""
    condition = section.kind == "family" and CONDITION.fullmatch(text[:end].strip(" :"))
    return bool(condition) and leading_person(text[end:]) is not None


class _Quotations:
    """The parts of a text in quotation marks that hold more than one sentence."""

    def __init__(self, text: str) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        opened = -1
        spans = [one.span() for one in _SINGLE.finditer(text)]
        for mark in _QUOTE.finditer(text):
            if not mark[0].strip():  # a quotation ends with its paragraph
                opened = -1
            elif opened < 0:
                inches = mark.start() > 0 and text[mark.start() - 1].isalnum()
                opened = -1 if inches else mark.start()
            else:
                spans.append((opened, mark.end()))
                opened = -1
        for start, end in sorted(spans):
            if _STOP.search(text, start + 1, end - 1):
                self._starts.append(start)
                self._ends.append(end)

    def has(self, start: int, end: int) -> bool:
        """Whether one of them has a part of what is from `start` to `end`."""
        at = bisect_right(self._starts, end - 1) - 1
        return at >= 0 and self._ends[at] > start


_QUOTE: Final = re.compile(r"[„“”\"«»]|\n\s*\n")
_SINGLE: Final = re.compile(r"(?<![\w'’])['‘‚](?=\w)[^'‘’\n]{1,600}[.!?]['‘’](?!\w)")
_STOP: Final = re.compile(r"[.!?]\s+\w")


_PRONOUNS: Final = {
    "m": re.compile(
        r"\W*(?:und\ |and\ )?(?:he|his|him|er|sein\w*|dessen|it|they|their)\b", re.IGNORECASE | re.VERBOSE
    ),
    "f": re.compile(
        r"\W*(?:und\ |and\ )?(?:she|her|sie|ihr\w*|deren|it|they|their)\b", re.IGNORECASE | re.VERBOSE
    ),
}
_PRONOUNS["?"] = re.compile(f"{_PRONOUNS['m'].pattern}|{_PRONOUNS['f'].pattern}", re.IGNORECASE | re.VERBOSE)


_LEADS: Final = 5
"""Characters before the name of whom a sentence begins with."""


def _person(sentence: Sentence, before: Sentence | None) -> str:
    led = leading_person(sentence.text)
    if led is not None:
        return led
    if _names_patient(sentence):
        return ""
    if before is not None and before.person:
        if _PRONOUNS[before.person].match(sentence.text):
            return before.person
        if _STATE.match(sentence.text) and _STATE.search(before.text):
            return before.person
    return ""


_STATE: Final = re.compile(r"\W*\b(?:NYHA|(?:LV)?EF)\b", re.IGNORECASE)
"""A finding that no one has as a subject: after that of a relative it is the relative's."""


def _names_patient(sentence: Sentence) -> bool:
    """Whether a sentence begins with the patient."""
    named = PATIENT.search(sentence.text)
    return named is not None and named.start() < _LEADS


MOST: Final = 12
"""Mentions of one subject in a sentence: one with more is no prose, and states nothing."""
_LONGEST: Final = 1_000
"""Characters of a sentence: what has more is no prose, and is read in pieces."""


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for start, end in _whole_spans(text):
        while end - start > _LONGEST:
            cut = text.rfind(" ", start, start + _LONGEST)
            cut = cut if cut > start else start + _LONGEST
            yield start, cut
            start = cut
        if text[start:end].strip():
            yield start, end


def _whole_spans(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for match in _END.finditer(text):
        if match[1] == "?" and text[match.start() - 1 : match.start()] in (" ", ":", "("):
            continue
        if match[1] == ".":
            upto = text[max(at, match.start() - 16) : match.start() + 1]
            if _NUMBERED.search(upto):
                if _MONTH.match(text, match.end()) or _LIST_NUMBER.fullmatch(text, at, match.start() + 1):
                    continue
            elif _ABBREVIATED.search(upto):
                continue
        end = match.end(1) if match[1] else match.start()
        if text[at:end].strip():
            yield at, end
        at = match.end()
    if text[at:].strip():
        yield at, len(text)
