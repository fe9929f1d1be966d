"""The orders in which versions of spconv store the weight of a sparse convolution, told apart by shape.

The kernel's axes are (z, y, x) in all of them, as the coordinates of the voxels are in both toolboxes.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..export_error import ExportError

LAYOUTS: dict[str, tuple[int, ...]] = {
    '1': (4, 0, 1, 2, 3),  # (z, y, x, in, out): spconv 1, and mmcv's sparse convolutions
    '2': (0, 1, 2, 3, 4),  # (out, z, y, x, in): spconv 2
    '2.0-native': (3, 0, 1, 2, 4),  # (z, y, x, out, in): spconv 2.0 and 2.1 with its native algorithm, as on a CPU
}
"""Version of spconv -> the axes of its weights, in the order of (out, z, y, x, in)."""


def kernel_of(name: str) -> tuple[int, int, int]:
    """Return the kernel (z, y, x) of a sparse convolution, by either toolbox's name of its weight."""
    return (3, 1, 1) if '.conv_out.' in name else (3, 3, 3)


def normalisation_of(name: str) -> str:
    """Return the name of the weight of the normalisation that follows a sparse convolution."""
    layer, _, tensor = name.rpartition('.')
    before, _, last = layer.rpartition('.')
    follower = last.replace('conv', 'bn') if last.startswith('conv') else str(int(last) + 1)
    return f'{before}.{follower}.{tensor}'


def layout_of(state_dict: Mapping[str, Tensor], source: str, given: str | None = None) -> str:
    """Tell by which version of spconv the weights in a file were stored.

    A weight alone may fit several versions, because its input and output channels are equal. All weights of a file are
    of one version, and the first convolution has different numbers of channels.

    Args:
        state_dict: The tensors. The sparse convolutions' weights are the ones with five dimensions.
        source: The file's name, for the error message.
        given: The version that the user names, for weights that fit several.

    Returns:
        A key of `LAYOUTS`; '2' if there are no sparse convolutions.

    Raises:
        ExportError: If a weight fits no version or the weights none in common (names one), they fit several and none is
            given, or the given one does not fit.
    """
    left = set(LAYOUTS)
    for name, weight in state_dict.items():
        if weight.ndim != 5:
            continue
        follower = state_dict.get(normalisation_of(name))
        if follower is None:
            raise ExportError(f'{source} lacks {normalisation_of(name)}, the normalisation after {name}')
        fitting = {layout for layout in LAYOUTS if _fits(weight, layout, kernel_of(name), follower.numel())}
        if not fitting & left:
            raise ExportError(
                f'{source}: {name} of shape {tuple(weight.shape)} is not stored as spconv {" or ".join(sorted(left))} '
                f'stores a kernel of {kernel_of(name)} with {follower.numel()} output channels'
            )
        left &= fitting
    if given is not None and given not in left:
        raise ExportError(f'{source} holds weights of spconv {" or ".join(sorted(left))}, not of spconv {given}')
    if given is None and len(left) > 1 and any(weight.ndim == 5 for weight in state_dict.values()):
        raise ExportError(
            f'the shapes in {source} fit the weights of spconv {" and of ".join(sorted(left))}: say by --spconv which '
            'version stored them'
        )
    return given or (left.pop() if len(left) == 1 else '2')


def relaid(weight: Tensor, stored: str, wanted: str) -> Tensor:
    """Return a weight in the order of another version of spconv.

    Args:
        weight: The weight of a sparse convolution, with five dimensions.
        stored: The key of `LAYOUTS` by which it is stored.
        wanted: The key by which it is to be stored.
    """
    back = [LAYOUTS[wanted].index(axis) for axis in range(5)]
    return weight.permute(LAYOUTS[stored]).permute(back).contiguous()


def _fits(weight: Tensor, layout: str, kernel: tuple[int, int, int], out_channels: int) -> bool:
    """Return whether a weight of this kernel may be stored in this order."""
    found = [weight.shape[axis] for axis in LAYOUTS[layout]]
    return found[0] == out_channels and tuple(found[1:4]) == kernel
