"""The profiles that a rule names."""

from __future__ import annotations

from fhir_bridge.fhir.definitions import Profile
from fhir_bridge.mapping.document import Mapping, Scalar, Sequence
from fhir_bridge.mapping.errors import nearest
from fhir_bridge.mapping.shape import Problems

__all__ = ["profiles_of"]


def profiles_of(node: Mapping, resource_type: str, problems: Problems) -> tuple[list[str], list[Profile]]:
    """URLs of `profile:`, and those profiles that the definitions hold."""
    value = node.get("profile")
    if value is None:
        return [], []
    urls, result = [], []
    for item in value.items if isinstance(value, Sequence) else [value]:
        if not isinstance(item, Scalar) or not isinstance(item.value, str):
            problems.add(item.position, "a profile is a URL", "", "003")
            continue
        urls.append(item.value)
        profile = problems.definitions.profile(item.value)
        if profile is None:
            problems.add(
                item.position,
                f'no profile "{item.value}" is known',
                nearest(item.value, problems.definitions.profiles()),
                "012",
            )
        elif profile.type != resource_type:
            problems.add(
                item.position,
                f"the profile is of {profile.type}, and the rule makes {resource_type}",
                "",
                "012",
            )
        else:
            result.append(profile)
    return urls, result
