"""The report about a sequence index as one page with pictures, which needs no other file. Needs the extra 'vis'."""

from __future__ import annotations

from html import escape
from pathlib import PurePath

from .html_page import html_page, picture, table
from .sequence_figures import draw_frame, draw_histograms, draw_overlap, draw_paths
from .sequence_report import Section, report_sections
from .sequence_survey import Survey


def sequence_page(survey: Survey) -> str:
    """Return the page, as HTML."""
    parts = [section_html(section) for section in report_sections(survey)]
    if survey.frames:
        parts.append(f'<h2>A frame</h2>\n{picture(draw_frame(survey), "a frame from above and from the side")}')
        parts.append(f'<h2>Histograms</h2>\n{picture(draw_histograms(survey), "the values of the points")}')
    if survey.example_pair is not None:
        drawn = picture(draw_overlap(survey.example_pair), 'two frames without and with their poses')
        parts.append(f'<h2>The pair that meets least</h2>\n{drawn}')
    if any(sequence.has_poses for sequence in survey.sequences):
        parts.append(
            f'<h2>Paths of the sensor</h2>\n{picture(draw_paths(survey), "the path of the sensor in each sequence")}'
        )
    title = f'Before training on {PurePath(survey.index).name}'
    return html_page(title, parts)


def section_html(section: Section) -> str:
    """Return a part of the report as HTML, with all text escaped."""
    lines = ''.join(f'<li>{escape(line)}</li>\n' for line in section.lines)
    listed = f'<ul>\n{lines}</ul>\n' if lines else ''
    return (
        f'<h2>{escape(section.heading)}</h2>\n{listed}{table(section.header, section.rows) if section.header else ""}'
    )
