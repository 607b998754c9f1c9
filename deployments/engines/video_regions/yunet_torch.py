"""YuNet as a batched torch module: the graph and the weights of the file that `yunet.py` runs.

A batch of any size is one pass and one copy back to the host. The file was exported for a batch of one: its last
reshapes name that 1, and are done with the batch's size instead. Decoding is that of OpenCV's FaceDetectorYN: a
cell of stride s at column c, row r holds a face of score sqrt(cls · obj), centred at ((c, r) + offset) · s, of size
exp(size) · s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from deployments.engines.video_regions import onnx
from deployments.engines.video_regions.yunet import MULTIPLE, NMS_OVERLAP, STRIDES
from kernels.faces import suppress

MOST = 2048
"""Candidates of a frame that come back to the host, best first; a face has about ten."""


class YuNet(torch.nn.Module):
    """float32 [N, 3, H, W] BGR 0..255, H and W multiples of 32 -> [N, MOST or fewer, 15]: x, y, w, h, raw score,
    landmarks, the best first."""

    def __init__(self, graph: onnx.Graph) -> None:
        super().__init__()
        self._nodes = [node for node in graph.nodes if node.op in _OPS]
        for name, tensor in graph.tensors.items():
            if tensor.dtype == np.float32 and tensor.size:
                self.register_buffer(_key(name), torch.from_numpy(tensor.copy()))

    def forward(self, frames: Tensor) -> Tensor:
        known: dict[str, Tensor] = {"input": frames}
        buffers = dict(self.named_buffers())
        for node in self._nodes:
            given = [known[name] if name in known else buffers.get(_key(name)) for name in node.inputs]
            known[node.outputs[0]] = _OPS[node.op](given, node.ints)
        height, width = frames.shape[2:]
        faces = torch.cat(
            [
                _decode([known[f"{part}_{stride}"] for part in ("cls", "obj", "bbox", "kps")], stride, height, width)
                for stride in STRIDES
            ],
            dim=1,
        )
        best = faces[:, :, 4].topk(min(MOST, faces.shape[1]), dim=1).indices
        return faces.gather(1, best[:, :, None].expand(-1, -1, 15))


def _decode(outputs: list[Tensor], stride: int, height: int, width: int) -> Tensor:
    """One scale's cells: class, object, box, points [N, cells, 1 | 1 | 4 | 10], by row -> [N, cells, 15], pixels."""
    cls, obj, box, points = outputs
    rows, columns = torch.meshgrid(
        torch.arange(height // stride, device=cls.device),
        torch.arange(width // stride, device=cls.device),
        indexing="ij",
    )
    cell = torch.stack([columns.flatten(), rows.flatten()], dim=1)[None]
    score = (cls.clamp(0, 1) * obj.clamp(0, 1)).sqrt()
    size = box[..., 2:].exp() * stride
    corner = (box[..., :2] + cell) * stride - size / 2
    marks = (points + cell.repeat(1, 1, 5)) * stride
    return torch.cat([corner, size, score, marks], dim=2)


def _key(name: str) -> str:
    return "w" + name.replace(".", "_").replace("/", "_")


def _flat(given: list[Tensor | None], ints: dict[str, list[int]]) -> Tensor:
    """Channels last, one row a cell: the export's Transpose and Reshape are taken as one."""
    picture = _one(given)
    return picture.permute(0, 2, 3, 1).flatten(1, 2)


def _one(given: list[Tensor | None]) -> Tensor:
    assert given[0] is not None
    return given[0]


def _conv(given: list[Tensor | None], ints: dict[str, list[int]]) -> Tensor:
    picture, weight, bias = given
    assert picture is not None
    assert weight is not None
    return functional.conv2d(picture, weight, bias, ints["strides"], ints["pads"][:2], groups=ints["group"][0])


_OPS: dict[str, Callable[[list[Tensor | None], dict[str, list[int]]], Tensor]] = {
    "Conv": _conv,
    "Relu": lambda given, ints: functional.relu(_one(given)),
    "MaxPool": lambda given, ints: functional.max_pool2d(_one(given), 2),
    "Resize": lambda given, ints: functional.interpolate(_one(given), scale_factor=2.0, mode="nearest"),
    "Add": lambda given, ints: _one(given) + _one(given[1:]),
    "Transpose": _flat,
    "Reshape": lambda given, ints: _one(given),
    "Sigmoid": lambda given, ints: _one(given).sigmoid(),
}


def load(
    weights: Path | None, threads: int, least: float, device: str = "auto"
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The detector on uint8 [N, H, W, 3] BGR of any size, giving raw scores of at least `least`."""
    assert weights is not None
    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    net = YuNet(onnx.read(weights)).to(where).eval()

    @torch.inference_mode()
    def detect(frames: np.ndarray) -> list[np.ndarray]:
        height, width = frames.shape[1:3]
        pictures = torch.tensor(frames, device=where).permute(0, 3, 1, 2).float()
        padded = functional.pad(pictures, (0, -width % MULTIPLE, 0, -height % MULTIPLE))
        return [_kept(faces, least) for faces in net(padded).cpu().numpy()]

    return detect


def _kept(faces: np.ndarray, least: float) -> np.ndarray:
    """[faces, 15] of one frame, best first -> without the doubtful and the doubled."""
    faces = faces[faces[:, 4] >= least]
    kept: np.ndarray = faces[suppress(faces[:, :4].astype(np.float64), faces[:, 4].astype(np.float64), NMS_OVERLAP)]
    return kept


__all__ = ["YuNet", "load"]
