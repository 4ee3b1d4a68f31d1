"""What is sent again, what the prompts hold, and what `locate` makes of replies."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.doubles import FakeMedia, LocalExecutor, cell, picture

from spatialclaw.agent.budget import Limits
from spatialclaw.agent.conversation import ContextBudget, Conversation, ModelPolicy, system_prompt
from spatialclaw.agent.environment import Environment
from spatialclaw.agent.loop import context_of, run
from spatialclaw.agent.prompts import Prompts, estimate_tokens
from spatialclaw.agent.record import NoRecord
from spatialclaw.agent.types import Observation, Task
from spatialclaw.agent.vlm_tools import VlmTools, read_points
from spatialclaw.backends.base import ChatReply, Message
from spatialclaw.backends.openai import ContextTooLong
from spatialclaw.errors import ConfigError
from spatialclaw.kernel.results import Shown
from spatialclaw.primitives.errors import Unavailable

TASK = Task("How far is the cup?", unit="m")


def texts(messages: list[Message]) -> str:
    return "\n".join(str(p) for m in messages for p in m.parts if isinstance(p, str))


def pictures(messages: list[Message]) -> list[str]:
    return [p.title for m in messages for p in m.parts if isinstance(p, Shown)]


def filled(
    budget: ContextBudget, steps: int, *, words: int = 60, shown: bool = False
) -> Conversation:
    conversation = Conversation("system", budget)
    conversation.begin(Observation("plan", "the task", [picture(title="input")]))
    for number in range(steps):
        images = [picture(title=f"shown {number}")] if shown else []
        conversation.add(f"reply {number}", Observation("cell", f"seen {number} " * words, images))
    return conversation


def test_the_prefix_changes_only_when_steps_are_condensed() -> None:
    conversation = filled(ContextBudget(tokens=2000), 0)
    before, condensed, changes = conversation.messages(), 0, 0
    for number in range(30):
        conversation.add(f"reply {number}", Observation("cell", "seen " * 100))
        after = conversation.messages()
        if after[: len(before)] != before:
            changes += 1
            assert conversation.condensations == condensed + 1
        condensed, before = conversation.condensations, after
    assert 0 < changes < 15
    assert "the task" in texts(before)
    assert before[-1].parts[0] == "seen " * 100


def test_a_single_long_line_keeps_its_head_and_tail() -> None:
    from spatialclaw.agent.observation import clip

    text = clip("a" * 5000 + "b" * 5000, 1000)
    assert text.startswith("a" * 300)
    assert text.endswith("b" * 300)
    assert "9000 characters left out" in text
    assert clip("short\n", 100) == "short"


def test_append_only_never_changes_what_was_sent() -> None:
    conversation = filled(ContextBudget(tokens=100, pictures=1, append_only=True), 10, shown=True)
    assert conversation.condensations == 0
    assert len(pictures(conversation.messages())) == 11


def test_old_pictures_become_a_line_and_inputs_stay() -> None:
    conversation = filled(ContextBudget(pictures=4), 10, shown=True)
    kept = pictures(conversation.messages())
    assert kept[0] == "input"
    assert kept[-1] == "shown 9"
    assert len(kept) <= 5
    assert "shown 0): call show again" in texts(conversation.messages())


def test_pinned_pictures_are_sent_again_and_the_oldest_pins_let_go() -> None:
    conversation = Conversation("system", ContextBudget(pictures=4, pinned=2))
    conversation.begin(Observation("plan", "the task", [picture(title="input")]))
    for number in range(12):
        shown = replace(picture(title=f"shown {number}"), pinned=number in (1, 3, 5))
        conversation.add(f"reply {number}", Observation("cell", f"seen {number}", [shown]))
    kept = pictures(conversation.messages())
    assert kept[0] == "input"
    assert [title for title in kept if title in ("shown 1", "shown 3", "shown 5")] == [
        "shown 3",
        "shown 5",
    ]
    assert kept[-1] == "shown 11"
    assert "shown 1): call show again" in texts(conversation.messages())
    while conversation.shorten():
        pass
    assert pictures(conversation.messages()) == ["input"]


async def test_the_task_says_which_frames_are_not_shown() -> None:
    environment = Environment()
    first = await environment.areset(TASK, media=FakeMedia(10), kernel=LocalExecutor())
    assert len(first.images) == 8
    assert "8 of 10 frames" in first.text
    assert "look at one with show(frames[" in first.text
    first = await environment.areset(TASK, media=FakeMedia(3), kernel=LocalExecutor())
    assert "frames. The others" not in first.text


async def test_a_context_that_is_too_long_is_made_shorter() -> None:
    class Small:
        model = "small"

        def __init__(self) -> None:
            self.lengths: list[int] = []

        async def complete(self, messages: list[Message], **options: Any) -> ChatReply:
            length = len(texts(messages))
            self.lengths.append(length)
            if length > 24_000:
                raise ContextTooLong("too long", context=4000)
            turn = sum(m.role == "assistant" for m in messages)
            return ChatReply(cell("print('x' * 5000)") if turn < 6 else cell("submit(2, 'm')"))

        async def aclose(self) -> None:
            pass

    chat = Small()
    environment = Environment()
    first = await environment.areset(
        TASK, media=FakeMedia(), kernel=LocalExecutor(), limits=Limits(plan=False), chat=chat
    )
    policy = ModelPolicy(TASK, budget=ContextBudget(tokens=100_000))
    answer = await run(policy, environment, first)
    assert answer.value == 2
    assert max(chat.lengths) > 24_000


async def test_a_request_holds_only_what_is_new_in_the_record() -> None:
    class Echo:
        model = "echo"

        def __init__(self) -> None:
            self.replies = ["plan", cell("print(1)"), cell("submit(2, 'm')")]

        async def complete(self, messages: list[Message], **options: Any) -> ChatReply:
            return ChatReply(self.replies.pop(0))

        async def aclose(self) -> None:
            pass

    record = NoRecord()
    environment = Environment()
    first = await environment.areset(
        TASK, media=FakeMedia(), kernel=LocalExecutor(), recorder=record, chat=Echo()
    )
    await run(ModelPolicy(TASK), environment, first)
    requests = [e for e in record.events if e["kind"] == "request"]
    assert [(r["from"], len(r["messages"])) for r in requests] == [(0, 2), (2, 2), (4, 2)]
    assert context_of(environment).chat is environment.chat


def test_the_prompt_before_the_first_observation_is_small() -> None:
    system = estimate_tokens(system_prompt(Prompts()))
    assert system < 5400, system


def test_sections_can_be_replaced_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "system.sanity.md").write_text("6. Be sane.\n")
    (tmp_path / "look.md").write_text("Look: {{ question }} {{ count }}")
    prompts = Prompts(tmp_path, without=["robust"])
    text = system_prompt(prompts)
    assert "6. Be sane." in text
    assert "Check magnitudes" not in text
    assert "Median over mean" not in text
    assert prompts.render("look", question="Q", count=1) == "Look: Q 1"
    assert prompts.digest() != Prompts().digest()


def test_mistakes_in_prompts_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        Prompts(tmp_path / "none")
    with pytest.raises(ConfigError, match="no section 'x'"):
        Prompts(without=["x"])
    (tmp_path / "look.md").write_text("{{ undefined_name }}")
    with pytest.raises(ConfigError, match="cannot be used"):
        Prompts(tmp_path).render("look", question="q", count=1)
    with pytest.raises(ConfigError, match="no prompt"):
        Prompts().render("no_such_prompt")


POINTS: list[tuple[str, list[tuple[float, float]], list[tuple[float, ...]]]] = [
    ('[{"x": 10, "y": 20}]', [(10, 20)], []),
    ('```json\n[{"point_2d": [10, 20], "label": "cup"}]\n```', [(10, 20)], []),
    ('[{"bbox_2d": [1, 2, 3, 4], "label": "cup"}]', [], [(1, 2, 3, 4)]),
    ('[{"box_2d": [100, 200, 300, 400]}]', [], [(200, 100, 400, 300)]),
    ("[[10, 20], [30, 40]]", [(10, 20), (30, 40)], []),
    ('{"points": [{"x": 0.5, "y": 0.25}]}', [(0.5, 0.25)], []),
    ('<point x="61.5" y="40.2" alt="cup">cup</point>', [(61.5, 40.2)], []),
    ('<points x1="1" y1="2" x2="3" y2="4">cups</points>', [(1, 2), (3, 4)], []),
    ("The cup is at (120, 80).", [(120, 80)], []),
    ("Box: [10, 20, 30, 40]", [], [(10, 20, 30, 40)]),
    ("NOT VISIBLE: there is a bowl.", [], []),
    ("", [], []),
    ("<think>[1, 2]</think>[[3, 4]]", [(3, 4)], []),
]


@pytest.mark.parametrize(("text", "points", "boxes"), POINTS)
def test_grounding_replies_are_read(text: str, points: Any, boxes: Any) -> None:
    found = read_points(text)
    assert found.points == points
    assert found.boxes == boxes
    assert found.absent == (not points and not boxes)


class Pointer:
    def __init__(
        self, reply: str, model: str = "m", pixels: str | None = None, edge: int = 1024
    ) -> None:
        self.model, self.reply = model, reply
        self.capabilities = type("C", (), {"pixels": pixels, "max_edge": edge})()
        self.asked: list[Message] = []

    async def complete(self, messages: list[Message], **options: Any) -> ChatReply:
        self.asked += messages
        return ChatReply(self.reply)

    async def aclose(self) -> None:
        pass


def sent(width: int = 800, height: int = 400) -> Any:
    from spatialclaw.kernel.methods import LocateParams, SentPicture

    image = picture(width, height)
    return LocateParams(
        image=SentPicture(data=image.data, media_type="image/jpeg", width=width, height=height),
        what="the cup",
    )


@pytest.mark.parametrize(
    ("chat", "x", "y", "convention"),
    [
        (Pointer('[{"x": 400, "y": 100}]'), 400, 100, "pixels"),
        (Pointer('[{"x": 200, "y": 50}]', edge=400), 400, 100, "pixels"),
        (Pointer('[{"x": 500, "y": 250}]', pixels="0-1000"), 400, 100, "0-1000"),
        (Pointer('[{"x": 500, "y": 250}]', model="qwen3-vl-8b"), 400, 100, "0-1000"),
        (Pointer('[{"x": 0.5, "y": 0.25}]'), 400, 100, "0-1"),
        (Pointer('[{"x": 900, "y": 900}]'), 720, 360, "0-1000"),
        (Pointer('[{"x": 5000, "y": 100}]'), 799, 100, "pixels"),
    ],
)
async def test_points_come_back_in_pixels_of_the_picture(
    chat: Any, x: float, y: float, convention: str
) -> None:
    reply = await VlmTools(chat=chat).locate(sent())
    assert reply["points"] == [{"x": x, "y": y}]
    assert reply["convention"] == convention


async def test_the_middle_of_a_box_is_a_point_and_absence_is_told() -> None:
    reply = await VlmTools(chat=Pointer("[[100, 100, 300, 200]]")).locate(sent())
    assert reply["points"] == [{"x": 200, "y": 150}]
    nothing = await VlmTools(chat=Pointer("NOT VISIBLE, a bowl stands there")).locate(sent())
    assert nothing["points"] == []
    assert "a bowl" in nothing["note"]


async def test_without_a_vlm_the_cell_is_told() -> None:
    with pytest.raises(Unavailable, match="no VLM"):
        await VlmTools().locate(sent())


async def test_look_sends_every_picture_with_its_title() -> None:
    from spatialclaw.kernel.methods import LookParams, SentPicture

    image = picture(32, 24)
    shown = [
        SentPicture(data=image.data, media_type="image/jpeg", width=32, height=24, title=f"t{i}")
        for i in range(2)
    ]
    chat = Pointer("Both are blue.")
    reply = await VlmTools(chat=chat).look(LookParams(images=shown, question="Colour?"))
    assert reply == {"text": "Both are blue."}
    assert "Picture 2 (t1):" in texts(chat.asked)
    assert len(pictures(chat.asked)) == 2


def test_pictures_of_the_input_are_small_jpegs_of_a_bounded_number() -> None:
    from PIL import Image

    from spatialclaw.agent.pictures import frame_pictures

    media = FakeMedia(40, width=1600, height=1200)
    shown = frame_pictures(media.sequences, 8, 768)
    assert len(shown) == 8
    assert [s.source["frame"] for s in shown][::7] == [0, 39]
    assert shown[0].source["scale"] == pytest.approx(768 / 1600)
    with Image.open(io.BytesIO(shown[0].data)) as image:
        assert image.size == (768, 576)
        assert image.format == "JPEG"
    assert json.dumps(shown[0].source)
