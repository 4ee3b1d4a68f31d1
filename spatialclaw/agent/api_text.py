"""The list of primitives that the model is told, made from their signatures and docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from spatialclaw.agent.prompts import estimate_tokens

__all__ = ["api_text", "describe_callable", "first_sentence", "results_text"]

SUMMARY_CHARACTERS = 100
# Optional arguments that are named; `help` tells the others.
OPTIONAL = 3
# Names that the prompt itself explains.
EXPLAINED = frozenset({"show", "submit", "locate", "look"})
# What every array has is not told.
_ARRAY = frozenset({"T", "copy", "dot", "reshape", "mean", "sum"})
# What only a VLM can answer.
NEEDS_CHAT = frozenset({"locate", "look"})


def api_text(
    vocabulary: Mapping[str, Any],
    *,
    chat: bool = True,
    only: Iterable[str] | None = None,
    max_tokens: int = 3300,
) -> str:
    """What a cell can call, one line each.

    Args:
        vocabulary: Name -> function or module, as `primitives.namespace.vocabulary` gives it.
        chat: Whether a VLM answers `locate` and `look`.
        only: Names to keep; all by default.
        max_tokens: Beyond it, the summaries of the functions in modules are left out, longest
            module first.
    """
    kept = None if only is None else set(only)
    names = [
        name
        for name in vocabulary
        if (chat or name not in NEEDS_CHAT) and (kept is None or name in kept)
    ]
    functions = [n for n in names if not isinstance(vocabulary[n], types.ModuleType)]
    modules = [n for n in names if isinstance(vocabulary[n], types.ModuleType)]
    bare: set[str] = set()
    while True:
        lines = [f"- {describe_callable(name, vocabulary[name])}" for name in functions]
        for name in modules:
            lines.append(_module(name, vocabulary[name], summaries=name not in bare))
        text = "\n".join(lines)
        left = [name for name in modules if name not in bare]
        if estimate_tokens(text) <= max_tokens or not left:
            return text
        bare.add(max(left, key=lambda name: len(_module(name, vocabulary[name], summaries=True))))


def describe_callable(name: str, thing: Any, *, summary: bool = True) -> str:
    """``name(arguments) -> type: first sentence of its docstring``."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    text = f"`{name}{_signature(signature)}`"
    first = first_sentence(inspect.getdoc(thing) or "")
    return f"{text} {first}" if summary and first else text


def _module(name: str, module: types.ModuleType, *, summaries: bool) -> str:
    public = [n for n in getattr(module, "__all__", ()) if n[:1].islower()]
    members = [(n, getattr(module, n)) for n in public]
    calls = [(n, thing) for n, thing in members if callable(thing)]
    head = f"- `{name}`: {first_sentence(inspect.getdoc(module) or '')}"
    if summaries:
        return "\n".join([head, *(f"  - {describe_callable(n, thing)}" for n, thing in calls)])
    listed = ", ".join(describe_callable(n, thing, summary=False) for n, thing in calls)
    return f"{head}\n  {listed}"


def _signature(signature: inspect.Signature) -> str:
    """The arguments that have to be given and the first few of the others."""
    parts: list[str] = []
    starred, optional = False, 0
    for parameter in signature.parameters.values():
        if parameter.name.startswith("_"):
            continue
        given = parameter.default is not parameter.empty
        optional += given
        if given and optional > OPTIONAL:
            parts.append("...")
            break
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
            parts.append(f"*{parameter.name}")
        elif parameter.kind is parameter.VAR_KEYWORD:
            parts.append("...")
        elif not given:
            parts.append(parameter.name)
        else:
            default = repr(parameter.default)
            parts.append(f"{parameter.name}={default if len(default) < 24 else '...'}")
    result = signature.return_annotation
    name = "" if result is signature.empty else _type_name(result)
    return f"({', '.join(parts)}){f' -> {name}' if name else ''}"


def _type_name(annotation: Any) -> str:
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    name = re.sub(r"npt\.NDArray\[.*?\]\]?|NDArray\[.*?\]\]?", "array", str(name))
    name = name.rpartition(".")[2] if re.fullmatch(r"[\w.]+", name) else name
    return "" if name in ("Any", "None", "object") or len(name) > 40 else name


def first_sentence(doc: str) -> str:
    """The first sentence of a docstring, cut where it is long."""
    first = " ".join(doc.split("\n\n")[0].split())
    if len(first) <= SUMMARY_CHARACTERS:
        return first
    cut = re.split(r"(?<=[.;:])\s", first)[0]
    return (
        cut
        if len(cut) <= SUMMARY_CHARACTERS
        else f"{cut[:SUMMARY_CHARACTERS].rsplit(' ', 1)[0]}..."
    )


@lru_cache(maxsize=8)
def results_text(only: tuple[str, ...] | None = None, *, max_tokens: int = 1100) -> str:
    """What primitives give back: fields, properties and methods of each kind, one line each.

    Args:
        only: Names of the primitives there are; all by default.
        max_tokens: Beyond it, the kinds with the longest lines lose the arguments of their methods.
    """
    kinds = _kinds(only)
    bare: set[str] = set()
    while True:
        lines = {
            name: f"- `{name}`: {_line(name, kinds, arguments=name not in bare)}" for name in kinds
        }
        text = "\n".join(lines.values())
        left = [name for name in kinds if name not in bare]
        if estimate_tokens(text) <= max_tokens or not left:
            return text
        bare.add(max(left, key=lambda name: len(lines[name])))


def _line(name: str, kinds: dict[str, type], *, arguments: bool) -> str:
    """The members of a kind; of one that is a special case of another, the further ones."""
    own = _members(kinds[name], arguments=arguments)
    for other, kind in kinds.items():
        if other != name and issubclass(kinds[name], kind):
            known = set(_members(kind, arguments=arguments))
            further = [member for member in own if member not in known]
            return f"as `{other}`, and {', '.join(further)}" if further else f"as `{other}`"
    return ", ".join(own)


def _kinds(only: tuple[str, ...] | None) -> dict[str, type]:
    """The classes that the vocabulary gives back, those of the package only."""
    from spatialclaw.primitives import results
    from spatialclaw.primitives.namespace import vocabulary

    seen: dict[str, type] = {}

    def note(kind: Any) -> None:
        public = isinstance(kind, type) and kind.__name__ not in ("Frames", "Drawing")
        if public and kind.__module__.startswith("spatialclaw.primitives"):
            seen.setdefault(kind.__name__, kind)

    for name in results.__all__ if only is None else ():
        note(getattr(results, name))
    for root, thing in vocabulary().items():
        if only is not None and root not in only:
            continue
        if not isinstance(thing, types.ModuleType):
            note(_returned(thing))
            continue
        for name in getattr(thing, "__all__", ()):
            member = getattr(thing, name)
            note(member if dataclasses.is_dataclass(member) else _returned(member))
    return {name: kind for name, kind in seen.items() if _members(kind, arguments=False)}


def _returned(function: Any) -> Any:
    """The class that a function says it gives back, or None."""
    said = getattr(function, "__annotations__", {}).get("return")
    if isinstance(said, str):
        word = re.sub(r"^(?:list|tuple|Sequence)\[(\w+).*\]$", r"\1", said.split(" | ")[0])
        return getattr(function, "__globals__", {}).get(word)
    return said


def _members(kind: type, *, arguments: bool) -> list[str]:
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    names = [field.name for field in fields]
    methods = []
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("spatialclaw."):
            continue
        for name, value in vars(base).items():
            if name.startswith("_") or name in _ARRAY:
                continue
            if isinstance(value, property):
                names.append(name)
            elif inspect.isfunction(value):
                methods.append(f"{name}({_given(value)})" if arguments else f"{name}()")
    return list(dict.fromkeys(n for n in [*names, *methods] if not n.startswith("_")))


def _given(function: Any) -> str:
    """The arguments of a method that have to be given."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    needed = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    return ", ".join([*needed, *(["..."] if len(needed) < len(parameters) else [])])
