"""The figures of an evaluation for people and programs: a table, Markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialclaw.errors import RunError
from spatialclaw.evaluation.records import Result

__all__ = ["csv_text", "figures_table", "markdown", "markdown_table", "write_reports"]

COLUMNS = (
    "benchmark", "uid", "epoch", "outcome", "failure", "score", "lenient", "read", "truth", "reply",
    "task", "group", "scorer", "scorer_version", "seconds", "steps", "attempts", "run",
)  # fmt: skip
Table = tuple[list[str], list[list[str]]]


def figures_table(summary: Mapping[str, Any]) -> Table:
    """One line a benchmark: both means with intervals, both denominators, outcomes, cost."""
    head = ["benchmark", "n", "mean", "95 %", "of all", "official", "failed", "infra", "unread",
            "s", "cost"]  # fmt: skip
    rows = []
    for name, b in summary["benchmarks"].items():
        mean = b["mean"]
        rows.append(
            [
                name,
                f"{b['questions'] - b['pending']} of {b['questions']}" if b["pending"]
                else str(b["questions"]),
                f"{mean['value']:.1f}" if mean else "-",
                f"{mean['low']:.1f} to {mean['high']:.1f}" if mean else "-",
                f"{b['mean_of_all']:.1f}" if mean else "-",
                _headline(b["official"]),
                str(b["model_failed"]),
                str(b["infra_failed"]),
                str(b["unparsable"]),
                f"{b['seconds_median']:.1f}" if b["seconds_median"] is not None else "-",
                f"${b['cost_usd']:.2f}" if b["cost_usd"] is not None else "-",
            ]
        )  # fmt: skip
    return head, rows


def _headline(official: Mapping[str, Any]) -> str:
    for figure in official.values():
        return f"{figure['value']:.1f}"
    return "-"


def tasks_table(benchmark: Mapping[str, Any]) -> Table | None:
    """One line a type of question, or None when there is one type."""
    if not benchmark["tasks"]:
        return None
    rows = [
        [task, str(t["n"]), f"{t['value']:.1f}", f"{t['low']:.1f} to {t['high']:.1f}"]
        for task, t in benchmark["tasks"].items()
    ]
    return ["type", "n", "mean", "95 %"], rows


def markdown_table(table: Table) -> str:
    """A table in Markdown; what could break it is escaped."""
    head, rows = table

    def line(cells: Sequence[str]) -> str:
        clean = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(clean)} |"

    return "\n".join([line(head), line(["---"] * len(head)), *(line(row) for row in rows)])


def markdown(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The report of an evaluation as a Markdown page."""
    settings = manifest.get("settings") or {}
    backend = manifest.get("backend") or {}
    who = backend.get("name") or settings.get("backend")
    model = f" with {backend['model']}" if backend.get("model") else ""
    parts = [
        "# Evaluation",
        f"{who}{model}, interface {settings.get('interface')}, epochs {manifest.get('epochs')}, "
        f"seed {settings.get('seed')}, version {manifest.get('version')}"
        f"{', commit ' + manifest['git']['commit'][:12] if manifest.get('git') else ''}.",
        markdown_table(figures_table(summary)),
        "`mean`: of the scores of all questions that were answered or that the model failed (those "
        "score 0). `of all`: the same with those counted as 0 that the infrastructure failed. "
        "`official`: as the benchmark's authors add up. `unread`: a reply without a readable "
        "answer, scored 0. Intervals: 95 %, whole scenes or videos resampled. `s`: median seconds.",
    ]
    for name, b in summary["benchmarks"].items():
        parts.append(f"## {name}")
        tasks = tasks_table(b)
        if tasks is not None:
            parts.append(markdown_table(tasks))
        parts += _further(b)
        parts += [f"Published: {line}" for line in b.get("published") or ()]
    return "\n\n".join(parts) + "\n"


def _further(b: Mapping[str, Any]) -> list[str]:
    """Further facts of a benchmark, a paragraph each."""
    parts = []
    if b["lenient_mean"] is not None and b["mean"] and b["lenient_mean"] != b["mean"]["value"]:
        parts.append(f"Read leniently: {b['lenient_mean']:.1f}.")
    if list(b["official"]) != ["pooled accuracy"] and b["official"]:
        shown = ", ".join(f"{name} {f['value']:.1f}" for name, f in b["official"].items())
        parts.append(f"Official: {shown}.")
    if b["epochs"]:
        e = b["epochs"]
        means = ", ".join(f"{mean:.1f}" for mean in e["means"])
        parts.append(f"Epochs: {means}; spread {e['spread']:.1f}, deviation {e['deviation']:.1f}.")
    if b["pass_at_k"]:
        shown = ", ".join(f"{name} {value:.1f}" for name, value in b["pass_at_k"].items())
        parts.append(f"Right at least once: {shown}.")
    if b["failures"]:
        shown = ", ".join(f"{kind} {count}" for kind, count in sorted(b["failures"].items()))
        parts.append(f"Failures: {shown}.")
    if b["distribution"]:
        said = sorted({answer for row in b["distribution"].values() for answer in row})
        rows = [
            [truth, *(str(row.get(answer, 0)) for answer in said)]
            for truth, row in b["distribution"].items()
        ]
        parts.append(markdown_table((["truth \\ answer", *said], rows)))
    return parts


def csv_text(results: Sequence[Result]) -> str:
    """A line a question."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, "answer", "cost_usd", "input_tokens", "output_tokens"])
    for result in results:
        record = result.record()
        usage = result.usage
        writer.writerow(
            [
                *(_cell(record[name]) for name in COLUMNS),
                _cell((result.answer or {}).get("text")),
                _cell(usage.get("cost_usd")),
                _cell(usage.get("input_tokens")),
                _cell(usage.get("output_tokens")),
            ]
        )
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A spreadsheet takes such a beginning for a formula.
    return "'" + text if text[:1] in ("=", "+", "@") else text


def write_reports(
    folder: Path,
    summary: Mapping[str, Any],
    manifest: Mapping[str, Any],
    results: Sequence[Result],
) -> list[Path]:
    """Writes results.json, results.csv and report.md into the evaluation's folder.

    Raises:
        RunError: They cannot be written.
    """
    texts = {
        "results.json": json.dumps(summary, ensure_ascii=False, indent=1) + "\n",
        "results.csv": csv_text(results),
        "report.md": markdown(summary, manifest),
    }
    written = []
    for name, text in texts.items():
        path = folder / name
        draft = folder / f".{name}.{os.getpid()}"
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from error
        written.append(path)
    return written
