"""The zoo: a file that is not the recorded one is never read, and gains are those of the result files."""

from __future__ import annotations

import json
from pathlib import Path

import model_zoo
import pytest
import torch
from mmengine.runner import CheckpointLoader

from strl_mmdet3d.errors import StrlError
from strl_mmdet3d.export import ExportError, read_exported, save_exported, verify_export
from strl_mmdet3d.export.provenance import sealed
from strl_mmdet3d.zoo import ZooError, encoders, entry_of, read_entries
from strl_mmdet3d.zoo.additions import add_encoder, gains_of, read_results
from strl_mmdet3d.zoo.encoders import checked_path
from strl_mmdet3d.zoo.entry import DetectorGain
from strl_mmdet3d.zoo.page import row, zoo_tables

FACTS = dict(
    detector='a tiny detector',
    config='configs/study/motion.py',
    data='3 drives',
    commands=['python tools/train.py configs/study/motion.py'],
    made='2026-01-01',
)


@pytest.fixture
def encoder(tmp_path):
    path = tmp_path / 'encoder.pth'
    state_dict = {'backbone.weight': torch.arange(6.0).view(2, 3)}
    origin = dict(source='a', epoch=1, iter=2, seed=0, pretrained_at='', config='', compared_with='itself')
    save_exported(sealed(state_dict, trunk=['backbone'], settings=None, left_out=[], **origin), path)
    return path


def results(seeds=3):
    """As `tools/evaluate_pretraining.py` writes them, for two arms."""
    scratch, tuned = ({str(seed): base + seed for seed in range(seeds)} for base in (20.0, 23.0))
    rows = [
        dict(arm=arm, num_frames=6, values=values) for arm, values in {'scratch': scratch, 'finetuned-a': tuned}.items()
    ]
    difference = dict(
        arm='finetuned-a', baseline='scratch', num_frames=6, seeds=list(range(seeds)), mean=3.0, low=2.5, high=3.5
    )
    head = dict(title='small', metric='a/b/AP_loose', iterations=10, confidence=0.95)
    return dict(head, rows=rows, differences=[difference])


def test_every_encoder_here_is_as_recorded_whole_and_small():
    entries = read_entries()
    assert sum(entry.size for entry in entries.values()) < 20 * 2**20
    for entry in entries.values():
        path = checked_path(entry)
        assert path.stat().st_size == entry.size
        read_exported(path)
        assert Path(entry.config).is_file()
    files = {path.name for path in encoders.ZOO.iterdir()}
    assert files == {'encoders.json'} | {entry.file for entry in entries.values()}


@pytest.mark.parametrize('name', read_entries())
def test_every_encoder_here_lands_where_its_gain_was_measured(name):
    entry = entry_of(name)
    assert entry.gains
    for gain in entry.gains:
        report = verify_export(checked_path(entry), f'configs/downstream/{gain.downstream}.py')
        assert len(report.landed) == len(read_exported(checked_path(entry))['state_dict'])


def test_the_page_is_made_of_the_records():
    page = Path('docs/zoo.md').read_text()
    shown = page.partition(model_zoo.BEGIN)[2].partition(model_zoo.END)[0]
    assert shown.strip() == zoo_tables(read_entries().values()).strip()


@pytest.mark.parametrize(
    ('metric', 'scale', 'shown'),
    [('KITTI/Overall', 100, '20.0 | 30.0 | +10.0 (95%: 5.0 to 15.0)'), ('mAP_0.25', 1, '0.200 | 0.300 | +0.100')],
)
def test_numbers_up_to_1_are_shown_with_three_places(metric, scale, shown):
    numbers = dict(baseline=0.2, mean=0.3, difference=0.1, low=0.05, high=0.15)
    scaled = {name: scale * value for name, value in numbers.items()}
    assert shown in row(DetectorGain('small', 'finetuned-a', 6, 100, metric, [0, 1, 2], confidence=0.95, **scaled))


def test_an_encoder_is_loaded_by_its_address(encoder, tmp_path, monkeypatch):
    folder = tmp_path / 'zoo'
    add_encoder(encoder, 'tiny', FACTS, folder=folder)
    monkeypatch.setattr(encoders, 'ZOO', folder)
    loaded = CheckpointLoader.load_checkpoint('strl://tiny', map_location='cpu')
    assert torch.equal(loaded['state_dict']['backbone.weight'], torch.arange(6.0).view(2, 3))
    with pytest.raises(ZooError, match=r"no encoder 'tini'; it has tiny"):
        CheckpointLoader.load_checkpoint('strl://tini', map_location='cpu')


def test_a_changed_missing_or_foreign_file_is_not_read(encoder, tmp_path):
    folder = tmp_path / 'zoo'
    entry = add_encoder(encoder, 'tiny', FACTS, folder=folder)
    assert checked_path(entry, folder) == folder / 'tiny.pth'
    content = bytearray((folder / 'tiny.pth').read_bytes())
    content[len(content) // 2] ^= 1
    (folder / 'tiny.pth').write_bytes(content)
    with pytest.raises(ZooError, match=r'is not the encoder tiny .* its SHA-256 is'):
        checked_path(entry, folder)
    (folder / 'tiny.pth').unlink()
    with pytest.raises(ZooError, match='is missing'):
        checked_path(entry, folder)
    outside = type(entry).of(entry.plain() | dict(file='../encoder.pth'))
    with pytest.raises(ZooError, match='is missing'):
        checked_path(outside, folder)


def test_records_are_kept_and_replaced(encoder, tmp_path):
    folder = tmp_path / 'zoo'
    gains = gains_of(results(), 'finetuned-a')
    add_encoder(encoder, 'one', FACTS, gains, folder)
    add_encoder(encoder, 'two', FACTS, folder=folder)
    add_encoder(encoder, 'two', FACTS | dict(data='4 drives'), folder=folder)
    entries = read_entries(folder)
    assert list(entries) == ['one', 'two']
    assert entries['one'].gains == gains
    assert entry_of('two', folder).data == '4 drives'
    (folder / 'encoders.json').write_text('[{"name": "one"}]')
    with pytest.raises(ZooError, match=r'encoders.json cannot be read'):
        read_entries(folder)


def test_what_is_no_encoder_too_large_or_badly_named_is_refused(encoder, tmp_path, monkeypatch):
    folder = tmp_path / 'zoo'
    torch.save(dict(meta={}, state_dict={}), tmp_path / 'other.pth')
    with pytest.raises(ExportError, match='not an exported encoder'):
        add_encoder(tmp_path / 'other.pth', 'tiny', FACTS, folder=folder)
    for name in ('../tiny', '', 'a b'):
        with pytest.raises(ZooError, match='letters, digits and underscores'):
            add_encoder(encoder, name, FACTS, folder=folder)
    monkeypatch.setattr('strl_mmdet3d.zoo.additions.LARGEST_ZOO', 100)
    with pytest.raises(ZooError, match='larger than'):
        add_encoder(encoder, 'tiny', FACTS, folder=folder)
    assert not folder.exists()


def test_gains_are_means_over_the_paired_seeds():
    (gain,) = gains_of(results(), 'finetuned-a')
    assert (gain.baseline, gain.mean, gain.difference) == (21.0, 24.0, 3.0)
    assert (gain.low, gain.high, gain.num_frames, list(gain.seeds)) == (2.5, 3.5, 6, [0, 1, 2])
    more = results()
    more['rows'][0]['values']['7'] = 99.0  # a seed that the other arm lacks does not count
    assert gains_of(more, 'finetuned-a')[0].baseline == 21.0
    with pytest.raises(ZooError, match='2 paired seeds'):
        gains_of(results(seeds=2), 'finetuned-a')
    with pytest.raises(ZooError, match='3 runs have no result yet'):
        gains_of(results() | dict(num_missing=3), 'finetuned-a')
    with pytest.raises(ZooError, match='no difference of frozen-a'):
        gains_of(results(), 'frozen-a')


def test_files_that_are_no_results_are_named(tmp_path):
    path = tmp_path / 'results.json'
    for text in ('', '[]', '{}'):
        path.write_text(text)
        with pytest.raises(StrlError, match=r'results.json is no results.json of'):
            read_results(path)
    path.write_text(json.dumps(results()))
    assert read_results(path) == results()


def test_the_tool_lists_verifies_and_writes_the_page(tmp_path, capsys):
    model_zoo.main(['list'])
    model_zoo.main(['verify'])
    number = len(read_entries())
    said = capsys.readouterr().out
    assert said.count('strl://') == number
    assert f'{number} of {number} encoders are as recorded' in said
    page = tmp_path / 'zoo.md'
    page.write_text(f'before\n{model_zoo.BEGIN}\nfirst version\n{model_zoo.END}\nafter\n')
    model_zoo.main(['page', '--out', str(page)])
    text = page.read_text()
    assert text.startswith('before\n')
    assert text.endswith('\nafter\n')
    assert 'first version' not in text
    page.write_text('no marks')
    with pytest.raises(SystemExit, match='needs the lines'):
        model_zoo.main(['page', '--out', str(page)])
    page.write_bytes(b'\xff')
    with pytest.raises(SystemExit, match=r'zoo\.md is not a page in UTF-8'):
        model_zoo.main(['page', '--out', str(page)])
