"""The viewer and the report in a real browser: mouse, keys, live steps, 3D, phone, accessibility.

Pictures of the pages are kept in the folder SPATIALCLAW_SCREENSHOTS, where that is set.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from viewer_chromium import Chromium, Page
from viewer_runs import write_evaluation, write_run

from spatialclaw.traces import Run
from spatialclaw.traces.html import write_html

AXE = Path(__file__).parent / "axe" / "axe.min.js"
SIZES = [(1280, False), (1280, True), (390, False), (390, True)]


def clean(page: Page, *roots: str) -> None:
    """No complaint of the browser, and no request to anybody but the viewer."""
    assert page.complaints() == []
    strangers = [a for a in page.requests() if not a.startswith(("data:", "about:", *roots))]
    assert strangers == []


def barriers(page: Page) -> list[str]:
    """What axe-core finds that keeps people from using the page."""
    page.run(AXE.read_text(encoding="utf-8") + "; true")
    found = page.run("axe.run().then((r) => JSON.stringify(r.violations))")
    return [
        f"{v['id']} ({v['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for v in json.loads(found)
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


def fits(page: Page) -> bool:
    """Whether nothing sticks out to the right."""
    return bool(page.run("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs of several kinds and two evaluations."""
    for number in range(6):
        write_run(
            tmp_path, f"run-{number}", question=f"How wide is bin {number}?",
            answer=f"0.{number}2 m", backend="builtin" if number % 2 else "openai",
            scene=True, failing=number == 3, status="failed" if number == 1 else "submitted",
            started=1_790_100_000.0 + number,
        )  # fmt: skip
    write_evaluation(tmp_path, "small", [True, False, True, False])
    write_evaluation(tmp_path, "large", [True, True, True, False], model="large-vlm")
    return tmp_path


def test_list_filter_search_and_keys(folder: Path, view: Any, chromium: Chromium) -> None:
    viewer, page = view(folder), chromium.page()
    assert page.open(viewer.address) == 200
    assert "token" not in page.run("location.href")
    rows = "document.querySelectorAll('.run-row').length"
    assert page.run(rows) == 14
    page.screenshot("list-light")
    page.going(
        lambda: page.run(
            "(() => { const s = document.querySelector('select[name=status]'); s.value = 'failed';"
            "s.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )
    )
    assert page.run(rows) == 1
    assert "status=failed" in page.run("location.search")
    page.open(viewer.root)
    page.press("/")
    page.until("document.activeElement.name === 'q'")
    page.type("bin 4")
    page.going(lambda: page.press("Enter"))
    assert page.run(rows) == 1
    page.open(viewer.root)
    page.press("j")
    page.press("j")
    page.press("k")
    assert page.run("document.querySelector('.run-row.current a').textContent") == (
        "How wide is bin 5?"
    )
    page.going(lambda: page.press("Enter"))
    assert page.run("location.pathname") == "/run/run-5"
    page.going(lambda: page.press("n"))
    assert page.run("location.pathname") == "/run/run-1"
    page.going(lambda: page.press("u"))
    page.press("?")
    page.until("document.getElementById('keys').open")
    page.screenshot("keys")
    page.press("Escape")
    page.until("!document.getElementById('keys').open")
    clean(page, viewer.root)


def test_a_run_with_pictures_scene_and_failure(folder: Path, view: Any, chromium: Chromium) -> None:
    viewer, page = view(folder), chromium.page()
    page.open(viewer.address)
    page.open(f"{viewer.root}/run/run-3")
    loaded = "[...document.images].every((i) => i.complete && i.naturalWidth > 0)"
    page.run("document.querySelectorAll('img').forEach((i) => { i.loading = 'eager'; })")
    page.until(loaded)
    page.press("f")
    assert "NameError" in page.run("document.querySelector('.entry.current').textContent")
    page.press("j")
    assert page.run("document.querySelector('.entry.current h3').textContent") == "Cell 2"
    page.screenshot("run-light")
    page.click(".right .large")
    page.until("document.querySelector('dialog.zoom').open")
    page.press("Escape")
    clean(page, viewer.root)


def test_a_scene_turns_zooms_and_answers_keys(folder: Path, view: Any, chromium: Chromium) -> None:
    viewer, page = view(folder), chromium.page()
    page.open(viewer.address)
    page.open(f"{viewer.root}/run/run-5")
    page.run("document.querySelector('.scene').scrollIntoView({block: 'center'})")
    state = "document.querySelector('.scene').dataset.view"
    first = page.until(state)
    colours = (
        "(() => { const c = document.querySelector('.scene canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return new Set(new Uint32Array(d.buffer)).size; })()"
    )
    assert page.run(colours) > 20, "nothing is drawn"
    words = page.run("document.querySelector('.scene canvas').getAttribute('aria-label')")
    assert "<b>bin</b>" in words
    assert "2.00 m" in words
    page.screenshot("scene")

    def changes(act: Any) -> None:
        before = page.run(state)
        act()
        page.until(f"{state} !== {json.dumps(before)}")

    changes(lambda: page.drag(".scene canvas", 80, 30))
    assert page.run("document.activeElement.className") == "scene"
    for key in ("ArrowLeft", "+", "-", "t", "c"):
        changes(lambda key=key: page.press(key))
    page.press("0")
    page.until(f"{state} === {json.dumps(first)}")
    before = page.run(colours)
    page.click(".scene .bar label:nth-of-type(1) input")
    page.until(f"{colours} < {before}")
    changes(lambda: page.click(".scene .bar button:nth-of-type(2)"))
    clean(page, viewer.root)


def test_steps_appear_while_a_run_goes_on(tmp_path: Path, view: Any, chromium: Chromium) -> None:
    run = write_run(tmp_path, "run", answer=None, scene=True)
    viewer, page = view(tmp_path), chromium.page()
    page.open(viewer.address)
    page.open(f"{viewer.root}/run/run")
    page.until("document.getElementById('live').textContent.includes('1 cell so far')")
    scenes = json.loads((run / "events.jsonl").read_text().splitlines()[-2])["scenes"]

    def append(seq: int, kind: str, **data: Any) -> None:
        event = {"schema": 1, "seq": seq, "time": 1_790_000_009.0, "kind": kind, **data}
        with (run / "events.jsonl").open("a") as file:
            file.write(json.dumps(event) + "\n")

    hostile = "<img src=x onerror=document.title='hacked'>"
    append(20, "cell", number=2, code="again()", images=[], scenes=scenes,
           result={"stdout": hostile})  # fmt: skip
    page.until("document.querySelectorAll('.entry.cell').length === 2")
    assert hostile in page.run("document.querySelectorAll('.entry.cell')[1].textContent")
    page.run("document.querySelectorAll('.scene')[1].scrollIntoView()")
    page.until("document.querySelectorAll('.scene')[1].dataset.view")
    append(21, "observation", text="Cell 2 ran.", images=[])
    page.until("document.querySelectorAll('.entry.cell')[1].textContent.includes('was told')")
    assert page.run("document.querySelectorAll('.entry.cell').length") == 2
    page.screenshot("live")
    answer = {"text": "0.77 m", "status": "submitted", "confidence": 0.9}
    (run / "answer.json").write_text(json.dumps(answer))
    append(22, "answer", **answer)
    page.until("document.querySelector('#answer .value').textContent === '0.77 m'")
    page.until("document.getElementById('live').textContent.includes('ended')")
    assert page.run("document.title") != "hacked"
    clean(page, viewer.root)


def test_a_run_of_the_loop_is_seen_live(
    tmp_path: Path, view: Any, chromium: Chromium, examples: Path
) -> None:
    import spatialclaw as sc

    runs = tmp_path / "runs"
    runs.mkdir()
    viewer, page = view(runs), chromium.page()
    page.open(viewer.address)
    asking = threading.Thread(
        target=lambda: sc.ask(
            examples / "room", "How far is the lamp from the camera?", backend="builtin",
            runs_dir=runs, frames=4,
        )
    )  # fmt: skip
    asking.start()
    end = time.monotonic() + 60
    while not (started := [p for p in runs.iterdir() if (p / "events.jsonl").exists()]):
        assert time.monotonic() < end
        time.sleep(0.02)
    page.open(f"{viewer.root}/run/{started[0].name}")
    asking.join(timeout=120)
    page.until("document.querySelector('#answer .value').textContent.includes('m')", 30)
    page.until("document.querySelectorAll('.entry.cell').length >= 4")
    page.run("document.querySelector('.scene').scrollIntoView()")
    page.until("document.querySelector('.scene').dataset.view")
    page.screenshot("room")
    clean(page, viewer.root)


def test_compare_by_clicking(folder: Path, view: Any, chromium: Chromium) -> None:
    viewer, page = view(folder), chromium.page()
    page.open(viewer.address)
    assert page.run("document.querySelector('#runs .under button').disabled")
    for key in ("run-5", "run-4"):
        page.click(f"input[value='{key}']")
    page.going(lambda: page.click("#runs .under button"))
    assert page.run("[...document.querySelectorAll('.side .value')].map((e) => e.textContent)") == [
        "0.52 m",
        "0.42 m",
    ]
    page.screenshot("compare-runs")
    page.open(viewer.root)
    for key in ("small", "large"):
        page.click(f"input[value='{key}']")
    page.going(lambda: page.click(".evaluations button"))
    assert "+25.0" in page.run("document.body.textContent")
    page.screenshot("compare-evaluations")
    clean(page, viewer.root)


def test_correct_an_answer(folder: Path, view: Any, chromium: Chromium) -> None:
    viewer, page = view(folder), chromium.page()
    page.open(viewer.address)
    page.open(f"{viewer.root}/run/run-2")
    page.click("input[name=value]")
    page.type("0.25 m")
    page.going(lambda: page.click("button[value=correct]"))
    assert "You corrected this answer: 0.25 m" in " ".join(
        page.run("document.querySelector('#verdict').textContent").split()
    )
    page.going(lambda: page.click("button[value=accept]"))
    assert "You accepted" in page.run("document.querySelector('#verdict').textContent")
    line = json.loads((folder / "corrections.jsonl").read_text().splitlines()[-1])
    assert (line["run"], line["verdict"]) == ("run-2", "accepted")
    clean(page, viewer.root)


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_every_page_can_be_used_by_everyone(
    folder: Path, view: Any, chromium: Chromium, width: int, dark: bool
) -> None:
    viewer, page = view(folder), chromium.page(width=width, dark=dark)
    page.open(viewer.address)
    name = f"{'phone' if width < 600 else 'desk'}-{'dark' if dark else 'light'}"
    for title, path in {
        "list": "/",
        "run": "/run/run-3",
        "evaluation": "/evaluation/small",
        "compare": "/compare?which=run-5&which=run-4",
        "evaluations": "/compare?which=small&which=large",
    }.items():
        assert page.open(viewer.root + path) == 200
        page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert barriers(page) == [], title
        assert fits(page), title
        page.screenshot(f"{title}-{name}")
    clean(page, viewer.root)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_report_opens_from_a_file(
    tmp_path: Path, chromium: Chromium, width: int, dark: bool
) -> None:
    run = write_run(tmp_path, scene=True, failing=True, question="How wide is <i>it</i>?")
    out = write_html(Run(run), tmp_path / "report.html")
    page = chromium.page(width=width, dark=dark)
    page.open(out.as_uri())
    page.run("document.querySelector('.scene').scrollIntoView()")
    page.until("document.querySelector('.scene').dataset.view")
    page.press("f")
    assert "NameError" in page.run("document.querySelector('.entry.current').textContent")
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert barriers(page) == []
    assert fits(page)
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.run(background)
    page.click("#theme")
    page.until(f"{background} !== {json.dumps(before)}")
    page.screenshot(f"report-{width}")
    clean(page, "file://")
