"""Pictures of a page in which points answer to the pointer."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.figure import Figure

from strl_mmdet3d.evaluation.figure_text import one_line, plain_text
from strl_mmdet3d.evaluation.hover_svg import SVG, hover_svg


@plain_text
def draw(title='a title'):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 4, 9], linestyle='none', marker='o', gid='hover-0')
    axes.set_title(title)
    return figure


def test_each_point_says_what_it_is_and_text_stays_text():
    texts = ['<script>alert(1)</script>', 'b & "c"', 'nul \ufffe']
    html = hover_svg(draw('<img src=x> $x_{$'), {'hover-0': texts}, '"><script>')
    assert '<script' not in html
    assert '<img' not in html
    root = ElementTree.fromstring(html)
    points = [use for use in root.iter(f'{{{SVG}}}use') if use.find(f'{{{SVG}}}title') is not None]
    assert [point[0].text for point in points] == [*texts[:2], 'nul \N{REPLACEMENT CHARACTER}']
    assert root.get('aria-label') == '"><script>'
    assert '<img src=x> $x_{$' in [text.text for text in root.iter(f'{{{SVG}}}text')]
    columns = [float(point.get('x')) for point in points]
    assert columns == sorted(columns)


def test_the_same_figure_gives_the_same_svg():
    assert hover_svg(draw(), {'hover-0': 'abc'}, '') == hover_svg(draw(), {'hover-0': 'abc'}, '')


@pytest.mark.parametrize('character', ['\x00', '\x1f', '\x85', '\u2028', '\ud800', '\ufffe', '\uffff'])
def test_characters_that_xml_does_not_have_are_replaced(character):
    html = hover_svg(draw(one_line(f'a{character}b')), {'hover-0': [character] * 3}, character)
    assert 'a\N{REPLACEMENT CHARACTER}b' in html
    assert ElementTree.fromstring(html).get('aria-label') == '\N{REPLACEMENT CHARACTER}'


def test_nothing_is_fetched():
    html = hover_svg(draw(), {}, '')
    root = ElementTree.fromstring(html)
    for element in root.iter():
        for name, value in element.attrib.items():
            if name.endswith(('href', 'src')):
                assert value.startswith('#')
    assert 'metadata' not in html


def test_texts_must_be_as_many_as_points():
    with pytest.raises(ValueError, match='zip'):
        hover_svg(draw(), {'hover-0': ['only one']}, '')
