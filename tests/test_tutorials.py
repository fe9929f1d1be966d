"""The tutorials, followed command by command as they stand in the pages, on data and schedules of a tiny size."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from kitti_data import create_data

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r'^```(bash|python)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SAVED = re.compile(r'Save this as `(\w+\.py)`')

# What makes the commands of each tool small. An option of the page gets another value, or comes in addition.
IN_PROCESS = ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False']
UNTRAINED = ['val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False']
PRETRAINING = [*IN_PROCESS, 'train_dataloader.batch_size=2', 'train_dataloader.dataset.window=4']
PRETRAINING += ['train_cfg.max_epochs=1']
FINE_TUNING = [*IN_PROCESS, *UNTRAINED, 'train_dataloader.batch_size=2', 'train_dataloader.dataset.times=1']
FINE_TUNING += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1']
TESTING = ['test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
FEW_POINTS = ['train_dataloader.dataset.pipeline.pack.0.num_points=4000']
SMALLER: dict[str, list[str]] = {
    'simulate_data kitti': shlex.split(
        '--drives 1 --frames-per-drive 4 --train 2 --val 1 --test 1 --azimuth-steps 400 --jobs 1',
    ),
    'simulate_data scannet': shlex.split('--scenes 1 --frames-per-scene 4 --train 2 --val 1 --width 160 --jobs 1'),
    'collect_moved_things': ['--fewest', '5', '--cfg-options', 'train_dataloader.dataset.window=4'],
    'browse_pairs': ['--num', '1', '--cfg-options', 'train_dataloader.dataset.window=4'],
    'train pretrain': ['--cfg-options', *PRETRAINING],
    'train votenet': ['--cfg-options', *PRETRAINING, *FEW_POINTS],
    'train': ['--cfg-options', *FINE_TUNING],
    'test': ['--cfg-options', *TESTING],
    'evaluate_pretraining': [
        *shlex.split('--labels 100 --seeds 1 --iterations 2 --arms scratch finetuned --cfg-options'),
        *('train_dataloader.batch_size=2', 'train_dataloader.num_workers=0', *TESTING),
    ],
}


def steps(page: str) -> list[tuple[str, str]]:
    """The commands and files of a page, in its order: ('bash', command) or (name of a file, its text)."""
    text = (ROOT / 'docs' / page).read_text()
    found = []
    for match in FENCE.finditer(text):
        language, code = match.groups()
        if language == 'bash':
            found += [('bash', line) for line in code.splitlines() if line]
        else:
            found.append((SAVED.findall(text[: match.start()])[-1], code))
    return found


def smaller(tool: str, arguments: list[str]) -> list[str]:
    """The arguments with what makes the command small. Of two values of an option, the last one counts."""
    kind = f'{tool} {arguments[0]}' if tool == 'simulate_data' else tool
    if tool == 'train' and 'pretrain' in arguments[0]:
        kind = 'train votenet' if 'votenet' in arguments[0] else 'train pretrain'
    return [re.sub(r'epoch_\d+', 'epoch_1', each) for each in arguments] + SMALLER.get(kind, [])


def follow(page: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the steps of a page in the current folder, and return the tools that were run."""
    ran = []
    for kind, text in steps(page):
        if kind != 'bash':
            Path(kind).write_text(text)
            continue
        program, *arguments = shlex.split(text)
        if program == 'export':
            for setting in arguments:
                monkeypatch.setenv(*setting.split('='))
            continue
        if program == 'make':  # the target calls what is called here
            target, data = arguments
            assert target == 'kitti-infos'
            create_data(Path(data.removeprefix('KITTI=')).resolve())
            ran.append('make')
            continue
        assert program == 'python'
        tool = Path(arguments[0]).stem
        importlib.import_module(tool).main(smaller(tool, arguments[1:]))
        ran.append(tool)
    return ran


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """What the reader is in: the checkout's folder, with the places of data as the environment leaves them."""
    (tmp_path / 'configs').symlink_to(ROOT / 'configs', target_is_directory=True)
    for name in ('KITTI_RAW_ROOT', 'KITTI_ROOT', 'SCANNET_FRAMES_ROOT', 'SUNRGBD_ROOT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ALL_TOOLS = ['simulate_data', 'create_sequence_index', 'inspect_sequences', 'browse_pairs', 'train', 'export_encoder']


def test_from_raw_lidar_to_a_detector(checkout, capsys, monkeypatch):
    ran = follow('tutorial_lidar.md', monkeypatch)
    tools = list(ALL_TOOLS)
    tools.insert(tools.index('browse_pairs'), 'collect_moved_things')
    assert ran == [*tools, 'make', 'train', 'test', 'evaluate_pretraining']
    for left in (
        'work_dirs/drives.html',
        'work_dirs/pairs/pairs.html',
        'work_dirs/pointpillars_kitti_small_pretrain_motion/report.html',
        'work_dirs/from_strl/epoch_1.pth',
    ):
        assert (checkout / left).is_file(), left
    assert 'too few seeds' in (checkout / 'work_dirs/did_it_help/results.md').read_text()
    assert re.search(r'(\d+) of \1 exported tensors landed bit for bit', capsys.readouterr().out)


def test_from_walks_to_a_detector(checkout, capsys, monkeypatch):
    ran = follow('tutorial_rgbd.md', monkeypatch)
    assert ran == [*ALL_TOOLS, 'train', 'test', 'evaluate_pretraining']
    for left in (
        'work_dirs/walks.html',
        'work_dirs/room_pairs/pairs.html',
        'work_dirs/votenet_scannet_small_pretrain_dense/report.html',
        'work_dirs/rooms_from_strl/epoch_1.pth',
    ):
        assert (checkout / left).is_file(), left
    # One room for validation lacks classes, so its mAP may not be finite, which the page then says.
    assert '# votenet_sunrgbd_small' in (checkout / 'work_dirs/did_it_help_rooms/results.md').read_text()
    assert '96 of 96 exported tensors landed bit for bit' in capsys.readouterr().out
