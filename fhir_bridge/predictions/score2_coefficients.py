"""Coefficients of SCORE2 and SCORE2-OP, as published.

SCORE2 working group, Eur Heart J 2021;42:2439 (supplement); SCORE2-OP working group, Eur Heart J 2021;42:2455.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["REGIONS", "SCORE2", "SCORE2_OP", "Equation"]

REGIONS: Final = ("low", "moderate", "high", "very-high")


@dataclass(frozen=True, slots=True)
class Equation:
    """One sex's equation; log hazard ratios per centred term, `*_age` their interaction with age."""

    baseline_survival: float
    mean: float
    age: float
    smoking: float
    sbp: float
    diabetes: float
    cholesterol: float
    hdl: float
    smoking_age: float
    sbp_age: float
    cholesterol_age: float
    hdl_age: float
    diabetes_age: float
    scales: tuple[tuple[float, float], ...]


SCORE2: Final = {
    "male": Equation(
        baseline_survival=0.9605,
        mean=0.0,
        age=0.3742,
        smoking=0.6012,
        sbp=0.2777,
        diabetes=0.6457,
        cholesterol=0.1458,
        hdl=-0.2698,
        smoking_age=-0.0755,
        sbp_age=-0.0255,
        cholesterol_age=-0.0281,
        hdl_age=0.0426,
        diabetes_age=-0.0983,
        scales=((-0.5699, 0.7476), (-0.1565, 0.8009), (0.3207, 0.936), (0.5836, 0.8294)),
    ),
    "female": Equation(
        baseline_survival=0.9776,
        mean=0.0,
        age=0.4648,
        smoking=0.7744,
        sbp=0.3131,
        diabetes=0.8096,
        cholesterol=0.1002,
        hdl=-0.2606,
        smoking_age=-0.1088,
        sbp_age=-0.0277,
        cholesterol_age=-0.0226,
        hdl_age=0.0613,
        diabetes_age=-0.1272,
        scales=((-0.738, 0.7019), (-0.3143, 0.7701), (0.571, 0.9369), (0.9412, 0.8329)),
    ),
}

SCORE2_OP: Final = {
    "male": Equation(
        baseline_survival=0.7576,
        mean=0.0929,
        age=0.0634,
        smoking=0.3524,
        sbp=0.0094,
        diabetes=0.4245,
        cholesterol=0.085,
        hdl=-0.3564,
        smoking_age=-0.0247,
        sbp_age=-0.0005,
        cholesterol_age=0.0073,
        hdl_age=0.0091,
        diabetes_age=-0.0174,
        scales=((-0.34, 1.19), (0.01, 1.25), (0.08, 1.15), (0.05, 0.7)),
    ),
    "female": Equation(
        baseline_survival=0.8082,
        mean=0.229,
        age=0.0789,
        smoking=0.4921,
        sbp=0.0102,
        diabetes=0.601,
        cholesterol=0.0605,
        hdl=-0.304,
        smoking_age=-0.0255,
        sbp_age=-0.0004,
        cholesterol_age=-0.0009,
        hdl_age=0.0154,
        diabetes_age=-0.0107,
        scales=((-0.52, 1.01), (-0.1, 1.1), (0.38, 1.09), (0.38, 0.69)),
    ),
}
