"""Language reference sets of SNOMED CT and their dialect aliases (ECL 2.2, appendix C), which are BCP 47 tags."""

from __future__ import annotations

__all__ = ["DIALECTS", "GB", "US", "reference_sets_of"]

US, GB = 900000000000509007, 900000000000508004

DIALECTS = {
    US: "en-US",
    GB: "en-GB",
    554461000005103: "da-DK",
    32570271000036106: "en-AU",
    19491000087109: "en-CA",
    21000220103: "en-IE",
    271000210107: "en-NZ",
    281000210109: "en-NZ-x-pat",
    608771002: "en-x-gmdn",
    999001261000000100: "en-x-nhs-clinical",
    999000671000001103: "en-x-nhs-dmd",
    999000691000001104: "en-x-nhs-pharmacy",
    999000681000001101: "en-GB-x-drug",
    999001251000000103: "en-GB-x-ext",
    448879004: "es",
    450828004: "es",
    5641000179103: "es-UY",
    71000181105: "et-EE",
    722130004: "de",
    722131000: "fr",
    21000172104: "fr-BE",
    20581000087109: "fr-CA",
    722129009: "ja",
    291000210106: "mi",
    31000172101: "nl-BE",
    31000146106: "nl-NL",
    61000202103: "nb-NO",
    91000202106: "nn-NO",
    46011000052107: "sv-SE",
    722128001: "zh",
}
"""By SCTID; Spanish has two that are called so."""


def reference_sets_of(alias: str) -> list[str]:
    """SCTIDs of the language reference sets that an alias stands for; case does not count."""
    return [str(refset) for refset, tag in DIALECTS.items() if tag.casefold() == alias.casefold()]
