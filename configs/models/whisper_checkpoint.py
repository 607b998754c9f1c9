"""CTranslate2's Whisper into openai-whisper's checkpoint: the same tensors under other names, bit for bit.

CTranslate2 stacks the rows of query, key and value (self-attention) or of key and value (cross-attention) into one
linear. Whisper's keys have no bias, so CTranslate2 stores zeros for them, which are left out here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.models import ct2

Tensors = dict[str, NDArray[Any]]

QKV = ("query", "key", "value")


def convert(source: Path, target: Path) -> None:
    """Write the .pt that `whisper.load_model(str(target))` opens.

    Raises ValueError where `source` is not a float16 or float32 CTranslate2 Whisper of binary version 6.
    """
    import torch

    variables = ct2.read(source, "WhisperSpec")
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in rename(variables).items()}
    torch.save({"dims": dimensions(variables), "model_state_dict": tensors}, target)


def weights_id(path: Path) -> str:
    """SHA-256, lower-case hex, of a checkpoint's tensors. `torch.save` puts the file's name into it, so not of that."""
    import torch

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)["model_state_dict"]
        return tensors_id({name: tensor.numpy() for name, tensor in tensors.items()})
    except Exception as error:  # torch raises whatever its unpickler met
        raise ValueError(f"{path.name} is no Whisper checkpoint: {error}") from error


def tensors_id(tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over name, dtype, shape and bytes of each tensor, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name}\0{array.dtype.name}\0{'x'.join(map(str, array.shape))}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def rename(variables: ct2.Variables) -> Tensors:
    """openai-whisper's state dict from CTranslate2's variables; ValueError for a quantised or incomplete model."""
    if any(name.endswith("_scale") for name in variables):
        raise ValueError("the model is quantised; a float16 or float32 model.bin is needed")
    try:
        return dict(_encoder(variables)) | dict(_decoder(variables))
    except KeyError as error:
        raise ValueError(f"the model lacks the variable {error}") from error


def dimensions(variables: ct2.Variables) -> dict[str, int]:
    """The arguments of whisper.model.ModelDimensions."""
    n_audio_ctx, n_state = variables["encoder/position_encodings/encodings"].shape
    n_vocab = variables["decoder/embeddings/weight"].shape[0]
    return {
        "n_mels": variables["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": n_audio_ctx,
        "n_audio_state": n_state,
        "n_audio_head": int(variables["encoder/num_heads"]),
        "n_audio_layer": len(_layers(variables, "encoder")),
        "n_vocab": n_vocab,
        "n_text_ctx": variables["decoder/position_encodings/encodings"].shape[0],
        "n_text_state": n_state,
        "n_text_head": int(variables["decoder/num_heads"]),
        "n_text_layer": len(_layers(variables, "decoder")),
    }


Named = Iterator[tuple[str, NDArray[Any]]]


def _encoder(variables: ct2.Variables) -> Named:
    yield "encoder.positional_embedding", variables["encoder/position_encodings/encodings"]
    yield from _linear(variables, "encoder/conv1", ["encoder.conv1"])
    yield from _linear(variables, "encoder/conv2", ["encoder.conv2"])
    yield from _norm(variables, "encoder/layer_norm", "encoder.ln_post")
    for layer in _layers(variables, "encoder"):
        yield from _block(variables, f"encoder/layer_{layer}", f"encoder.blocks.{layer}")


def _decoder(variables: ct2.Variables) -> Named:
    yield "decoder.token_embedding.weight", variables["decoder/embeddings/weight"]
    yield "decoder.positional_embedding", variables["decoder/position_encodings/encodings"]
    yield from _norm(variables, "decoder/layer_norm", "decoder.ln")
    for layer in _layers(variables, "decoder"):
        source, block = f"decoder/layer_{layer}", f"decoder.blocks.{layer}"
        yield from _block(variables, source, block)
        yield from _norm(variables, f"{source}/attention/layer_norm", f"{block}.cross_attn_ln")
        yield from _linear(variables, f"{source}/attention/linear_0", [f"{block}.cross_attn.query"])
        yield from _linear(variables, f"{source}/attention/linear_1", [f"{block}.cross_attn.{x}" for x in QKV[1:]])
        yield from _linear(variables, f"{source}/attention/linear_2", [f"{block}.cross_attn.out"])


def _block(variables: ct2.Variables, source: str, block: str) -> Named:
    """What layers of the encoder and of the decoder have in common."""
    yield from _norm(variables, f"{source}/self_attention/layer_norm", f"{block}.attn_ln")
    yield from _linear(variables, f"{source}/self_attention/linear_0", [f"{block}.attn.{x}" for x in QKV])
    yield from _linear(variables, f"{source}/self_attention/linear_1", [f"{block}.attn.out"])
    yield from _norm(variables, f"{source}/ffn/layer_norm", f"{block}.mlp_ln")
    yield from _linear(variables, f"{source}/ffn/linear_0", [f"{block}.mlp.0"])
    yield from _linear(variables, f"{source}/ffn/linear_1", [f"{block}.mlp.2"])


def _linear(variables: ct2.Variables, source: str, targets: Sequence[str]) -> Named:
    """One stored linear (or convolution) as the `targets` whose rows it stacks."""
    weights = np.split(variables[f"{source}/weight"], len(targets))
    biases = np.split(variables[f"{source}/bias"], len(targets))
    for target, weight, bias in zip(targets, weights, biases, strict=True):
        yield f"{target}.weight", weight
        if not target.endswith(".key"):
            yield f"{target}.bias", bias


def _norm(variables: ct2.Variables, source: str, target: str) -> Named:
    yield f"{target}.weight", variables[f"{source}/gamma"]
    yield f"{target}.bias", variables[f"{source}/beta"]


def _layers(variables: ct2.Variables, side: str) -> range:
    names = (name.removeprefix(f"{side}/layer_") for name in variables if name.startswith(f"{side}/layer_"))
    return range(1 + max((int(number) for name in names if (number := name.split("/")[0]).isdigit()), default=-1))


__all__ = ["convert", "dimensions", "rename", "tensors_id", "weights_id"]
