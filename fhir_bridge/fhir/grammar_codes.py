"""Code systems that R4 takes over from elsewhere, whose codes are identified by a grammar or a short list.

Media types (BCP 13), language tags (BCP 47), currencies (ISO 4217), countries (ISO 3166-1) and URIs (RFC 3986). R4 core
names these systems in bindings without listing them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

__all__ = ["SYSTEMS", "known"]

_MEDIA = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+\-]{0,126}/[A-Za-z0-9*][A-Za-z0-9!#$&^_.+\-]{0,126}(?:\s*;.*)?"
    r"|xml|json|ttl|html"
)
"""RFC 6838 §4.2 with any parameters, and the short names of R4 http.html#mime-type."""

_TAG = re.compile(
    r"[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}"
    r"(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    r"(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?"
    r"|[xX](?:-[A-Za-z0-9]{1,8})+"
    r"|(?i:i-(?:default|klingon|mingo|navajo|lux|ami|bnn|hak|enochian|pwn|tao|tay|tsu)|en-GB-oed|sgn-(?:BE-FR|BE-NL|CH-DE)"
    r"|art-lojban|cel-gaulish|no-(?:bok|nyn)|zh-(?:guoyu|hakka|min|min-nan|xiang))"
)
"""RFC 5646 §2.1; no language of four letters or more is registered."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")

_LANGUAGES = frozenset(
    (
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da "
        "de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz "
        "ia id ie ig ii ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la "
        "lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj "
        "om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv "
        "sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
    ).split()
)
"""ISO 639-1, with the older codes that the registry of BCP 47 keeps; three-letter codes are not listed."""

_CURRENCIES = frozenset(
    (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP "
        "BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB "
        "EUR FJD FKP GBP GEL GGP GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS IMP INR IQD IRR ISK "
        "JEP JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK "
        "MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG "
        "QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT "
        "TND TOP TRY TTD TVD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA "
        "XBB XBC XBD XCD XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWL"
    ).split()
)
"""R4's value set `currencies`: ISO 4217 with the territories' own that R4 lists."""


def media_type(code: str) -> bool:
    """Whether the code is built as a media type."""
    return len(code) <= 1024 and _MEDIA.fullmatch(code) is not None


@lru_cache(4096)
def language_tag(code: str) -> bool:
    """Whether the code is built as a language tag, its language known where it has two letters."""
    if len(code) > 255 or _TAG.fullmatch(code) is None:
        return False
    language = code.partition("-")[0].lower()
    return len(language) != 2 or language in _LANGUAGES


def uri(code: str) -> bool:
    """Whether the code is an absolute URI."""
    return _URI.fullmatch(code) is not None


SYSTEMS: Mapping[str, Callable[[str], bool]] = {
    "urn:ietf:bcp:13": media_type,
    "urn:ietf:bcp:47": language_tag,
    "urn:iso:std:iso:4217": _CURRENCIES.__contains__,
    "urn:ietf:rfc:3986": uri,
}


def known(system: str, code: str) -> bool | None:
    """Whether the system has the code; None where the system is none of these."""
    test = SYSTEMS.get(system)
    return None if test is None else test(code)
