"""Pages as one file that needs no network: readable on a phone, all text of data escaped. Needs the extra 'vis'."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure

from .figure_text import save_picture

DPI = 100
BREAKS = re.compile('([/_=])')

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; line-height: 1.4; max-width: 75em; margin: 1em auto; padding: 0 1em; }}
h1 {{ font-size: 1.5em; }} h1, h2, h3, li, p {{ overflow-wrap: anywhere; }}
img, svg {{ max-width: 100%; height: auto; }}
.wide {{ overflow-x: auto; margin: 0.5em 0; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #ccc; padding: 0.2em 0.6em; text-align: left; vertical-align: top; }}
td {{ min-width: 4em; overflow-wrap: break-word; }}
td.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
pre {{ background: #f4f4f4; padding: 1em; overflow-x: auto; }}
summary {{ cursor: pointer; }}
.failed {{ color: #a00; }}
.verdict {{ border-left: 0.4em solid #666; background: #f4f4f4; padding: 0.6em 1em; font-size: 1.1em; }}
.verdict.good {{ border-color: #0072B2; }} .verdict.bad {{ border-color: #D55E00; }}
.curves {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20em), 1fr)); gap: 1em; }}
.curves figure {{ margin: 0; }} .curves figcaption {{ font-size: 0.85em; }}
</style>
</head>
<body>
<h1>{title}</h1>
{parts}
</body>
</html>
"""


def html_page(title: str, parts: Iterable[str]) -> str:
    """Return a page of parts that are HTML; the title is text."""
    page = PAGE.format(title=escape(title), parts='\n'.join(parts))
    return page.encode('utf-8', 'replace').decode()  # half a surrogate pair could not be written to a file


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as HTML, with all text escaped and numbers to the right. It scrolls where it is too wide."""
    head = ''.join(f'<th>{escape(name)}</th>' for name in header)
    body = '\n'.join(f'<tr>{"".join(map(_cell, row))}</tr>' for row in rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _cell(value: object) -> str:
    """Make a cell of a table."""
    text = str(value)
    try:
        float(text)
    except ValueError:
        # A path or a setting may be broken behind these signs, where a phone has no room for it.
        return '<td>' + BREAKS.sub(r'\1<wbr>', escape(text)) + '</td>'
    return f'<td class="number">{escape(text)}</td>'


def folded(summary: str, content: str) -> str:
    """Return HTML that shows its summary, a text, and the content after a click."""
    return f'<details><summary>{escape(summary)}</summary>\n{content}\n</details>'


def picture(figure: Figure, description: str) -> str:
    """Return an image as HTML that holds the picture itself; `description` is its alternative text."""
    buffer = io.BytesIO()
    save_picture(figure, buffer, DPI)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<p><img alt="{escape(description)}" src="data:image/png;base64,{data}"></p>'
