"""Options of polygenic scores: the mapping's `source:` block, overlaid with `--set`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fhir_bridge import plugins
from fhir_bridge.adapters.genomics.options import Options
from fhir_bridge.adapters.genomics.pgs.issues import issue
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import nearest

__all__ = ["PgsOptionError", "PgsOptions"]

_CHOICES = {
    "dosage": ("GT", "DS", "GP"),
    "missing": ("none", "mean"),
    "ambiguous": ("keep", "drop"),
    "absent": ("missing", "reference"),
    "filtered": ("keep", "leave-out"),
    "hemizygous": ("two", "one"),
}
_BUILDS = ("GRCh37", "GRCh38", "T2T-CHM13v2.0")
_OF_THE_VCF = (
    "assembly",
    "check_lengths",
    "samples",
    "effective",
    "max_line",
    "fileformat",
    "reference",
    "check",
)


class PgsOptionError(plugins.OptionError):
    """An option is unknown or wrong; `issue` says which."""

    def __init__(self, result: Issue, option: str = "", advice: str = "") -> None:
        super().__init__(option, result.message, advice)
        self.issue = result


@dataclass(frozen=True, slots=True)
class PgsOptions:
    """What a user may set.

    Attributes:
        scores: scoring files, and folders of them.
        score_build: the build of scoring files that name none.
        dosage: where an allele's dosage is taken from: `GT`, `DS` (with GT where it is missing), or `GP`.
        missing: what a sample without a call adds: nothing (`none`), or the `mean` of the file's samples, of which
            there must be 50 with a call.
        ambiguous: whether variants whose alleles are their own complement (A/T, C/G) are used.
        flip: use the complement of alleles that do not match otherwise, where it is not ambiguous.
        absent: a variant that the file does not have is `missing`, or `reference` in all samples (a file of all
            places where a sample differs from the reference; needs `reference`).
        hemizygous: a single copy on X outside of its pseudoautosomal regions counts as `two` (as males' X in PLINK 2)
            or as `one`.
        filtered: whether lines whose FILTER failed are used.
        distributions: a file with reference distributions.
        ancestry: ancestry of all samples, or a file with `sample` and `ancestry` in columns.
        vcf: the options of the file itself.
    """

    vcf: Options
    scores: tuple[Path, ...] = ()
    score_build: str | None = None
    dosage: str = "GT"
    missing: str = "none"
    ambiguous: str = "keep"
    flip: bool = False
    absent: str = "missing"
    filtered: str = "keep"
    hemizygous: str = "two"
    distributions: Path | None = None
    ancestry: str | None = None

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> PgsOptions:
        """Read options as YAML or `--set` gives them.

        Raises:
            OptionError: an unknown name, or a value that is not allowed (FB-PGS-005, FB-VCF-009).
        """
        own = {field.name for field in fields(cls)} - {"vcf"}
        known = sorted(own | set(_OF_THE_VCF))
        result: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in values.items():
            if name in ("adapter", "ignore") or value is None:
                continue
            if name in _OF_THE_VCF:
                rest[name] = value
            elif name not in own:
                text = f'option "{name}" is none of {", ".join(known)}'
                raise PgsOptionError(issue("FB-PGS-005", text), name, nearest(name, known))
            else:
                result[name] = _read(name, value)
        if result.get("absent") == "reference" and not rest.get("reference"):
            text = "option absent=reference needs reference=FASTA, which says the base"
            raise PgsOptionError(issue("FB-PGS-005", text), "absent")
        return cls(Options.parse(rest), **result)


def _read(name: str, value: Any) -> Any:
    text = str(value).strip()
    if name == "scores":
        parts = value if isinstance(value, list | tuple) else text.split(",")
        return tuple(Path(str(part).strip()) for part in parts if str(part).strip())
    if name == "distributions":
        return Path(text)
    if name == "flip":
        if text.lower() not in ("true", "false"):
            raise PgsOptionError(issue("FB-PGS-005", "option flip is true or false"), name)
        return text.lower() == "true"
    allowed = _BUILDS if name == "score_build" else _CHOICES.get(name)
    if allowed and text not in allowed:
        raise PgsOptionError(issue("FB-PGS-005", f"option {name} is one of {', '.join(allowed)}"), name)
    return text
