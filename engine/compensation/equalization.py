"""Cross-layer equalization (Nagel et al., arXiv 1906.04721): even out weight ranges, the function staying the same.

A channel that a layer writes may be divided by any s > 0 if the layers that read it multiply it by s, as long as what
stands between keeps scales. With r1 the largest weight that writes the channel and r2 the largest one that reads it,
s = √(r1 / r2) gives both the range √(r1·r2). Layers write and read, so this is repeated until nothing moves.
Unlike in the paper, all layers that write or read a residual stream are evened out together.

A Clip from 0 to 6 would have to end at 6 / s in every channel. The paper replaces it by a Relu, which costs a network
that relies on it much; here a Min with one bound per channel follows it, which runs on 8-bit codes as it is.

A channel that is 0 whatever comes in (no weight writes it, its bias is not positive, a Relu follows) may have any
weights behind it, often huge ones: these are cleared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.compensation.equalization_channels import ChannelClass, find_classes, upper_bound
from engine.model.graph import add_initializer, constant, fresh_name
from engine.model.layers import Layer, find_layers
from engine.model.opened import Model

Wide = npt.NDArray[np.float64]

MAX_ROUNDS = 100
# Rounds end when no channel's scale moves by more than this share.
TOLERANCE = 1e-3
# Scales stay within this and its inverse: beyond, what weights gain is lost by activations, whose grids are shared
# by all channels.
MAX_SCALE = 8.0


class ScaledLayer:
    """A layer's weight and bias as float64 copies, whose channels are scaled in place.

    Attributes:
        weight: as stored.
        view: the same as [groups, channels of a group, inputs of a group, kernel].
        bias: [channels]; None without one.
    """

    def __init__(self, layer: Layer) -> None:
        """Nothing is written to the layer."""
        self.layer = layer
        self.weight: Wide = np.array(constant(layer.weight_value), np.float64)
        groups, first, second = layer.group, *self.weight.shape[:2]
        self.view: Wide
        if layer.op == "Conv":
            self.view = self.weight.reshape(groups, first // groups, second, -1)
        elif layer.op == "ConvTranspose":
            self.view = self.weight.reshape(groups, first // groups, second, -1).transpose(0, 2, 1, 3)
        else:
            rows = self.weight if layer.layout.is_identity else self.weight.T
            self.view = rows[None, :, :, None]
        bias = constant(layer.bias_value)
        self.bias: Wide | None = None if bias is None else np.array(bias, np.float64).reshape(-1)

    def row_range(self) -> Wide:
        """Largest absolute weight of each channel that is written."""
        found: Wide = np.abs(self.view).max(axis=(2, 3)).reshape(-1)
        return found

    def column_range(self, channels: int) -> Wide:
        """Largest absolute weight of each of `channels` that are read."""
        found: Wide = np.abs(self.view).max(axis=(1, 3)).reshape(channels, -1).max(axis=1)
        return found

    def scale_rows(self, factor: Wide) -> None:
        """Multiply what is written by `factor` [channels]."""
        self.view *= factor.reshape(self.view.shape[0], -1, 1, 1)
        if self.bias is not None:
            self.bias *= factor

    def scale_columns(self, factor: Wide) -> None:
        """Multiply what is read by `factor` [channels]; after a Flatten a channel is several inputs."""
        groups, _, inputs, _ = self.view.shape
        self.view *= np.repeat(factor, groups * inputs // len(factor)).reshape(groups, 1, inputs, 1)

    def store(self) -> None:
        """Write both to the layer."""
        value, bias = self.layer.weight_value, self.layer.bias_value
        value.const_value = ir.Tensor(self.weight.astype(np.float32), name=value.name)
        if bias is not None and self.bias is not None and bias.const_value is not None:
            shape = tuple(bias.const_value.shape.numpy())
            bias.const_value = ir.Tensor(self.bias.astype(np.float32).reshape(shape), name=bias.name)


def equalize(model: Model) -> Model:
    """A model that computes the same with evened-out weights; `model` itself if nothing can be scaled."""
    result = model.graph_model.clone()
    layers = find_layers(result.graph)
    classes = find_classes(result.graph, layers)
    if not classes:
        return model
    scaled = {layer.name: ScaledLayer(layer) for item in classes for layer in (*item.writers, *item.readers)}
    groups = [_Group(item, scaled) for item in classes]
    for group in groups:
        group.clear_dead()
    for _ in range(MAX_ROUNDS):
        if max(group.even_out() for group in groups) < TOLERANCE:
            break
    for item in scaled.values():
        item.store()
    for group in groups:
        for clip in group.channels.clips:
            rank = len(group.channels.writers[0].layout.weight_shape)
            _bound_channels(result.graph, clip, group.scale, rank)
    return dataclasses.replace(model, graph_model=result)


class _Group:
    """Channels that are scaled together.

    Attributes:
        scale: s, float64 [channels], all rounds together.
    """

    def __init__(self, channels: ChannelClass, scaled: dict[str, ScaledLayer]) -> None:
        self.channels = channels
        self._writers: Sequence[ScaledLayer] = [scaled[layer.name] for layer in channels.writers]
        self._readers: Sequence[ScaledLayer] = [scaled[layer.name] for layer in channels.readers]
        self.scale: Wide = np.ones(channels.channels)

    def clear_dead(self) -> None:
        """Clear the weights that read channels which are always 0."""
        if not self.channels.is_rectified:
            return
        is_live = np.zeros(len(self.scale), np.bool_)
        for item in self._writers:
            is_live |= item.row_range() > 0
            is_live |= False if item.bias is None else item.bias > 0
        for item in self._readers:
            item.scale_columns(is_live.astype(np.float64))

    def even_out(self) -> float:
        """One round; by which share it moved a scale at most."""
        written = np.max([item.row_range() for item in self._writers], axis=0)
        read = np.max([item.column_range(len(self.scale)) for item in self._readers], axis=0)
        is_live = (written > 0) & (read > 0)
        step = np.sqrt(np.where(is_live, written, 1) / np.where(is_live, read, 1))
        scale = np.clip(self.scale * step, 1 / MAX_SCALE, MAX_SCALE)
        step = scale / self.scale
        for item in self._writers:
            item.scale_rows(1 / step)
        for item in self._readers:
            item.scale_columns(step)
        self.scale = scale
        return float(np.abs(step - 1).max())


def _bound_channels(graph: ir.Graph, clip: ir.Node, scale: Wide, rank: int) -> None:
    """Let a Clip end at its bound divided by `scale`: where the widest channel does, and then channel by channel.

    Args:
        rank: dimensions of the values; the second one is that of the channels.
    """
    bound = upper_bound(clip)
    assert bound is not None
    bounds = (bound / scale).astype(np.float32)
    clip.replace_input_with(
        2, add_initializer(graph, fresh_name(graph, f"{clip.name}.widest"), np.asarray(bounds.max()))
    )
    if bounds.min() == bounds.max():
        return
    clipped = clip.outputs[0]
    uses = [(use.node, use.idx) for use in clipped.uses()]
    shaped = bounds.reshape((-1,) + (1,) * (rank - 2))
    limit = add_initializer(graph, fresh_name(graph, f"{clip.name}.bounds"), shaped)
    node = ir.node("Min", [clipped, limit], outputs=[ir.Value(name=f"{clipped.name}.bounded")], name=f"{clip.name}.min")
    graph.insert_after(clip, node)
    for reader, position in uses:
        reader.replace_input_with(position, node.outputs[0])
