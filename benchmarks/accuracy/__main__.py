"""Measures the primitives against ground truth, beside the best plain OpenCV number.

    python -m spatialclaw.benchmarks.accuracy [real|rendered ...] [--data DIR] [--json FILE]

``real`` needs the folder of sample data (``--data``, or the variable SPATIALCLAW_SHARED_DATA);
``rendered`` draws its own rooms and streets, whose truth is exact. The column "plain OpenCV" is
what the usual calls of OpenCV give with their usual settings, on the same pictures in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from spatialclaw.benchmarks.accuracy.lines import Line


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints a table and writes JSON; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="real|rendered")
    parser.add_argument("--data", type=Path, help="folder of real sample data")
    parser.add_argument("--json", type=Path, help="write the lines there")
    given = parser.parse_args(arguments)
    parts = given.parts or ["real", "rendered"]
    if unknown := set(parts) - {"real", "rendered"}:
        parser.error(f"no part {', '.join(sorted(unknown))}: use real or rendered")
    lines: list[Line] = []
    if "real" in parts:
        data = given.data or os.environ.get("SPATIALCLAW_SHARED_DATA")
        if data is None or not Path(data).is_dir():
            print("the folder of sample data is not there: name it with --data", file=sys.stderr)
            if given.parts:
                return 2
        else:
            from spatialclaw.benchmarks.accuracy.real import measure_real

            lines += measure_real(Path(data))
    if "rendered" in parts:
        from spatialclaw.benchmarks.accuracy.rendered import measure_rendered

        lines += measure_rendered()
    table = Table("what", "measured", "plain OpenCV", title="Accuracy without weights")
    for line in lines:
        table.add_row(line.what, line.measured, line.plain)
    Console().print(table)
    if given.json:
        given.json.write_text(
            json.dumps([line.as_json() for line in lines], indent=2) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
