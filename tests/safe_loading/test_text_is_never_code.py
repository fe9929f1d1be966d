"""Text of a checkpoint or a data file that mmengine, a page or a console would interpret stays text."""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path

import linear_probe
import mmengine
import pytest
import torch
import train
import yaml
from mmdet3d.registry import HOOKS
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.runner import CheckpointLoader, Runner
from tiny import tiny_config, tiny_runner

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.safe_loading import load_safely, without_code, without_foreign_files

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ('strl_mmdet3d', 'tools') for path in sorted((ROOT / folder).rglob('*.py'))]


@pytest.fixture
def marker(tmp_path):
    """The file that the code would write. At the end of the test, none may have run."""
    path = tmp_path / 'marker'
    yield path
    assert not path.exists(), 'code was run'


def code(marker: Path) -> str:
    return f'a = open({str(marker)!r}, "w").close()'


class TestCheckpoints:
    @pytest.fixture
    def path(self, tmp_path, marker):
        """A run's checkpoint, with code wherever mmengine looks for a config."""
        runner = tiny_runner(tmp_path / 'run', epochs=1)
        runner.train()
        path = tmp_path / 'run/epoch_1.pth'
        checkpoint = torch.load(path, weights_only=True)
        checkpoint['meta'].update(config=code(marker), cfg=code(marker))
        checkpoint['message_hub']['runtime_info'].update(cfg=code(marker))
        torch.save(checkpoint, path)
        return path

    def test_the_code_is_live(self, tmp_path):
        """mmengine by itself runs it."""
        marker = tmp_path / 'live'
        Config.fromstring(code(marker), file_format='.py')
        assert marker.exists()

    def test_resuming(self, path):
        runner = tiny_runner(path.parent, epochs=2, resume=True, log_level='INFO')
        runner.train()
        assert runner.epoch == 2
        log = ''.join(log.read_text() for log in path.parent.rglob('*.log'))
        assert 'its config as text is not read: meta.config, meta.cfg, message_hub.runtime_info.cfg' in log

    def test_the_tool(self, path, tmp_path):
        config = tmp_path / 'config.json'
        config.write_text(json.dumps(Config(tiny_config()).to_dict()))
        train.main([str(config), '--work-dir', str(tmp_path / 'new'), '--resume', str(path)])

    def test_a_reader_of_another_project(self, path, monkeypatch):
        """It is not among mmengine's readers: there the hook guards the Runner."""
        monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
        CheckpointLoader.register_scheme('own://', lambda name, _: torch.load(name[6:], weights_only=True), force=True)
        config = tiny_config(default_hooks=dict(safe_loading=dict(type='SafeLoadingHook')))
        config['train_cfg'] = dict(by_epoch=True, max_epochs=2)
        runner = Runner.from_cfg(Config(config | dict(work_dir=str(path.parent / 'own'), log_level='ERROR')))
        runner.resume('own://' + str(path))
        assert runner.epoch == 1

    def test_every_load_of_mmengine(self, path):
        """Inferencers and ``init_cfg`` have no hooks."""
        checkpoint = CheckpointLoader.load_checkpoint(str(path), 'cpu')
        assert not {'config', 'cfg'} & checkpoint['meta'].keys()
        assert 'cfg' not in checkpoint['message_hub']['runtime_info']

    @pytest.mark.parametrize(
        'checkpoint', [None, [], {}, dict(meta=None), dict(meta='config'), dict(message_hub=dict(runtime_info=[]))]
    )
    def test_other_content_stays(self, checkpoint):
        before = repr(checkpoint)
        assert repr(without_code(checkpoint)) == before
        assert repr(without_foreign_files(checkpoint, '.')) == before


class TestFilesOfARun:
    """mmengine's CheckpointHook deletes the checkpoint that it remembers as the best one so far."""

    def test_files_elsewhere_are_forgotten(self, tmp_path):
        run = tmp_path / 'run'
        names = dict(
            best_ckpt=str(tmp_path / 'thesis.tex'),
            best_ckpt_acc=str(run / '../thesis.tex'),
            best_ckpt_iou=str(run / 'best.pth'),
            best_ckpt_other=3,
            last_ckpt='/',
            best_score=0.5,
        )
        kept = without_foreign_files(dict(message_hub=dict(runtime_info=names)), run)['message_hub']['runtime_info']
        assert kept == dict(best_ckpt_iou=str(run / 'best.pth'), best_score=0.5)

    def test_none_is_no_file(self, tmp_path):
        checkpoint = dict(message_hub=dict(runtime_info=dict(best_ckpt=None)))
        assert without_foreign_files(checkpoint, tmp_path)['message_hub']['runtime_info'] == dict(best_ckpt=None)

    def test_the_hook_does_it(self, tmp_path):
        class ARunner:
            work_dir = str(tmp_path / 'run')

        checkpoint = dict(meta=dict(config='x'), message_hub=dict(runtime_info=dict(best_ckpt='/etc/hosts')))
        HOOKS.build(dict(type='SafeLoadingHook')).after_load_checkpoint(ARunner(), checkpoint)
        assert checkpoint == dict(meta={}, message_hub=dict(runtime_info={}))


TAGS = [
    '!!python/object/apply:builtins.open [{marker}, w]',
    '!!python/object/apply:os.system ["touch {marker}"]',
    '!!python/object/new:builtins.open [{marker}, w]',
    '!!python/name:os.system ""',
    '!!python/module:os ""',
    '!!python/object:mmengine.config.Config {{}}',
    '!!python/tuple [!!python/object/apply:os.system ["touch {marker}"]]',
    '{{a: [1, {{b: !!python/object/apply:os.system ["touch {marker}"]}}]}}',
]


class TestYaml:
    @pytest.mark.parametrize('text', TAGS)
    @pytest.mark.parametrize('name', ['infos.yaml', 'infos.yml'])
    def test_tags_call_nothing(self, tmp_path, marker, text, name):
        path = tmp_path / name
        path.write_text(text.format(marker=marker))
        for read in (
            lambda: mmengine.load(str(path)),
            lambda: mmengine.load(io.StringIO(path.read_text()), file_format='yaml'),
            lambda: BaseDataset(ann_file=str(path)),
            lambda: Config.fromfile(path),
        ):
            with pytest.raises(ConfigError, match=r'asks for more than plain values \(.*python/.*\): write plain'):
                read()

    def test_the_tags_are_live(self, tmp_path):
        marker = tmp_path / 'live'
        yaml.load(TAGS[1].format(marker=marker), Loader=yaml.UnsafeLoader)
        assert marker.exists()

    def test_what_mmengine_writes_it_reads(self, tmp_path):
        content = dict(a=[1, 2.5, None, True, 'text'], b=(1, (2, [3])), c={1: 'x'})
        mmengine.dump(content, str(tmp_path / 'x.yaml'))
        assert mmengine.load(str(tmp_path / 'x.yaml')) == content

    @pytest.mark.parametrize(
        'text',
        ['[' * 10**5, '- ' * 10**5 + 'x', 'a: 2001-99-99', 'a: ' + '1' * 5000, '!!bool x', '!!timestamp x', '{', '\0'],
    )
    def test_damaged_files_are_one_kind_of_error(self, text):
        with pytest.raises(ConfigError, match='a YAML file is damaged'):
            mmengine.load(io.StringIO(text), file_format='yaml')


def test_a_table_of_the_console_prints_names_as_they_are(capsys):
    names = ['[red]a[/red]', '[/x]', '[link=file:///etc]b[/link]']
    linear_probe.print_table('[bold]t', dict(acc='acc'), {name: ['1.0'] for name in names})
    printed = capsys.readouterr().out
    assert all(name in printed for name in [*names, '[bold]t'])


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def test_the_sources_interpret_no_text():
    """No eval, no exec, no shell, no reader that unpickles."""
    for path in SOURCES:
        for call in calls(path):
            text = ast.unparse(call)
            assert not re.match(r'(eval|exec|compile|__import__|os\.system|os\.popen)\(', text), f'{path}: {text}'
            assert not re.match(r'(pickle|joblib|dill|cloudpickle|marshal|shelve)\.(load|loads|open)\(', text), (
                f'{path}: {text}'
            )
            assert not re.match(r'yaml\.(load|full_load|unsafe_load)', text), f'{path}: {text}'
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert given.get('allow_pickle', 'False') == 'False', f'{path}: {text}'
            assert given.get('shell', 'False') == 'False', f'{path}: {text}'
            if re.match(r'torch\.load\(', text):
                assert given.get('weights_only') in ('True', 'HAS_ALLOW_LIST'), f'{path}: {text}'


def test_no_data_is_a_template():
    """``'...'.format`` and ``%`` have a template of ours; a log message has no arguments that it could ask for."""
    ours = {'PAGE', 'self.filename_tmpl', 'template'}  # a page, and the names of checkpoints, which the config has
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
                assert not isinstance(node.left, ast.JoinedStr), f'{path}: {ast.unparse(node)}'
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            text = ast.unparse(node)
            if node.func.attr in ('format', 'format_map'):
                template = node.func.value
                assert isinstance(template, ast.Constant) or ast.unparse(template) in ours, f'{path}: {text}'
            if ast.unparse(node.func).endswith(('logger.info', 'logger.warning', 'logger.error', 'logger.debug')):
                assert len(node.args) == 1, f'{path}: {text}'


def test_the_guards_can_be_switched_on_twice():
    load_safely()
    load_safely()


class TestThePage:
    """docs/security.md"""

    TEXT = (ROOT / 'docs/security.md').read_text()

    def test_it_names_tests_that_exist(self):
        named = re.findall(r'(tests/[\w/]+\.py)::(\w+)', self.TEXT)
        assert len(named) > 12
        for file, name in named:
            assert re.search(rf'^\s*(?:def|class) {name}\b', (ROOT / file).read_text(), re.MULTILINE), f'{file}::{name}'
