# ruff: noqa: E501  (replies as they come, in one line each)
"""The other interfaces: structured calls, one program, and no tools at all."""

from __future__ import annotations

import json

import pytest
from support.doubles import FakeMedia, LocalExecutor, cell

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.conversation import system_prompt
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.prompts import Prompts, estimate_tokens
from spatialclaw.agent.tool_calls import read_calls
from spatialclaw.agent.types import Observation, Task

TASK = Task("How far is the cup?", unit="m")
NAMES = {"depth", "measure", "show", "submit", "frames", "draw", "geometry"}


def fenced(*calls: object) -> str:
    return f"I look.\n```json\n{json.dumps(list(calls))}\n```"


CALLS = [
    ("one call", fenced({"call": "depth", "args": {"frame": "$frames[0]"}, "as": "d"}),
     "d = depth(frame=frames[0])\nprint('d =', d)\n"),
    ("several, referring to each other",
     fenced({"call": "depth", "args": {"frame": "$frames[0]"}, "as": "d"},
            {"call": "measure.distance", "args": {"a": "$d.depth", "b": [1, 2]}, "as": "m"}),
     "d = depth(frame=frames[0])\nprint('d =', d)\nm = measure.distance(a=d.depth, b=[1, 2])\nprint('m =', m)\n"),
    ("text is text", fenced({"call": "submit", "args": {"value": "x.y", "unit": "m"}}),
     "submit(value='x.y', unit='m')\n"),
    ("numbers, null and booleans", fenced({"call": "depth", "args": {"a": 1.5, "b": None, "c": True}, "as": "d"}),
     "d = depth(a=1.5, b=None, c=True)\nprint('d =', d)\n"),
    ("openai form", json.dumps({"name": "depth", "arguments": "{\"frame\": \"$frames[0]\", \"as\": \"d\"}"}),
     "d = depth(frame=frames[0])\nprint('d =', d)\n"),
    ("nested function", json.dumps({"type": "function", "function": {"name": "depth", "arguments": {"frame": "$frames[0]"}}}),
     "result1 = depth(frame=frames[0])\nprint('result1 =', result1)\n"),
    ("hermes tags", '<tool_call>\n{"name": "depth", "arguments": {"frame": "$frames[0]"}}\n</tool_call>',
     "result1 = depth(frame=frames[0])\nprint('result1 =', result1)\n"),
    ("two tags", '<tool_call>{"name": "depth", "arguments": {}}</tool_call><tool_call>{"name": "depth", "arguments": {}}</tool_call>',
     "result1 = depth()\nprint('result1 =', result1)\nresult2 = depth()\nprint('result2 =', result2)\n"),
    ("react form", json.dumps({"tool": "depth", "args": ["$frames[0]"]}),
     "result1 = depth(frames[0])\nprint('result1 =', result1)\n"),
    ("several pictures shown", fenced({"call": "show", "args": {"title": "t", "things": ["$frames[0]", "$frames[1]"]}}),
     "show(*[frames[0], frames[1]], title='t')\n"),
    ("help", fenced({"call": "help", "args": {"name": "$measure.distance"}}), "help(measure.distance)\n"),
    ("a frame by time", fenced({"call": "depth", "args": {"frame": "$frames.at(2.5)"}, "as": "d"}),
     "d = depth(frame=frames.at(2.5))\nprint('d =', d)\n"),
    ("after a thought", "<think>[1]</think>" + fenced({"call": "depth", "args": {}, "as": "d"}),
     "d = depth()\nprint('d =', d)\n"),
]  # fmt: skip

WRONG = [
    ("prose", "It is two metres.", "no_code", ""),
    ("empty", "", "empty", ""),
    ("unknown primitive", fenced({"call": "teleport", "args": {}}), "no_code", "no primitive 'teleport'"),
    ("code in a reference", fenced({"call": "depth", "args": {"frame": "$__import__('os').system('x')"}}), "no_code", "nothing more"),
    ("private attribute", fenced({"call": "depth", "args": {"frame": "$frames._record"}}), "no_code", "nothing more"),
    ("arithmetic", fenced({"call": "depth", "args": {"frame": "$a + b"}}), "no_code", "nothing more"),
    ("dunder call", fenced({"call": "depth.__call__", "args": {}}), "no_code", "no name of a primitive"),
    ("arguments that are no JSON", json.dumps({"name": "depth", "arguments": "{frame:"}), "no_code", "no JSON"),
    ("a result that hides a primitive", fenced({"call": "depth", "args": {}, "as": "measure"}), "no_code", "cannot be the name"),
    ("too many", fenced(*[{"call": "depth", "args": {}}] * 20), "no_code", "at most 16"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "code"), [pytest.param(r, c, id=n) for n, r, c in CALLS])
def test_calls_become_a_cell(reply: str, code: str) -> None:
    parsed = read_calls(reply, NAMES)
    assert parsed.kind == "code", parsed
    assert parsed.code == code


@pytest.mark.parametrize(
    ("reply", "kind", "words"), [pytest.param(r, k, w, id=n) for n, r, k, w in WRONG]
)
def test_what_is_no_call_is_told(reply: str, kind: str, words: str) -> None:
    parsed = read_calls(reply, NAMES)
    assert parsed.kind == kind
    assert words in " ".join(parsed.notes)


async def begin(interface: str, **names: object) -> tuple[Environment, Observation]:
    environment = Environment()
    observation = await environment.areset(
        TASK, media=FakeMedia(), kernel=LocalExecutor(frames=[1, 2], **names),
        limits=Limits(plan=False), interface=interface,
    )  # fmt: skip
    return environment, observation


async def test_structured_calls_answer() -> None:
    environment, first = await begin("tools", depth=lambda frame: frame + 1)
    assert "Make the first calls" in first.text
    seen = await environment.astep(
        fenced({"call": "depth", "args": {"frame": "$frames[1]"}, "as": "d"})
    )
    assert "d = 3" in seen.text
    wrong = await environment.astep(fenced({"call": "nothing", "args": {}}))
    assert wrong.kind == "format_error"
    assert "there is no primitive 'nothing'" in wrong.text
    done = await environment.astep(fenced({"call": "submit", "args": {"value": "$d", "unit": "m"}}))
    assert done.done
    assert environment.answer is not None
    assert (environment.answer.value, environment.answer.interface) == (3, "tools")


async def test_one_program_may_be_repaired_once() -> None:
    environment, first = await begin("single-pass")
    assert first.kind == "cell"
    repaired = await environment.astep(cell("nothing_here"))
    assert repaired.kind == "cell"
    assert "last cell" in repaired.text
    assert (await environment.astep(cell("submit(2, 'm')"))).done
    environment, _ = await begin("single-pass")
    await environment.astep(cell("nothing_here"))
    assert (await environment.astep(cell("nothing_again"))).kind == "answer_now"


async def test_a_program_without_an_answer_is_asked_for_it() -> None:
    environment, _ = await begin("single-pass")
    now = await environment.astep(cell("print('2 m, I think')"))
    assert now.kind == "answer_now"
    assert "2 m, I think" in now.text
    await environment.astep("ANSWER: 2 m")
    assert environment.answer is not None
    assert environment.answer.status == "best_guess"


async def test_a_direct_answer_is_an_answer() -> None:
    environment, first = await begin("direct")
    assert first.kind == "answer_now"
    assert "No code will run" in first.text
    again = await environment.astep("I would say\nit is rather near,\nnot far.")
    assert again.kind == "answer_now"
    await environment.astep("The door is 2 m high.\nANSWER: 1.8 m, confidence 0.6")
    answer = environment.answer
    assert answer is not None
    assert (answer.value, answer.unit, answer.status) == (1.8, "m", "submitted")
    assert answer.confidence == 0.6


@pytest.mark.parametrize("interface", ["code", "tools", "single-pass", "direct"])
def test_every_interface_has_its_prompt(interface: str) -> None:
    text = system_prompt(Prompts(), interface=interface)
    assert estimate_tokens(text) < 5400
    assert ("`np`" in text) == (interface in ("code", "single-pass"))
    assert ("```json" in text) == (interface == "tools")
    assert ("ANSWER:" in text) == (interface == "direct")


def test_the_thought_of_a_direct_answer_can_be_left_out() -> None:
    assert "Think it through" in Prompts().render("direct")
    assert "Think it through" not in Prompts(without=["thought"]).render("direct")
