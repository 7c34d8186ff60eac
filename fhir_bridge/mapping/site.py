"""The site file: what is local to a hospital, so that mappings need not say it."""

from __future__ import annotations

import logging
from copy import deepcopy
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.definitions.package_cache import locate
from fhir_bridge.fhir.definitions.packages import load_packages
from fhir_bridge.mapping.yaml_dates import impossible_date
from fhir_bridge.terminology import Terminology, get_terminology
from fhir_bridge.terminology.store import store_path

__all__ = ["IdentityRules", "Site", "SiteError"]

Unlinked = Literal["hold", "source"]

_LOG = logging.getLogger(__name__)


class SiteError(ValueError):
    """The site file can't be used; the message names file and setting."""


class IdentityRules(BaseModel):
    """Whose identifiers are whose.

    Attributes:
        patient_authority: system URI of the master patient identifier; chosen first where a patient has several.
        authorities: assigning authority as sources write it (namespace id, OID, table name) -> system URI.
        default_authority: adapter -> authority of identifiers that name none.
        crosswalk: file `sample;system;value`, relative to the site file.
        unlinked: `hold` rejects what can't be linked, `source` creates a Patient known only to this source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    patient_authority: str | None = None
    authorities: dict[str, str] = Field(default_factory=dict)
    default_authority: dict[str, str] = Field(default_factory=dict)
    crosswalk: Path | None = None
    unlinked: Unlinked = "hold"


@lru_cache(maxsize=16)
def _content(text: str) -> Any:
    """What a site file says; a run loads the same one for each of its parts."""
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = 100
    return yaml.load(text)


class Site(BaseModel):
    """Settings of one site; `Site()` is a site without any.

    Attributes:
        site: its name.
        zone: IANA zone of times without offset; without it such times keep the date only, flagged.
        key_file: the secret that ids are made with; default `site.key` in the user's data directory.
        demo_key: use the public demonstration key. Never for real patients.
        identity: see `IdentityRules`.
        schemes: local coding scheme -> system URI.
        terminology: folders of more ConceptMaps and CodeSystems, relative to the site file.
        terminology_store: folder of what `fhir-bridge terminology import` imported, relative to the site file.
        packages: FHIR packages (.tgz, folders, JSON files) whose profiles, extensions, value sets, code systems and
            search parameters are used, relative to the site file.
        precedence: resource type -> adapters, strongest first, for elements that several sources write.
        test_messages: whether messages that are for training or tests (HL7 v2: MSH-11 `T`, `D`) are stored: `skip` or
            `store`; without it, files that are loaded are, and what is received is not.
        parameters: free values, read as `site.<name>` in expressions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str = "site"
    zone: str | None = None
    key_file: Path | None = None
    demo_key: bool = False
    identity: IdentityRules | None = None
    schemes: dict[str, str] = Field(default_factory=dict)
    terminology: tuple[Path, ...] = ()
    terminology_store: Path | None = None
    packages: tuple[Path, ...] = ()
    precedence: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    test_messages: Literal["skip", "store"] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    _folder: Path = PrivateAttr(default_factory=Path)
    _definitions: Definitions = PrivateAttr(default_factory=lambda: DEFAULT)  # never a copy

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError with a long text
                raise ValueError(f'"{name}" is not an IANA time zone such as Europe/Rome') from error
            except KeyError as error:
                raise ValueError(f'"{name}" is not an IANA time zone such as Europe/Rome') from error
        return name

    @classmethod
    def load(cls, path: str | Path) -> Site:
        """Read a site file, and the packages that it names.

        What is wrong with a package is logged; the rest of it is used.

        Raises:
            SiteError: the file is missing, is not YAML, or has a wrong or unknown setting.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8-sig")
            content = deepcopy(_content(text))
        except OSError as error:
            raise SiteError(f"{file}: the site file can't be read: {error.strerror}") from error
        except (YAMLError, UnicodeDecodeError) as error:
            raise SiteError(f"{file}: not YAML: {error}") from error
        except ValueError as error:
            line, problem = impossible_date(text, error)
            raise SiteError(f"{file}:{line}: {problem}") from error
        if not isinstance(content, dict):
            raise SiteError(f"{file}: a site file is an object of settings (see docs/site.md)")
        try:
            site = cls.model_validate(content)
        except ValidationError as error:
            result = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
                for item in error.errors(include_url=False)
            )
            raise SiteError(f"{file}: {result}") from error
        site._folder = file.parent
        site._locate_models()
        if site.packages:
            report = load_packages(site.package_paths)
            report.log(_LOG)
            site._definitions = report.definitions
        return site

    @property
    def definitions(self) -> Definitions:
        """What is built in, and on top of it what the site's packages define; without packages, the default."""
        return self._definitions

    @property
    def unlinked(self) -> Unlinked:
        """What happens to a patient that can't be linked: `source` where no identity block is given."""
        return self.identity.unlinked if self.identity else "source"

    def _locate_models(self) -> None:
        """Files of models are named from the site file's folder, as all others are."""
        for block in (self.parameters.get("predictions") or {}).values():
            for key in ("model", "dicom"):
                if isinstance(block, dict) and isinstance(block.get(key), str):
                    block[key] = str((self._folder / block[key]).absolute())

    @property
    def crosswalk_path(self) -> Path | None:
        """The crosswalk file, or None where the site has none."""
        if self.identity is None or self.identity.crosswalk is None:
            return None
        return self._folder / self.identity.crosswalk

    @property
    def key_path(self) -> Path:
        """Where the site's key is."""
        if self.key_file is not None:
            return self._folder / self.key_file
        return Path(platformdirs.user_data_dir("fhir-bridge")) / "site.key"

    @property
    def terminology_paths(self) -> list[Path]:
        """Folders of the site's own terminology."""
        return [self._folder / path for path in self.terminology]

    @property
    def package_paths(self) -> list[Path]:
        """The site's definition packages, those of the package cache with what they depend on."""
        return locate(self._folder / path for path in self.packages)

    @property
    def terminology_store_path(self) -> Path | None:
        """The folder of imported terminologies, or None where the site names none."""
        return None if self.terminology_store is None else self._folder / self.terminology_store

    def open_terminology(self, definitions: Definitions | None = None) -> Terminology:
        """The process's terminology with the site's folders, and with the content store that it names; an environment
        variable that names another goes before it."""
        named = self.terminology_store_path
        store = None if named is None else store_path(site=named)
        return get_terminology(self.terminology_paths, store, definitions or self.definitions)

    @cached_property
    def timezone(self) -> ZoneInfo | None:
        """The zone of times that name none."""
        return ZoneInfo(self.zone) if self.zone else None

    @cached_property
    def values(self) -> dict[str, Any]:
        """What `site.<name>` reads in an expression: the settings, and the parameters beside them."""
        return {"name": self.site, "zone": self.zone, "schemes": self.schemes, **self.parameters}
