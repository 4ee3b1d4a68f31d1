"""From a row of a benchmark to what the agent is asked: text, form, and the frames it sees."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialclaw import errors
from spatialclaw.errors import MediaError
from spatialclaw.evaluation.frames_cache import FramesCache
from spatialclaw.evaluation.outcomes import as_result, ended_by
from spatialclaw.evaluation.posing import task_of
from spatialclaw.evaluation.rows import Medium, Row, Sampling, Truth
from spatialclaw.evaluation.scratch import Scratch


def row(**fields: object) -> Row:
    values = {
        "benchmark": "custom:x",
        "uid": "q",
        "index": 0,
        "question": "Which is nearer?",
        "media": (Medium("image", Path("a.png")), Medium("image", Path("b.png"))),
        "truth": Truth("choice", "B"),
        "options": {"A": "the cup", "B": "the jug"},
        "format": "letter",
        **fields,
    }
    return Row(**values)  # type: ignore[arg-type]


def test_the_truth_stays_out() -> None:
    task = task_of(row(hidden={"explanation": "the jug is at 0.4 m"}))
    assert (task.question, task.answer_type) == ("Which is nearer?", "choice")
    assert task.choices == {"A": "the cup", "B": "the jug"}
    assert task.media == (Path("a.png"), Path("b.png"))
    assert task.truth is None
    assert "0.4" not in repr(task)


def test_options_called_yes_and_no_make_a_yes_no_question() -> None:
    task = task_of(row(options={"Yes": "", "No": ""}, format="yes_no"))
    assert (task.answer_type, task.choices) == ("yes_no", None)


def test_a_text_that_only_looks_like_options_stays_a_text() -> None:
    question = "Read the sign: A. Exit B. Lift"
    task = task_of(row(question=question, options=None, format="text", truth=Truth("text", "x")))
    assert (task.question, task.choices) == (question, None)


def test_a_number_is_asked_for_in_its_unit() -> None:
    number = Truth("number", 1.5, unit="m")
    task = task_of(row(options=None, format="number", truth=number))
    assert (task.answer_type, task.unit) == ("number", "m")
    assert task_of(row(options=None, format="number", truth=number, unit="cm")).unit == "cm"


def test_forms_that_the_agent_does_not_know_are_asked_for_in_the_benchmarks_words() -> None:
    prompt = {"prefix": "", "suffix": "Answer with a list of points [(x, y), ...]."}
    task = task_of(row(options=None, format="points", prompt=prompt, truth=Truth("mask", None)))
    assert task.question == "Which is nearer?\nAnswer with a list of points [(x, y), ...]."


def test_media_inside_the_text_are_marked() -> None:
    text = "Which is nearer? A. the cup B. the jug"
    first = row(parts=(0, 1, text))
    assert task_of(first).question == "Which is nearer?"
    inside = row(parts=("Is the cup in ", 0, " nearer than in ", 1, "? A. the cup B. the jug"))
    assert task_of(inside).question == "Is the cup in [picture 1] nearer than in [picture 2] ?"
    films = row(
        media=(Medium("video", Path("a.mp4")), Medium("image", Path("b.png"))),
        parts=("In ", 0, " and ", 1, "?"),
        options=None,
        format="text",
        truth=Truth("text", "x"),
    )
    assert task_of(films).question == "In [video 1] and [picture 1] ?"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty frames in four seconds; the brightness of each is five times its number."""
    import av

    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(40):
            pixels = np.full((48, 64, 3), 5 * i, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


async def frames_of(sample: Row, frames: int | None = None) -> list[int]:
    cache = FramesCache(frames)
    try:
        async with cache.media(sample) as media:
            return [frame.index for frame in media.sequences[0]]
    finally:
        await cache.aclose()


async def test_frames_of_a_part_of_a_video(video: Path) -> None:
    whole = row(media=(Medium("video", video),), sampling=Sampling(n=5))
    assert await frames_of(whole) == [0, 10, 20, 29, 39]
    assert await frames_of(whole, frames=2) == [0, 39]
    named = replace(whole, frame_refs=(("frame 4", 0.75),))
    assert await frames_of(named, frames=2) == [0, 10, 20, 29, 39]
    clip = replace(whole, media=(Medium("video", video, clip=(1.0, 2.0)),))
    assert await frames_of(clip) == [10, 12, 15, 17, 20]
    beyond = replace(whole, media=(Medium("video", video, clip=(3.0, 99.0)),))
    assert await frames_of(beyond) == [30, 32, 34, 37, 39]
    named = replace(whole, media=(Medium("video", video, frame_indices=(3, 4, 9)),))
    assert await frames_of(named) == [3, 4, 9]
    slow = replace(whole, sampling=Sampling(n=32, max_fps=1.0))
    assert len(await frames_of(slow)) == 4
    outside = replace(whole, media=(Medium("video", video, frame_indices=(99,)),))
    with pytest.raises(MediaError):
        await frames_of(outside)


async def test_many_questions_about_one_video_decode_it_once(video: Path) -> None:
    cache = FramesCache()
    sample = row(media=(Medium("video", video),), sampling=Sampling(n=4))
    async with cache.media(sample) as first, cache.media(replace(sample, uid="r")) as second:
        assert first.manifest == second.manifest
        assert first.workdir != second.workdir
    async with cache.media(sample) as again:
        assert again.manifest == first.manifest
        place = again.manifest
    assert cache.decoded == 1
    await cache.aclose()
    assert not place.exists()


async def test_frames_that_nobody_uses_make_room(video: Path) -> None:
    cache = FramesCache(idle_bytes=64 * 48 * 3 * 4 + 10_000)
    places = []
    for n in (2, 3, 4):
        sample = row(media=(Medium("video", video),), sampling=Sampling(n=n))
        async with cache.media(sample) as media:
            places.append(media.manifest)
    assert [place.exists() for place in places] == [False, False, True]
    await cache.aclose()


async def test_a_video_that_does_not_decode_fails_each_time(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    cache = FramesCache()
    sample = row(media=(Medium("video", broken),))
    for _ in range(2):
        with pytest.raises(MediaError):
            async with cache.media(sample):
                raise AssertionError
    await cache.aclose()


@pytest.mark.parametrize(
    ("error", "kind", "passing"),
    [
        (errors.BackendUnreachable("gone"), "server", True),
        (errors.BackendReplyError("HTML"), "server", True),
        (errors.BackendRejected("no such model"), "refused", False),
        (errors.MediaError("no picture"), "media", False),
        (errors.UsageError("damaged archive"), "media", False),
        (errors.ConfigError("no prompt"), "settings", False),
        (errors.ConfinementError("no namespaces"), "confinement", False),
        (errors.PerceptionError("no service"), "perception", True),
        (errors.KernelStartError("no memory"), "kernel", True),
        (errors.RunError("disk full"), "disk", True),
    ],
)
def test_whose_fault_a_failure_is(error: Exception, kind: str, passing: bool) -> None:
    assert isinstance(error, errors.SpatialclawError)
    ended = ended_by(error)
    assert (ended.answer, ended.failure, ended.passing) == (None, kind, passing)
    result = as_result(row(), 0, ended, run="runs/q", attempts=1)
    assert (result.outcome, result.score) == ("infra_failed", None)


def test_a_question_too_long_for_the_model_is_the_models_failure() -> None:
    from spatialclaw.backends.openai import ContextTooLong

    ended = ended_by(ContextTooLong("too long", context=4096))
    result = as_result(row(), 0, ended, run="runs/q", attempts=1)
    assert (result.outcome, result.failure) == ("model_failed", "context")


def test_frames_of_a_killed_evaluation_go_with_the_next_one(tmp_path: Path) -> None:
    code = (
        "from spatialclaw.evaluation.scratch import Scratch; import sys;"
        "s = Scratch(); (s.folder() / 'frames.bin').write_bytes(b'x'); print(s.root, flush=True);"
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    root = Path(process.stdout.readline().strip())
    first = Scratch()
    assert root.is_dir()  # its process lives
    process.kill()
    process.communicate()
    second = Scratch()
    assert not root.exists()
    assert first.root.is_dir()
    for scratch in (first, second):
        scratch.remove()
        assert not scratch.root.exists()
