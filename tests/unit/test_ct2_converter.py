"""CTranslate2's Whisper into openai-whisper's checkpoint, against files that CTranslate2 itself writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import whisper

from configs.models import Models, WeightsMissing, ct2, load_rows, whisper_checkpoint
from configs.models.table import Row
from configs.settings import Settings

ctranslate2_specs = pytest.importorskip("ctranslate2.specs")
ctranslate2_common = pytest.importorskip("ctranslate2.specs.common_spec")
utils = pytest.importorskip("ctranslate2.converters.utils")

SIZES = whisper.model.ModelDimensions(
    n_mels=80, n_audio_ctx=30, n_audio_state=16, n_audio_head=2, n_audio_layer=2,
    n_vocab=51865, n_text_ctx=12, n_text_state=16, n_text_head=2, n_text_layer=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def known() -> whisper.Whisper:
    """A small Whisper whose every parameter is random, keys' missing biases aside."""
    torch.manual_seed(7)
    model = whisper.Whisper(SIZES)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter).half())  # so that float16 holds it exactly
        model.encoder.positional_embedding.copy_(model.encoder.positional_embedding.half())
    return model


@pytest.fixture(scope="module")
def written(known: whisper.Whisper, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as CTranslate2 writes it, through its own specification and its own fusing of linears."""
    spec = ctranslate2_specs.WhisperSpec(2, 2, 3, 2)
    for side, stack in ((spec.encoder, known.encoder), (spec.decoder, known.decoder)):
        side.position_encodings.encodings = array(stack.positional_embedding)
        norm(side.layer_norm, stack.ln_post if stack is known.encoder else stack.ln)
        for layer, block in zip(side.layer, stack.blocks, strict=True):
            norm(layer.self_attention.layer_norm, block.attn_ln)
            fuse(layer.self_attention.linear[0], block.attn.query, block.attn.key, block.attn.value)
            fuse(layer.self_attention.linear[1], block.attn.out)
            if block.cross_attn is not None:
                norm(layer.attention.layer_norm, block.cross_attn_ln)
                fuse(layer.attention.linear[0], block.cross_attn.query)
                fuse(layer.attention.linear[1], block.cross_attn.key, block.cross_attn.value)
                fuse(layer.attention.linear[2], block.cross_attn.out)
            norm(layer.ffn.layer_norm, block.mlp_ln)
            fuse(layer.ffn.linear_0, block.mlp[0])
            fuse(layer.ffn.linear_1, block.mlp[2])
    for conv in ("conv1", "conv2"):
        getattr(spec.encoder, conv).weight = array(getattr(known.encoder, conv).weight)
        getattr(spec.encoder, conv).bias = array(getattr(known.encoder, conv).bias)
    spec.decoder.embeddings.weight = array(known.decoder.token_embedding.weight)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.register_vocabulary([str(number) for number in range(SIZES.n_vocab)])
    spec.validate()
    spec.optimize(quantization="float16")
    folder = tmp_path_factory.mktemp("ct2")
    spec.save(str(folder))
    return folder / "model.bin"


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def norm(spec: Any, module: torch.nn.LayerNorm) -> None:
    spec.gamma, spec.beta = array(module.weight), array(module.bias)


def fuse(spec: Any, *modules: torch.nn.Linear) -> None:
    layers = []
    for module in modules:
        layer = ctranslate2_common.LinearSpec()
        layer.weight = array(module.weight)
        # as CTranslate2 does for Whisper's keys
        layer.bias = array(module.bias) if module.bias is not None else np.zeros(len(layer.weight), np.float32)
        layers.append(layer)
    utils.fuse_linear(spec, layers)


def test_converted_checkpoint_holds_the_models_tensors_exactly(
    known: whisper.Whisper, written: Path, tmp_path: Path
) -> None:
    whisper_checkpoint.convert(written, tmp_path / "model.pt")
    loaded = whisper.load_model(str(tmp_path / "model.pt"), device="cpu")
    assert loaded.dims == SIZES
    expected = known.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_weights_id_follows_the_tensors_and_not_the_file(written: Path, tmp_path: Path) -> None:
    for name in ("one.pt", "another.pt"):
        whisper_checkpoint.convert(written, tmp_path / name)
    ids = {whisper_checkpoint.weights_id(tmp_path / name) for name in ("one.pt", "another.pt")}
    assert len(ids) == 1
    checkpoint = torch.load(tmp_path / "one.pt", weights_only=True)
    checkpoint["model_state_dict"]["decoder.ln.bias"][0] += 1
    torch.save(checkpoint, tmp_path / "one.pt")
    assert whisper_checkpoint.weights_id(tmp_path / "one.pt") not in ids


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: b"\x05" + data[1:], "version 6: it says 5"),
        (lambda data: data.replace(b"WhisperSpec", b"WhimperSpec"), "WhimperSpec"),
        (lambda data: data[:-400_000], "the file ends"),
        (lambda data: b"", "the file ends"),
    ],
)
def test_other_files_are_refused(written: Path, tmp_path: Path, change: Any, why: str) -> None:
    (tmp_path / "bad.bin").write_bytes(change(written.read_bytes()))
    with pytest.raises(ValueError, match=why):
        whisper_checkpoint.convert(tmp_path / "bad.bin", tmp_path / "bad.pt")


def test_a_quantised_model_is_refused(written: Path) -> None:
    variables = ct2.read(written, "WhisperSpec")
    with pytest.raises(ValueError, match="quantised"):
        whisper_checkpoint.rename(variables | {"encoder/conv1/weight_scale": np.ones(1, np.float32)})
    with pytest.raises(ValueError, match="lacks the variable"):
        whisper_checkpoint.rename({k: v for k, v in variables.items() if k != "decoder/layer_norm/gamma"})


def converted_row(source: Path, weights_id: str) -> dict[str, Row]:
    import hashlib

    data = source.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    base = load_rows()["whisper-base"].model_dump() | {"weights_id": weights_id, "sources": []}
    return {"whisper-base": Row.model_validate(
        base | {"files": [{"name": "source.bin", "sha256": sha256, "size": len(data)}]}
    )}  # fmt: skip


def test_resolver_converts_checks_and_keeps(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MATTEBOX_HOME", "MODELS_PATH"):
        monkeypatch.delenv(name, raising=False)
    own = tmp_path / "own"
    own.mkdir()
    (own / "source.bin").write_bytes(written.read_bytes())
    settings = Settings(mattebox_home=tmp_path / "home", models_path=str(own))
    whisper_checkpoint.convert(written, tmp_path / "model.pt")
    weights_id = whisper_checkpoint.weights_id(tmp_path / "model.pt")
    path, source = Models(settings, converted_row(written, weights_id)).locate("whisper-base")
    assert (path, source) == (tmp_path / "home/models/whisper-base.pt", f"MODELS_PATH {own}/source.bin")
    (own / "source.bin").unlink()
    assert Models(settings, converted_row(written, weights_id)).locate("whisper-base") == (path, "cache")
    with pytest.raises(WeightsMissing, match="holds the tensors"):
        Models(settings, converted_row(written, "0" * 64)).path("whisper-base")
