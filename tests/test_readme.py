"""The pages: links and paths lead somewhere, commands are accepted, example configs load and their models build."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import create_sequence_index
import numpy as np
import pytest
from mmdet3d.registry import DATA_SAMPLERS, DATASETS, MODELS
from mmengine.config import Config

from strl_mmdet3d.datasets import PairKey, transforms
from strl_mmdet3d.engine.range_check import check_ranges

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / 'README.md'
PAGES = [README, ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
PATH = re.compile(r'(?<![\w/.-])(?:configs|tools|tests|docs|strl_mmdet3d)/[\w./-]*\w')
COMMAND = re.compile(r'(?:python |`)(tools/\w+\.py [^`\n]+)')

# What a tool's parser would refuse.
PLACEHOLDERS = {'SOURCE': 'folder', 'S': '0'}


def blocks(page: Path, language: str) -> list[str]:
    return [code for tag, code in FENCE.findall(page.read_text()) if tag == language]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings outside of code."""
    headings = re.findall(r'^#+ (.*)$', FENCE.sub('', page.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def section(title: str) -> str:
    """A section of the README, up to the next heading of its level."""
    _, _, rest = README.read_text().partition(f'\n## {title}\n')
    assert rest, f'the README has no section {title!r}'
    return re.split(r'^## ', rest, maxsplit=1, flags=re.MULTILINE)[0]


def commands(page: Path) -> list[list[str]]:
    text = page.read_text().replace('\\\n', ' ')
    return [shlex.split(command, comments=True) for command in COMMAND.findall(text)]


COMMANDS = [(page.name, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    links = [link for link in LINK.findall(FENCE.sub('', page.read_text())) if '://' not in link]
    for link in links:
        name, _, anchor = link.partition('#')
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f'{page.name}: {link}'
        assert not anchor or anchor in anchors(target), f'{page.name}: {link}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_path_of_the_repository_exists(page):
    for path in set(PATH.findall(page.read_text())):
        assert (ROOT / path).exists(), f'{page.name}: {path}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_python_is_python_and_imports_what_exists(page):
    for code in blocks(page, 'python'):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), f'{page.name}: {ast.unparse(node)}'


def test_the_links_and_commands_are_found():
    """The patterns above still match what the pages have."""
    assert len(COMMANDS) > 15
    assert {'docs/pair.png', 'docs/configs.md', 'CONTRIBUTING.md'} <= set(LINK.findall(README.read_text()))
    assert 'is-it-learning' in anchors(ROOT / 'docs/running.md')


def test_the_method_page_shows_lines_that_the_code_has():
    """Each block of the formulas, behind a link to a file: all its lines are in that file, in this order."""
    text = (ROOT / 'docs/method.md').read_text()
    _, _, rest = text.partition('## The formulas and the lines of code\n')
    formulas = rest.split('\n## ')[0]
    blocks_found, file = 0, None
    link_or_block = r'\]\(\.\./(strl_mmdet3d/[\w/]+\.py)\)|^```python\n(.*?)^```$'
    for path, code in re.findall(link_or_block, formulas, re.MULTILINE | re.DOTALL):
        if path:
            file = (ROOT / path).read_text()
            continue
        place = 0
        for line in (line.strip() for line in code.splitlines()):
            place = file.find(line, place)
            assert place >= 0, line
        blocks_found += 1
    assert blocks_found == 8


# Of the transforms, what loads a frame, makes the views of others, or only draws a number.
WITHOUT_A_PICTURE = {'LoadDepthFrame', 'LoadFrame', 'LoadShape', 'LoadSweeps', 'MultiView', 'DrawHeading'}


def test_the_gallery_shows_every_augmentation():
    text = (ROOT / 'docs/gallery.md').read_text()
    shown = re.findall(r'^### (\w+)$', text, re.MULTILINE)
    names = {name for name, value in vars(transforms).items() if isinstance(value, type)} - WITHOUT_A_PICTURE
    assert len(names) > 15
    assert names <= set(shown)
    pictures = [ROOT / f'docs/gallery/{name}.png' for name in shown]
    assert re.findall(r'\]\(gallery/(\w+)\.png\)', text) == shown
    assert sorted(pictures) == sorted((ROOT / 'docs/gallery').glob('*'))
    assert sum(path.stat().st_size for path in pictures) < 1_000_000


def test_the_configs_page_names_every_config():
    text = (ROOT / 'docs/configs.md').read_text()
    configs = [path for folder in ('strl', 'downstream') for path in (ROOT / 'configs' / folder).glob('*.py')]
    assert len(configs) > 30
    for path in configs:
        name = path.relative_to(ROOT / 'configs').as_posix()
        assert f'`{name}`' in text, name


@pytest.mark.parametrize(
    'command', [command for _, command in COMMANDS], ids=[f'{page}-{shlex.join(command)}' for page, command in COMMANDS]
)
def test_every_command_is_accepted(command):
    """By the parser of its tool; and a setting has a place in the config that the command names."""
    tool, *arguments = command
    arguments = [re.sub(r'\{(\w+),.*\}', r'\1', argument) for argument in arguments]  # alternatives stand in braces
    arguments = [PLACEHOLDERS.get(argument, argument) for argument in arguments]
    args = importlib.import_module(Path(tool).stem).parse_args(arguments)
    if not getattr(args, 'cfg_options', None) or not (ROOT / args.config).is_file():
        return
    config = Config.fromfile(ROOT / args.config)
    for option in args.cfg_options:
        *parents, _ = option.partition('=')[0].split('.')
        node = config
        for parent in parents:
            node = node[int(parent)] if isinstance(node, list) else node[parent]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the README's reader has: a folder with the configs in it, and own scans, indexed by the README's command."""
    (tmp_path / 'configs').symlink_to(ROOT / 'configs', target_is_directory=True)
    rng = np.random.default_rng(0)
    low, high = np.array([1, -30, -2.5, 0]), np.array([60, 30, 0.5, 1])
    (tmp_path / 'DATA/drive').mkdir(parents=True)
    for number in range(26):  # the command keeps every fifth
        points = rng.uniform(low, high, (3000, 4)).astype(np.float32)
        points.tofile(tmp_path / f'DATA/drive/{number}.bin')
    monkeypatch.chdir(tmp_path)
    ((_, *arguments),) = [
        shlex.split(command) for command in COMMAND.findall(section('Your own data')) if 'create_sequence' in command
    ]
    create_sequence_index.main(arguments)
    return tmp_path


def config_of(text: str, folder: Path) -> Config:
    """The config in a page, read from a file as its reader writes it."""
    (code,) = [code for tag, code in FENCE.findall(text) if tag == 'python' and '_base_ =' in code]
    path = folder / 'mine.py'
    path.write_text(code)
    return Config.fromfile(path)


def test_own_data(folder):
    config = config_of(section('Your own data'), folder)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert len(dataset) == 26
    assert dataset[PairKey(0, 0, 5)]['view_1']['inputs']['points'].shape[1] == 4
    model = MODELS.build(config.model)
    check_ranges(config, model, dataset)


def test_own_detector(folder):
    config = config_of((ROOT / 'docs/your_detector.md').read_text(), folder)
    config.train_dataloader.dataset.update(data_root='DATA')
    dataset = DATASETS.build(config.train_dataloader.dataset)
    model = MODELS.build(config.model)
    check_ranges(config, model, dataset)
    assert config.model.encoder.detector.startswith('mmdet3d::')
    neck = model.online_encoder.detector.neck
    assert sum(block[0].out_channels for block in neck.deblocks) == config.model.projector.in_channels
    assert not [name for name, _ in model.online_encoder.named_parameters() if '_head.' in name]


def test_a_mixture_of_sources(folder, monkeypatch):
    """KITTI's part reads the same scans here."""
    monkeypatch.setenv('KITTI_RAW_ROOT', 'DATA')
    config = config_of((ROOT / 'docs/data.md').read_text(), folder)
    config.train_dataloader.dataset.datasets[0].window = 5
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert len(dataset) == 26 + 26
    sampler = DATA_SAMPLERS.build(dict(config.train_dataloader.sampler, dataset=dataset))
    assert {key.place < 26 for key in sampler} == {True, False}, 'one part is never drawn'
    check_ranges(config, MODELS.build(config.model), dataset)


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) < 110
