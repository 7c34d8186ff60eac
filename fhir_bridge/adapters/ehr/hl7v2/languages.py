"""Languages as PID-15 writes them (ISO 639-1, 639-2, names) in BCP 47."""

from __future__ import annotations

import re
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.composites import Components, each, reader
from fhir_bridge.fhir.datatypes import CodeableConcept
from fhir_bridge.mapping import CLEARED, function

__all__ = ["bcp47", "language"]

_TWO_LETTERS: Final = dict(
    pair.split(":")
    for pair in """aar:aa abk:ab afr:af aka:ak alb:sq sqi:sq amh:am ara:ar arg:an arm:hy hye:hy asm:as ava:av ave:ae
    aym:ay aze:az bak:ba bam:bm baq:eu eus:eu bel:be ben:bn bis:bi bod:bo tib:bo bos:bs bre:br bul:bg bur:my mya:my
    cat:ca ces:cs cze:cs cha:ch che:ce chi:zh zho:zh chu:cu chv:cv cor:kw cos:co cre:cr cym:cy wel:cy dan:da deu:de
    ger:de div:dv dut:nl nld:nl dzo:dz ell:el gre:el eng:en epo:eo est:et ewe:ee fao:fo fas:fa per:fa fij:fj fin:fi
    fra:fr fre:fr fry:fy ful:ff geo:ka kat:ka gla:gd gle:ga glg:gl glv:gv grn:gn guj:gu hat:ht hau:ha heb:he her:hz
    hin:hi hmo:ho hrv:hr hun:hu ibo:ig ice:is isl:is ido:io iii:ii iku:iu ile:ie ina:ia ind:id ipk:ik ita:it jav:jv
    jpn:ja kal:kl kan:kn kas:ks kau:kr kaz:kk khm:km kik:ki kin:rw kir:ky kom:kv kon:kg kor:ko kua:kj kur:ku lao:lo
    lat:la lav:lv lim:li lin:ln lit:lt ltz:lb lub:lu lug:lg mac:mk mkd:mk mah:mh mal:ml mao:mi mri:mi mar:mr may:ms
    msa:ms mlg:mg mlt:mt mon:mn nau:na nav:nv nbl:nr nde:nd ndo:ng nep:ne nno:nn nob:nb nor:no nya:ny oci:oc oji:oj
    ori:or orm:om oss:os pan:pa pli:pi pol:pl por:pt pus:ps que:qu roh:rm ron:ro rum:ro run:rn rus:ru sag:sg san:sa
    sin:si slk:sk slo:sk slv:sl sme:se smo:sm sna:sn snd:sd som:so sot:st spa:es srd:sc srp:sr ssw:ss sun:su swa:sw
    swe:sv tah:ty tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tir:ti ton:to tsn:tn tso:ts tuk:tk tur:tr twi:tw uig:ug
    ukr:uk urd:ur uzb:uz ven:ve vie:vi vol:vo wln:wa wol:wo xho:xh yid:yi yor:yo zha:za zul:zu""".split()
)
"""ISO 639-2 (both its codes) to 639-1: BCP 47 takes the shortest there is."""

_TAG: Final = re.compile(r"(?i)([a-z]{2,3})(?:[-_]([a-z]{2}))?\Z")


def bcp47(text: str) -> str | None:
    """The BCP 47 tag of a language code of ISO 639, perhaps with a country; None where it is none."""
    tag = _TAG.match(text)
    if tag is None:
        return None
    code = _TWO_LETTERS.get(tag[1].lower(), tag[1].lower())
    return f"{code}-{tag[2].upper()}" if tag[2] else code


@function(returns="CodeableConcept", nulls=True, reads=("language",), pure=True)
def language(x: Any) -> Any:
    """The language of a CWE in BCP 47, its text kept; text alone where its code is no language tag."""
    if x is None or x is CLEARED:
        return x
    return each(x, read_language)


@reader("language")
def read_language(c: Components) -> CodeableConcept | None:
    """The language of a CWE."""
    concept = CodeableConcept()
    if code := bcp47(c.peek(1) or ""):
        c.text(1)
        c.pass_over(3, 7)  # the name of its system and its version: BCP 47 takes its place
        concept["coding"] = [{"system": "urn:ietf:bcp:47", "code": code}]
    if "coding" in concept and (code := c.text(4)):  # by another system, often the same one in three letters
        further = {"system": "urn:ietf:bcp:47", "code": tag} if (tag := bcp47(code)) else {"code": code}
        if further in concept["coding"]:
            further = concept["coding"][0]
        else:
            concept["coding"] = [*concept["coding"], further]
        if display := c.text(5):
            further["display"] = display
        c.pass_over(6, 8)
    shown = next((number for number in (9, 2, 5) if c.peek(number)), 1)
    text = c.text(shown)
    for number in (1, 2, 5):
        if text and c.peek(number) == text:
            c.text(number)
    if text and (shown != 1 or "coding" not in concept):
        concept["text"] = text
    return concept or None
