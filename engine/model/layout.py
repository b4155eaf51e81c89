"""The stored weight of each operator as a matrix [channels, inputs], and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class WeightLayout:
    """How a stored weight and its matrix correspond.

    The weight is reshaped to `split_shape`, its dimensions are permuted by `permutation`, and the
    result is the matrix after flattening everything but the channels.

    Attributes:
        weight_shape: as stored.
        split_shape: the same elements, with the groups of a transposed convolution as a dimension.
        permutation: of `split_shape`, channels first.
        channels, inputs: shape of the matrix.
        axis: dimension of `weight_shape` that holds the channels; None if no single one does.
    """

    weight_shape: tuple[int, ...]
    split_shape: tuple[int, ...]
    permutation: tuple[int, ...]
    channels: int
    inputs: int
    axis: int | None

    def to_matrix(self, weight: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[channels, inputs]; a view where the layout allows."""
        return weight.reshape(self.split_shape).transpose(self.permutation).reshape(self.channels, self.inputs)

    def from_matrix(self, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The stored shape, contiguous."""
        permuted = matrix.reshape(self.permuted_shape).transpose(self.inverse_permutation)
        return np.ascontiguousarray(permuted).reshape(self.weight_shape)

    @property
    def permuted_shape(self) -> tuple[int, ...]:
        """The matrix, its inputs spread over their dimensions again."""
        return tuple(self.split_shape[index] for index in self.permutation)

    @property
    def inverse_permutation(self) -> tuple[int, ...]:
        """Turns `permuted_shape` into `split_shape`."""
        return tuple(int(index) for index in np.argsort(self.permutation))

    @property
    def is_identity(self) -> bool:
        """Whether the matrix is the stored weight, only reshaped."""
        return self.permutation == tuple(range(len(self.permutation)))

    def scale_shape(self) -> tuple[int, ...]:
        """One value per channel, shaped to broadcast over the stored weight; needs `axis`."""
        assert self.axis is not None
        return tuple(size if index == self.axis else 1 for index, size in enumerate(self.weight_shape))


def channels_first(shape: tuple[int, ...]) -> WeightLayout:
    """Conv [channels, inputs / group, kernel…], Gemm with transB, the rows of an embedding."""
    inputs = int(np.prod(shape[1:]))
    return WeightLayout(shape, shape, tuple(range(len(shape))), shape[0], inputs, 0)


def channels_last(shape: tuple[int, ...]) -> WeightLayout:
    """MatMul [(batch…,) inputs, channels] and Gemm without transB."""
    rank = len(shape)
    permutation = (*range(rank - 2), rank - 1, rank - 2)
    batch = int(np.prod(shape[:-2]))
    return WeightLayout(shape, shape, permutation, batch * shape[-1], shape[-2], 1 if rank == 2 else None)


def transposed_convolution(shape: tuple[int, ...], group: int) -> WeightLayout:
    """ConvTranspose [inputs, channels / group, kernel…]."""
    inputs, per_group, *kernel = shape
    split = (group, inputs // group, per_group, *kernel)
    permutation = (0, 2, 1, *range(3, len(split)))
    matrix_inputs = inputs // group * int(np.prod(kernel))
    return WeightLayout(shape, split, permutation, group * per_group, matrix_inputs, 1 if group == 1 else None)


def recurrent(shape: tuple[int, ...]) -> WeightLayout:
    """W or R of LSTM, GRU and RNN: [directions, gates · hidden, inputs]."""
    directions, rows, inputs = shape
    return WeightLayout(shape, shape, (0, 1, 2), directions * rows, inputs, 1 if directions == 1 else None)
