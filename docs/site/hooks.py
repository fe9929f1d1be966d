"""Hooks of mkdocs: what lies beside docs/ becomes part of the site, and the API pages are made from the package.

The pages link to files of the repository, as readers on a forge need it. On the site such a link leads to a page with
the file's text, so every link is checked and the site needs no other host.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'strl_mmdet3d'
MOVED = {'README.md': 'index.md', 'CONTRIBUTING.md': 'contributing.md', 'CHANGELOG.md': 'changelog.md'}
"""Pages at the top of the repository -> their place on the site."""

FENCE = re.compile(r'(^```.*?^```$)', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'(\]\()([^)\s]+)(\))')
NEITHER = re.compile(r'[a-z]+:|#')  # an address, or a heading of the same page
SUMMARY = re.compile(r'^"""(.*?)"""', re.DOTALL)


def site_path(path: str) -> str:
    """Return where a file or folder of the repository is on the site, both relative to their roots."""
    if path in MOVED:
        return MOVED[path]
    if is_of_site(path):
        return path.removeprefix('docs/')
    return f'repository/{path}/index.md' if (ROOT / path).is_dir() else f'repository/{path}.md'


def is_of_site(path: str) -> bool:
    """Tell whether a path of the repository is a page, a picture or a file of docs/ that mkdocs copies."""
    return path.startswith('docs/') and not path.startswith('docs/site/')


def linked(text: str, page: str) -> set[str]:
    """Return the files and folders of the repository that a page links to; `page` is its path in the repository."""
    targets = {target.partition('#')[0] for _, target, _ in LINK.findall(FENCE.sub('', text))}
    paths = {posixpath.normpath(posixpath.join(posixpath.dirname(page), each)) for each in targets if wanted(each)}
    return {path for path in paths if not path.startswith('..') and (ROOT / path).exists()}


def wanted(target: str) -> bool:
    """Tell whether the target of a link is a file."""
    return bool(target) and not NEITHER.match(target)


def rewritten(text: str, page: str) -> str:
    """Return a page's text with its links as they are on the site."""

    def link(match: re.Match) -> str:
        before, target, after = match.groups()
        if not wanted(target):
            return match[0]
        name, hash_sign, anchor = target.partition('#')
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), name))
        relative = posixpath.relpath(site_path(path), posixpath.dirname(site_path(page)) or '.')
        return f'{before}{relative}{hash_sign}{anchor}{after}'

    parts = FENCE.split(text)  # code at the odd places
    return ''.join(part if number % 2 else LINK.sub(link, part) for number, part in enumerate(parts))


def file_page(path: str) -> str:
    """Return the page of a file: its text. A folder's lists its files."""
    source, hidden = ROOT / path, '---\nsearch:\n  exclude: true\n---\n'
    if source.is_dir():
        names = sorted(each.name for each in source.iterdir() if not each.name.startswith(('.', '_')))
        return f'{hidden}# {path}/\n\n' + '\n'.join(f'- `{name}`' for name in names) + '\n'
    language = {'.py': 'python', '.yml': 'yaml', '.sh': 'bash'}.get(source.suffix, 'text')
    return f'{hidden}# {path}\n\n````{language}\n{source.read_text()}\n````\n'


def rooms() -> list[tuple[str, list[str]]]:
    """Return each room of the package with its public modules, dotted; the package's own modules come first."""
    modules: dict[str, list[str]] = {'strl_mmdet3d': []}
    for path in sorted(PACKAGE.rglob('*.py')):
        inner = path.relative_to(PACKAGE).with_suffix('').parts
        if any(part.startswith(('_', '.')) for part in inner):
            continue
        room = f'strl_mmdet3d.{inner[0]}' if len(inner) > 1 else 'strl_mmdet3d'
        modules.setdefault(room, []).append('.'.join(('strl_mmdet3d', *inner)))
    return list(modules.items())


def api_page(room: str, modules: list[str]) -> str:
    """Return the page of a room: its docstring, and mkdocstrings' text of each module."""
    summary = SUMMARY.match((PACKAGE / '/'.join(room.split('.')[1:]) / '__init__.py').read_text())
    about = f'{summary[1].strip()}\n\n' if summary else ''
    return f'# {room}\n\n{about}' + ''.join(f'::: {module}\n\n' for module in modules)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the rooms under API, and leave out pages of the navigation that this checkout does not have.

    Raises:
        PluginError: If a page of docs/ is not in the navigation.
    """
    pages = [{room.removeprefix('strl_mmdet3d.'): f'api/{room}.md'} for room, _ in rooms()]
    written = {path.name for path in (ROOT / 'docs').glob('*.md')}
    named: set[str] = set()

    def exists(entry: dict) -> bool:
        (path,) = entry.values()
        named.add(path)
        return path in MOVED.values() or path in written

    nav = []
    for entry in config.nav:
        ((title, content),) = entry.items()
        if title == 'API':
            nav.append({title: pages})
        elif isinstance(content, list):
            nav.append({title: [each for each in content if exists(each)]})
        else:
            nav.append(entry)
    if written - named:
        raise PluginError(f'docs/site/mkdocs.yml: nav lacks {", ".join(sorted(written - named))}')
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the top of the repository, the API, and every file that a page links to."""
    texts = {f'docs/{file.src_uri}': file.content_string for file in files.documentation_pages()}
    texts |= {path: (ROOT / path).read_text() for path in MOVED}
    for path, uri in MOVED.items():
        files.append(File.generated(config, uri, content=texts[path]))
    for room, modules in rooms():
        files.append(File.generated(config, f'api/{room}.md', content=api_page(room, modules)))
    for path in sorted(set().union(*(linked(text, page) for page, text in texts.items()))):
        if path not in MOVED and not is_of_site(path):
            files.append(File.generated(config, site_path(path), content=file_page(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page that is in the repository into those of the site."""
    uri = page.file.src_uri
    if uri.startswith(('api/', 'repository/')):
        return markdown
    return rewritten(markdown, {new: old for old, new in MOVED.items()}.get(uri, f'docs/{uri}'))
