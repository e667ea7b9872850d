"""Arguments of a call as plain data: bound to the names of the function's parameters, and free of objects.

Answerable for every value that a caller can pass: what has no agreed meaning as data is refused by the engine with
its place; nothing is left out and nothing is called but `model_dump` of pydantic models and fields of dataclasses.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import os
from collections import UserString
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

__all__ = ["Binder", "begun", "is_async", "plain"]

_SCALARS = (str, int, float, bool, type(None))
_DEEPEST = 70
_MOST = 100_000


def plain(value: Any) -> Any:
    """The value as JSON has it. What stays odd is left as it is, for the engine to refuse by name."""
    return _plain(value, 0, [_MOST])


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    # A list of lists of one list grows without end when it is copied: then the engine sees it as it is.
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        return value
    if kind is dict:
        return {
            key if type(key) is str else _plain(key, depth + 1, left): _plain(item, depth + 1, left)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [_plain(item, depth + 1, left) for item in value]
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth + 1, left)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if kind.__name__ == "UUID" and kind.__module__ == "uuid":
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {it.name: _plain(getattr(value, it.name), depth + 1, left) for it in dataclasses.fields(value)}
    dump = getattr(kind, "model_dump", None)
    if dump is not None and callable(dump):
        return _plain(dump(value), depth + 1, left)
    if isinstance(value, Mapping):
        # What a dictionary holds, and not what a class of its own says of it.
        items = dict.items(value) if isinstance(value, dict) else value.items()
        return {key: _plain(item, depth + 1, left) for key, item in items}
    if isinstance(value, UserString):
        return value.data
    if isinstance(value, memoryview):
        return value.tobytes()
    if kind.__name__ == "array" and kind.__module__ == "array":
        letters: Any = value
        return letters.tounicode() if letters.typecode in "uw" else list(letters[: left[0]])
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, depth + 1, left) for item in value), key=repr)
    is_text = isinstance(value, (str, bytes, bytearray, memoryview))
    # `range(10**9)` is short to say and long to write.
    if isinstance(value, Sequence) and not is_text and len(value) <= left[0]:
        return [_plain(item, depth + 1, left) for item in value]
    return value


def is_async(fn: Any) -> bool:
    """True if a call of it is to be awaited: a coroutine function, or an object that is called like one."""
    how: Any = type(fn)
    return inspect.iscoroutinefunction(fn) or (callable(fn) and inspect.iscoroutinefunction(how.__call__))


def begun(result: Any) -> Any:
    """What a call gave. Raises `TypeError` for a coroutine: that is a call that nobody has begun."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("it gave a coroutine, of which nothing was carried out: guard the `async def` function itself")
    return result


class Binder:
    """Gives arguments their parameters' names, defaults included. Made once for a function, used at every call."""

    __slots__ = ("_bound", "_defaults", "_names", "_signature", "skipped", "takes_nothing")

    def __init__(self, fn: Callable[..., Any], skip_first: bool = False) -> None:
        try:
            signature: inspect.Signature | None = inspect.signature(fn)
        except (TypeError, ValueError):
            signature = None
        self._signature = signature
        self._names: tuple[str, ...] | None = None
        self._defaults: dict[str, Any] = {}
        self.skipped: str | None = None
        parameters = list(signature.parameters.values()) if signature else []
        simple = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
        if parameters and (skip_first or parameters[0].name in ("self", "cls")) and parameters[0].kind in simple:
            self.skipped = parameters[0].name
        if signature and all(it.kind in (*simple, inspect.Parameter.KEYWORD_ONLY) for it in parameters):
            self._names = tuple(it.name for it in parameters if it.kind in simple)
            empty = inspect.Parameter.empty
            self._defaults = {it.name: it.default for it in parameters if it.default is not empty}
        # What a partial call holds already is part of every call; its keywords are defaults of the signature.
        self._bound: dict[str, Any] = {}
        while isinstance(fn, functools.partial):
            self._bound.update({f"bound{len(self._bound) + n}": it for n, it in enumerate(fn.args)})
            fn = fn.func
        self.takes_nothing = signature is not None and not parameters and not self._bound

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name, as the function would see them; without `self`.

        What does not fit the signature is kept under names of its own: the call itself will say what is wrong.
        """
        names = self._names
        if names is not None and len(args) <= len(names):
            bound = dict(zip(names, args, strict=False))
            if kwargs:
                bound.update(kwargs)
            if self._defaults and len(bound) < len(names) + len(self._defaults):
                bound = {**self._defaults, **bound}
        else:
            bound = self._slowly(args, kwargs)
        if self.skipped is not None:
            bound.pop(self.skipped, None)
        return {**self._bound, **bound} if self._bound else bound

    def _slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._signature is not None:
            try:
                found = self._signature.bind(*args, **kwargs)
            except TypeError:
                pass
            else:
                found.apply_defaults()
                bound: dict[str, Any] = {}
                for name, value in found.arguments.items():
                    if self._signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                        bound.update(value)
                    else:
                        bound[name] = value
                return bound
        return {**{f"arg{n}": value for n, value in enumerate(args)}, **kwargs}
