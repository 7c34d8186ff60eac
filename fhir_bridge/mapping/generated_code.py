"""Generated Python becomes a program: its text is compiled and run beside the constants and functions that it names."""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import CodeType
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping.coercion import choose, is_cleared, many, single
from fhir_bridge.mapping.compiled import Form, Program, inside, missing, outside, unmatched
from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.functions.references import id_of, key_part
from fhir_bridge.mapping.functions.times import business_time
from fhir_bridge.mapping.item_bytes import leaf_bytes
from fhir_bridge.mapping.operators import OPERATORS
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import BUILTINS, FunctionSpec
from fhir_bridge.mapping.rule_plan import RulePlan
from fhir_bridge.mapping.runtime import GENERATED, Instance, JsonOutput, Output
from fhir_bridge.mapping.sections import NoSections, known_key, settle, unchanged, written

__all__ = ["Generated", "load_program"]


@dataclass(slots=True)
class Generated:
    """What the compiler wrote.

    Attributes:
        positions: by line, the place of the mapping that it came from.
        constants: values that names in the text stand for; `json`: those that are literal JSON.
        codes: the compiled parts of the text, once it was loaded under `name`.
    """

    text: str
    positions: list[Position | None]
    constants: dict[str, Any]
    json: dict[str, bytes]
    plans: Sequence[RulePlan]
    lets: bool
    name: str = ""
    codes: list[CodeType] = field(default_factory=list)


def load_program(
    generated: Generated, file: str, specs: Mapping[str, FunctionSpec], model: Any, form: Form
) -> Program | None:
    """The program of a text; None where it was compiled under a name that another document's has by now."""
    text = generated.text
    version = "compiled" if form == "dicts" else form
    name = f"<{version} {file}>"
    number = 1
    while name in GENERATED and "".join(linecache.getlines(name)) != text:
        number += 1  # another document of the same name is loaded: its lines stay as they are
        name = f"<{version} {file} #{number}>"
    if generated.name not in ("", name):
        return None
    namespace: dict[str, Any] = {
        **dict(getattr(model, "namespace", {})),
        **OPERATORS,
        **generated.constants,
        **{key: orjson.Fragment(content) for key, content in generated.json.items()},
        "CLEARED": CLEARED,
        "Decimal": Decimal,
        "Instance": Instance,
        "JsonOutput": JsonOutput,
        "NoSections": NoSections,
        "Output": Output,
        "business_time": business_time,
        "choose": choose,
        "dumps": dumps,
        "id_of": id_of,
        "inside": inside,
        "is_cleared": is_cleared,
        "leaf_bytes": leaf_bytes,
        "key_part": key_part,
        "known_key": known_key,
        "many": many,
        "missing": missing,
        "outside": outside,
        "settle": settle,
        "single": single,
        "unchanged": unchanged,
        "unmatched": unmatched,
        "written": written,
    }
    for spec in specs.values():
        prefix = "f_" if BUILTINS.get(spec.name) is spec else "a_"
        namespace[f"{prefix}{spec.name}"] = spec.call
    GENERATED[name] = generated.positions
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    if not generated.codes:
        generated.codes = [compile(part, name, "exec") for part in _parts(text)]
        generated.name = name
    for code in generated.codes:
        exec(code, namespace)  # noqa: S102 - the text is ours, made from a checked document
    return Program(text, namespace, generated.plans, generated.lets, generated)


def _parts(text: str, most: int = 1 << 17) -> Iterator[str]:
    """The text by whole functions, about so many characters at once, each at its own line numbers.

    Python takes a hundred bytes for each character that it compiles at once, and a mapping may have two million.
    """
    start = line = 0
    while start < len(text):
        end = text.find("\ndef ", start + most) + 1 or len(text)
        yield "\n" * line + text[start:end]
        line += text.count("\n", start, end)
        start = end
