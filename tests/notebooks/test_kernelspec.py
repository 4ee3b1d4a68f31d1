"""The kernel `spatialclaw` in any Jupyter, and the agent in an ordinary one."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

pytestmark = pytest.mark.kernel


def execute(cells: list[str], folder: Path, kernel: str = "spatialclaw", **more: Any) -> list[Any]:
    """The cells of a notebook after they were executed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        kernel_name=kernel,
        resources={"metadata": {"path": str(folder)}},
        **more,
    )
    client.execute()
    return list(notebook.cells)


def text(cell: Any) -> str:
    parts = []
    for output in cell.outputs:
        parts.append(output.get("text") or output.get("data", {}).get("text/plain") or "")
        parts.append(output.get("evalue") or "")
    return "\n".join(parts)


def test_install_and_remove(
    program: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = tmp_path / "a prefix é"
    folder = tmp_path / "media"
    options = ["--prefix", prefix, "--confine", "process", "--memory", 512, "--folder", folder]
    assert program("kernelspec", "install", *options) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == prefix / "share" / "jupyter" / "kernels" / "spatialclaw"
    spec = json.loads((path / "kernel.json").read_text())
    given = ["--confine", "process", "--memory", "512", "--folder", str(folder)]
    assert spec["argv"][0] == sys.executable
    assert spec["argv"][-6:] == given
    assert not spec["metadata"]  # any Jupyter can start it
    assert program("kernelspec", "install", *options, "--provisioner") == 0
    spec = json.loads((path / "kernel.json").read_text())
    config = spec["metadata"]["kernel_provisioner"]["config"]
    assert config == {
        "confine": "process",
        "memory_bytes": 512 * 1024**2,
        "folders": [str(folder)],
    }
    capsys.readouterr()
    assert program("kernelspec", "remove", "--prefix", prefix) == 0
    assert not path.exists()
    assert program("kernelspec", "remove", "--prefix", prefix) == 2
    assert "no kernel" in capsys.readouterr().err


def test_mistakes(
    program: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("kernelspec", "install", "--prefix", tmp_path, "--confine", "x") == 2
    assert program("kernelspec", "install", "--prefix", tmp_path, "--name", "a b/c") == 2
    assert program("kernelspec", "install", "--prefix", tmp_path, "--user") == 2
    (tmp_path / "file").touch()
    assert program("kernelspec", "install", "--prefix", tmp_path / "file") == 2
    foreign = tmp_path / "share" / "jupyter" / "kernels" / "other"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text('{"argv": ["ruby"]}')
    assert program("kernelspec", "remove", "--prefix", tmp_path, "--name", "other") == 2
    assert "Nothing was removed" in capsys.readouterr().err
    assert foreign.exists()


def test_names_are_there_and_media_are_loaded_from_the_notebooks_folder(
    jupyter: Path, examples: Path, tmp_path: Path
) -> None:
    (tmp_path / "my street.mp4").symlink_to(examples / "street.mp4")
    cells = execute(
        [
            "print(callable(segment), len(frames))",
            "from spatialclaw.notebook import load\nload('my street.mp4', frames=6)",
            "frames[1]",
            "print(len(frames), len(frames.read(times=[0.2, 0.4])))",
            "try:\n    load('gone.jpg')\nexcept Exception as e:\n    print(type(e).__name__, e)",
        ],
        tmp_path,
    )
    assert text(cells[0]).strip() == "True 0"
    assert "6 frames" in text(cells[1])
    assert "text/html" in cells[2].outputs[0].data
    assert text(cells[3]).strip() == "6 2"
    assert "gone.jpg" in text(cells[4])


@pytest.mark.skipif(sys.platform != "linux", reason="strict needs Linux")
def test_the_kernel_is_confined_like_the_agents(
    jupyter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    monkeypatch.setenv("MY_API_KEY", "sk-0123456789")
    cells = execute(
        [
            f"print(open({str(secret)!r}).read())",
            "from spatialclaw.notebook import load\nload('secret.txt')",
            "import os; print(sorted(k for k in os.environ if 'KEY' in k), os.getcwd())",
            "import socket; socket.create_connection(('127.0.0.1', 22), 1)",
            f"open({str(tmp_path / 'new')!r}, 'w')",
            "print('alive')",
        ],
        tmp_path,
        allow_errors=True,
    )
    said = "\n".join(map(text, cells))
    assert "the secret" not in said
    assert "FileNotFoundError" in str(cells[0].outputs)
    assert "secret.txt" in text(cells[1])
    assert text(cells[2]).startswith("[] ")
    assert cells[3].outputs[0].output_type == cells[4].outputs[0].output_type == "error"
    assert text(cells[5]).strip() == "alive"
    assert not (tmp_path / "new").exists()


def test_media_only_from_folders_that_were_allowed(
    program: Callable[..., int],
    examples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ["--prefix", tmp_path / "p", "--folder", examples / "stereo", "--name", "narrow"]
    assert program("kernelspec", "install", *options) == 0
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "p" / "share" / "jupyter"))
    os.symlink(examples / "street.mp4", tmp_path / "link.mp4")
    cells = execute(
        [
            "from spatialclaw.notebook import load",
            f"print(load({str(examples / 'stereo')!r}))",
            f"load({str(examples / 'street.mp4')!r})",
            "load('link.mp4')",
        ],
        tmp_path,
        kernel="narrow",
        allow_errors=True,
    )
    assert "2 frames" in text(cells[1])
    assert "outside the folders" in text(cells[2])
    assert "outside the folders" in text(cells[3])


def scratches(pid: int) -> list[Path]:
    """What the process that starts the kernel has put aside."""
    places = (Path("/dev/shm"), Path(tempfile.gettempdir()))
    found = [owner for place in places for owner in place.glob("spatialclaw-*/owner")]
    return [owner for owner in found if owner.exists() and _of(owner) == str(pid)]


def _of(owner: Path) -> str:
    try:
        return owner.read_text().partition(".")[0]
    except FileNotFoundError:  # another test's, gone meanwhile
        return ""


@pytest.mark.skipif(sys.platform != "linux", reason="strict needs Linux")
async def test_a_stock_manager_interrupts_restarts_and_leaves_nothing(
    jupyter: Path, tmp_path: Path
) -> None:
    import asyncio

    from jupyter_client import AsyncKernelManager

    manager = AsyncKernelManager(kernel_name="spatialclaw")
    await manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)

        async def value(code: str) -> str:
            said: list[str] = []
            await client.execute_interactive(
                code, timeout=60, output_hook=lambda m: said.append(str(m["content"]))
            )
            return "\n".join(said)

        await value("x = 1")
        assert scratches(manager.provisioner.pid)
        endless = asyncio.ensure_future(value("import time\nwhile True: time.sleep(0.01)"))
        await asyncio.sleep(1.0)
        await manager.interrupt_kernel()
        assert "KeyboardInterrupt" in await endless
        assert "'1'" in await value("x")
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        assert "NameError" in await value("x")
        pid = manager.provisioner.pid
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
    for _ in range(100):
        if not scratches(pid):
            break
        await asyncio.sleep(0.1)
    assert not scratches(pid)


@pytest.mark.slow
def test_the_agent_in_an_ordinary_kernel(examples: Path, tmp_path: Path) -> None:
    pytest.importorskip("ipykernel")
    cells = execute(
        [
            "%load_ext spatialclaw",
            f"%%ask {str(examples / 'room')!r} --backend builtin --runs-dir {str(tmp_path)!r}\n"
            "How far is the suitcase from the bin?",
            "print(answer.value, answer.unit, session.run_dir.exists())",
            "%%spatial\nprint('other', round(float(other), 1))",
            "%spatial snapshot before",
            "%%ask\nHow many chairs are in this room?",
            "print(answer.value)",
            "%%ask gone.jpg\nHow far?",
            "%spatial close",
            "%spatial",
        ],
        tmp_path,
        kernel="python3",
        allow_errors=True,
    )
    shown = text(cells[1])
    assert "**Plan**" in str(cells[1].outputs)
    assert "[cell 1," in shown
    assert "[running]" not in shown  # every display was completed
    assert "answered after" in shown
    pictures = [o for o in cells[1].outputs if "image/jpeg" in o.get("data", {})]
    assert pictures
    value, unit, exists = text(cells[2]).split()
    assert (unit, exists) == ("m", "True")
    assert 1.5 < float(value) < 2.2
    assert "other 1." in text(cells[3])
    assert text(cells[6]).strip() == "2"
    assert "gone.jpg" in text(cells[7])
    assert "no session is open" in text(cells[9])


@pytest.mark.slow
async def test_an_interrupt_ends_a_cell_and_the_session_goes_on(
    examples: Path, tmp_path: Path
) -> None:
    import asyncio

    from jupyter_client import AsyncKernelManager

    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)

        async def run(code: str) -> dict[str, Any]:
            said: list[str] = []
            reply = await client.execute_interactive(
                code,
                timeout=60,
                output_hook=lambda m: said.append(str(m["content"].get("data") or m["content"])),
            )
            return {"status": reply["content"]["status"], "said": "\n".join(said)}

        media = str(examples / "stereo")
        await run("%load_ext spatialclaw")
        await run(f"%spatial {media!r} --runs-dir {str(tmp_path)!r}")
        assert (await run("%%spatial\nx = 41"))["status"] == "ok"
        endless = asyncio.ensure_future(run("%%spatial\nimport time\ntime.sleep(50)"))
        await asyncio.sleep(2)
        await manager.interrupt_kernel()
        assert (await endless)["status"] == "error"
        assert "42" in (await run("%%spatial\nprint(x + 1)"))["said"]
        await run("%spatial close")
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


def test_the_agent_is_refused_in_a_confined_kernel(jupyter: Path, tmp_path: Path) -> None:
    cells = execute(["%load_ext spatialclaw", "%%ask a.jpg\nHow far?"], tmp_path, allow_errors=True)
    assert "ordinary Python kernel" in text(cells[1])
