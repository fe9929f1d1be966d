"""Pages that a phone shows, too, and whose text is only text."""

from __future__ import annotations

from page_reader import Page

from strl_mmdet3d.evaluation.html_page import folded, html_page, table


def test_cells_are_escaped():
    html = table(['<a>'], [['<script>alert("&")</script>'], [1.5]])
    assert '<script>' not in html
    assert '<td class="number">1.5</td>' in html
    assert Page(html).text.split() == ['<a>', '<script>alert("&")</script>', '1.5']


def test_paths_may_be_broken_between_their_words_only():
    html = table(['a'], [['a_b/<i>=1']])
    assert '<td>a_<wbr>b/<wbr>&lt;i&gt;=<wbr>1</td>' in html
    assert Page(html).text.split() == ['a', 'a_b/<i>=1']


def test_a_page_fits_a_phone_and_wide_tables_scroll():
    html = html_page('<b> {title} \ud800', [table(['a'], [[1]]), folded('<i>', '<pre>x</pre>')])
    page = Page(html)
    assert 'name="viewport" content="width=device-width' in html
    assert html.index('class="wide"') < html.index('<table>')
    assert '<b> {title} ?' in page.text
    assert page.tags.count('b') == page.tags.count('i') == 0
    assert page.tags.count('details') == 1
    html.encode()
