"""The console on a live kernel: by pipe, and in a terminal."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import spatialclaw as sc
from spatialclaw.notebook.prompting import cells_of
from spatialclaw.notebook.terminal_pictures import encode, protocol_of

PROGRAM = [sys.executable, "-m", "spatialclaw", "explore"]


def piped(cells: str, media: Path, tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    options = ["--backend", "builtin", "--runs-dir", str(tmp_path / "runs é"), *more]
    return subprocess.run(
        [*PROGRAM, str(media), *options], input=cells, capture_output=True, text=True, timeout=120
    )


@pytest.mark.kernel
def test_cells_and_commands_from_a_pipe(examples: Path, tmp_path: Path) -> None:
    cells = """\
x = 3
for i in range(2):
    print("i", i)

show(frames[0])
/snapshot three
x = 5
/undo
print("undone", x)
x = 7
/branch other
x = 9
/branch main
print("main", x)
/branch
/restore three
print("back", x)
/ask How many mugs are in this scene?
print("agent", len(frames))
print("\\x1b[31mred")"""
    done = piped(cells, examples / "tabletop", tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    for line in ("i 0\ni 1\n", "undone 3", "main 7", "* main", "  other", "back 3", "agent"):
        assert line in said
    assert "\x1b" not in said
    assert "\nred" in said
    assert "\n2" in said  # the agent's answer
    picture = next(line for line in said.splitlines() if line.startswith("[picture 1:"))
    assert Path(picture.rpartition(", ")[2].rstrip("]")).is_file()


@pytest.mark.kernel
def test_what_goes_wrong_is_told_and_the_console_goes_on(examples: Path, tmp_path: Path) -> None:
    done = piped(
        "1/0\n/undo\n/nonsense\n/restore nowhere\n/ask\nx = = 1\nprint('still here')\n",
        examples / "stereo",
        tmp_path,
    )
    assert done.returncode == 1
    for line in ("ZeroDivisionError", "nothing to undo", "/nonsense", "nowhere", "SyntaxError"):
        assert line in done.stdout
    assert "still here" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    missing = piped("", tmp_path / "gone.jpg", tmp_path)
    assert missing.returncode == 2


@pytest.mark.kernel
def test_completion_and_interrupts_of_a_session(examples: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    with sc.Session(examples / "stereo", runs_dir=tmp_path) as session:
        session.listen(lambda event: heard.append(event["kind"]))
        session.run("distinctive = [1]")
        assert session.complete("distinc") == (0, ["distinctive"])
        start, words = session.complete("show(frames[0].intr")
        assert "show(frames[0].intr"[:start] + words[0] == "show(frames[0].intrinsics"
        assert session.complete("x = nothing_like_it")[1] == []
        timer = threading.Timer(1.0, session.interrupt)
        timer.start()
        result = session.run("import time\ntime.sleep(50)")
        assert result.error is not None
        assert result.error.name == "KeyboardInterrupt"
        assert session.read("distinctive") == [1]
    assert heard.count("cell") == 2


def test_a_notebook_to_begin_with(
    examples: Path,
    tmp_path: Path,
    program: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(examples)
    out = tmp_path / "new é" / "a.ipynb"
    assert program("explore", "room", "street.mp4", "--notebook", "--out", out) == 0
    assert "JupyterLab is not installed" in capsys.readouterr().err
    found = nbformat.read(out, as_version=4)
    nbformat.validate(found)
    assert found.metadata.kernelspec.name == "spatialclaw"
    assert f"load({os.path.relpath(examples / 'room', out.parent)!r}, " in found.cells[0].source
    assert program("explore", "room", "--notebook", "--out", out) == 2
    assert program("explore", "gone", "--notebook", "--out", tmp_path / "b.ipynb") == 2
    assert program("explore", "room", "--graphics", "x") == 2


@pytest.mark.parametrize(
    ("lines", "cells"),
    [
        ("a = 1\nb = 2", ["a = 1", "b = 2"]),
        ("if a:\n  b\nelse:\n  c\nd", ["if a:\n  b\nelse:\n  c", "d"]),
        ("def f():\n  return 1\n\nf()", ["def f():\n  return 1\n", "f()"]),
        ("x = [\n 1,\n]\n/undo\ny", ["x = [\n 1,\n]", "/undo", "y"]),
        ("s = '''\n/not a command\n'''", ["s = '''\n/not a command\n'''"]),
        ("@f\ndef g():\n  pass\ng()", ["@f\ndef g():\n  pass", "g()"]),
        ("\n\n", []),
    ],
)
def test_where_a_cell_ends(lines: str, cells: list[str]) -> None:
    found = [cell.rstrip("\n") for cell in cells_of(lines.splitlines())]
    assert found == [cell.rstrip("\n") for cell in cells]


def photo() -> bytes:
    file = io.BytesIO()
    image = Image.radial_gradient("L").convert("RGB")
    image.save(file, "JPEG")
    return file.getvalue()


def test_pictures_for_terminals() -> None:
    assert encode(photo(), "off") == ""
    kitty = encode(photo(), "kitty")
    chunks = [part.partition(";")[2] for part in kitty.strip().split("\x1b\\") if part]
    assert Image.open(io.BytesIO(base64.b64decode("".join(chunks)))).size == (256, 256)
    assert kitty.startswith("\x1b_Ga=T,f=100,")
    assert all(len(chunk) <= 4096 for chunk in chunks)
    iterm = encode(photo(), "iterm")
    data = base64.b64decode(iterm.partition(":")[2].rstrip("\x07\n"))
    assert Image.open(io.BytesIO(data)).size == (256, 256)
    sixel = encode(photo(), "sixel")
    assert sixel.startswith('\x1bPq"1;1;256;256')
    assert sixel.rstrip().endswith("\x1b\\")
    assert sixel.count("-") == -(-256 // 6)


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color"}, "off"),
        ({"TERM": "tmux-256color", "TMUX": "1", "KITTY_WINDOW_ID": "1"}, "off"),
        ({}, "off"),
    ],
)
def test_which_terminal_shows_what(environment: dict[str, str], protocol: str) -> None:
    assert protocol_of(environment, ask=False) == protocol


class Tmux:
    """A terminal of its own server, so that nobody's sessions are touched."""

    def __init__(self, folder: Path) -> None:
        self._base = ["tmux", "-S", str(folder / "tmux.sock"), "-f", "/dev/null"]

    def run(self, *arguments: str) -> str:
        done = subprocess.run([*self._base, *arguments], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def keys(self, *keys: str) -> None:
        self.run("send-keys", "-t", "t", *keys)

    def screen(self) -> str:
        return self.run("capture-pane", "-p", "-J", "-S", "-200", "-t", "t")

    def wait(self, text: str, seconds: float = 60) -> str:
        until = time.monotonic() + seconds
        while text not in (screen := self.screen()):
            assert time.monotonic() < until, f"{text!r} never came:\n{screen}"
            time.sleep(0.2)
        return screen


@pytest.fixture
def tmux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    terminal = Tmux(tmp_path_factory.mktemp("tmux"))
    yield terminal
    terminal.run("kill-server")


@pytest.mark.kernel
@pytest.mark.slow
def test_in_a_terminal(tmux: Tmux, examples: Path, tmp_path: Path) -> None:
    command = [*PROGRAM, str(examples / "stereo"), "--runs-dir", str(tmp_path / "runs")]
    home = tmp_path / "state"
    shell = f"XDG_STATE_HOME={home} {' '.join(command)}; echo ended with $?; sleep 60"
    tmux.run("new-session", "-d", "-s", "t", "-x", "140", "-y", "50", shell)
    tmux.wait("Ctrl-D leaves")
    tmux.wait("\n>>>")

    tmux.keys("distinctive_name = 40 + 2", "Enter")
    tmux.wait("= 40 + 2\n>>>")
    tmux.keys("distinctive_n", "Tab")
    tmux.wait("\n>>> distinctive_name\n")  # completed by the kernel
    tmux.keys(" * 2", "Enter")
    tmux.wait("\n84\n>>>")

    tmux.keys("for i in range(2):", "Enter", "print('row', i)", "Enter", "Enter")
    tmux.wait("row 1\n>>>")

    tmux.keys("import time; time.sleep(50)", "Enter")
    time.sleep(2)
    tmux.keys("C-c")
    tmux.wait("KeyboardInterrupt")
    tmux.wait("cell was")
    tmux.keys("distinctive_name + 1", "Enter")
    tmux.wait("\n43\n>>>")

    tmux.keys("/undo", "Enter")
    tmux.wait("undone\n>>>")
    tmux.keys("C-d")
    tmux.wait("ended with 0")
    assert "distinctive_name" in (home / "spatialclaw" / "explore_history").read_text()
