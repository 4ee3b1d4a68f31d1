"""The interface of structured calls: JSON in a reply becomes a cell on the same primitives.

A call names a primitive and its arguments; its result has a name, by which later arguments refer
to it: ``{"call": "depth", "args": {"frame": "$frames[0]"}, "as": "d"}``. Several calls stand in one
step and run in order.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.agent.parser import CUT_MARK, ParsedReply, strip_thoughts
from spatialclaw.agent.tool_schemas import CALL

__all__ = ["Call", "calls_to_code", "read_calls", "reference"]

MAX_CALLS = 16
_NAME_KEYS = ("call", "name", "tool", "function", "tool_name", "action")
_ARGUMENT_KEYS = ("args", "arguments", "parameters", "input", "action_input", "kwargs")
_RESULT_KEYS = ("as", "result", "save_as", "id_as")
_SILENT = frozenset({"show", "submit", "help"})
# What a reference may be made of: names, attributes, items, slices, and calls of these methods.
_METHODS = frozenset({"at", "sample", "to", "filter"})


class _Wrong(Exception):
    """A call that cannot be made; the message says why."""


@dataclass(frozen=True)
class Call:
    """One structured call.

    Attributes:
        name: Dotted name of a primitive: "depth", "measure.distance".
        args: Arguments by name; texts that begin with "$" are references.
        positional: Arguments by position, for those who write a list.
        result: Name of the result, or "" to be given one.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()
    result: str = ""


def read_calls(reply: str | None, names: Collection[str]) -> ParsedReply:
    """Reads the calls of a reply and writes the cell that makes them.

    Args:
        reply: As written; JSON in a fence, bare, in ``<tool_call>`` tags, or as a native call.
        names: Roots that may be called: those of the vocabulary and "frames", "videos".

    Returns:
        The cell, or what is wrong, in the first note.
    """
    text = (reply or "").replace("\r\n", "\n")
    cut = CUT_MARK in text
    text, thought, open_thought = strip_thoughts(text.replace(CUT_MARK, ""))
    if not text.strip():
        return ParsedReply("cut" if cut or open_thought else "empty", thought=thought)
    values = _json_values(text)
    if not values and re.match(r"\s*<(!doctype|html)", text, re.IGNORECASE):
        return ParsedReply("html", thought=thought, prose=text.strip())
    if not values:
        return ParsedReply("cut" if cut else "no_code", thought=thought, prose=text.strip())
    if cut:
        return ParsedReply("cut", thought=thought)
    try:
        calls = [_call(value) for value in values]
        code = calls_to_code(calls, names)
    except _Wrong as wrong:
        return ParsedReply("no_code", thought=thought, prose=text.strip(), notes=[str(wrong)])
    return ParsedReply("code", code, thought=thought, prose=_prose(text))


def calls_to_code(calls: list[Call], names: Collection[str]) -> str:
    """The cell that makes the calls in order and prints each result.

    Raises:
        ValueError: A name is unknown, or a reference is more than a reference.
    """
    if len(calls) > MAX_CALLS:
        raise _Wrong(f"{len(calls)} calls in one reply; at most {MAX_CALLS} are made")
    lines: list[str] = []
    for number, call in enumerate(calls, start=1):
        if not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*){0,2}", call.name):
            raise _Wrong(f"{call.name!r} is no name of a primitive")
        root = call.name.split(".")[0]
        if root not in names and call.name != "help":
            raise _Wrong(f"there is no primitive {call.name!r}")
        arguments = [_argument(value) for value in call.positional]
        for key, value in call.args.items():
            if not key.isidentifier():
                raise _Wrong(f"{key!r} is no name of an argument")
            arguments.append(f"{key}={_argument(value)}")
        made = f"{call.name}({', '.join(_unnamed(call, arguments))})"
        if call.name in _SILENT:
            lines.append(made)
            continue
        result = call.result or f"result{number}"
        if not result.isidentifier() or result in names:
            raise _Wrong(f"{result!r} cannot be the name of a result")
        lines.append(f"{result} = {made}")
        lines.append(f"print({result + ' ='!r}, {result})")
    return "\n".join(lines) + "\n"


def _unnamed(call: Call, arguments: list[str]) -> list[str]:
    """Without the names that `show` and `help` do not take: ``things=[a, b]`` -> ``*[a, b]``."""
    if call.name == "help":
        return [argument.partition("=")[2] or argument for argument in arguments]
    if call.name != "show":
        return arguments
    unnamed = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key in ("title", "pin", "max_edge"):
            unnamed.append(argument)
        else:
            unnamed.append(f"*{value}" if value.startswith("[") else value)
    return sorted(unnamed, key=lambda a: a.startswith(("title=", "pin=", "max_edge=")))


def reference(text: str) -> str:
    """Checks a reference: ``frames[0]``, ``d.depth``, ``masks[1].box``, ``frames.at(2.5)``.

    Raises:
        ValueError: It is more than names, attributes, items and harmless methods.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise _Wrong(f"${text} is no reference to a result") from None
    _check(tree, text)
    return ast.unparse(tree)


def _check(node: ast.AST, text: str) -> None:
    if isinstance(node, ast.Name):
        return
    if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
        _check(node.value, text)
        return
    if isinstance(node, ast.Subscript):
        _check(node.value, text)
        _check_index(node.slice, text)
        return
    plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if plain and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        literal = all(isinstance(a, ast.Constant) for a in node.args) and not node.keywords
        if literal and node.func.attr in _METHODS:
            _check(node.func.value, text)
            return
    raise _Wrong(f"${text}: a reference is a name with attributes and items, nothing more")


def _check_index(node: ast.AST, text: str) -> None:
    allowed = (ast.Constant, ast.Slice, ast.UnaryOp, ast.USub, ast.Tuple, ast.Load)
    if not all(isinstance(part, allowed) for part in ast.walk(node)):
        raise _Wrong(f"${text}: an item is a number, a text or a slice")


def _argument(value: Any) -> str:
    if isinstance(value, str) and value.startswith("$") and len(value) > 1:
        return reference(value[1:])
    if isinstance(value, list):
        return f"[{', '.join(_argument(item) for item in value)}]"
    if isinstance(value, dict):
        if set(value) == {"$ref"} and isinstance(value["$ref"], str):
            return reference(value["$ref"])
        return "{" + ", ".join(f"{k!r}: {_argument(v)}" for k, v in value.items()) + "}"
    return repr(value)


def _call(value: Any) -> Call:
    if not isinstance(value, dict):
        raise _Wrong("a call is a JSON object with call, args and as")
    value = _opened(value)
    name = next((value[k] for k in _NAME_KEYS if isinstance(value.get(k), str)), None)
    if name is None:
        raise _Wrong(f"a call names its primitive: {{'call': ...}}, not {str(value)[:80]}")
    raw: Any = next((value[k] for k in _ARGUMENT_KEYS if k in value), {})
    if isinstance(raw, str):
        try:
            raw = json.loads(raw or "{}", strict=False)
        except ValueError:
            raise _Wrong(f"the arguments of {name} are no JSON") from None
    if name == CALL and isinstance(raw, dict):
        return _call(raw)
    result = next((value[k] for k in _RESULT_KEYS if isinstance(value.get(k), str)), "")
    if isinstance(raw, list):
        return Call(name, {}, tuple(raw), result)
    if not isinstance(raw, dict):
        raise _Wrong(f"the arguments of {name} are a JSON object")
    arguments = dict(raw)
    # Native calls have no place for the name of the result but among the arguments.
    result = result or str(arguments.pop("as", "") or "")
    return Call(name, arguments, (), result)


def _opened(value: dict[str, Any]) -> dict[str, Any]:
    inner = value.get("function")
    if not isinstance(inner, dict):
        return value
    return {**inner, **({"as": value["as"]} if "as" in value else {})}


def _json_values(text: str) -> list[Any]:
    """The calls of a reply: all JSON objects, lists opened."""
    decoder = json.JSONDecoder(strict=False)
    values: list[Any] = []
    position = 0
    while True:
        match = re.compile(r"[\[{]").search(text, position)
        if match is None:
            break
        try:
            value, end = decoder.raw_decode(text, match.start())
        except ValueError:
            position = match.start() + 1
            continue
        position = end
        if isinstance(value, dict) and isinstance(value.get("calls"), list):
            value = value["calls"]
        found = value if isinstance(value, list) else [value]
        values += [item for item in found if isinstance(item, dict)]
    return values


def _prose(text: str) -> str:
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"<tool_call>.*?</tool_call>", "", text, flags=re.DOTALL).strip()
