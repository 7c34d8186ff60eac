"""Writes the functions that give the sections of a rule, and the one that puts an output together of their bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fhir_bridge.fhir.record import elements_of_owners
from fhir_bridge.mapping.item_bytes import item_lines
from fhir_bridge.mapping.list_pieces import list_head
from fhir_bridge.mapping.record import CONSTANTS, Usual
from fhir_bridge.mapping.section_code import KeyVariable, Layout, SectionDraft, notes_branches
from fhir_bridge.mapping.statements import Piece, UnknownStatement
from fhir_bridge.mapping.writer import Writer

__all__ = ["SectionWriter"]


class SectionWriter:
    """Writes what a layout says.

    Args:
        selectors: sources of all selectors.
        split: others refer to the rule, so that its objects are known before its outputs are made.

    Attributes:
        every: name of the function that makes the outputs of several objects; none where each is made by itself.
    """

    def __init__(self, writer: Writer, layout: Layout, selectors: set[str], *, split: bool = False) -> None:
        self.split = split
        self.every = ""
        self.writer = writer
        self.layout = layout
        self.head = layout.head
        self.selectors = selectors
        self.around = [section for section in layout.sections if layout.is_around(section)]
        self.names: dict[str, str] = {}
        """Source of a text that decides something -> the variable or constant that holds it."""
        self.tokens: dict[int, int] = {}
        """Number of a section -> which of the group's numbers stands for what is around its object."""
        self.guards: dict[int, dict[str, int]] = {}
        """By number of a section: what decides it only under a condition on the group -> which of `tokens` that is."""
        self.steady: list[SectionDraft] = []
        """Sections that are taken together, as they recur from object to object."""
        self.meta = [
            place for section in layout.sections for place, piece in section.members if piece.name == "meta"
        ]
        """Places of what the rule itself writes into `meta`."""
        self.lists = {
            place: piece.name for section in layout.sections for place, piece in section.members if piece.item
        }
        """Places of the parts of lists, and which list."""
        self.runs: list[list[str]] = []
        """Sources of the bytes of neighbours among the sections that recur."""
        self.passed = ", ".join(["s", "g", "uid", *self.head.columns, *self.head.locals_])
        self.usual: Usual | None = None
        """How most objects are, while the function for these is written."""

    def write(self) -> None:
        """Write `<function>_bytes` and what it calls.

        Raises:
            UnknownStatement: a required element is written by none of the sections.
        """
        head, layout = self.head, self.layout
        for section in layout.sections:
            if layout.is_fresh(section):
                self._fresh(section)
            else:
                self._section(section)
        for name, variable in layout.variables.items():
            self._variable(name, variable)
        if head.outer:
            self._enter()
        usual = self._usual()
        if usual is None:
            self._whole(f"{head.function}_bytes")
            return
        self._whole(f"{head.function}_other")
        self.usual = usual
        if self.split and not head.columns:
            self.every = f"{head.function}_every"
            self._loop(self.every)
        else:
            self._whole(f"{head.function}_bytes")

    def _usual(self) -> Usual | None:
        find = getattr(self.layout.model, "usual", None)
        return find(self.head.scope) if find is not None and self.head.outer else None

    def _whole(self, name: str) -> None:
        """The function that puts an output together of its sections."""
        head, layout, line = self.head, self.layout, self.writer.line
        call = f"{head.function}(ctx, {self.passed})"
        with self.writer.block(f"def {name}(ctx, {self.passed}):", head.position):
            if self.usual:
                for text in layout.model.key_head(head.scope):
                    line(text)
                line(f"if not ({self.usual.test}): return {head.function}_other(ctx, {self.passed})")
            line(f"st = ctx.sections[{layout.number}]")
            line(f"if st.off: return {call}")
            line("st.applied += 1")
            line("before = len(ctx.issues)")
            with self.writer.block("try:"):
                if head.outer:
                    line(
                        "if st.record is not ctx.record or st.anchor is not s.outer: "
                        f"{head.function}_enter(ctx, st, {self.passed})"
                    )
                    line("if st.noise: ctx.noise += st.noise")
                entries, pieces, steady = self._parts()
                if layout.timed:
                    line("bt = st.time")
                else:
                    self._time()
            with self.writer.block("except Exception:"):
                line("del ctx.issues[before:]")
                line("ctx.noise = []")
                line(f"return {call}")
            self._finish(entries, pieces, steady)

    def _loop(self, name: str) -> None:
        """The function that makes the outputs of several objects, most of which are as usual.

        What belongs to a group is read when the first of its objects comes.
        """
        assert self.usual is not None
        head, layout, line = self.head, self.layout, self.writer.line
        call = f"{head.function}(ctx, {self.passed})"
        tokens = max(
            [-1, *self.tokens.values(), *(token for each in self.guards.values() for token in each.values())]
        )
        with self.writer.block(f"def {name}(ctx, instances, g, lose):", head.position):
            line(f"st = ctx.sections[{layout.number}]")
            line("st.applied += len(instances)")
            line("anchor = st")
            line("noted = ctx.applied.append")
            start = len(self.writer.lines)
            with self.writer.block("for i in instances:"):
                line("s = i.scope")
                line("uid = i.id")
                if head.locals_:
                    line(f"{', '.join(head.locals_)}, = i.locals")
                with self.writer.block("try:"):
                    for text in layout.model.key_head(head.scope):
                        line(text)
                    with self.writer.block(f"if st.off or not ({self.usual.test}):"):
                        line("st.applied -= 1")
                        line(f"yield {head.function}_other(ctx, {self.passed})")
                        line("continue")
                    line("before = len(ctx.issues)")
                    with self.writer.block("try:"):
                        with self.writer.block("if s.outer is not anchor:"):
                            line(
                                "if st.record is not ctx.record or st.anchor is not s.outer: "
                                f"{head.function}_enter(ctx, st, {self.passed})"
                            )
                            line("anchor = s.outer")
                            for number in range(tokens + 1):
                                line(f"t{number} = st.tokens[{number}]")
                            for number in range(len(self.around)):
                                line(f"p{number} = st.group[{number}]")
                            line("start, bt = st.start, st.time")
                        group = len(self.writer.lines)
                        line("if st.noise: ctx.noise += st.noise")
                        entries, pieces, steady = self._parts()
                        if not layout.timed:
                            self._time()
                    with self.writer.block("except Exception:"):
                        line("del ctx.issues[before:]")
                        line("ctx.noise = []")
                        line(f"yield {call}")
                        line("continue")
                    self._finish(entries, pieces, steady)
                with self.writer.block("except Exception as error:"):
                    line("lose(error, i)")
            self._hoist(start, group, [each.number for each in layout.sections if each not in steady])

    def _hoist(self, start: int, group: int, numbers: list[int]) -> None:
        """Let the lines from `group` on, of a loop that begins at `start`, take what is the same for many objects."""
        lines = self.writer.lines
        for place in range(group, len(lines)):
            text = _TOKEN.sub(r"t\1", _GROUP.sub(r"p\1", lines[place]))
            text = text.replace("st.start", "start").replace("ctx.applied.append(", "noted(")
            text = text.replace("= st.usual.get(", "= usual(").replace(
                "return JsonOutput(", "yield JsonOutput("
            )
            for number in numbers:
                text = text.replace(f"e{number} = st.tables[{number}].get(", f"e{number} = table{number}(")
            lines[place] = text
        head = ["usual = st.usual.get"]
        head += [
            f"table{number} = st.tables[{number}].get"
            for number in numbers
            if any(f"= table{number}(" in text for text in lines[group:])
        ]
        indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
        lines[start:start] = [indent + text for text in head]
        self.writer.positions[start + 1 : start + 1] = [self.head.position] * len(head)

    def _parts(self) -> tuple[dict[int, str], dict[int, str], list[SectionDraft]]:
        """Statements that look up or make all sections: entries, pieces, and the sections that are taken together."""
        sections = self.layout.sections
        self._begin()
        steady = self.steady = self._recurring()
        pieces = self._pieces(steady)
        entries = self._steady(steady) if steady else {}
        entries |= self._entries([section for section in sections if section not in steady])
        self._required(sections, pieces, steady)
        return entries, pieces, steady

    def _time(self) -> None:
        """Statements that read the time of each object by itself."""
        time = self.layout.time
        for text, position in zip(time.lines, time.positions, strict=True):
            self.writer.line(self._with_names(text.strip()), position)
        self.writer.line("unchanged(ctx, before)")

    # What decides the sections

    def _begin(self) -> None:
        """Statements that read what decides the sections, once each."""
        layout = self.layout
        if self.usual:
            for text in self.usual.head:
                self.writer.line(text)
            self.names = dict(self.usual.names)
            return
        self.names = {}
        for text in layout.model.key_head(self.head.scope):
            self.writer.line(text)
        start = len(self.writer.lines)
        for section in layout.sections:
            if section not in self.around and not layout.is_fresh(section):
                for source in sorted(layout.deciding(layout.own_values(section))):
                    self._named(source)
        self.writer.read_together(start, layout.model, self.head.position)

    def _recurring(self) -> list[SectionDraft]:
        """The sections that recur from object to object, where there are enough to be taken together."""
        steady = [section for section in self.layout.sections if self.layout.is_steady(section, self.usual)]
        return steady if len(steady) >= 3 else []

    def _key(self, section: SectionDraft) -> list[str]:
        """Sources of what decides a section."""
        layout = self.layout
        parts = []
        if section.number in self.tokens:
            parts.append(f"st.tokens[{self.tokens[section.number]}]")
        values = layout.deciding(layout.own_values(section))
        if self._shared(section):
            parts.append(f"es[{len(self.runs) + 4}]")
            values = values & layout.varying(section, self.usual)
        guards = self.guards.get(section.number, {})
        names = dict.fromkeys(
            f"({self._named(source)} if st.tokens[{guards[source]}] else None)" if source in guards
            else self._named(source)
            for source in sorted(values)
        )  # fmt: skip
        return parts + [name for name in names if name not in CONSTANTS]

    def _shared(self, section: SectionDraft) -> set[str]:
        """What decides a section and recurs, where that is so much that the number of the steady ones stands for it."""
        absent = self.usual.absent if self.usual else frozenset()
        shared = self.layout.stated(section) - self.layout.varying(section, self.usual) - absent
        apart = not self.usual or not self.steady or section in self.steady or section in self.around
        return set() if apart or len(shared) < 3 else shared

    def _named(self, source: str) -> str:
        if source not in self.names:
            code = source
            if source.startswith("let "):
                variable = self.layout.variables[source[4:]]
                value, number = self._named(variable.key), variable.number
                make = f"st.let(ctx, {number}, {value}, {self.head.function}_v{number}, {self.passed})"
                code = f"{make} if (y := st.lets[{number}].get({value}, st)) is st else y"
            self.names[source] = self.writer.name("x")
            self.writer.line(f"{self.names[source]} = {code}")
        return self.names[source]

    def _with_names(self, text: str) -> str:
        """The statement with what was read for keys taken from there."""
        for source, name in self.names.items():
            if source in self.selectors:
                text = text.replace(source, name)
        return text

    # What they give

    def _entries(self, sections: list[SectionDraft]) -> dict[int, str]:
        """Statements that look up or make the entries of sections; their names by section."""
        entries: dict[int, str] = {}
        for section in sections:
            number = section.number
            name = entries[number] = f"e{number}"
            if section in self.around:
                self.writer.line(f"{name} = st.group[{self.around.index(section)}]")
                continue
            if self.layout.is_fresh(section):
                self.writer.line(f"{name} = st.fresh(ctx, {self.head.function}_s{number}, {self.passed})")
                continue
            make = f"st.make(ctx, {number}, k, {self.head.function}_s{number}, {self.passed})"
            self.writer.line(f"k = {_tuple(self._key(section))}")
            self.writer.line(f"{name} = st.tables[{number}].get(k) or {make}")
        return entries

    def _pieces(self, steady: list[SectionDraft]) -> dict[int, str]:
        """Source of the bytes of each element by its place; neighbours among the steady ones are one, at the first."""
        of_place = {
            place: (section, index)
            for section in self.layout.sections
            for index, (place, _) in enumerate(section.members, 3)
        }
        pieces: dict[int, str] = {}
        runs = self.runs = []
        before = False
        around = ""
        for place in sorted(of_place):
            section, index = of_place[place]
            source = f"e{section.number}[{index}]"
            if self.lists.get(place, "") != around:
                around, before = self.lists.get(place, ""), False
            apart = place in self.meta  # it does not stand beside the elements
            if section not in steady:
                pieces[place] = source
            elif before and not apart:
                runs[-1].append(source)
            else:
                runs.append([source])
                pieces[place] = f"es[{len(runs) + 2}]"
            before = section in steady and not apart
        self.runs = runs
        return pieces

    def _steady(self, steady: list[SectionDraft]) -> dict[int, str]:
        """Statements that take all sections together that recur from object to object."""
        line, layout = self.writer.line, self.layout
        parts: dict[str, None] = {}
        rest = [
            section for section in layout.sections if section not in steady and section not in self.around
        ]
        sources: set[str] = set()
        for section in steady:
            if section.number in self.tokens:
                parts[f"st.tokens[{self.tokens[section.number]}]"] = None
            sources |= layout.stated(section)
        apart: set[str] = set()
        for section in rest:
            if self.usual and not self._shared(section):
                apart |= {
                    key for key in layout.deciding(layout.own_values(section)) if key.startswith("let ")
                }
            sources |= self._shared(section)
        lets = [key for key in sorted(apart) if layout.variables[key[4:]].key in sources]
        parts |= {name: None for source in sorted(sources) if (name := self._named(source)) not in CONSTANTS}
        table = "st.usual" if self.usual else "st.steady"
        line(f"ks = ({', '.join(parts)}, )")
        line(f"es = {table}.get(ks)")
        place = len(self.runs) + 3
        with self.writer.block("if es is None:"):
            line("quiet = len(ctx.noise)")
            entries = self._entries(steady)
            self._required(steady, self._own_pieces(steady), [])
            mask = " | ".join(f"{name}[0]" for name in entries.values())
            runs = ", ".join(f"({', '.join(run)},)" for run in self.runs)
            status, patients = self._looked_into(steady, entries)
            known = "".join(f", {self._named(key)}" for key in lets)
            line(f"es = st.join(ctx, {table}, ks, quiet, {mask}, {status}, {patients}, ({runs}, ){known})")
        line(f"elif es[{place}]: ctx.noise += es[{place}]")
        for number, key in enumerate(lets, place + 2):
            line(f"{self._named(key)} = es[{number}]")
        return {section.number: "es" for section in steady}

    def _own_pieces(self, sections: list[SectionDraft]) -> dict[int, str]:
        return {
            place: f"e{section.number}[{index}]"
            for section in sections
            for index, (place, _) in enumerate(section.members, 3)
        }

    def _required(
        self, sections: list[SectionDraft], pieces: dict[int, str], steady: list[SectionDraft]
    ) -> None:
        """Statements that leave the sections where a required element came out empty."""
        by_name = {piece.name: (place, section) for section in sections for place, piece in section.members}
        everywhere = {piece.name for section in self.layout.sections for _, piece in section.members}
        for names in self.head.required:
            known = [name for name in (*names, *_stems(names)) if name in everywhere]
            if not known:
                raise UnknownStatement
            places = [by_name[name] for name in known if name in by_name]
            if len(places) < len(known) or any(section in steady for _, section in places):
                continue  # it is looked at with the steady ones
            sources = dict.fromkeys(pieces[place] for place, _ in places)
            self.writer.line(f"if not ({' or '.join(sources)}): raise NoSections")

    def _looked_into(self, sections: list[SectionDraft], entries: dict[int, str]) -> tuple[str, str]:
        """Sources of status and patients as far as sections say them."""
        owners = elements_of_owners(self.head.type)
        status, patients = "None", []
        for section in sections:
            names = {piece.name for _, piece in section.members}
            if "status" in names:
                status = f"{entries[section.number]}[1]"
            if names & owners:
                patients.append(f"{entries[section.number]}[2]")
        return status, " + ".join(dict.fromkeys(patients)) or "()"

    def _finish(self, entries: dict[int, str], pieces: dict[int, str], steady: list[SectionDraft]) -> None:
        head, line = self.head, self.writer.line
        line("if ctx.noise: settle(ctx, s)")
        status, patients = self._looked_into(self.layout.sections, entries)
        if head.type == "Patient":
            patients = "(uid,)"
        if head.reads:
            marking = (
                section for section in self.layout.sections if section in steady or notes_branches(section)
            )
            masks = dict.fromkeys(f"{entries[section.number]}[0]" for section in marking)
            line(f"mask = {' | '.join(masks) or '0'}")
            line(f"if marks: mask |= {head.reads}.mask(marks)")
            if head.document_marks:
                line(f"if {head.document_marks}: mask |= {head.reads}.mask({head.document_marks})")
            line(f"ctx.applied.append(({head.reads}, s, mask))")
        start = self.writer.object(
            "start_", b'{"resourceType":"%s","id":"' % head.type.encode(), ("start", head.type)
        )
        identity = "uid.encode()" if head.hashed else "dumps(uid)[1:-1]"
        elements = self._elements(pieces)
        meta = ", ".join(["ctx, bt", *(pieces[place] for place in self.meta)])
        meta = "st.start" if self._starts_together() else f"st.meta({meta})"
        text = ", ".join([start, identity, meta, *elements, "b'}'"])
        part = f", {head.part}" if head.part else ""
        line(
            f"return JsonOutput({head.type!r}, uid, b''.join(({text})), {head.rule!r}, bt[0], ctx.locator, "
            f"{status}, {patients}{part})"
        )

    def _elements(self, pieces: dict[int, str]) -> list[str]:
        """Sources of the bytes of all elements, in their order; the parts of a list are put together before."""
        elements: list[str] = []
        parts: dict[str, list[str]] = {}
        for place in sorted(pieces):
            name = self.lists.get(place)
            if place in self.meta:
                continue
            if name is None:
                elements.append(pieces[place])
                continue
            if name not in parts:
                elements.append(self.writer.name("n"))
                parts[name] = [elements[-1]]
            parts[name].append(pieces[place])
        for name, (variable, *sources) in parts.items():
            self.writer.line(f"{variable} = b''.join(({', '.join(sources)}, ))")
            head = self.writer.object("list_", list_head(name), ("list", name))
            self.writer.line(f"if {variable}: {variable} = {head} + {variable}[1:] + b']'")
        return elements

    def _starts_together(self) -> bool:
        """Whether `meta` is the same for all outputs of a group."""
        return self.layout.timed and not self.meta

    # Functions

    def _enter(self) -> None:
        """The function that takes what is the same for all objects of a group."""
        head, layout, line = self.head, self.layout, self.writer.line
        mixed: list[str] = []
        for section in layout.sections:
            if section not in self.around and section.depends.around:
                values = f"({', '.join(sorted(layout.deciding(section.depends.around)))}, )"
                if values not in mixed:
                    mixed.append(values)
                self.tokens[section.number] = mixed.index(values)
        conditions: dict[str, int] = {}
        for section in layout.sections:
            if section not in self.around:
                self.guards[section.number] = {
                    source: conditions.setdefault(text, len(mixed) + len(conditions))
                    for source, text in sorted(layout.guards(section).items())
                }
        with self.writer.block(f"def {head.function}_enter(ctx, st, {self.passed}):", head.position):
            start = len(self.writer.lines)
            line("st.record = None")
            line("before = len(ctx.issues)")
            if layout.timed:
                for text, position in zip(layout.time.lines, layout.time.positions, strict=True):
                    line(text.strip(), position)
                line("st.time = bt")
                line("unchanged(ctx, before)")
            if self._starts_together():
                line("st.start = st.meta(ctx, bt)")
            numbers = (f"st.number_of({number}, {values})" for number, values in enumerate(mixed))
            line(f"st.tokens = [{', '.join([*numbers, *(f'bool({text})' for text in conditions)])}]")
            line("ctx.noise = []")
            calls = (
                f"st.make(ctx, {section.number}, None, {head.function}_s{section.number}, {self.passed}, keep=False)"
                for section in self.around
            )
            line(f"st.group = [{', '.join(calls)}]")
            line("st.noise, ctx.noise = ctx.noise, []")
            line("st.anchor = s.outer")
            line("st.record = ctx.record")
            self.writer.read_together(start, layout.model, head.position)

    def _variable(self, name: str, variable: KeyVariable) -> None:
        """The function that gives a variable."""
        head = f"def {self.head.function}_v{variable.number}(ctx, {self.passed}):"
        with self.writer.block(head, self.head.position):
            if self.head.reads:
                self.writer.line("mk = [].append")
            for piece in self.layout.lets:
                if piece.name == name or piece.name in variable.needed:
                    self._copy(piece)
            self.writer.line(f"return {name}")

    def _section(self, section: SectionDraft) -> None:
        """The function that gives a section as dicts, with the branches entered and how much was reported by then."""
        writer, layout, head = self.writer, self.layout, self.head
        with writer.block(f"def {head.function}_s{section.number}(ctx, {self.passed}):", head.position):
            start = len(writer.lines)
            if head.reads:
                writer.line("marks = []")
                writer.line("mk = marks.append")
            if head.delta:
                writer.line("cl = []")
            parts: list[str] = []
            counts: list[str] = []
            for piece in layout.lets:
                if piece.name in section.lets & layout.common:
                    writer.line("b = len(ctx.issues)")
                    self._copy(piece)
                    writer.line("if ctx.unmapped or len(ctx.issues) != b: raise NoSections")
                elif piece.name in section.lets:
                    self._copy(piece)
                    counts.append(writer.name("n"))
                    writer.line(f"{counts[-1]} = len(ctx.issues)")
            if (section.depends.group or section.depends.given) and section not in self.around:
                writer.line("ctx.vary()")
            for _, piece in section.members:
                parts.append(writer.name("d"))
                writer.line(f"{parts[-1]} = {'m' if piece.name == 'meta' else 'o'} = {{}}")
                self._copy(self._as_json(piece))
                counts.append(writer.name("n"))
                writer.line(f"{counts[-1]} = len(ctx.issues)")
            marks, cleared = "marks" if head.reads else "()", "cl" if head.delta else "()"
            writer.line(f"return {marks}, {cleared}, ({', '.join(parts)},), ({', '.join(counts)},)")
            reads = (text for text in self.selectors if text.startswith("s.") and text.endswith(")"))
            if getattr(layout.model, "pure", False):
                writer.read_once(start, reads, head.position)
            writer.read_together(start, layout.model, head.position)
        writer.line("")

    def _as_json(self, piece: Piece) -> Piece:
        """A member that holds references alone, which are written at once."""
        if piece.name in elements_of_owners(self.head.type):
            return piece
        if len(piece.lines) != 3:
            return _list_as_json(piece)
        match = _REFERENCES.fullmatch("\n".join(piece.lines))
        if match is None:
            return piece
        lines = [f"{match[1]}references_json({match[3]}", piece.lines[2]]
        return Piece(piece.name, lines, [piece.positions[0], piece.positions[2]], piece.type)

    def _fresh(self, section: SectionDraft) -> None:
        """The function that gives a section of each object as an entry, in bytes."""
        writer, layout, head = self.writer, self.layout, self.head
        with writer.block(f"def {head.function}_s{section.number}(ctx, {self.passed}):", head.position):
            for piece in layout.lets:
                if piece.name in section.lets:
                    self._copy(piece)
            parts: list[str] = []
            for _, piece in section.members:
                parts.append(writer.name("d"))
                if piece.item:
                    name = piece.lines[0].split()[0]
                    for text in (piece.lines[0], *item_lines(writer, piece.lines)):
                        writer.line(text[4:], piece.positions[0])
                    writer.line(f"{parts[-1]} = b',' + b','.join({name}) if {name} else b''")
                else:
                    writer.line("o = {}")
                    self._copy(piece)
                    writer.line(f"{parts[-1]} = b',' + dumps(o)[1:-1] if o else b''")
            writer.line(f"return 0, None, (), {', '.join(parts)}")
        writer.line("")

    def _copy(self, piece: Piece) -> None:
        for text, position in zip(piece.lines, piece.positions, strict=True):
            self.writer.line(text[4:], position)


_REFERENCES = re.compile(
    r"(\s+(t\d+) = (?:\(ctx\.vary\(\) or )?)references\((.*)"
    r"\n\s+if \2 is not None: \2 = many\(ctx, \2, c_Reference_\d+, \w+\)"
    r"\n\s+if \2: [om]\['\w+'\] = \2"
)
"""All that a member of references is written by: group 1 and 3 stand before and after `references(`."""


_TOKEN = re.compile(r"\bst\.tokens\[(\d+)\]")
_GROUP = re.compile(r"\bst\.group\[(\d+)\]")

_LISTED = re.compile(
    r"(\s+)(t\d+) = (\(ctx\.vary\(\) or )?references\((.*)"
    r"\n\s+if \2 is not None: \2 = many\(ctx, \2, c_Reference_\d+, \w+\)"
    r"\n\s+if \2: (l\d+)\.extend\(\2\)"
)
"""References among the items of a list; the last group is the list."""


def _list_as_json(piece: Piece) -> Piece:
    """A member whose items are all references, which are written at once; else the piece as it is."""
    if len(piece.lines) < 5 or len(piece.lines) % 3 != 2:
        return piece
    begin, *items, end = piece.lines
    lines = [begin]
    for number in range(0, len(items), 3):
        match = _LISTED.fullmatch("\n".join(items[number : number + 3]))
        if match is None or begin.strip() != f"{match[5]} = []":
            return piece
        indent, name, vary, rest, results = match.groups()
        lines += [
            f"{indent}{name} = {vary or ''}references_text({rest}",
            f"{indent}if {name}: {results}.append({name})",
        ]
    put = _PUT.fullmatch(end)
    if put is None:
        return piece
    lines.append(f"{put[1]}joined_json({put[2]})")
    positions = [piece.positions[0]]
    for number in range(1, len(items), 3):
        positions += [piece.positions[number]] * 2
    return Piece(piece.name, lines, [*positions, piece.positions[-1]], piece.type)


_PUT = re.compile(r"(\s+if l\d+: [om]\['\w+'\] = )(l\d+)")


def _tuple(parts: list[str]) -> str:
    return "None" if not parts else parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _stems(names: Iterable[str]) -> Iterator[str]:
    """The names by which a choice is written: `value` for `valueQuantity`."""
    for name in names:
        yield re.sub(r"[A-Z]\w*$", "", name)
