"""Units of measure by UCUM: is a code one, what is it in base units, and what is a value in another unit.

Codes are parsed, not looked up in a list, so `mmol/mol{creat}` and `10*9/L` are known. Arithmetic is exact: factors
are fractions, and a result is rounded (to 34 digits) only where it has no finite decimal. Annotations say nothing about
the unit (UCUM §6). Arbitrary units (`[iU]`, `[CFU]`) can be compared with themselves alone (UCUM §24). Special units
(`Cel`, `[degF]`, `[pH]`, `B`) are functions of a unit and occur alone or with a prefix (UCUM §21-22).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

from fhir_bridge.fhir.ucum_grammar import Factor, Product, Term, UcumError, Unit, parse
from fhir_bridge.fhir.ucum_special import FUNCTIONS, PRECISION, Function
from fhir_bridge.fhir.ucum_table import BASE, PREFIXES, UNITS, VERSION

__all__ = [
    "SYSTEM",
    "VERSION",
    "Incommensurable",
    "UcumError",
    "canonical",
    "commensurable",
    "convert",
    "describe",
    "is_affine",
    "is_valid",
    "parse",
]

SYSTEM = "http://unitsofmeasure.org"
"""The system of UCUM codes in FHIR (R4 terminologies-systems.html)."""

# More digits than a value and a factor have together, so that their product is exact.
_EXACT = Context(prec=200)
_ROUND = Context(prec=PRECISION)


class Incommensurable(ValueError):
    """Two units that measure different things, so that no value of one is a value of the other."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f'"{source}" and "{target}" measure different things')


@dataclass(frozen=True, slots=True)
class _Measure:
    """A unit in base units: value = function(x * prefix) * factor, in `dimensions`."""

    factor: Fraction
    dimensions: tuple[tuple[str, int], ...]
    text: str
    multiplier: Decimal | None
    function: Function | None = None
    prefix: Decimal = Decimal(1)


def is_valid(code: str) -> bool:
    """Whether the text is a UCUM code (case sensitive form)."""
    return _parsed(code) is None


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The value in base units and the code of those (`g.m-3`; `1` for a pure number).

    Two quantities of one kind have the same code here, so that their values can be compared (R4 search.html#quantity).
    None where the code isn't UCUM, or creates a product with a special unit (`Cel/min`), undefined by UCUM §22.
    """
    measure = _measured(code)
    if measure is None:
        return None
    return _to_base(value, measure), measure.text


def is_affine(code: str) -> bool:
    """Whether values keep their order and the ratio of their differences in base units.

    False of a logarithm or another curve (`[pH]`, `B`, `[p'diop]`), and where the code has no meaning as a measure.
    """
    measure = _measured(code)
    return measure is not None and (measure.function is None or measure.function.is_affine)


def commensurable(source: str, target: str) -> bool:
    """Whether values can be converted between the two codes."""
    first, second = _measured(source), _measured(target)
    return first is not None and second is not None and first.dimensions == second.dimensions


def convert(value: Decimal, source: str, target: str) -> Decimal:
    """The value in another unit, exact where it has a finite decimal, else to 34 digits.

    The number of digits is not a statement of precision: the caller rounds.

    Raises:
        UcumError: one of the codes is not UCUM.
        Incommensurable: they measure different things, or a code has no meaning as a measure (`Cel/min`).
    """
    if source == target:
        return value
    first, second = _measured(source), _measured(target)
    if first is None or second is None:
        # One of these raises where a code is no UCUM; else a code is one without a meaning as a measure.
        parse(source)
        parse(target)
        raise Incommensurable(source, target)
    if first.dimensions != second.dimensions:
        raise Incommensurable(source, target)
    if first.function is None and second.function is None:
        return _times(value, first.factor / second.factor)
    return _from_base(_to_base(value, first), second)


@lru_cache(maxsize=4096)
def describe(code: str) -> str | None:
    """The unit in words (`millimole per liter`), None where the code is not UCUM."""
    try:
        return _words(parse(code))
    except UcumError:
        return None


@lru_cache(maxsize=8192)
def _parsed(code: str) -> UcumError | None:
    # The error is given back, not raised: lru_cache keeps answers only, and wrong codes recur as right ones do.
    try:
        parse(code)
    except UcumError as error:
        return error
    return None


@lru_cache(maxsize=8192)
def _measured(code: str) -> _Measure | None:
    try:
        product = parse(code)
    except UcumError:
        return None
    return _special(product) or _ratio(product)


def _special(product: Product) -> _Measure | None:
    """A special unit standing alone, perhaps with a prefix."""
    if len(product.terms) != 1:
        return None
    term, sign = product.terms[0]
    if isinstance(term, Product) and sign == 1:
        return _special(term)
    if not isinstance(term, Unit) or term.exponent != 1 or sign != 1 or term.atom not in UNITS:
        return None
    _, kind, value, base, _ = UNITS[term.atom]
    if kind not in FUNCTIONS:
        return None
    factor, dimensions = _evaluate(parse(base)) or (Fraction(1), {})
    prefix = Decimal(PREFIXES[term.prefix]) if term.prefix else Decimal(1)
    return _measure(factor * Fraction(value), dimensions, FUNCTIONS[kind], prefix)


def _ratio(product: Product) -> _Measure | None:
    evaluated = _evaluate(product)
    return None if evaluated is None else _measure(*evaluated)


def _measure(
    factor: Fraction,
    dimensions: dict[str, int],
    function: Function | None = None,
    prefix: Decimal = Decimal(1),
) -> _Measure:
    # One order, and nothing that cancels out: units of one kind then have one text.
    powers = tuple(sorted((unit, power) for unit, power in dimensions.items() if power))
    text = ".".join(unit if power == 1 else f"{unit}{power}" for unit, power in powers) or "1"
    return _Measure(factor, powers, text, _finite(factor), function, prefix)


def _evaluate(product: Product) -> tuple[Fraction, dict[str, int]] | None:
    """Factor and powers of the base units; None where a special unit takes part."""
    factor = Fraction(1)
    dimensions: dict[str, int] = {}
    for term, sign in product.terms:
        evaluated = _term(term)
        if evaluated is None:
            return None
        factor = factor * evaluated[0] if sign == 1 else factor / evaluated[0]
        for unit, power in evaluated[1].items():
            dimensions[unit] = dimensions.get(unit, 0) + sign * power
    return factor, dimensions


def _term(term: Term) -> tuple[Fraction, dict[str, int]] | None:
    if isinstance(term, Factor):
        return Fraction(term.number), {}
    if isinstance(term, Product):
        return _evaluate(term)
    inner = _atom(term.atom)
    if inner is None:
        return None
    factor, dimensions = inner
    if term.prefix:
        factor *= Fraction(PREFIXES[term.prefix])
    powers = {unit: power * term.exponent for unit, power in dimensions.items()}
    return Fraction(factor**term.exponent), powers


@lru_cache(maxsize=512)
def _atom(atom: str) -> tuple[Fraction, dict[str, int]] | None:
    if atom in BASE:
        return Fraction(1), {atom: 1}
    _, kind, value, base, _ = UNITS[atom]
    if kind in FUNCTIONS:
        return None
    # UCUM §24: comparable with itself alone, hence as good as a base unit.
    if kind == "arbitrary" and base == "1":
        return Fraction(1), {atom: 1}
    inner = _evaluate(parse(base))
    return None if inner is None else (inner[0] * Fraction(value), inner[1])


def _finite(factor: Fraction) -> Decimal | None:
    """The factor as a decimal, None where it has no finite one."""
    rest = factor.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return None
    return _EXACT.divide(Decimal(factor.numerator), Decimal(factor.denominator))


def _times(value: Decimal, factor: Fraction) -> Decimal:
    multiplier = _finite(factor)
    if multiplier is not None:
        return _EXACT.multiply(value, multiplier)
    numerator = _EXACT.multiply(value, Decimal(factor.numerator))
    return _ROUND.divide(numerator, Decimal(factor.denominator))


def _to_base(value: Decimal, measure: _Measure) -> Decimal:
    if measure.function is not None:
        value = measure.function.to_ratio(value * measure.prefix)
    if measure.multiplier is not None:
        return _EXACT.multiply(value, measure.multiplier)
    return _times(value, measure.factor)


def _from_base(value: Decimal, measure: _Measure) -> Decimal:
    value = _times(value, 1 / measure.factor)
    if measure.function is None:
        return value
    return _times(measure.function.from_ratio(value), 1 / Fraction(measure.prefix))


def _words(product: Product) -> str:
    above = [_word(term) for term, sign in product.terms if sign == 1]
    below = [_word(term) for term, sign in product.terms if sign == -1]
    return " ".join(part for part in (" ".join(above), " ".join(f"per {word}" for word in below)) if part)


_PREFIX_NAMES = {
    "Y": "yotta", "Z": "zetta", "E": "exa", "P": "peta", "T": "tera", "G": "giga", "M": "mega", "k": "kilo",
    "h": "hecto", "da": "deka", "d": "deci", "c": "centi", "m": "milli", "u": "micro", "n": "nano", "p": "pico",
    "f": "femto", "a": "atto", "z": "zepto", "y": "yocto", "Ki": "kibi", "Mi": "mebi", "Gi": "gibi", "Ti": "tebi",
}  # fmt: skip


def _word(term: Term) -> str:
    if isinstance(term, Factor):
        return str(term.number)
    if isinstance(term, Product):
        return f"({_words(term)})"
    name = BASE.get(term.atom) or UNITS[term.atom][4]
    power = {1: "", 2: " squared", 3: " cubed"}.get(term.exponent, f" to the power {term.exponent}")
    return f"{_PREFIX_NAMES.get(term.prefix, '')}{name}{power}"
