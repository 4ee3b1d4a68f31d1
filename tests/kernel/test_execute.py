"""What a cell's result says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from spatialclaw.errors import KernelError
from spatialclaw.kernel import Kernel, KernelOptions

pytestmark = pytest.mark.kernel


async def test_output_result_and_variables(kernel: Kernel) -> None:
    result = await kernel.execute(
        "import sys\nx = 20\nprint('to stdout')\nprint('to stderr', file=sys.stderr)\nx + 1"
    )
    assert result.ok
    assert result.error is None
    assert result.stdout == "to stdout\n"
    assert result.stderr == "to stderr\n"
    assert result.result == "21"
    assert [(v.name, v.type, v.summary, v.change) for v in result.variables] == [
        ("x", "int", "20", "new")
    ]


async def test_state_persists_and_changes_in_place_are_seen(kernel: Kernel) -> None:
    await kernel.execute(
        "a = np.zeros((300, 400))\nd = {'k': [1, 2]}\nsame = [1]\n"
        "class Box: pass\nbox = Box(); box.size = 1\nalias = a"
    )
    result = await kernel.execute("a[17, 33] = 5; d['k'].append(3); box.size = 2")
    assert {v.name: v.change for v in result.variables} == {
        "a": "changed",
        "alias": "changed",
        "d": "changed",
        "box": "changed",
    }
    result = await kernel.execute("del d; same = [1]; e = 1")
    changes = {v.name: v.change for v in result.variables}
    assert changes["d"] == "deleted"
    assert changes["e"] == "new"
    assert (await kernel.execute("pass")).variables == []


async def test_a_swap_of_two_elements_is_a_change(kernel: Kernel) -> None:
    await kernel.execute("a = np.arange(10.0)")
    result = await kernel.execute("a[2], a[7] = a[7], a[2]")
    assert [v.name for v in result.variables] == ["a"]


async def test_arrays_are_summarised_not_printed(kernel: Kernel) -> None:
    result = await kernel.execute(
        "depth = np.ones((480, 640), np.float32); depth[:240] = np.nan; depth[300] = 4"
    )
    (variable,) = result.variables
    assert variable.summary == "(480, 640) float32, 1 to 4, 50.0% NaN or inf"


async def test_an_error_names_the_line_of_the_cell_and_nothing_else(kernel: Kernel) -> None:
    result = await kernel.execute("def f(x):\n    return 1 / x\n\nprint('before')\nf(0)")
    assert result.status == "error"
    assert result.error is not None
    assert result.error.name == "ZeroDivisionError"
    assert result.error.message == "division by zero"
    assert result.error.line == 2
    assert result.error.traceback.splitlines() == [
        "cell line 5:",
        "    f(0)",
        "cell line 2 in f:",
        "    return 1 / x",
        "ZeroDivisionError: division by zero",
    ]
    assert result.stdout == "before\n"
    assert "\x1b" not in result.error.traceback
    assert (await kernel.execute("f(1)")).result == "1.0"


async def test_a_cell_that_is_no_python(kernel: Kernel) -> None:
    result = await kernel.execute("x = 1\ny = (2")
    assert result.status == "error"
    assert result.error is not None
    assert result.error.name == "SyntaxError"
    assert result.error.line == 2
    result = await kernel.execute("  x = 1\n y = 2")
    assert result.error is not None
    assert result.error.name == "IndentationError"


async def test_an_exception_whose_message_cannot_be_made(kernel: Kernel) -> None:
    result = await kernel.execute(
        "class Bad(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise Bad()"
    )
    assert result.status == "error"
    assert result.error is not None
    assert result.error.name == "Bad"


async def test_system_exit_does_not_end_the_kernel(kernel: Kernel) -> None:
    await kernel.execute("x = 3")
    result = await kernel.execute("import sys; sys.exit('enough')")
    assert result.status == "error"
    assert (await kernel.execute("x")).result == "3"


async def test_await_at_the_top_and_magics_of_ipython(kernel: Kernel) -> None:
    assert (await kernel.execute("import asyncio\nawait asyncio.sleep(0.01, 'slept')")).result == (
        "'slept'"
    )
    result = await kernel.execute("%%time\ny = 2")
    assert result.ok
    assert "Wall time" in result.stdout


async def test_what_is_written_past_python_belongs_to_its_cell(kernel: Kernel) -> None:
    result = await kernel.execute("import os; os.write(1, b'raw out\\n'); os.write(2, b'raw err');")
    assert result.stdout == "raw out\n"
    assert result.stderr == "raw err"
    result = await kernel.execute("import subprocess\nsubprocess.run(['echo', 'child']);")
    assert result.stdout == "child\n"
    assert (await kernel.execute("pass")).stdout == ""


async def test_pictures_come_from_show_matplotlib_pil_and_rich_displays(kernel: Kernel) -> None:
    result = await kernel.execute(
        "show(np.zeros((20, 30, 3), np.uint8), title='black')\n"
        "plt.figure(); plt.plot([1, 2]); plt.suptitle('a line')\n"
        "from PIL import Image\n"
        "from IPython.display import display\n"
        "display(Image.new('RGB', (10, 12), 'red'))"
    )
    assert result.ok, result.error
    kinds = [(image.media_type, image.title, image.source.get("kind")) for image in result.images]
    assert kinds[0] == ("image/png", "black", "array")
    assert (result.images[0].width, result.images[0].height) == (30, 20)
    assert kinds[1][0] == "image/png"  # the figure is shown when the cell ends
    assert kinds[2] == ("image/png", "a line", "figure")
    assert (result.images[1].width, result.images[1].height) == (10, 12)
    figure = result.images[2]
    assert figure.width > 200


async def test_plt_show_shows_once_and_closes(kernel: Kernel) -> None:
    result = await kernel.execute("plt.plot([1, 2]); plt.show(); len(plt.get_fignums())")
    assert result.result == "0"
    assert len(result.images) == 1
    assert result.stderr == ""


async def test_the_last_submit_counts(kernel: Kernel) -> None:
    result = await kernel.execute(
        "submit(1)\nsubmit(np.float64(2.5), unit='m', confidence=0.5, evidence='two walls')"
    )
    assert result.submission is not None
    assert (result.submission.value, result.submission.unit) == (2.5, "m")
    assert result.submission.confidence == 0.5
    assert result.submission.evidence == ["two walls"]
    for bad in ("submit(float('nan'))", "submit(1, confidence=3)", "submit(object())"):
        result = await kernel.execute(bad)
        assert result.status == "error"
        assert result.submission is None


async def test_read_gives_values_and_says_when_it_cannot(kernel: Kernel) -> None:
    await kernel.execute("x = {'a': [1, 2.5, None, True], 'b': np.arange(3)}; y = object()")
    value = await kernel.read("x")
    assert value["exact"]
    assert value["value"] == {"a": [1, 2.5, None, True], "b": [0, 1, 2]}
    value = await kernel.read("y")
    assert not value["exact"]
    assert "value" not in value
    with pytest.raises(KeyError):
        await kernel.read("nothing")


async def test_interrupt_raises_in_the_cell(kernel: Kernel) -> None:
    cell = asyncio.create_task(kernel.execute("n = 0\nwhile True: n += 1", timeout=30))
    await asyncio.sleep(0.3)
    await kernel.interrupt()
    result = await asyncio.wait_for(cell, 2)
    assert result.status == "error"
    assert result.error is not None
    assert result.error.name == "KeyboardInterrupt"
    assert "interrupted" in result.lost
    assert int((await kernel.execute("n")).result or 0) > 0
    await kernel.interrupt()  # nothing runs: nothing happens
    assert (await kernel.execute("1")).ok


async def test_the_namespace_is_about_the_question(manifest: Path) -> None:
    options = KernelOptions(
        manifest=manifest, question="How far?", choices={"A": "near", "B": "far"}
    )
    async with await Kernel.start(options) as kernel:
        result = await kernel.execute(
            "question, choices, len(frames), frames[1].image[0, 0].tolist(), len(videos),"
            " frames.at(0.6).index, frames[0].image.flags.writeable"
        )
        assert result.result == (
            "('How far?', {'A': 'near', 'B': 'far'}, 2, [200, 200, 200], 1, 1, False)"
        )
        assert result.variables == []
        result = await kernel.execute("show(frames[1])")
        (shown,) = result.images
        assert shown.source["kind"] == "frame"
        assert shown.source["frame"] == 1


async def test_two_kernels_in_one_program_know_nothing_of_each_other() -> None:
    async with (
        await Kernel.start(KernelOptions(question="one")) as one,
        await Kernel.start(KernelOptions(question="two")) as two,
    ):
        results = await asyncio.gather(
            one.execute("x = question; x"), two.execute("x = question; x")
        )
        assert [r.result for r in results] == ["'one'", "'two'"]
        numbers = await asyncio.gather(
            one.execute("np.random.random()"), two.execute("np.random.random()")
        )
        assert numbers[0].result != numbers[1].result


async def test_a_closed_kernel_says_so() -> None:
    kernel = await Kernel.start(KernelOptions())
    await kernel.aclose()
    await kernel.aclose()
    with pytest.raises(KernelError, match="closed"):
        await kernel.execute("1")
