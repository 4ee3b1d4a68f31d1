"""Colours for the code of cells, as classes that the style sheet knows."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup

__all__ = ["code_styles", "highlight"]

_LIGHT = "default"
_DARK = "github-dark"
_LONGEST = 60_000
_BLOCK = "<pre class=code tabindex=0 aria-label=code>{}</pre>"


@lru_cache(maxsize=512)
def highlight(code: str) -> Markup:
    """Python code as HTML with a class for each kind of token; everything in it is escaped."""
    if len(code) > _LONGEST:
        return Markup(_BLOCK).format(code)  # noqa: S704  # colours take seconds there
    from pygments import highlight as colour
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    formatter = HtmlFormatter(nowrap=True, classprefix="h-")
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    # The formatter escapes what it colours.
    return Markup(_BLOCK).format(Markup(colour(code, lexer, formatter)))  # noqa: S704


@lru_cache(maxsize=1)
def code_styles() -> str:
    """The style sheet for `highlight`: light, and dark where the reader or the page wants it."""
    from pygments.formatters import HtmlFormatter

    def rules(style: str, scope: str) -> str:
        formatter = HtmlFormatter(style=style, classprefix="h-")
        definitions: str = formatter.get_style_defs([f"{scope} .code"])
        lines = [line for line in definitions.split("\n") if ".h-" in line and " .code .h-" in line]
        return "\n".join(line for line in lines if "border" not in line)

    return "\n".join(
        (
            rules(_LIGHT, ":root"),
            rules(_DARK, ":root[data-theme=dark]"),
            "@media screen and (prefers-color-scheme: dark) {",
            rules(_DARK, ":root:not([data-theme=light])"),
            "}",
        )
    )
