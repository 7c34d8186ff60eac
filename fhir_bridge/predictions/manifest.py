"""`model.yaml`: a model without Python. What it reads, how that is prepared, where it runs, what its numbers mean.

docs/models.md describes every key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from fhir_bridge.fhir.ucum import is_valid
from fhir_bridge.predictions.genome import GENES
from fhir_bridge.predictions.model_card import SOURCE_ATTRIBUTES
from fhir_bridge.predictions.suggestions import near

__all__ = [
    "AnyInput",
    "Block",
    "CardBlock",
    "Manifest",
    "OnnxBlock",
    "OutputBlock",
    "RemoteBlock",
    "TensorBlock",
    "pairs_of",
]

_SYSTEMS: Final = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd10gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
}
_PICKLES: Final = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy", ".h5", ".keras", ".sav", ".skops")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+\Z")


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def pairs_of(codes: Sequence[str]) -> list[tuple[str, str]]:
    """System and code of each, in their order.

    Raises:
        ValueError: one has no system, or one that is none.
    """
    result = []
    for text in codes:
        system, _, code = text.rpartition("|")
        if not system or not code:
            raise ValueError(f"{text}: write system|code, such as loinc|8480-6")
        if system not in _SYSTEMS:
            if not _ABSOLUTE.match(system):
                names = ", ".join(sorted(_SYSTEMS))
                raise ValueError(
                    f"{text}: {system} is neither an address nor one of {names}{near(system, _SYSTEMS)}"
                )
            meant = _BARE.get(_bare(system), system)
            if meant != system:
                raise ValueError(f"{text}: the address of this system is {meant}")
        result.append((_SYSTEMS.get(system, system), code))
    return result


def _bare(address: str) -> str:
    return address.lower().removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")


_BARE: Final = {_bare(address): address for address in _SYSTEMS.values()}


def _rising(value: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
    if value is not None and value[0] > value[1]:
        raise ValueError(f"{value[0]} is above {value[1]}: write the lower end first")
    return value


class _Input(Block):
    """What all inputs share.

    `missing`: `refuse`, `nan`, or the number that is used; of what is there and can't be used there is no such way out.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    missing: Literal["refuse", "nan"] | Decimal = "refuse"
    clip: Annotated[tuple[Decimal, Decimal] | None, AfterValidator(_rising)] = None
    log: bool = False
    mean: Decimal = Decimal(0)
    sd: Decimal = Field(default=Decimal(1), gt=0)
    baseline: Decimal | None = None
    """The value of the person whom contributions compare with."""

    @property
    def label(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")


class AgeInput(_Input):
    """Completed years at the time of the run."""

    type: Literal["age"]


class SexInput(_Input):
    """1 for male, 0 for female; other values are missing."""

    type: Literal["sex"]


class SmokingInput(_Input):
    """1 for who smokes now, 0 for who does not."""

    type: Literal["smoking"]


def _coded(text: str) -> str:
    pairs_of([text])
    return text


Code = Annotated[str, AfterValidator(_coded)]
"""`system|code`."""


class _Coded(_Input):
    codes: list[Code] = Field(min_length=1)

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """(system, code) pairs."""
        return frozenset(pairs_of(self.codes))


class QuantityBlock(_Coded):
    """A number of an Observation or its component, in `unit`."""

    type: Literal["quantity"]
    unit: str
    max_age_days: int = Field(gt=0)
    plausible: Annotated[tuple[Decimal, Decimal], AfterValidator(_rising)]
    select: Literal["newest", "maximum", "mean"] = "newest"
    value_set: str = ""
    molar_mass: Decimal | None = None

    @field_validator("unit")
    @classmethod
    def _ucum(cls, value: str) -> str:
        if not is_valid(value):
            raise ValueError(_no_unit(value))
        return value


_UNITS: Final = {
    **{"mmhg": "mm[Hg]", "mm hg": "mm[Hg]", "bpm": "/min", "beats/min": "/min", "1/min": "/min", "yrs": "a"},
    **{
        "years": "a",
        "year": "a",
        "months": "mo",
        "days": "d",
        "hours": "h",
        "percent": "%",
        "iu/l": "[IU]/L",
    },
    **{"u/l": "U/L", "iu/ml": "[IU]/mL", "°c": "Cel", "celsius": "Cel", "ml/min/1.73m2": "mL/min/{1.73_m2}"},
    **{"ml/min/1.73 m2": "mL/min/{1.73_m2}", "ml/min/1.73m²": "mL/min/{1.73_m2}", "kg/m²": "kg/m2"},
    **{
        "µg/l": "ug/L",
        "μg/l": "ug/L",
        "µmol/l": "umol/L",
        "μmol/l": "umol/L",
        "mcg/l": "ug/L",
        "points": "{score}",
    },
    **{
        "lbs": "[lb_av]",
        "inches": "[in_i]",
        "ratio": "1",
        "none": "1",
        "10^9/l": "10*9/L",
        "x10^9/l": "10*9/L",
    },
}
"""What people write, and UCUM's word for it."""


def _no_unit(text: str) -> str:
    meant = _UNITS.get(text.strip().lower())
    return f"{text or 'none'} is not a UCUM unit" + (f"; write {meant}" if meant else "")


class ConditionBlock(_Coded):
    """1 where a Condition, Procedure or medication under one of the codes is (`E11*`: all codes that begin so).

    `absent`: 0 where a record that does not state it counts as without it; without this, the input is missing.
    """

    type: Literal["condition"]
    absent: Literal[0] | None = None


def _inherited(gene: str) -> str:
    if gene not in GENES:
        known = ", ".join(sorted(GENES))
        raise ValueError(f"{gene}: the inheritance is not known here; {known} are{near(gene, GENES)}")
    return gene


class VariantBlock(_Input):
    """1 where a (likely) pathogenic germline variant of one of the genes is, 0 where they were studied without one."""

    type: Literal["variant"]
    genes: list[Annotated[str, AfterValidator(_inherited)]] = Field(min_length=1)


class SignalBlock(_Coded):
    """An ECG (SampledData) as numbers in millivolt: leads one after another, each `samples` long at `hz`."""

    type: Literal["signal"]
    leads: list[str] = Field(min_length=1, max_length=64)
    hz: Annotated[float, Field(gt=0, le=10_000)]
    samples: Annotated[int, Field(gt=0, le=100_000)]
    max_age_days: int = Field(gt=0)


class FramesBlock(_Input):
    """Frames of the newest study of a modality: `[frames, height, width]`.

    `scale`: `frame` takes each from its own lowest to its highest value, as 0 to 1; `none` leaves the values of the
    modality (Hounsfield units of a CT), with rescale slope and intercept.

    The files are `<SOPInstanceUID>.dcm` in the folder that the site's setting `dicom` of the model names, or come from
    the DICOMweb service that `dicomweb` names.
    """

    type: Literal["frames"]
    modality: str
    scale: Literal["frame", "none"] = "frame"
    frames: Annotated[int, Field(gt=0, le=512)] = 1
    height: Annotated[int, Field(gt=0, le=4096)]
    width: Annotated[int, Field(gt=0, le=4096)]
    max_age_days: int = Field(gt=0)


class TextBlock(_Input):
    """The newest text of a DocumentReference or DiagnosticReport under one of the codes (none: any)."""

    type: Literal["text"]
    codes: list[Code] = []
    most_characters: Annotated[int, Field(gt=0, le=1_000_000)] = 20_000
    max_age_days: int = Field(gt=0)

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """(system, code) pairs."""
        return frozenset(pairs_of(self.codes))


class ViewBlock(_Input):
    """A column of a SQL-on-FHIR view over the record."""

    type: Literal["view"]
    view: str
    column: str
    order: str | None = None
    select: Literal["newest", "maximum", "minimum", "mean", "sum", "count"] = "newest"


AnyInput = Annotated[
    AgeInput
    | SexInput
    | SmokingInput
    | QuantityBlock
    | ConditionBlock
    | VariantBlock
    | SignalBlock
    | FramesBlock
    | TextBlock
    | ViewBlock,
    Field(discriminator="type"),
]


class OnnxBlock(Block):
    """A file beside model.yaml, by its hash (`fhir-bridge model seal` writes it)."""

    onnx: str
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")

    @field_validator("onnx")
    @classmethod
    def _beside(cls, value: str) -> str:
        if value.lower().endswith(_PICKLES):
            raise ValueError(f"{value}: pickles and the like are never loaded; export the model to ONNX")
        if Path(value).is_absolute() or ".." in Path(value).parts:
            raise ValueError(f"{value}: the file is beside model.yaml, or below")
        return value


class RemoteBlock(Block):
    """A server of the Open Inference Protocol v2 (KServe, Triton, MLServer; MLflow behind its server)."""

    url: str
    model: str = Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")
    version: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    seconds: float = Field(default=5, gt=0, le=600)
    attempts: int = Field(default=3, ge=1, le=10)
    batch: int = Field(default=64, ge=1, le=4096)

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("write http:// or https://")
        if re.search(r"/v2(/|\Z)", value):
            raise ValueError("write the address of the server alone, without /v2/models/…")
        return value.rstrip("/")


def _kind_of_model(block: Any) -> str:
    there = isinstance(block, RemoteBlock) or (isinstance(block, dict) and "url" in block)
    return "server" if there else "file"


class TensorBlock(Block):
    """An input of the model: features one after another, in `shape` (without the batch)."""

    name: str
    type: Literal["float32", "float64", "int64", "string"] = "float32"
    inputs: list[str] = Field(min_length=1)
    shape: list[int] | None = None


class IntervalBlock(Block):
    """Tensors (and places in them) of the ends of an interval."""

    low: str
    high: str
    index: int | None = Field(default=None, ge=0)
    level: Decimal | None = Field(default=None, gt=0, lt=1)


class ClassBlock(Block):
    """A class that the model may give, in the order of its probabilities."""

    code: str
    display: str


class StepBlock(Block):
    """A category, from a value on (percent of a risk, else the value itself)."""

    at_least: Decimal
    code: str
    display: str


class OutputBlock(Block):
    """What the numbers of the model mean. index: which value counts, where the tensor has several for a patient."""

    kind: Literal["probability", "class", "quantity", "survival", "text"]
    code: str
    display: str
    tensor: str
    index: int | None = Field(default=None, ge=0)
    horizon_years: int | None = Field(default=None, ge=1, le=150)
    outcome: ClassBlock | None = None
    unit: str = ""
    classes: list[ClassBlock] = []
    times: list[Decimal] = []
    interval: IntervalBlock | None = None
    thresholds: list[StepBlock] = []
    guideline: str = ""
    population: str = ""
    plausible: Annotated[tuple[Decimal, Decimal], AfterValidator(_rising)] | None = None
    """Of a quantity: the lowest and highest value that can be true; another one is a failed run."""
    decimals: int | None = Field(default=None, ge=0, le=9)
    """Of the value; None: one, and more where so many significant digits need them (`decoding`)."""

    @model_validator(mode="after")
    def _whole(self) -> OutputBlock:
        if self.kind == "quantity" and not is_valid(self.unit):
            raise ValueError(f"unit: {_no_unit(self.unit)}")
        if self.kind == "class" and not self.classes:
            raise ValueError("classes: name them, in the order of the model's probabilities")
        if len({item.code for item in self.classes}) != len(self.classes):
            raise ValueError("two classes have one code")
        if self.times != sorted(set(self.times)):
            raise ValueError("times rise")
        if self.kind == "survival" and (not self.times or not self.horizon_years):
            raise ValueError("times: the years of the curve's points, and horizon_years one of them")
        if self.kind == "survival" and Decimal(self.horizon_years or 0) not in self.times:
            raise ValueError("horizon_years is one of times")
        steps = [step.at_least for step in self.thresholds]
        if steps != sorted(set(steps)):
            raise ValueError("thresholds rise")
        return self


class CardBlock(Block):
    """The model card: the nine texts, and source attributes of HTI-1 by their keys."""

    details: str
    intended_use: str
    cautioned_out_of_scope: str
    development: str = "not stated"
    fairness: str = "not stated"
    external_validation: str = "not stated"
    maintenance: str = "not stated"
    citation: str = ""
    attributes: dict[str, str] = {}
    ai_kinds: list[str] = []

    @field_validator("attributes")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        known = {key for _, entries in SOURCE_ATTRIBUTES for key, _ in entries}
        if unknown := sorted(value.keys() - known):
            raise ValueError(f"no source attribute is called {', '.join(unknown)}{near(unknown[0], known)}")
        return value


class AppliesBlock(Block):
    """For whom the model is meant."""

    age: Annotated[tuple[int, int] | None, AfterValidator(_rising)] = None
    sex: list[Literal["male", "female"]] | None = None


class Manifest(Block):
    """A model.yaml."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    version: str = Field(min_length=1, max_length=64)
    title: str
    manufacturer: str
    kind: Literal["machine-learned", "published-equation"] = "machine-learned"
    demonstration: bool = False
    model: Annotated[
        Annotated[OnnxBlock, Tag("file")] | Annotated[RemoteBlock, Tag("server")],
        Discriminator(_kind_of_model),
    ]
    applies: AppliesBlock = AppliesBlock()
    inputs: list[AnyInput] = Field(min_length=1, max_length=1000)
    tensors: list[TensorBlock] = Field(min_length=1, max_length=64)
    output: OutputBlock
    explain: bool = False
    card: CardBlock

    @model_validator(mode="after")
    def _joined(self) -> Manifest:
        names = [item.name for item in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError("two inputs have one name")
        if self.explain and self.output.kind == "text":
            raise ValueError("explain: nothing contributes to a text by a number")
        texts = {item.name for item in self.inputs if isinstance(item, TextBlock)}
        for tensor in self.tensors:
            if (tensor.type == "string") != bool(texts.intersection(tensor.inputs)):
                raise ValueError(f"tensor {tensor.name}: a text goes into a tensor of type string, alone")
        return self
