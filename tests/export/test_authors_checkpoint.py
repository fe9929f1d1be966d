"""The converter of the authors' checkpoints, on synthetic files in their layout."""

from __future__ import annotations

import argparse
import sys
import types
from collections import OrderedDict

import convert_authors_checkpoint as tool
import pytest
import torch
import torch.nn.functional as F

from strl_mmdet3d.export import ExportError
from strl_mmdet3d.export.authors_checkpoint import (
    ENCODERS,
    convert_authors_checkpoint,
    read_authors_checkpoint,
)
from strl_mmdet3d.models.encoder import DetectorEncoder, build_detector

# The convolutions of each released encoder as (name, normalisation, output, input channels), and a weight's dimensions.
POINTNET = [
    (f'conv{i + 1}', f'bn{i + 1}', *c) for i, c in enumerate([(64, 3), (64, 64), (64, 64), (128, 64), (1024, 128)])
]
DGCNN = [
    (f'conv{i + 1}.0', f'conv{i + 1}.1', *c)
    for i, c in enumerate([(64, 6), (64, 128), (128, 128), (256, 256), (1024, 512)])
]
DGCNN_SEG = [
    (f'conv{i + 1}.0', f'conv{i + 1}.1', *c)
    for i, c in enumerate([(64, 6), (64, 64), (64, 128), (64, 64), (64, 128), (1024, 192), (512, 1216), (256, 512)])
]
WIDTHS = [[3, 64, 64, 128], [131, 128, 128, 256], [259, 128, 128, 256], [259, 128, 128, 256], [512, 256, 256]]
VOTENET = [
    (f'{module}.layer{i}.conv', f'{module}.layer{i}.bn.bn', widths[i + 1], widths[i])
    for module, widths in zip(
        ['sa1.mlp_module', 'sa2.mlp_module', 'sa3.mlp_module', 'sa4.mlp_module', 'fp1.mlp', 'fp2.mlp'],
        [*WIDTHS, WIDTHS[-1]],
        strict=True,
    )
    for i in range(len(widths) - 1)
]
LAYERS = {'pointnet': POINTNET, 'dgcnn': DGCNN, 'dgcnn_seg': DGCNN_SEG, 'votenet': VOTENET}
SIZES = {'pointnet': 30, 'dgcnn': 30, 'dgcnn_seg': 36, 'votenet': 96}


def normalisation(name: str, channels: int) -> dict[str, torch.Tensor]:
    return {
        f'{name}.weight': torch.rand(channels),
        f'{name}.bias': torch.randn(channels),
        f'{name}.running_mean': torch.randn(channels),
        f'{name}.running_var': torch.rand(channels) + 0.5,
        f'{name}.num_batches_tracked': torch.tensor(1234),
    }


def network(encoder: str) -> OrderedDict:
    """The state dict of one of their encoders, with random values."""
    tensors: OrderedDict = OrderedDict()
    for number, (conv, norm, out, channels) in enumerate(LAYERS[encoder], start=1):
        pointwise = encoder == 'pointnet' or number > {'dgcnn': 4, 'dgcnn_seg': 5}.get(encoder, 16)
        shape = (out, channels, 1) if pointwise else (out, channels, 1, 1)
        tensors |= normalisation(norm, out) | {f'{conv}.weight': torch.randn(shape)}
        if encoder.startswith('dgcnn'):  # their modules hold each normalisation twice
            tensors |= {f'bn{number}.{name.rsplit(".", 1)[1]}': tensors[name] for name in normalisation(norm, out)}
    return tensors


def head(name: str) -> dict[str, torch.Tensor]:
    return {f'{name}.0.weight': torch.randn(8, 4), f'{name}.3.weight': torch.randn(4, 8)} | normalisation(
        f'{name}.1', 8
    )


def lightning(encoder: str) -> dict:
    """A checkpoint as their training writes it."""
    online = network(encoder) | head('projector') | head('predictor')
    target = network(encoder) | head('projector')
    return dict(
        epoch=59,
        global_step=71600,
        state_dict=OrderedDict(
            {f'target_network.{name}': tensor for name, tensor in target.items()}
            | {f'online_network.{name}': tensor for name, tensor in online.items()}
        ),
        optimizer_states=[dict(state={0: dict(step=1, exp_avg=torch.zeros(3))}, param_groups=[dict(lr=1e-3)])],
        lr_schedulers=[dict(T_max=100)],
    )


def downstream(encoder: str) -> dict:
    """The model that takes the released encoder."""
    if encoder == 'votenet':
        return dict(detector='mmdet3d::votenet/votenet_8xb16_sunrgbd-3d.py', override={'backbone.in_channels': 3})
    if encoder == 'dgcnn_seg':
        return dict(
            detector='mmdet3d::dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py',
            override={'backbone.in_channels': 3},
        )
    return dict(
        detector=dict(
            type='ShapeClassifier',
            backbone=dict(type='PointNet') if encoder == 'pointnet' else dict(type='DGCNN', k=20),
            cls_head=dict(type='ShapeClsHead', num_classes=4, in_channels=1024 if encoder == 'pointnet' else 2048),
        )
    )


@pytest.mark.parametrize('encoder', sorted(ENCODERS))
def test_every_tensor_is_accounted_for_and_lands(encoder):
    checkpoint = lightning(encoder)
    exported, report = convert_authors_checkpoint(checkpoint, encoder, 'x.ckpt')
    assert {*report.kept, *report.dropped} == set(checkpoint['state_dict'])
    assert not set(report.kept) & set(report.dropped)
    assert len(exported['state_dict']) == len(report.kept) == SIZES[encoder]
    model = build_detector(**downstream(encoder))
    result = model.load_state_dict(exported['state_dict'], strict=False)
    assert not result.unexpected_keys
    assert {name for name in result.missing_keys if name.startswith('backbone.')} == set()
    for theirs, ours in report.kept.items():
        assert torch.equal(exported['state_dict'][ours].flatten(), checkpoint['state_dict'][theirs].flatten())
        assert theirs.startswith('online_network.')


def released_layer(tensors: dict, conv: str, norm: str, x: torch.Tensor, slope: float) -> torch.Tensor:
    """Convolution, BatchNorm in eval mode, (leaky) ReLU; the channels of x are its second dimension."""
    x = torch.einsum('oi,bi...->bo...', tensors[f'{conv}.weight'].flatten(1), x)
    values = (tensors[f'{norm}.{name}'] for name in ('running_mean', 'running_var', 'weight', 'bias'))
    return F.leaky_relu(F.batch_norm(x, *values), slope)


def released_graph(x: torch.Tensor, k: int) -> torch.Tensor:
    """Edge features (B, 2 C, N, k) of points (B, C, N): neighbour minus point, then the point."""
    near = (x[:, :, :, None] - x[:, :, None]).square().sum(1).topk(k, largest=False).indices
    neighbours = torch.stack([cloud[:, index] for cloud, index in zip(x, near, strict=True)])
    center = x[..., None].expand_as(neighbours)
    return torch.cat([neighbours - center, center], dim=1)


def released_features(encoder: str, tensors: dict, clouds: torch.Tensor, k: int = 20) -> torch.Tensor:
    """The features of clouds (B, N, 3) from the released networks, written down from their layers."""
    x, collected = clouds.transpose(1, 2), []
    if encoder == 'pointnet':
        for conv, norm, *_ in POINTNET:
            x = released_layer(tensors, conv, norm, x, slope=0.0)
        return x.amax(2)
    graphs = [1, 1, 1, 1] if encoder == 'dgcnn' else [2, 2, 1]
    layers = iter(LAYERS[encoder])
    for depth in graphs:
        edges = released_graph(x, k)
        for _ in range(depth):
            edges = released_layer(tensors, *next(layers)[:2], edges, slope=0.2)
        x = edges.amax(3)
        collected.append(x)
    x = released_layer(tensors, *next(layers)[:2], torch.cat(collected, dim=1), slope=0.2)
    return torch.cat([x.amax(2), x.mean(2)], dim=1) if encoder == 'dgcnn' else x.amax(2)


@pytest.mark.parametrize('encoder', ['pointnet', 'dgcnn', 'dgcnn_seg'])
def test_the_converted_encoder_computes_what_the_released_one_does(encoder):
    """So the order of the channels is the same, too."""
    checkpoint = lightning(encoder)
    exported, _ = convert_authors_checkpoint(checkpoint, encoder, 'x.ckpt')
    wrapped = downstream(encoder)
    if encoder == 'dgcnn_seg':
        wrapped['override']['backbone.type'] = 'FeatureKNNDGCNN'
    model = DetectorEncoder(feature='pooled' if encoder == 'dgcnn_seg' else None, **wrapped).eval()
    model.detector.load_state_dict(exported['state_dict'], strict=False)
    online = {name.removeprefix('online_network.'): tensor for name, tensor in checkpoint['state_dict'].items()}
    clouds = torch.rand(2, 64, 3)
    expected = released_features(encoder, online, clouds)
    with torch.no_grad():
        got = model(dict(points=list(clouds)))
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_the_report_counts_and_says_why():
    _, report = convert_authors_checkpoint(lightning('dgcnn_seg'), 'dgcnn_seg', 'x.ckpt')
    said = str(report)
    assert said.startswith('36 of 197 tensors kept')
    for line in (
        '95 dropped: the target network',
        '7 dropped: the projector',
        '7 dropped: the predictor',
        '22 dropped: after the pooled feature',
        '30 dropped: a layer under its second name',
    ):
        assert line in said


def prefixed(tensors: dict, prefix: str) -> dict:
    return {f'{prefix}{name}': tensor for name, tensor in tensors.items()}


def test_transformed_files_are_read_too(tmp_path):
    path = tmp_path / 'transformed.tar'
    torch.save(dict(model_state_dict=prefixed(network('votenet'), 'backbone_net.')), path)
    exported, report = convert_authors_checkpoint(read_authors_checkpoint(path), 'votenet', str(path))
    assert len(exported['state_dict']) == 96
    assert not report.dropped
    torch.save(dict(state_dict=network('dgcnn_seg')), path)
    exported, _ = convert_authors_checkpoint(read_authors_checkpoint(path), 'dgcnn_seg', str(path))
    assert len(exported['state_dict']) == 36


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda d: d.update({'online_network.sa5.conv.weight': torch.ones(1)}),
            r'1 of .* online_network\.sa5\.conv\.we',
        ),
        (lambda d: d.update({'teacher.sa1.weight': torch.ones(1)}), r'teacher\.sa1\.weight'),
        (lambda d: d.update({'online_network.sa1.mlp_module.layer0.conv.bias': torch.ones(64)}), r'layer0\.conv\.bias'),
        (
            lambda d: d.pop('online_network.fp2.mlp.layer1.bn.bn.running_var'),
            r'lacks 1 tensors .*FP_modules\.1\.mlps\.layer1\.bn\.running_var',
        ),
        (lambda d: d['online_network.fp2.mlp.layer1.conv.weight'].fill_(torch.nan), r'NaN or infinity, backbone\.FP'),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    checkpoint = lightning('votenet')
    change(checkpoint['state_dict'])
    with pytest.raises(ExportError, match=message):
        convert_authors_checkpoint(checkpoint, 'votenet', 'x.ckpt')


def test_another_network_is_refused():
    for encoder, other in (('votenet', 'pointnet'), ('dgcnn', 'dgcnn_seg'), ('pointnet', 'dgcnn')):
        with pytest.raises(ExportError, match=f'released {other}'):
            convert_authors_checkpoint(lightning(encoder), other, 'x.ckpt')


def test_two_values_of_one_layer_are_refused():
    checkpoint = lightning('dgcnn_seg')
    checkpoint['state_dict']['online_network.bn3.running_mean'] = torch.zeros(64)
    with pytest.raises(
        ExportError, match=r'online_network\.bn3\.running_mean and online_network\.conv3\.1\.running_mean'
    ):
        convert_authors_checkpoint(checkpoint, 'dgcnn_seg', 'x.ckpt')


def test_files_of_old_torch_have_no_counts_of_batches():
    checkpoint = lightning('votenet')
    for name in [name for name in checkpoint['state_dict'] if name.endswith('num_batches_tracked')]:
        del checkpoint['state_dict'][name]
    exported, _ = convert_authors_checkpoint(checkpoint, 'votenet', 'x.ckpt')
    counts = [tensor for name, tensor in exported['state_dict'].items() if name.endswith('num_batches_tracked')]
    assert len(exported['state_dict']) == 96
    assert [int(count) for count in counts] == [0] * 16  # where torch starts a count that a file lacks
    model = build_detector(**downstream('votenet'))
    missing = model.load_state_dict(exported['state_dict'], strict=False).missing_keys
    assert not [name for name in missing if name.startswith('backbone.')]


@pytest.fixture
def fake_lightning(monkeypatch):
    """The classes that Lightning pickles: hyper-parameters, and a callback."""

    class AttributeDict(dict):
        """As in Lightning."""

    class ModelCheckpoint:
        """As in Lightning."""

    for kind, module in (
        (AttributeDict, 'pytorch_lightning.utilities.parsing'),
        (ModelCheckpoint, 'pytorch_lightning.callbacks.model_checkpoint'),
    ):
        kind.__module__, kind.__qualname__ = module, kind.__name__
        parts = module.split('.')
        for end in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, '.'.join(parts[:end]), types.ModuleType('.'.join(parts[:end])))
        setattr(sys.modules[module], kind.__name__, kind)
    return AttributeDict, ModelCheckpoint


@pytest.mark.parametrize('zipped', [True, False])
def test_lightnings_own_classes_are_read_without_lightning(fake_lightning, tmp_path, monkeypatch, zipped):
    attributes, callback = fake_lightning
    content = lightning('votenet') | dict(
        hyper_parameters=attributes(network='votenet', epochs=100),
        hparams=argparse.Namespace(k=20),
        callbacks={callback: dict(best_model_score=torch.tensor(0.7))},
    )
    path = tmp_path / 'epoch=59.ckpt'
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    for name in [name for name in sys.modules if name.startswith('pytorch_lightning')]:
        monkeypatch.delitem(sys.modules, name)
    read = read_authors_checkpoint(path)
    assert not [name for name in sys.modules if name.startswith('pytorch_lightning')]
    assert len(convert_authors_checkpoint(read, 'votenet', str(path))[0]['state_dict']) == 96


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def test_unsafe_broken_and_other_files_are_refused_by_name(tmp_path):
    mark, path = tmp_path / 'mark', tmp_path / 'released.ckpt'
    contents = [lightning('votenet') | dict(hparams=Evil(mark)), dict(weights={}), dict(state_dict=dict(a='b')), [1]]
    for content in contents:
        torch.save(content, path)
        with pytest.raises(ExportError, match=r'released\.ckpt'):
            read_authors_checkpoint(path)
    path.write_bytes(b'PK')
    with pytest.raises(ExportError, match=r'released\.ckpt'):
        read_authors_checkpoint(path)
    with pytest.raises(ExportError, match='no checkpoint at'):
        read_authors_checkpoint(tmp_path / 'none.ckpt')
    assert not mark.exists()


@pytest.mark.parametrize(
    ('encoder', 'config', 'head'),
    [
        ('pointnet', 'pointnet_shapes_from_strl', 'cls_head'),
        ('dgcnn', 'dgcnn_shapes_from_strl', 'cls_head'),
        ('dgcnn_seg', 'dgcnn_s3dis_from_strl', 'decode_head'),
        ('votenet', 'votenet_sunrgbd_from_strl', 'bbox_head'),
    ],
)
def test_the_tool_converts_verifies_and_tells(encoder, config, head, tmp_path, capsys):
    path, out, size = tmp_path / 'released.ckpt', tmp_path / 'deep' / 'encoder.pth', SIZES[encoder]
    torch.save(lightning(encoder), path)
    tool.main([str(path), str(out), '--encoder', encoder, '--verify', f'configs/downstream/{config}.py'])
    said = capsys.readouterr().out
    assert f'{size} of {len(lightning(encoder)["state_dict"])} tensors kept' in said
    assert f'{size} of {size} exported tensors landed bit for bit: backbone {size}' in said
    assert f'from scratch: {head}' in said
    provenance = torch.load(out, weights_only=True)['meta']['strl']
    assert (provenance['epoch'], provenance['iter'], provenance['source']) == (59, 71600, 'released.ckpt')


def test_the_tool_refuses_with_a_message(tmp_path):
    path = tmp_path / 'released.ckpt'
    torch.save(lightning('votenet'), path)
    with pytest.raises(SystemExit, match='do not belong to the released pointnet'):
        tool.main([str(path), str(tmp_path / 'out.pth'), '--encoder', 'pointnet'])
    assert not (tmp_path / 'out.pth').exists()
    stock_config = 'mmdet3d::votenet/votenet_8xb16_sunrgbd-3d.py'  # with the height channel
    with pytest.raises(SystemExit, match='did not land'):
        tool.main([str(path), str(tmp_path / 'out.pth'), '--encoder', 'votenet', '--verify', stock_config])
