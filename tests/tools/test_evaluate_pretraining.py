"""Does a pre-training help: all arms on simulated frames, pairing, no leak, resumption, shared work, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import evaluate_pretraining
import paired_training
import pytest
import torch
from kitti_data import create_data
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.detection.arms import initial_model
from strl_mmdet3d.evaluation.detection.result_files import RunResult
from strl_mmdet3d.evaluation.detection.subset_config import LabelSubsets, labelled_dataset
from strl_mmdet3d.export import export_encoder, read_exported, save_exported
from strl_mmdet3d.locks import locked
from strl_mmdet3d.safe_loading import load_safely
from strl_mmdet3d.simulation import KittiSimulation, ScanNetSimulation

SMALL = 'configs/downstream/pointpillars_kitti_small.py'
SAMPLED = 'configs/downstream/pointpillars_kitti_from_strl.py'
KITTI = 'Kitti metric/pred_instances_3d/KITTI'


@pytest.fixture(scope='module')
def kitti(tmp_path_factory):
    """Labelled frames of a coarse LiDAR, prepared as a user would."""
    root = tmp_path_factory.mktemp('kitti') / 'sim'
    root.mkdir()
    simulation = KittiSimulation(seed=1, drives=0, train=4, val=2, test=1, azimuth_steps=400)
    assert sum(simulation.write(root)) == simulation.total
    create_data(root / 'object')
    return root / 'object'


@pytest.fixture(autouse=True)
def _data(request, monkeypatch):
    if 'kitti' in request.fixturenames:
        monkeypatch.setenv('KITTI_ROOT', str(request.getfixturevalue('kitti')))
    load_safely()


@pytest.fixture(scope='module')
def encoder(tmp_path_factory):
    """An exported encoder of the small PointPillars with other weights than any seed's."""
    path = tmp_path_factory.mktemp('encoder') / 'encoder.pth'
    return write_encoder(path, 12345)


def write_encoder(path: Path, seed: int) -> Path:
    init_default_scope('mmdet3d')  # a fixture of the module comes before conftest's
    torch.manual_seed(seed)
    model = MODELS.build(Config.fromfile('configs/strl/pointpillars_kitti_small_pretrain.py').model)
    model.init_weights()
    save_exported(export_encoder(dict(meta={}, state_dict=model.state_dict()), 'run.pth'), path)
    return path


@pytest.fixture
def fake_runs(monkeypatch):
    """Runs that take no time: their number depends on seed, labels and arm. The list names those that were made."""
    made = []

    def run(training, key, results, tell):
        made.append(key.file.as_posix())
        number = 10 * key.num_frames + key.seed * (1 + len(key.arm.name)) % 7 + len(key.arm.name)
        metrics = {f'{KITTI}/Overall_3D_AP40_moderate': float(number), f'{KITTI}/Overall_BEV_AP40_easy': 2.0 * number}
        _, frames, dropped = training.subsets.config_of(key.num_frames, key.seed)
        return RunResult(
            results.settings,
            key.arm.name,
            key.arm.sha256,
            key.seed,
            frames,
            dropped,
            metrics,
            seconds=len(made) * 1.0,
            software={},
            frozen=[*key.arm.frozen],
        )

    monkeypatch.setattr(paired_training.PairedTraining, 'run', run)
    return made


def evaluate(out, encoder=None, *options, config=SMALL):
    checkpoint = [f'--checkpoint=a={encoder}'] if encoder else []
    return evaluate_pretraining.main([config, *checkpoint, '--out', str(out), *options])


def test_all_arms_are_trained_from_paired_starts_on_the_same_data(kitti, encoder, tmp_path, monkeypatch, capsys):
    starts, batches, ends = {}, {}, {}

    def before_iter(hook, runner, batch_idx, data_batch=None):
        name = hook.key.arm.name
        if batch_idx == 0:
            starts[name] = {key: value.clone() for key, value in runner.model.state_dict().items()}
        points = data_batch['inputs']['points']
        boxes = [sample.gt_instances_3d.bboxes_3d.tensor for sample in data_batch['data_samples']]
        batches.setdefault(name, []).append([*points, *boxes])

    def after(hook, runner):
        ends[hook.key.arm.name] = {key: value.clone() for key, value in runner.model.state_dict().items()}

    monkeypatch.setattr(paired_training.StartHook, 'before_train_iter', before_iter)
    monkeypatch.setattr(paired_training.StartHook, 'after_train', after)
    monkeypatch.setattr(paired_training, 'CALIBRATION_BATCHES', 2)
    shown = []
    monkeypatch.setattr(evaluate_pretraining, 'show', lambda progress, task, *told: shown.append(told))
    out, threads = tmp_path / 'out', torch.get_num_threads()
    comparison = evaluate(out, encoder, '--labels', '50', '--seeds', '1', '--iterations', '2', '--keep-checkpoints')

    assert torch.get_num_threads() == threads, "numba's threads took over"
    arms = ['scratch', 'finetuned-a', 'frozen-a', 'frozen-random']
    assert list(comparison.values) == list(starts) == arms
    first, last = [told for told in shown if told[1] == 3][::3]  # of the last run: two iterations and two frames
    assert first[2:] == (0.5, 'iteration 1 of 2')
    assert last[2:] == (1.0, 'test 2 of 2')
    assert 'frozen-random' in last[0]
    pretrained = read_exported(encoder)['state_dict']
    initial = initial_model(Config.fromfile(SMALL).model, seed=0).state_dict()
    for name, tensor in initial.items():
        assert torch.equal(starts['scratch'][name], tensor)
        assert torch.equal(starts['frozen-random'][name], tensor) != ('running' in name or 'num_batches' in name)
        for arm in ('finetuned-a', 'frozen-a'):
            assert torch.equal(starts[arm][name], pretrained.get(name, tensor))
    assert not any(name.startswith('bbox_head') for name in pretrained)
    assert sum(not torch.equal(pretrained[name], initial[name]) for name in pretrained) >= 20
    for arm in arms[1:]:
        assert len(batches[arm]) == 2
        for mine, scratch in zip(batches[arm], batches['scratch'], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(mine, scratch, strict=True))
    for arm in arms:
        moved = {name for name in pretrained if not torch.equal(starts[arm][name], ends[arm][name])}
        assert len(moved) == (0 if 'frozen' in arm else len(pretrained))
        assert not torch.equal(starts[arm]['bbox_head.conv_cls.weight'], ends[arm]['bbox_head.conv_cls.weight'])
        assert (out / 'checkpoints' / 'seed_0' / '2_frames' / f'{arm}.pth').is_file()

    result = json.loads((out / 'results/seed_0/2_frames/frozen-a.json').read_text())
    assert result['checkpoint'] == read_exported(encoder)['meta']['strl']['sha256']
    assert len(result['frames']) == 2
    assert {f'{KITTI}/Car_BEV_AP40_moderate_loose', f'{KITTI}/Overall_BEV_AP40_moderate_loose'} <= result[
        'metrics'
    ].keys()
    assert comparison.metric == f'{KITTI}/Overall_3D_AP40_moderate'
    assert {each.interval.verdict for each in comparison.differences} == {'too few seeds'}
    assert (out / 'results.png').stat().st_size > 10_000
    said = capsys.readouterr().out
    assert '120 of 120 exported tensors landed bit for bit' in said
    assert '| frozen-a \N{MINUS SIGN} frozen-random |' in said
    assert 'Converting' not in said, "mmdet3d's own lines"
    assert not list((out / 'work').rglob('*.log'))


def test_votenet_is_measured_on_rooms(tmp_path, monkeypatch):
    """SUN RGB-D's info files and metric, and a trunk that takes points; a test of one view lacks most classes."""
    simulation = ScanNetSimulation(seed=0, scenes=0, train=2, val=1, width=160)
    assert sum(simulation.write(tmp_path / 'rooms')) == simulation.total
    monkeypatch.setenv('SUNRGBD_ROOT', str(tmp_path / 'rooms/sunrgbd'))
    model = MODELS.build(Config.fromfile('configs/strl/votenet_scannet_pretrain.py').model)
    exported = export_encoder(dict(meta={}, state_dict=model.state_dict()), 'run.pth')
    save_exported(exported, tmp_path / 'encoder.pth')
    monkeypatch.setattr(paired_training, 'CALIBRATION_BATCHES', 1)
    options = ['--labels', '50', '--seeds', '1', '--iterations', '1', '--cfg-options']
    options += ['train_dataloader.num_workers=0', 'test_dataloader.num_workers=0', 'train_dataloader.batch_size=2']
    arms = ['--arms', 'scratch', 'frozen-random']
    for metric, count in (('known_mAP_0.25', 1), ('mAP_0.25', 0)):
        comparison = evaluate(
            tmp_path / 'out',
            tmp_path / 'encoder.pth',
            *['--metric', metric, *arms, *options],
            config='configs/downstream/votenet_sunrgbd_scratch.py',
        )
        assert comparison.metric == metric
        assert [len(sizes.get(1, {})) for sizes in comparison.values.values()] == [count, count]
    assert comparison.notes[0] == (
        'results/seed_0/1_frames/scratch.json is left out: its test gave no finite mAP_0.25. '
        'Name another number by --metric.'
    )


def test_objects_are_pasted_from_the_frames_of_the_subset_only(kitti, tmp_path):
    """mmdet3d's own data set and sampler, on the files that the harness writes."""
    config = Config.fromfile(SAMPLED)
    subsets = LabelSubsets(config, tmp_path)
    every = [len(objects) for objects in database_of(subsets.config_of(4, 0)[0]).values()]
    for count in (1, 2):
        subset, frames, dropped = subsets.config_of(count, seed=3)
        dataset = DATASETS.build(labelled_dataset(subset))
        scans = [dataset.get_data_info(index)['lidar_points']['lidar_path'] for index in range(len(dataset))]
        assert [int(Path(scan).stem) for scan in scans] == frames
        database = database_of(subset)
        assert {each['image_idx'] for objects in database.values() for each in objects} <= set(frames)
        assert {int(Path(each['path']).name.split('_')[0]) for objects in database.values() for each in objects} <= set(
            frames
        )
        assert sum(map(len, database.values())) < sum(every)
        sampler = next(step for step in labelled_dataset(subset).pipeline if step.type == 'ObjectSample').db_sampler
        assert sorted([*sampler.sample_groups, *dropped]) == ['Car', 'Cyclist', 'Pedestrian']
        assert all(dataset[index] is not None for index in range(count)), 'the sampler failed'


def database_of(config):
    """What mmdet3d's sampler holds after its own filters."""
    return DATASETS.build(labelled_dataset(config)).pipeline.transforms[2].db_sampler.db_infos


def test_a_stopped_evaluation_continues_to_the_same_table(kitti, encoder, tmp_path, fake_runs, monkeypatch):
    options = ['--labels', '25', '100', '--seeds', '3', '--iterations', '2', '--arms', 'scratch', 'finetuned']
    evaluate(tmp_path / 'whole', encoder, *options)
    assert len(fake_runs) == len(set(fake_runs)) == 12
    fake_runs.clear()
    run = paired_training.PairedTraining.run

    def killed(training, key, results, tell):
        if len(fake_runs) == 5:
            raise RuntimeError('killed')
        return run(training, key, results, tell)

    monkeypatch.setattr(paired_training.PairedTraining, 'run', killed)
    with pytest.raises(RuntimeError, match='killed'):
        evaluate(tmp_path / 'parts', encoder, *options)
    assert '**Not complete:** 7 runs have no result yet.' in (tmp_path / 'parts/results.md').read_text()
    monkeypatch.setattr(paired_training.PairedTraining, 'run', run)
    evaluate(tmp_path / 'parts', encoder, *options)
    assert len(fake_runs) == len(set(fake_runs)) == 12
    for name in ('results.json', 'results.md', 'settings.json'):
        assert (tmp_path / 'parts' / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes()
    more = evaluate(tmp_path / 'parts', encoder, *options[:4], '4', *options[5:])
    assert len(fake_runs) == 16
    assert more.differences[0].interval.seeds == (0, 1, 2, 3)
    again = evaluate(tmp_path / 'parts', encoder, *options, '--metric', 'Overall_BEV_AP40_easy')
    assert len(fake_runs) == 16, 'another number needs no other run'
    assert again.metric == f'{KITTI}/Overall_BEV_AP40_easy'


def test_pretrainings_of_one_recipe_share_a_row(kitti, encoder, tmp_path, fake_runs):
    other = write_encoder(tmp_path / 'other.pth', 54321)
    options = ['--labels', '100', '--iterations', '2', '--arms', 'scratch', 'finetuned']
    both = ['--checkpoint', f'a={other}', '--seeds', '5']
    comparison = evaluate(tmp_path / 'out', encoder, *both, *options)
    assert len(fake_runs) == 10
    assert comparison.differences[0].interval.seeds == (0, 1, 2, 3, 4)
    sums = [read_exported(path)['meta']['strl']['sha256'] for path in (encoder, other)]
    for seed in range(5):
        result = json.loads((tmp_path / f'out/results/seed_{seed}/4_frames/finetuned-a.json').read_text())
        assert result['checkpoint'] == sums[seed % 2]
    said = f'finetuned-a: 2 pre-trainings; seeds 0, 2, 4 begin from {encoder}; seeds 1, 3 begin from {other}.'
    said += ' Seeds share them, so the interval is too narrow as far as pre-trainings differ.'
    assert comparison.notes == [said]
    assert f'- {said}' in (tmp_path / 'out/results.md').read_text()
    with pytest.raises(SystemExit, match=r'finetuned-a.json comes from another checkpoint of the same name'):
        evaluate(tmp_path / 'out', other, '--seeds', '1', *options)


def test_results_of_other_settings_are_refused(kitti, encoder, tmp_path, fake_runs):
    options = ['--labels', '100', '--seeds', '1', '--arms', 'finetuned']
    evaluate(tmp_path, encoder, *options, '--iterations', '2')
    with pytest.raises(SystemExit, match=r'holds results of other settings: .*train_cfg.max_iters is 3 and was 2'):
        evaluate(tmp_path, encoder, *options, '--iterations', '3')
    batch = ['--cfg-options', 'train_dataloader.batch_size=1']
    with pytest.raises(SystemExit, match=r'train_dataloader\.batch_size is 1 and was 2'):
        evaluate(tmp_path, encoder, *options, '--iterations', '2', *batch)
    weights = ['--cfg-options', 'model.backbone.init_cfg.type=Constant', 'model.backbone.init_cfg.layer=Conv2d']
    with pytest.raises(SystemExit, match=r'model\.backbone\.init_cfg\.type is "Constant" and was not set'):
        evaluate(tmp_path, encoder, *options, '--iterations', '2', *weights)
    other = write_encoder(tmp_path / 'other.pth', 54321)
    with pytest.raises(SystemExit, match=r'finetuned-a.json comes from another checkpoint of the same name'):
        evaluate(tmp_path, other, *options, '--iterations', '2')
    (tmp_path / 'results/seed_0/4_frames/finetuned-a.json').write_text('{"arm": 1}')
    with pytest.raises(SystemExit, match=r'finetuned-a.json is not a result of this tool: remove it'):
        evaluate(tmp_path, encoder, *options, '--iterations', '2')
    (tmp_path / 'results/seed_0/4_frames/finetuned-a.json').write_text('{"arm"')
    with pytest.raises(SystemExit, match=r'finetuned-a.json is damaged .*: remove it'):
        evaluate(tmp_path, encoder, *options, '--iterations', '2')


def test_a_frozen_random_trunk_of_other_parts_is_not_taken_for_this_one(kitti, encoder, tmp_path, fake_runs):
    """It has no checkpoint that would tell them apart."""
    options = ['--labels', '100', '--seeds', '1', '--iterations', '2', '--arms', 'frozen-random']
    evaluate(tmp_path, encoder, *options)
    path = tmp_path / 'results/seed_0/4_frames/frozen-random.json'
    result = json.loads(path.read_text())
    assert sorted(result['frozen']) == ['backbone', 'neck', 'voxel_encoder']
    for before, said in ((['voxel_encoder'], 'voxel_encoder'), (None, 'which is not known')):
        path.write_text(json.dumps(dict(result, frozen=before)))
        message = rf'frozen-random.json comes from a run in which other parts were frozen, {said}: name another'
        with pytest.raises(SystemExit, match=message):
            evaluate(tmp_path, encoder, *options)


def test_classes_that_cannot_be_balanced_are_named(kitti, tmp_path):
    config = tmp_path / 'balanced.py'
    config.write_text(
        f'_base_ = [{str(Path(SMALL).absolute())!r}]\n'
        'inner = _base_.train_dataloader.dataset.dataset\n'
        "train_dataloader = dict(dataset=dict(_delete_=True, type='CBGSDataset', dataset=inner))\n"
    )
    options = ['--labels', '1', '--seeds', '1', '--iterations', '1', '--arms', 'scratch']
    with pytest.raises(SystemExit, match=r'CBGSDataset cannot balance .*, of which the 1 frames of .*infos\.pkl'):
        evaluate(tmp_path / 'out', None, *options, config=str(config))


def test_a_damaged_info_file_is_named(kitti, tmp_path):
    damaged = tmp_path / 'damaged.pkl'
    damaged.write_bytes(b'no pickle')
    options = ['--iterations', '1', '--cfg-options', f'train_dataloader.dataset.dataset.ann_file={damaged}']
    with pytest.raises(SystemExit, match=r'damaged\.pkl: the pickle is damaged'):
        evaluate(tmp_path / 'out', None, '--arms', 'scratch', *options)


def test_a_run_that_another_process_makes_is_left_to_it(kitti, tmp_path, fake_runs, monkeypatch):
    options = ['--labels', '100', '--seeds', '2', '--iterations', '2', '--arms', 'scratch']
    mine = tmp_path / 'results/seed_0/4_frames/scratch.json'
    lock = locked(mine, 'training a detector')
    lock.__enter__()
    waits = []

    def other_process_ends(seconds):
        waits.append(list(fake_runs))
        result = json.loads((tmp_path / 'results/seed_1/4_frames/scratch.json').read_text())
        mine.write_text(json.dumps(dict(result, seed=0)))
        lock.__exit__(None, None, None)

    monkeypatch.setattr(evaluate_pretraining.time, 'sleep', other_process_ends)
    comparison = evaluate(tmp_path, None, *options)
    assert waits == [['results/seed_1/4_frames/scratch.json']], 'waited before its own work was done'
    assert fake_runs == ['results/seed_1/4_frames/scratch.json']
    assert list(comparison.values['scratch'][4]) == [0, 1]


def test_equal_subsets_are_measured_once_and_that_is_said(kitti, tmp_path, fake_runs, capsys):
    evaluate(tmp_path, None, '--labels', '1', '5', '100', '--seeds', '1', '--arms', 'scratch')
    assert '1 and 5 % of 4 frames are the same: 1; they are measured once' in capsys.readouterr().out
    assert len(fake_runs) == 2
    assert '| 1 and 5 % (1 frame) | 100 % (4 frames) |' in (tmp_path / 'results.md').read_text()
    # By default a run is as long as the config's own: 40 epochs of 2 batches.
    assert json.loads((tmp_path / 'results.json').read_text())['iterations'] == 80


def test_a_subset_without_an_object_in_range_is_refused(kitti, tmp_path):
    config, _, _ = LabelSubsets(Config.fromfile(SMALL), tmp_path).config_of(1, 0)
    for step in labelled_dataset(config).pipeline:
        if step.type == 'ObjectRangeFilter':
            step.point_cloud_range = [500, 500, 0, 501, 501, 1]
    with pytest.raises(ConfigError, match=r'lists 1 frames, of which none has an object in the detector'):
        paired_training.check_trainable(config, 0)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (['--arms', 'frozen', 'scratch'], 'the arms frozen need a pre-training: give --checkpoint'),
        (['--arms', 'scratch', '--labels', '0'], '--labels are per cent of the frames, above 0 and at most 100, not 0'),
        (['--checkpoint', '../x=nowhere.pth'], r'--checkpoint ../x=...: a name has letters, digits'),
        (['--checkpoint', 'x=nowhere.pth'], 'no checkpoint at nowhere.pth'),
        (['--arms', 'scratch', '--metric', 'AP99'], r'the test gives no AP99: name one of its numbers by --metric'),
        (
            ['--arms', 'scratch', '--cfg-options', 'train_dataloader.dataset.dataset.ann_file=no.pkl'],
            r'no info file at .*no.pkl: prepare the data, or correct the data_root',
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(kitti, tmp_path, fake_runs, options, said):
    with pytest.raises(SystemExit, match=said):
        evaluate(tmp_path, None, *options, '--seeds', '1')


@pytest.mark.parametrize(
    ('config', 'said'),
    [
        ('configs/downstream/pvrcnn_kitti_from_strl_frozen.py', 'freezes its trunk by FreezeHook in all arms'),
        ('configs/strl/pointpillars_kitti_pretrain.py', 'has no test_dataloader and test_evaluator: add them'),
    ],
)
def test_a_config_that_does_not_fit_is_refused(kitti, tmp_path, config, said):
    with pytest.raises(SystemExit, match=said):
        evaluate(tmp_path, None, '--arms', 'scratch', config=config)


def test_a_checkpoint_of_another_detector_is_refused_before_anything_takes_time(kitti, encoder, tmp_path, fake_runs):
    with pytest.raises(SystemExit, match=r'tensors of .*encoder.pth did not land in VoxelNet'):
        evaluate(tmp_path, encoder, '--seeds', '1', config=SAMPLED)
    assert not fake_runs


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        (['C', '--out', 'o', '--seeds', '0'], '--seeds and --iterations must be at least 1'),
        (['C', '--out', 'o', '--iterations', '0'], '--seeds and --iterations must be at least 1'),
        (['C', '--out', 'o', '--checkpoint', 'a.pth'], "'a.pth' is not of the form NAME=PTH"),
        (
            ['C', '--out', 'o', '--checkpoint', 'a=x', '--checkpoint', 'a=y', '--seeds', '1'],
            '--checkpoint a=... is given 2 times: that needs as many --seeds, not 1',
        ),
        (['C', '--out', 'o', '--arms', 'all'], "invalid choice: 'all'"),
    ],
)
def test_calls_that_make_no_sense_are_refused(argv, said, capsys):
    with pytest.raises(SystemExit, match='2'):
        evaluate_pretraining.parse_args(argv)
    assert said in capsys.readouterr().err


def test_durations_in_words():
    assert [evaluate_pretraining.in_words(seconds) for seconds in (20, 3540, 7500)] == ['0 min', '59 min', '2 h 05 min']
