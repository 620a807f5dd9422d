"""Results that are computed once while an environment is looked at; outside of `remembering` nothing is kept."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Function = TypeVar("Function", bound=Callable[..., Any])

# By function and identities of its arguments: the arguments, which so keep their identities, and the result.
_Memory = dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]]
_MEMORY: ContextVar[_Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Inside of it, remembered functions compute once for the same arguments. Facts must not change in between."""
    token = _MEMORY.set({})
    try:
        yield
    finally:
        _MEMORY.reset(token)


def remembered(function: Function) -> Function:
    """A function of frozen values, whose result nobody changes, and which is asked for the same over and over.

    The same are the same objects: equal ones, which would have to be compared in full, are not.
    """

    @wraps(function)
    def remember(*args: Any) -> Any:
        memory = _MEMORY.get()
        if memory is None:
            return function(*args)
        key = (function, *map(id, args))
        if key not in memory:
            memory[key] = (args, function(*args))
        return memory[key][1]

    return remember  # type: ignore[return-value]
