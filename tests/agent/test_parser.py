# ruff: noqa: E501  (a table of replies reads best with one line each)
"""Replies as models write them, and the cell that is read out of each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialclaw.agent.parser import CUT_MARK, parse_reply, strip_thoughts

CELL = "d = depth(frames[0])\nprint(d)\n"

# name, reply, code
CODE = [
    ("one fence", f"Let me look.\n\n```python\n{CELL}```\n", CELL),
    ("py tag", f"```py\n{CELL}```", CELL),
    ("python3 tag", f"```python3\n{CELL}```", CELL),
    ("capital tag", f"```Python\n{CELL}```", CELL),
    ("no tag", f"```\n{CELL}```", CELL),
    ("tag on its own line", f"```\npython\n{CELL}```", CELL),
    ("attributes after the tag", f'```python title="cell 1"\n{CELL}```', CELL),
    ("rmarkdown tag", f"```{{python}}\n{CELL}```", CELL),
    ("gemini tool_code", f"```tool_code\n{CELL}```", CELL),
    ("tilde fence", f"~~~python\n{CELL}~~~", CELL),
    ("four back-ticks", f"````python\n{CELL}````", CELL),
    ("closing fence longer", f"```python\n{CELL}`````", CELL),
    ("windows line ends", f"Text\r\n```python\r\n{CELL}```".replace("\n", "\r\n"), CELL),
    ("byte order mark", f"\ufeff```python\n{CELL}```", CELL),
    ("sections in bold", f"**Purpose**: see\n**Reasoning:** because\n**Code**\n```python\n{CELL}```", CELL),
    ("colon inside the bold", f"**Purpose:** see\n**Code:**\n```python\n{CELL}```", CELL),
    ("headings", f"### Purpose\nsee\n### Code\n```python\n{CELL}```\n### Next goal\nmeasure", CELL),
    ("fence after text on its line", f"Code: ```python\n{CELL}```", CELL),
    ("closing fence glued to the code", "```python\nprint(1)```", "print(1)\n"),
    ("all on one line", "```python print(len(frames))```", "print(len(frames))\n"),
    ("in a list item", "1. Run this:\n   ```python\n   d = 1\n   print(d)\n   ```", "d = 1\nprint(d)\n"),
    ("in a quotation", "> ```python\n> print(1)\n> ```", "print(1)\n"),
    ("indented by the model", "```python\n    d = 1\n    print(d)\n```", "d = 1\nprint(d)\n"),
    ("fence in a string", 's = """\n```\nnot code\n```\n"""\nprint(s)', None),
    (
        "fence inside a string inside a fence",
        '```python\ns = """\n```json\n{}\n```\n"""\nprint(s)\n```',
        's = """\n```json\n{}\n```\n"""\nprint(s)\n',
    ),
    (
        "bare fence inside a string inside a fence",
        '```python\ns = """a\n```\nb"""\nprint(s)\n```\nDone.',
        's = """a\n```\nb"""\nprint(s)\n',
    ),
    ("nested in markdown", f"```markdown\nSome text\n```python\n{CELL}```\n```", CELL),
    ("nested in four back-ticks", f"````\nSome text\n```python\n{CELL}```\n````", CELL),
    ("bold section inside the code", '```python\nprint("**Reasoning**")\n```', 'print("**Reasoning**")\n'),
    ("two blocks joined", "```python\na = 1\n```\nthen\n```python\nprint(a)\n```", "a = 1\n\nprint(a)\n"),
    (
        "second block corrects the first",
        "```python\na = dept(1)\n```\nWait, let me correct that.\n```python\na = 2\n```",
        "a = 2\n",
    ),
    (
        "made-up output and a second cell",
        "```python\nprint(1)\n```\nOutput:\n```\n1\n```\n```python\nsubmit(1)\n```",
        "print(1)\n",
    ),
    (
        "made-up output in an output fence",
        "```python\nprint(1)\n```\n```output\n1\n```\n```python\nsubmit(1)\n```",
        "print(1)\n",
    ),
    (
        "made-up observation",
        "```python\nprint(1)\n```\n**Observation:** 1\n\n```python\nsubmit(1)\n```",
        "print(1)\n",
    ),
    ("json block before the cell", '```json\n{"plan": "x"}\n```\n```python\nprint(1)\n```', "print(1)\n"),
    ("bash block before the cell", "```bash\npip install x\n```\n```python\nprint(1)\n```", "print(1)\n"),
    ("thought first", "<think>maybe ```python\nbad(\n``` no</think>\n```python\nprint(1)\n```", "print(1)\n"),
    ("thinking tag", "<thinking>hm</thinking>```python\nprint(1)\n```", "print(1)\n"),
    ("only the end of the thought", "so I measure ```\nx\n``` first</think>\n```python\nprint(1)\n```", "print(1)\n"),
    ("two thoughts", "<think>a</think>\n<think>b</think>\n```python\nprint(1)\n```", "print(1)\n"),
    ("tag in a string of the code", '```python\nprint("</think>")\n```', 'print("</think>")\n'),
    (
        "harmony channels",
        "<|channel|>analysis<|message|>look at ```x```<|end|><|start|>assistant<|channel|>final"
        "<|message|>```python\nprint(1)\n```",
        "print(1)\n",
    ),
    ("left-over special token", "```python\nprint(1)\n```<|im_end|>", "print(1)\n"),
    ("fence never closed, code whole", "Now:\n```python\nprint(1)\n", "print(1)\n"),
    ("no fence at all", "d = depth(frames[0])\nprint(d)", CELL),
    ("prose, then code without fence", "I will measure it now.\n\nd = depth(frames[0])\nprint(d)", CELL),
    ("heading, then code without fence", "**Code**\nimport numpy as np\nprint(np.pi)", "import numpy as np\nprint(np.pi)\n"),
    ("code key in JSON", json.dumps({"thought": "x", "code": "print(1)"}), "print(1)\n"),
    ("JSON in a fence", '```json\n{"code": "print(1)\\nprint(2)"}\n```', "print(1)\nprint(2)\n"),
    ("tool call in tags", '<tool_call>{"name": "python", "arguments": {"code": "print(1)"}}</tool_call>', "print(1)\n"),
    ("tool call, arguments as text", json.dumps({"name": "python", "arguments": json.dumps({"code": "print(1)"})}), "print(1)\n"),
    ("code in tags", "Thoughts: x\n<code>\nprint(1)\n</code>", "print(1)\n"),
    ("codeact tags", "<execute_ipython>\nprint(1)\n</execute_ipython>", "print(1)\n"),
    ("llama tag", "<|python_tag|>print(1)<|eom_id|>", "print(1)\n"),
    ("bracket tags", "[PYTHON]\nprint(1)\n[/PYTHON]", "print(1)\n"),
    ("prompts of a console", "```python\n>>> a = 1\n>>> print(a)\n1\n```", "a = 1\nprint(a)\n"),
    ("prompts of IPython", "```\nIn [3]: a = 1\nIn [4]: print(a)\n```", "a = 1\nprint(a)\n"),
    ("typographic quotes", "```python\nprint(“left”)\n```", 'print("left")\n'),
    ("escaped by HTML", "```python\nif 1 &lt; 2:\n    print(1)\n```", "if 1 < 2:\n    print(1)\n"),
    ("magic", "```python\n%matplotlib inline\nprint(1)\n```", "%matplotlib inline\nprint(1)\n"),
    ("await at top level", "```python\nawait f()\n```", "await f()\n"),
    ("quotes in a string stay", "```python\nprint('“left”')\n```", "print('“left”')\n"),
    ("code with a syntax error still runs", "```python\nprint(1\n```", "print(1\n"),
    ("submit only", "```python\nsubmit('B')\n```", "submit('B')\n"),
    ("cut after the cell was closed", f"```python\nprint(1)\n```\nNext I wi\n{CUT_MARK}", "print(1)\n"),
]  # fmt: skip

# name, reply, kind
NONE = [
    ("nothing", None, "empty"),
    ("empty", "", "empty"),
    ("blank", " \n\t\n", "empty"),
    ("only special tokens", "<|im_end|>", "empty"),
    ("prose", "The cup is about two metres away from the laptop.", "no_code"),
    ("one word", "Yes", "no_code"),
    ("a letter", "B", "no_code"),
    ("prose with inline code", "I would call `depth(frames[0])` next.", "no_code"),
    ("prose that parses as an annotation", "Answer: B", "no_code"),
    ("a number", "3.2", "no_code"),
    ("boxed", r"The answer is \boxed{B}.", "no_code"),
    ("empty fence", "```python\n```", "no_code"),
    ("comments only", "```python\n# measure the distance\n```", "no_code"),
    ("JSON without code", '{"answer": 3}', "no_code"),
    ("shell only", "```bash\nls -la\n```", "no_code"),
    ("html error page", "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "html"),
    ("html without doctype", "<html>\n<head><title>x</title></head></html>", "html"),
    ("thought never closed", "<think>the chair is", "cut"),
    ("thought and nothing else", "<think>hm</think>", "thought_only"),
    ("cut in the code", f"```python\nfor i in range(3):\n    print(\n{CUT_MARK}", "cut"),
    ("cut at a line end", f"```python\na = 1\nb = 2\n{CUT_MARK}", "cut"),
    ("cut without the mark", "```python\nfor i in range(3):\n    print(", "cut"),
    ("second block cut", f"```python\na = 1\n```\n```python\nprint(a\n{CUT_MARK}", "cut"),
    ("cut in JSON", f'{{"code": "print(1\n{CUT_MARK}', "cut"),
    ("cut prose", f"I will first look at\n{CUT_MARK}", "cut"),
    ("cut bare code", f"a = 1\nb = 2\n{CUT_MARK}", "cut"),
]


@pytest.mark.parametrize(
    ("reply", "code"),
    [pytest.param(reply, code, id=name) for name, reply, code in CODE if code is not None],
)
def test_the_cell_is_found(reply: str, code: str) -> None:
    parsed = parse_reply(reply)
    assert parsed.kind == "code", parsed
    assert parsed.code == code


@pytest.mark.parametrize(
    ("reply", "kind"), [pytest.param(reply, kind, id=name) for name, reply, kind in NONE]
)
def test_no_cell_is_made_up(reply: str | None, kind: str) -> None:
    parsed = parse_reply(reply)
    assert parsed.kind == kind, parsed
    assert parsed.code == ""


def test_the_table_is_long_enough() -> None:
    assert len(CODE) + len(NONE) >= 80


def test_thoughts_are_kept_apart() -> None:
    parsed = parse_reply("<think>use depth</think>Now.\n```python\nprint(1)\n```")
    assert parsed.thought == "use depth"
    assert parsed.prose == "Now."


def test_what_was_mended_is_said() -> None:
    parsed = parse_reply("```python\na = 1\n```\nand\n```python\nb = 2\n```")
    assert parsed.notes == ["2 code blocks were joined to one cell"]
    assert parse_reply("```python\na = 1\n```").notes == []


def test_a_thought_in_code_is_code() -> None:
    text, thought, cut = strip_thoughts('```python\ns = """\n<think>\n"""\n```')
    assert "<think>" in text
    assert thought == ""
    assert not cut


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="`~ \n\"'#<>think/pyo()=1{}:|[]", max_size=120))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parsed = parse_reply(text)
    assert (parsed.kind == "code") == bool(parsed.code)
