"""A property that is computed once, without the lock that `functools.cached_property` takes in Python 3.11."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["cached", "shared"]

T = TypeVar("T")


class cached(Generic[T]):  # noqa: N801 - used as a decorator, as `property` is
    """Compute on first access, then keep in the instance's dictionary. For objects that one thread reads."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> cached[T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> cached[T] | T:
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value


class shared(cached[T]):  # noqa: N801 - as above
    """One that is the same for an object's `twin`, where it has one: it is computed there, and comes from there with
    all others that are computed already."""

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        compute = self._compute
        if "shared_names" not in owner.__dict__:
            owner.shared_names = []  # type: ignore[attr-defined]
        names: list[str] = owner.__dict__["shared_names"]
        names.append(name)

        def of_twin(instance: Any) -> T:
            twin = instance.twin
            if twin is None:
                return compute(instance)
            value: T = getattr(twin, name)
            known, own = twin.__dict__, instance.__dict__
            for each in names:
                if each in known:
                    own[each] = known[each]
            return value

        self._compute = of_twin
