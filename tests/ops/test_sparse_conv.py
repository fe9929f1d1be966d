"""spconv's convolutions and their gradients against dense ones."""

import pytest
import torch
import torch.nn.functional as F
from cumm import tensorview as tv
from spconv.core import ConvAlgo
from spconv.pytorch import (
    SparseConv3d,
    SparseConvTensor,
    SparseInverseConv3d,
    SparseMaxPool3d,
    SparseSequential,
    SubMConv3d,
)

import strl_mmdet3d.ops  # noqa: F401

SHAPE = (7, 8, 9)


def active_sites(batch_size=2, per_cloud=60):
    torch.manual_seed(0)
    cells = torch.stack([torch.randperm(SHAPE[0] * SHAPE[1] * SHAPE[2])[:per_cloud] for _ in range(batch_size)])
    batch = torch.arange(batch_size)[:, None].expand_as(cells)
    z, y, x = cells // (SHAPE[1] * SHAPE[2]), cells // SHAPE[2] % SHAPE[1], cells % SHAPE[2]
    return torch.stack([batch, z, y, x], dim=-1).reshape(-1, 4).int()


def to_dense(features, indices, shape=SHAPE):
    b, z, y, x = indices.long().T
    dense = features.new_zeros(int(b.max()) + 1, *shape, features.shape[1])
    return dense.index_put((b, z, y, x), features).permute(0, 4, 1, 2, 3)


def at_sites(dense, indices):
    b, z, y, x = indices.long().T
    return dense[b, :, z, y, x]


def gradients(out, inputs):
    weight = torch.linspace(-1, 1, out.numel()).view_as(out)
    return torch.autograd.grad((out * weight).sum(), inputs)


def assert_same(sparse_out, dense_out, inputs):
    torch.testing.assert_close(sparse_out, dense_out, rtol=1e-5, atol=1e-5)
    for got, expected in zip(gradients(sparse_out, inputs), gradients(dense_out, inputs), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def dense_weight(conv):
    # spconv keeps (out, z, y, x, in).
    return conv.weight.permute(0, 4, 1, 2, 3)


def test_submanifold():
    indices = active_sites()
    features = torch.rand(len(indices), 3, requires_grad=True)
    conv = SubMConv3d(3, 5, 3, bias=True)
    out = conv(SparseConvTensor(features, indices, SHAPE, 2))
    dense = F.conv3d(to_dense(features, indices), dense_weight(conv), conv.bias, padding=1)
    assert_same(out.features, at_sites(dense, out.indices), (features, conv.weight, conv.bias))


def test_strided():
    indices = active_sites()
    features = torch.rand(len(indices), 3, requires_grad=True)
    conv = SparseConv3d(3, 5, 3, stride=2, padding=1, bias=False)
    out = conv(SparseConvTensor(features, indices, SHAPE, 2))
    dense = F.conv3d(to_dense(features, indices), dense_weight(conv), stride=2, padding=1)
    assert tuple(out.spatial_shape) == dense.shape[2:]
    assert_same(out.features, at_sites(dense, out.indices), (features, conv.weight))
    # The active output sites hold every value that is not zero.
    torch.testing.assert_close(out.dense(), dense, rtol=1e-5, atol=1e-5)


def test_inverse():
    indices = active_sites()
    features = torch.rand(len(indices), 3, requires_grad=True)
    down = SparseConv3d(3, 4, 3, stride=2, padding=1, bias=False, indice_key='down')
    up = SparseInverseConv3d(4, 5, 3, indice_key='down', bias=False)
    out = SparseSequential(down, up)(SparseConvTensor(features, indices, SHAPE, 2))
    assert torch.equal(out.indices, indices)

    middle = F.conv3d(to_dense(features, indices), dense_weight(down), stride=2, padding=1)
    reached = (
        F.conv3d(to_dense(torch.ones(len(indices), 1), indices), torch.ones(1, 1, 3, 3, 3), stride=2, padding=1) > 0
    )
    transposed = F.conv_transpose3d(
        middle * reached,
        dense_weight(up).transpose(0, 1),
        stride=2,
        padding=1,
        output_padding=[(size + 1) % 2 for size in SHAPE],
    )
    assert_same(out.features, at_sites(transposed, indices), (features, down.weight, up.weight))


@pytest.mark.parametrize('features_dtype', [torch.float32, torch.bfloat16])
def test_runs_in_float32_under_autocast(features_dtype):
    indices = active_sites()
    features = torch.rand(len(indices), 3).to(features_dtype).requires_grad_()
    wide = features.detach().float().requires_grad_()
    conv = SubMConv3d(3, 5, 3, bias=False)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = conv(SparseConvTensor(features, indices, SHAPE, 2)).features
    expected = conv(SparseConvTensor(wide, indices, SHAPE, 2)).features
    # Equal up to the last bit of the input's type. Computing in bfloat16 would be off by 1e-2.
    tolerance = dict(rtol=torch.finfo(features_dtype).eps, atol=1e-6)
    torch.testing.assert_close(out, expected.to(features_dtype), **tolerance)
    grad_features, grad_weight = torch.autograd.grad(out.sum(), (features, conv.weight))
    expected_features, expected_weight = torch.autograd.grad(expected.sum(), (wide, conv.weight))
    torch.testing.assert_close(grad_features, expected_features.to(features_dtype), **tolerance)
    torch.testing.assert_close(grad_weight, expected_weight, rtol=1e-5, atol=1e-6)


def test_every_run_is_the_same():
    # spconv's own scatter sometimes loses additions between its threads.
    torch.manual_seed(0)
    indices = torch.unique(torch.randint(0, 40, (20000, 4)) % torch.tensor([1, 40, 40, 40]), dim=0).int()
    features = torch.rand(len(indices), 3, requires_grad=True)
    conv = SubMConv3d(3, 4, 3, bias=False)
    runs = []
    for _ in range(10):
        out = conv(SparseConvTensor(features, indices, (40, 40, 40), 1)).features
        runs.append((out, *gradients(out, (features, conv.weight))))
    for run in runs[1:]:
        for got, first in zip(run, runs[0], strict=True):
            torch.testing.assert_close(got, first, rtol=1e-5, atol=1e-5)


def test_bias_in_eval_mode():
    indices = active_sites()
    features = torch.rand(len(indices), 3)
    conv = SubMConv3d(3, 5, 3, bias=True)
    sites = SparseConvTensor(features, indices, SHAPE, 2)
    torch.testing.assert_close(conv.eval()(sites).features, conv.train()(sites).features)


def test_fused_activation_is_refused():
    indices = active_sites()
    conv = SubMConv3d(3, 5, 3).eval()
    conv.act_type = tv.gemm.Activation.ReLU
    with pytest.raises(NotImplementedError, match='CUDA only'):
        conv(SparseConvTensor(torch.rand(len(indices), 3), indices, SHAPE, 2))


def test_layers_of_a_spconv_built_with_cuda_compute_on_the_cpu_what_those_built_without_do():
    """Such a spconv gives its layers an algorithm that a CPU does not have."""
    indices = active_sites()
    layers = SparseSequential(
        SubMConv3d(3, 4, 3, indice_key='fine'),
        SparseConv3d(4, 4, 3, stride=2, padding=1, indice_key='down'),
        SparseInverseConv3d(4, 5, 3, indice_key='down'),
        SparseMaxPool3d(3, stride=2),
    )

    def results():
        features = torch.linspace(-1, 1, 3 * len(indices)).view(-1, 3).requires_grad_()
        out = layers(SparseConvTensor(features, indices, SHAPE, 2))
        return out.indices, out.features, *gradients(out.features, [features, *layers.parameters()])

    expected = results()
    for layer in layers:
        layer.algo = ConvAlgo.MaskImplicitGemm
    for found, one in zip(results(), expected, strict=True):
        assert torch.equal(found, one)
    assert {layer.algo for layer in layers} == {ConvAlgo.MaskImplicitGemm}


def test_a_layer_keeps_its_algorithm_after_an_error():
    conv = SubMConv3d(3, 4, 3)
    conv.algo = ConvAlgo.MaskImplicitGemm
    indices = active_sites()
    with pytest.raises(AssertionError, match='channel size mismatch'):
        conv(SparseConvTensor(torch.rand(len(indices), 5), indices, SHAPE, 2))
    assert conv.algo == ConvAlgo.MaskImplicitGemm
