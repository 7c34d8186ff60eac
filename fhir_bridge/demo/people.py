"""The 24 synthetic people of the sample cohort, and every fact that their records will state.

Nobody here exists. Names are drawn from lists, numbers from a seeded generator; the roles (who has which
disease, study and variant) are laid down in `_ROLES`, because the demonstration needs them to be so.
The source records that the sibling modules write are derived from these facts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, Literal

__all__ = [
    "AUTHORITY",
    "AUTHORITY_SYSTEM",
    "HOSPITAL",
    "SEED",
    "Echo",
    "Finding",
    "Medication",
    "Person",
    "Vitals",
    "people",
]

SEED: Final = 20260301
HOSPITAL: Final = "Synthetic Heart Centre"
AUTHORITY: Final = "SHC"
"""Assigning authority of the medical record numbers, as the sources write it (CX-4, IssuerOfPatientID)."""

AUTHORITY_SYSTEM: Final = "urn:oid:2.25.149325717361936741837266391022365027113"
"""The same authority as the system of FHIR identifiers (a UUID-derived OID, ITU-T X.667)."""

Sex = Literal["male", "female"]
Smoking = Literal["current", "former", "never"]
Study = Literal["ecg", "ct", "mr", "us", "echo"]
Zygosity = Literal["heterozygous", "homozygous"]


@dataclass(frozen=True, slots=True)
class Vitals:
    """One visit's measurements: mm[Hg], /min, Cel, cm, kg, %."""

    time: datetime
    systolic: int
    diastolic: int
    heart_rate: int
    temperature: Decimal
    height: int
    weight: Decimal
    oxygen_saturation: int


@dataclass(frozen=True, slots=True)
class Echo:
    """What the echo SR states: wall thickness and left atrium in mm, gradient in mm[Hg], LVEF in %."""

    maximal_wall_thickness: Decimal
    left_atrial_diameter: Decimal
    lvot_gradient: Decimal
    lvef: Decimal


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the conditions extract: ICD-10 code; `present` False means looked for and absent."""

    code: str
    display: str
    onset: date | None
    present: bool = True


@dataclass(frozen=True, slots=True)
class Medication:
    """A row of the medications extract: ATC code, dose as written, start date."""

    atc: str
    name: str
    dose: str
    start: date


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic patient.

    Attributes:
        laboratory: analyte name -> value, in mmol/L, umol/L (creatinine), ng/L (troponin T), pg/mL (NT-proBNP),
            g/dL (haemoglobin), mmol/mol (HbA1c), mL/min/{1.73_m2} (eGFR), mg/L (CRP), mU/L (TSH), U/L (ALT);
            the extract's writer decides which local code and unit a row has.
        variants: gene, c. name (as in `cardiology_variants`) and zygosity.
        sample: name of the column in the VCF; None has no genome.
        sample_linked: whether the crosswalk file knows the sample.
        issuer_stated: False where the person's DICOM study names no issuer of its PatientID.
        previous_mrn: a duplicate record that an A40 message merges into this one.
        research_opt_out: refused use for research (Consent, HRESCH).
    """

    mrn: str
    family: str
    given: str
    sex: Sex
    birth_date: date
    line: str
    city: str
    postal_code: str
    phone: str
    smoking: Smoking
    visit: datetime
    vitals: tuple[Vitals, ...]
    laboratory: dict[str, Decimal]
    findings: tuple[Finding, ...]
    medications: tuple[Medication, ...]
    studies: tuple[Study, ...]
    echo: Echo | None
    sample: str | None
    sample_linked: bool
    variants: tuple[tuple[str, str, Zygosity], ...]
    issuer_stated: bool
    previous_mrn: str | None
    research_opt_out: bool
    score2_eligible: bool

    def age_at(self, day: date) -> int:
        """Completed years on `day`."""
        before_birthday = (day.month, day.day) < (self.birth_date.month, self.birth_date.day)
        return day.year - self.birth_date.year - before_birthday


@dataclass(frozen=True, slots=True)
class _Role:
    sex: Sex
    age: int
    disease: Literal["none", "hcm", "amyloid", "fh", "ascvd", "diabetes", "ckd", "af", "lqts", "young"]
    studies: tuple[Study, ...] = ()
    variants: tuple[tuple[str, str, Zygosity], ...] = ()
    genome: bool = False
    smoking: Smoking = "never"
    sample_linked: bool = True
    issuer_stated: bool = True
    duplicate: bool = False
    opt_out: bool = False
    eligible: bool = False


_BENIGN: Final = ("MYBPC3", "c.2686G>A", "heterozygous")
_ROLES: Final[tuple[_Role, ...]] = (
    # Twelve for whom SCORE2 is meant: 40 to 69, no diabetes, known disease, CKD or FH.
    _Role("male", 52, "none", ("ecg",), (), True, "current", eligible=True),
    _Role("female", 58, "none", ("ecg", "us"), (_BENIGN,), True, "never", eligible=True),
    _Role(
        "male",
        61,
        "none",
        ("ecg", "ct"),
        (("PCSK9", "c.137G>T", "heterozygous"),),
        True,
        "former",
        eligible=True,
    ),
    _Role("female", 47, "none", ("ecg",), (), False, "current", eligible=True),
    _Role(
        "male",
        44,
        "none",
        (),
        (("KCNH2", "c.2690A>C", "homozygous"),),
        True,
        "never",
        eligible=True,
    ),
    _Role("female", 66, "none", ("ecg", "us"), (), False, "never", eligible=True),
    _Role("male", 68, "none", ("ct",), (), False, "former", eligible=True, duplicate=True),
    _Role(
        "female",
        55,
        "none",
        ("ecg",),
        (("LDLR", "c.2177C>T", "heterozygous"),),
        True,
        "current",
        eligible=True,
    ),
    _Role("male", 49, "none", ("mr",), (), False, "never", eligible=True),
    _Role(
        "female", 63, "none", ("us",), (("APOB", "c.10672C>T", "heterozygous"),), True, "never", eligible=True
    ),
    _Role(
        "male",
        57,
        "af",
        ("ecg", "echo"),
        (("SCN5A", "c.1673A>G", "heterozygous"),),
        True,
        "former",
        eligible=True,
    ),
    _Role("female", 51, "none", ("ecg",), (), False, "never", eligible=True),
    # Looks eligible for SCORE2 until the genome: LDLR p.Gly592Glu.
    _Role("male", 46, "none", ("ecg",), (("LDLR", "c.1775G>A", "heterozygous"),), True, "never"),
    # Looks eligible for HCM Risk-SCD until the genome: TTR p.Val142Ile.
    _Role(
        "male", 72, "amyloid", ("ecg", "echo", "mr"), (("TTR", "c.424G>A", "heterozygous"),), True, "never"
    ),
    # Hypertrophic cardiomyopathy: HCM Risk-SCD applies.
    _Role("male", 34, "hcm", ("ecg", "echo", "mr"), (("MYH7", "c.1208G>A", "heterozygous"),), True, "never"),
    _Role("female", 38, "hcm", ("ecg", "echo"), (("MYBPC3", "c.1504C>T", "heterozygous"),), True, "former"),
    _Role("male", 29, "hcm", ("ecg", "echo", "mr"), (("TNNT2", "c.305G>A", "heterozygous"),), True, "never"),
    _Role(
        "female",
        36,
        "hcm",
        ("echo",),
        (("TPM1", "c.523G>A", "heterozygous"),),
        True,
        "current",
        sample_linked=False,
    ),
    # Others whom one or the other model refuses, each for its own reason.
    _Role("male", 64, "ascvd", ("ecg", "ct"), (("LDLR", "c.662A>G", "heterozygous"),), True, "former"),
    _Role("female", 59, "diabetes", ("ecg", "us"), (), False, "never"),
    _Role("male", 77, "ckd", ("ct",), (), False, "former", issuer_stated=False),
    _Role("female", 23, "lqts", ("ecg",), (("KCNQ1", "c.1022C>T", "heterozygous"),), True, "never"),
    _Role("male", 36, "young", (), (("KCNE1", "c.253G>A", "heterozygous"),), True, "current"),
    _Role("female", 45, "diabetes", ("ecg",), (), False, "current", duplicate=False, opt_out=True),
)

_FAMILY: Final = (
    "Aalto Bianchi Conti Dubois Esposito Fischer Greco Hofmann Ivanova Jansen Keller Lombardi "
    "Moreau Novak Oliveira Peeters Quaranta Ricci Schneider Tanaka Urban Virtanen Weber Zanetti"
).split()
_MALE: Final = "Marco Lukas Pieter Émile Søren Andrea João Tomáš Henri Matteo Stefan Jonas Paul Karl".split()
_FEMALE: Final = "Elena Sofia Anneke Chloé Ingrid Giulia Zoë Klára Maria Hanna Lucía Emma Nora Ada".split()
_CITIES: Final = (
    ("Torino", "10126"),
    ("München", "80331"),
    ("Utrecht", "3511"),
    ("Lyon", "69002"),
    ("Gent", "9000"),
)

_PRESENT: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "hcm": (("I42.1", "Obstructive hypertrophic cardiomyopathy"),),
    "amyloid": (
        ("I42.2", "Other hypertrophic cardiomyopathy"),
        ("E11.9", "Type 2 diabetes mellitus without complications"),
    ),
    "ascvd": (("I25.2", "Old myocardial infarction"), ("I25.1", "Atherosclerotic heart disease")),
    "diabetes": (("E11.9", "Type 2 diabetes mellitus without complications"),),
    "ckd": (("N18.3", "Chronic kidney disease, stage 3"),),
    "af": (("I48.0", "Paroxysmal atrial fibrillation"),),
    "lqts": (("I45.8", "Other specified conduction disorders"),),
}
_HCM_QUESTIONS: Final = (
    ("Z82.4", "Family history of diseases of the circulatory system"),
    ("I47.2", "Ventricular tachycardia"),
    ("R55", "Syncope and collapse, unexplained"),
)


def people() -> tuple[Person, ...]:
    """The cohort, the same on every call and every machine."""
    random = Random(SEED)  # noqa: S311 - synthetic data, not a secret
    return tuple(_person(number, role, random) for number, role in enumerate(_ROLES))


def _person(number: int, role: _Role, random: Random) -> Person:
    visit = datetime(2026, 2, 2, 8, 0) + timedelta(days=number, minutes=15 * random.randrange(20))
    month, day = 1 + random.randrange(12), 1 + random.randrange(28)
    birthday_past = (month, day) <= (visit.month, visit.day)
    birth = date(visit.year - role.age - (not birthday_past), month, day)
    given_names = (_MALE if role.sex == "male" else _FEMALE)[number % 14]
    city, postal_code = random.choice(_CITIES)
    return Person(
        mrn=f"{100200 + 37 * number}",
        family=_FAMILY[number],
        given=given_names,
        sex=role.sex,
        birth_date=birth,
        line=f"Via Sintetica {random.randint(1, 120)}",
        city=city,
        postal_code=postal_code,
        phone=f"+39 011 555 {random.randint(1000, 9999)}",
        smoking=role.smoking,
        visit=visit,
        vitals=_vitals(visit, role, random),
        laboratory=_laboratory(role, random),
        findings=_findings(number, role, visit.date(), random),
        medications=_medications(role, visit.date()),
        studies=role.studies,
        echo=_echo(role, random) if "echo" in role.studies else None,
        sample=f"SHC-G{number:03d}" if role.genome else None,
        sample_linked=role.sample_linked,
        variants=role.variants,
        issuer_stated=role.issuer_stated,
        previous_mrn=f"{900000 + number}" if role.duplicate else None,
        research_opt_out=role.opt_out,
        score2_eligible=role.eligible,
    )


def _tenth(low: float, high: float, random: Random) -> Decimal:
    return Decimal(round(random.uniform(low, high) * 10)).scaleb(-1)


def _vitals(visit: datetime, role: _Role, random: Random) -> tuple[Vitals, ...]:
    height = random.randint(168, 188) if role.sex == "male" else random.randint(156, 174)
    base = random.randint(112, 158)
    return tuple(
        Vitals(
            time=visit + timedelta(days=-182 * back, minutes=5),
            systolic=base + random.randint(-5, 5),
            diastolic=round(base * 0.6) + random.randint(-4, 4),
            heart_rate=random.randint(56, 88),
            temperature=_tenth(36.2, 37.2, random),
            height=height,
            weight=_tenth(0.0021 * height * height, 0.0031 * height * height, random),
            oxygen_saturation=random.randint(95, 99),
        )
        for back in (1, 0)
    )


def _laboratory(role: _Role, random: Random) -> dict[str, Decimal]:
    hypercholesterolaemic = any(gene == "LDLR" and name != "c.2177C>T" for gene, name, _ in role.variants)
    ldl = _tenth(5.2, 6.4, random) if hypercholesterolaemic else _tenth(2.2, 4.1, random)
    hdl = _tenth(1.0, 1.9, random)
    triglycerides = _tenth(0.8, 2.2, random)
    ckd = role.disease == "ckd"
    return {
        "total cholesterol": ldl + hdl + (triglycerides / Decimal("2.2")).quantize(Decimal("0.1")),
        "LDL cholesterol": ldl,
        "HDL cholesterol": hdl,
        "triglycerides": triglycerides,
        "creatinine": Decimal(random.randint(140, 170) if ckd else random.randint(58, 98)),
        "eGFR": Decimal(random.randint(34, 42) if ckd else random.randint(68, 104)),
        "HbA1c": Decimal(random.randint(54, 68) if role.disease == "diabetes" else random.randint(32, 40)),
        "glucose": _tenth(7.4, 9.8, random) if role.disease == "diabetes" else _tenth(4.4, 5.6, random),
        "troponin T": Decimal(
            random.randint(14, 48) if role.disease in ("hcm", "amyloid") else random.randint(3, 11)
        ),
        "NT-proBNP": Decimal(
            random.randint(600, 3200) if role.disease == "amyloid" else random.randint(30, 240)
        ),
        "potassium": _tenth(3.7, 4.9, random),
        "sodium": Decimal(random.randint(136, 144)),
        "haemoglobin": _tenth(12.4, 16.2, random),
        "CRP": _tenth(0.4, 6.0, random),
        "TSH": _tenth(0.8, 3.6, random),
        "ALT": Decimal(random.randint(12, 44)),
    }


def _findings(number: int, role: _Role, visit: date, random: Random) -> tuple[Finding, ...]:
    findings = [
        Finding(code, display, visit - timedelta(days=random.randint(90, 3000)))
        for code, display in _PRESENT.get(role.disease, ())
    ]
    if role.disease in ("hcm", "amyloid"):
        # The risk model needs each answer, so the extract states absence as well as presence. ICD-10 alone can't state
        # sudden death in the family, or that a tachycardia was not sustained: these are absent.
        findings += [
            Finding(code, display, visit - timedelta(days=400) if present else None, present)
            for code, display in _HCM_QUESTIONS
            for present in (code == "R55" and number % 3 == 1,)
        ]
    if role.disease == "none" and number % 3 == 0:
        findings.append(Finding("I10", "Essential (primary) hypertension", visit - timedelta(days=1200)))
    return tuple(findings)


def _medications(role: _Role, visit: date) -> tuple[Medication, ...]:
    start = visit - timedelta(days=240)
    chosen: dict[str, tuple[tuple[str, str, str], ...]] = {
        "hcm": (("C07AB07", "bisoprolol", "2,5 mg 1-0-0"),),
        "amyloid": (("N07XX08", "tafamidis", "61 mg 1-0-0"), ("C03CA04", "torasemide", "10 mg 1-0-0")),
        "ascvd": (
            ("B01AC06", "acetylsalicylic acid", "100 mg 1-0-0"),
            ("C10AA05", "atorvastatin", "80 mg 0-0-1"),
        ),
        "diabetes": (("A10BA02", "metformin", "1000 mg 1-0-1"),),
        "ckd": (("C09AA05", "ramipril", "5 mg 1-0-0"),),
        "af": (("B01AF02", "apixaban", "5 mg 1-0-1"),),
        "lqts": (("C07AA12", "nadolol", "40 mg 1-0-0"),),
    }
    return tuple(Medication(atc, name, dose, start) for atc, name, dose in chosen.get(role.disease, ()))


def _echo(role: _Role, random: Random) -> Echo:
    if role.disease == "hcm":
        return Echo(
            Decimal(random.randint(17, 26)),
            Decimal(random.randint(40, 49)),
            Decimal(random.randint(18, 85)),
            Decimal(random.randint(60, 72)),
        )
    if role.disease == "amyloid":
        return Echo(Decimal(18), Decimal(45), Decimal(12), Decimal(48))
    return Echo(Decimal(10), Decimal(38), Decimal(6), Decimal(58))
