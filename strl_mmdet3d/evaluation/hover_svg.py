"""Pictures of a page that answer to the pointer: SVG in which each point says what it is. Needs the extra 'vis'."""

from __future__ import annotations

import io
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure

from .figure_text import NOT_SHOWN

SVG, XLINK = 'http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xlink'


def hover_svg(figure: Figure, says: Mapping[str, Sequence[str]], description: str) -> str:
    """Return a figure as SVG for a page, in which points have a tooltip.

    Args:
        figure: The figure. Lines with markers are told apart by their ``gid``; all of their points are in sight.
        says: gid -> a text for each point of the line.
        description: What is drawn, for those who do not see it.

    Returns:
        An ``<svg>`` element, the same for the same figure. Texts are escaped, and it refers to nothing outside itself.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings(), rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'strl'}):
        warnings.filterwarnings('ignore', r'Glyph \d+ .*missing from', UserWarning)
        figure.savefig(buffer, format='svg', metadata={'Date': None})
    ElementTree.register_namespace('', SVG)
    ElementTree.register_namespace('xlink', XLINK)
    root = ElementTree.fromstring(buffer.getvalue())
    for metadata in root.findall(f'{{{SVG}}}metadata'):
        root.remove(metadata)
    groups = {group.get('id'): group for group in root.iter(f'{{{SVG}}}g')}
    for gid, texts in says.items():
        points = list(groups[gid].iter(f'{{{SVG}}}use'))
        for point, text in zip(points, texts, strict=True):
            ElementTree.SubElement(point, f'{{{SVG}}}title').text = NOT_SHOWN.sub('\N{REPLACEMENT CHARACTER}', text)
    root.set('role', 'img')
    root.set('aria-label', NOT_SHOWN.sub('\N{REPLACEMENT CHARACTER}', description))
    return ElementTree.tostring(root, encoding='unicode')
