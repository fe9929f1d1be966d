"""Which version of spconv stored a weight is told by the shapes of a file's weights together."""

from __future__ import annotations

import pytest
import torch

from strl_mmdet3d.export import ExportError
from strl_mmdet3d.export.openpcdet.layouts import LAYOUTS, layout_of, normalisation_of, relaid

SHAPES = {'1': (3, 3, 3, 4, 16), '2': (16, 3, 3, 3, 4), '2.0-native': (3, 3, 3, 16, 4)}


def weights(*layers: tuple[str, tuple[int, ...], int]) -> dict[str, torch.Tensor]:
    """Weights by name and shape, and the scales of the normalisations behind them."""
    state = {}
    for name, shape, out in layers:
        weight = f'backbone_3d.{name}.weight'
        state |= {weight: torch.randn(shape), normalisation_of(weight): torch.ones(out)}
    return state


@pytest.mark.parametrize('layout', LAYOUTS)
def test_the_first_convolution_tells(layout):
    state = weights(('conv_input.0', SHAPES[layout], 16))
    assert layout_of(state, 'x') == layout
    assert layout_of(state, 'x', layout) == layout
    for other in set(LAYOUTS) - {layout}:
        with pytest.raises(ExportError, match=f'weights of spconv {layout}, not of spconv {other}'):
            layout_of(state, 'x', other)


@pytest.mark.parametrize('stored', LAYOUTS)
@pytest.mark.parametrize('wanted', LAYOUTS)
def test_a_weight_is_relaid_by_its_axes(stored, wanted):
    weight = torch.randn(SHAPES[stored])
    got = relaid(weight, stored, wanted)
    assert tuple(got.shape) == SHAPES[wanted]
    axes = {'1': 'zyxio', '2': 'ozyxi', '2.0-native': 'zyxoi'}
    assert torch.equal(got, torch.einsum(f'{axes[stored]}->{axes[wanted]}', weight))


def test_weights_that_fit_several_versions_are_asked_for():
    equal = ('conv1.0.0', (3, 3, 3, 16, 16), 16)  # spconv 1, or 2.0's native algorithm
    with pytest.raises(ExportError, match=r'fit the weights of spconv 1 and of 2\.0-native: say by --spconv'):
        layout_of(weights(equal), 'x')
    assert layout_of(weights(equal), 'x', '1') == '1'
    # Another weight of the same file tells, in whichever order they come.
    for layers in ((equal, ('conv_out.0', (3, 1, 1, 64, 128), 128)), (('conv_out.0', (3, 1, 1, 64, 128), 128), equal)):
        assert layout_of(weights(*layers), 'x') == '1'
    assert layout_of(weights(('conv1.0.conv2', (3, 3, 3, 3, 3), 3)), 'x', '2') == '2'
    with pytest.raises(ExportError, match='say by --spconv'):
        layout_of(weights(('conv1.0.conv2', (3, 3, 3, 3, 3), 3)), 'x')


def test_a_weight_of_another_kernel_or_version_is_named():
    with pytest.raises(ExportError, match=r'conv_out\.0\.weight of shape \(3, 3, 3, 64, 128\) is not stored'):
        layout_of(weights(('conv_out.0', (3, 3, 3, 64, 128), 128)), 'x')
    mixed = weights(('conv_input.0', SHAPES['1'], 16), ('conv2.0.0', (32, 3, 3, 3, 16), 32))
    with pytest.raises(ExportError, match=r'conv2\.0\.0\.weight .* not stored as spconv 1 '):
        layout_of(mixed, 'x')
    with pytest.raises(ExportError, match=r'lacks backbone_3d\.conv_input\.1\.weight'):
        layout_of({'backbone_3d.conv_input.0.weight': torch.ones(SHAPES['2'])}, 'x')


def test_files_without_sparse_convolutions_are_of_any_version():
    assert layout_of({'vfe.pfn_layers.0.linear.weight': torch.ones(64, 10)}, 'x') == '2'


def test_the_normalisation_follows_its_convolution():
    assert normalisation_of('backbone_3d.conv2.0.0.weight') == 'backbone_3d.conv2.0.1.weight'
    assert normalisation_of('backbone_3d.conv1.1.conv2.weight') == 'backbone_3d.conv1.1.bn2.weight'
    ours = 'middle_encoder.encoder_layers.encoder_layer1.0.conv1.weight'
    assert normalisation_of(ours) == 'middle_encoder.encoder_layers.encoder_layer1.0.bn1.weight'
