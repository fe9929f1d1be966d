"""mmcv's own sparse convolutions and max pooling, with gradients, against dense ones; and spconv's max pooling."""

import pytest
import spconv.pytorch as spconv
import torch
import torch.nn.functional as F
from mmcv.ops import (
    SparseConv2d,
    SparseConv3d,
    SparseConvTensor,
    SparseConvTranspose3d,
    SparseInverseConv3d,
    SparseMaxPool3d,
    SparseSequential,
    SubMConv2d,
    SubMConv3d,
)
from mmcv.ops.sparse_conv import SparseConv4d
from mmcv.ops.sparse_ops import get_indice_pairs

import strl_mmdet3d.ops  # noqa: F401

SHAPE = [7, 8, 9]


def active_sites(shape=SHAPE, batch_size=2, per_cloud=60):
    torch.manual_seed(0)
    cells = [torch.randperm(torch.Size(shape).numel())[:per_cloud] for _ in range(batch_size)]
    sites = [torch.stack(torch.unravel_index(cell, shape), dim=1) for cell in cells]
    return torch.cat([F.pad(of_cloud, (1, 0), value=b) for b, of_cloud in enumerate(sites)]).int()


def to_dense(features, indices, shape=SHAPE):
    dense = features.new_zeros(int(indices[:, 0].max()) + 1, *shape, features.shape[1])
    return dense.index_put(indices.long().unbind(1), features).movedim(-1, 1)


def at_sites(dense, indices):
    return dense.movedim(1, -1)[indices.long().unbind(1)]


def dense_weight(conv):
    # mmcv keeps (kernel..., in, out).
    return conv.weight.movedim((-1, -2), (0, 1))


def assert_same(sparse_out, dense_out, inputs):
    torch.testing.assert_close(sparse_out, dense_out, rtol=1e-5, atol=1e-5)
    weight = torch.linspace(-1, 1, sparse_out.numel()).view_as(sparse_out)
    for got, expected in zip(
        torch.autograd.grad(sparse_out, inputs, weight), torch.autograd.grad(dense_out, inputs, weight), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kernel', [(3, 3, 3), (1, 3, 3), (3, 1, 3), (3, 1, 1), (5, 3, 1)])
def test_submanifold(kernel):
    indices = active_sites()
    features = torch.rand(len(indices), 3, requires_grad=True)
    conv = SubMConv3d(3, 5, kernel, bias=True)
    out = conv(SparseConvTensor(features, indices, SHAPE, 2))
    assert out.indices is indices
    dense = F.conv3d(to_dense(features, indices), dense_weight(conv), conv.bias, padding=[size // 2 for size in kernel])
    assert_same(out.features, at_sites(dense, indices), (features, conv.weight, conv.bias))


def test_two_kernels_of_one_size_share_their_pairs():
    # Cylinder3D gives (1, 3, 3) and (3, 1, 3) one indice_key: the second convolves with the pairs of the first.
    indices = active_sites()
    features = torch.rand(len(indices), 3)
    first, second = (SubMConv3d(3, 3, kernel, indice_key='a', bias=False) for kernel in ((1, 3, 3), (3, 1, 3)))
    out = SparseSequential(first, second)(SparseConvTensor(features, indices, SHAPE, 2)).features
    alone = SubMConv3d(3, 3, (1, 3, 3), bias=False)
    alone.weight.data = second.weight.data.view(1, 3, 3, 3, 3)
    first_out = first(SparseConvTensor(features, indices, SHAPE, 2)).features
    torch.testing.assert_close(out, alone(SparseConvTensor(first_out, indices, SHAPE, 2)).features)


@pytest.mark.parametrize(
    ('stride', 'padding', 'dilation'), [(2, 1, 1), ((2, 2, 1), 1, 1), (3, 0, 1), (1, 0, 1), (1, 2, 2)]
)
def test_strided(stride, padding, dilation):
    indices = active_sites()
    features = torch.rand(len(indices), 3, requires_grad=True)
    conv = SparseConv3d(3, 5, 3, stride=stride, padding=padding, dilation=dilation, bias=False)
    out = conv(SparseConvTensor(features, indices, SHAPE, 2))
    dense = F.conv3d(to_dense(features, indices), dense_weight(conv), stride=stride, padding=padding, dilation=dilation)
    assert tuple(out.spatial_shape) == dense.shape[2:]
    assert_same(out.features, at_sites(dense, out.indices), (features, conv.weight))
    # The output sites hold every value that is not zero, each site once, by cloud and then lexicographic.
    torch.testing.assert_close(out.dense(), dense, rtol=1e-5, atol=1e-5)
    assert torch.equal(out.indices, out.indices.unique(dim=0))


def test_transposed():
    indices = active_sites()
    features = torch.rand(len(indices), 3, requires_grad=True)
    conv = SparseConvTranspose3d(3, 5, 3, stride=2, padding=1, bias=False)
    out = conv(SparseConvTensor(features, indices, SHAPE, 2))
    dense = F.conv_transpose3d(to_dense(features, indices), conv.weight.movedim((-2, -1), (0, 1)), stride=2, padding=1)
    assert tuple(out.spatial_shape) == dense.shape[2:]
    assert_same(out.features, at_sites(dense, out.indices), (features, conv.weight))
    torch.testing.assert_close(out.dense(), dense, rtol=1e-5, atol=1e-5)


def test_inverse():
    indices = active_sites()
    features = torch.rand(len(indices), 3, requires_grad=True)
    down = SparseConv3d(3, 4, 3, stride=2, padding=1, bias=False, indice_key='down')
    up = SparseInverseConv3d(4, 5, 3, indice_key='down', bias=False)
    out = SparseSequential(down, up)(SparseConvTensor(features, indices, SHAPE, 2))
    assert torch.equal(out.indices, indices)
    middle = down(SparseConvTensor(features, indices, SHAPE, 2))
    transposed = F.conv_transpose3d(
        to_dense(middle.features, middle.indices, middle.spatial_shape),
        up.weight.movedim((-2, -1), (0, 1)),
        stride=2,
        padding=1,
        output_padding=[(size + 1) % 2 for size in SHAPE],
    )
    assert_same(out.features, at_sites(transposed, indices), (features, down.weight, up.weight))


def test_two_and_four_dimensions():
    indices = active_sites([11, 12])
    features = torch.rand(len(indices), 3)
    sites = SparseConvTensor(features, indices, [11, 12], 2)
    down, same = SparseConv2d(3, 5, 3, stride=2, padding=1, bias=False), SubMConv2d(3, 5, 3, bias=False)
    dense = to_dense(features, indices, [11, 12])
    torch.testing.assert_close(down(sites).dense(), F.conv2d(dense, dense_weight(down), stride=2, padding=1))
    torch.testing.assert_close(same(sites).features, at_sites(F.conv2d(dense, dense_weight(same), padding=1), indices))
    # torch has no convolution of four dimensions: one of three, for each place of the first.
    indices = active_sites([4, 5, 4, 3])
    conv = SparseConv4d(3, 2, (2, 3, 3, 3), padding=(0, 1, 1, 1), bias=False)
    features = torch.rand(len(indices), 3)
    dense = to_dense(features, indices, [4, 5, 4, 3])
    weight = dense_weight(conv)
    expected = torch.stack(
        [sum(F.conv3d(dense[:, :, i + j], weight[:, :, j], padding=1) for j in range(2)) for i in range(3)], dim=2
    )
    torch.testing.assert_close(conv(SparseConvTensor(features, indices, [4, 5, 4, 3], 2)).dense(), expected)


def test_pairs_by_hand():
    # Sites 0 and 2 of a line of 5 cells, a kernel of 3 and stride 2: outputs 0 and 1, of inputs 2 i + place.
    indices = torch.tensor([[0, 0, 2], [0, 0, 0]], dtype=torch.int32)
    for grid in (None, torch.full((1 * 1 * 2,), -1, dtype=torch.int32)):
        sites, pairs, counts = get_indice_pairs(indices, 1, [1, 5], (1, 3), (1, 2), grid=grid)
        assert sites.tolist() == [[0, 0, 0], [0, 0, 1]]
        assert counts.tolist() == [2, 0, 1]
        assert pairs.tolist() == [[[0, 1], [1, 0]], [[-1, -1], [-1, -1]], [[0, -1], [0, -1]]]
        assert pairs.dtype == counts.dtype == sites.dtype == torch.int32


def test_no_sites():
    nothing = SparseConvTensor(torch.zeros(0, 3), torch.zeros(0, 4, dtype=torch.int32), SHAPE, 2)
    for conv in (SubMConv3d(3, 5, 3), SparseConv3d(3, 5, 3, stride=2)):
        assert conv(nothing).features.shape == (0, 5)
    assert SparseMaxPool3d(2, 2)(nothing).features.shape == (0, 3)


def test_runs_in_float32_under_autocast():
    indices = active_sites()
    features = torch.rand(len(indices), 3).bfloat16().requires_grad_()
    conv = SubMConv3d(3, 5, 3, bias=False)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = conv(SparseConvTensor(features, indices, SHAPE, 2)).features
    expected = conv(SparseConvTensor(features.float(), indices, SHAPE, 2)).features
    assert torch.equal(out, expected.bfloat16())
    torch.testing.assert_close(
        torch.autograd.grad(out.sum(), conv.weight), torch.autograd.grad(expected.sum(), conv.weight)
    )


def test_a_site_that_occurs_twice_keeps_its_own_center():
    # Both rows of the site give to their neighbour, but only the last one gets from it.
    indices = torch.tensor([[0, 1, 1], [0, 1, 1], [0, 2, 2]], dtype=torch.int32)
    conv = SubMConv2d(1, 1, 3, bias=False)
    conv.weight.data = torch.ones(3, 3, 1, 1)
    out = conv(SparseConvTensor(torch.tensor([[1.0], [10], [100]]), indices, [4, 4], 1))
    assert out.features.flatten().tolist() == [1, 110, 111]


def test_what_a_cuda_kernel_gets_wrong_is_refused():
    features = torch.rand(1, 3)
    for site in ([0, 0, 0, 9], [0, -1, 0, 0], [2, 0, 0, 0]):
        with pytest.raises(IndexError, match=r'outside of 2 clouds of \[7, 8, 9\] cells'):
            SubMConv3d(3, 5, 3)(SparseConvTensor(features, torch.tensor([site], dtype=torch.int32), SHAPE, 2))
    with pytest.raises(NotImplementedError, match='wrong if dilated'):
        SubMConv3d(3, 5, 3, dilation=2)(SparseConvTensor(features, torch.zeros(1, 4, dtype=torch.int32), SHAPE, 2))


def mmcv_pool(features, indices):
    return SparseMaxPool3d(2, 2)(SparseConvTensor(features, indices, SHAPE, 2))


def spconv_pool(features, indices):
    return spconv.SparseMaxPool3d(2, 2)(spconv.SparseConvTensor(features, indices, SHAPE, 2))


@pytest.mark.parametrize('pool', [mmcv_pool, spconv_pool])
def test_max_pooling_starts_from_zero_as_on_a_gpu(pool):
    indices = active_sites(per_cloud=200)
    features = torch.randn(len(indices), 3, requires_grad=True)
    out = pool(features, indices)
    # Cells without a site are zero in the dense tensor, and so is the start of the sparse maximum.
    dense = at_sites(F.max_pool3d(to_dense(features, indices), 2).clamp(min=0), out.indices)
    assert dense.eq(0).any()
    torch.testing.assert_close(out.features, dense)
    got = torch.autograd.grad(out.features.square().sum(), features)[0]
    torch.testing.assert_close(got, torch.autograd.grad(dense.square().sum(), features)[0])


# mmcv's Python code refuses bfloat16.
@pytest.mark.parametrize(
    ('pool', 'dtype'), [(mmcv_pool, torch.float16), (spconv_pool, torch.float16), (spconv_pool, torch.bfloat16)]
)
def test_max_pooling_under_autocast(pool, dtype):
    indices = active_sites(per_cloud=200)
    narrow = torch.randn(len(indices), 3).to(dtype).requires_grad_()
    wide = narrow.detach().float().requires_grad_()
    with torch.autocast('cpu', dtype=dtype):
        out = pool(narrow, indices).features
    assert out.dtype == dtype
    expected = pool(wide, indices).features
    assert torch.equal(out.float(), expected)
    out.sum().backward()
    expected.sum().backward()
    assert torch.equal(narrow.grad.float(), wide.grad)


@pytest.mark.parametrize('pool', [mmcv_pool, spconv_pool])
def test_every_input_that_equals_the_maximum_gets_its_gradient(pool):
    indices = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]], dtype=torch.int32)
    features = torch.tensor([[2.0], [2.0], [1.0], [-1.0]], requires_grad=True)
    out = pool(features, indices).features
    assert out.flatten().tolist() == [2, 0]
    out.sum().backward()
    assert features.grad.flatten().tolist() == [1, 1, 0, 0]
