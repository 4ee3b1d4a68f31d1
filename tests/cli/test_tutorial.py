"""The tutorial does what it says: its commands and its Python are executed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^```(bash|python)(?: status=(\d))?\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
)


def test_the_page_has_blocks() -> None:
    assert sum(kind == "bash" for kind, _, _ in BLOCKS) >= 4
    assert sum(kind == "python" for kind, _, _ in BLOCKS) >= 3


@pytest.mark.kernel
@pytest.mark.parametrize(("kind", "status", "text"), BLOCKS, ids=[b[2][:40] for b in BLOCKS])
def test_a_block_does_what_it_says(tmp_path: Path, kind: str, status: str, text: str) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
    environment["SPATIALCLAW_BACKEND"] = "builtin"
    if kind == "bash":
        program, *arguments = shlex.split(text)
        assert program == "spatialclaw"
        command = [sys.executable, "-m", "spatialclaw", *arguments]
    else:
        command = [sys.executable, "-c", text]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == int(status or 0), result.stderr
    if kind == "bash" and not status:
        assert len(result.stdout.strip().splitlines()) == 1
