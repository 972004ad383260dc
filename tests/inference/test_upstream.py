"""Our networks give what Real-ESRGAN's own program gives."""

import sys
import types
from importlib.util import find_spec

import numpy as np
import pytest

from videnhance.inference import CPU, weights
from videnhance.inference.cards import all_cards
from videnhance.inference.ncnn_file import read_ncnn

pytestmark = [
    pytest.mark.upstream,
    pytest.mark.skipif(
        not (find_spec("basicsr") and find_spec("realesrgan")), reason="extra `upstream` is missing"
    ),
    pytest.mark.filterwarnings("ignore"),  # upstream is of 2022 and warns of many things
]


@pytest.fixture
def upstream(monkeypatch):
    """basicsr and realesrgan, with the module that torchvision dropped in 0.17 put in its place."""
    from torchvision.transforms import functional

    name = "torchvision.transforms.functional_tensor"
    missing = types.ModuleType(name)
    missing.rgb_to_grayscale = functional.rgb_to_grayscale
    monkeypatch.setitem(sys.modules, name, missing)
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from realesrgan import RealESRGANer
    from realesrgan.archs.srvgg_arch import SRVGGNetCompact

    return RRDBNet, SRVGGNetCompact, RealESRGANer


@pytest.mark.parametrize(
    ("name", "blocks"), [("realesrgan-x4plus", 23), ("realesr-animevideov3-x4", None)]
)
def test_equals_realesrganer(upstream, name, blocks, tmp_path):
    import torch

    from videnhance.inference.torch_backend import load_torch

    dense, compact, enhancer = upstream
    param, binary = weights.obtain(all_cards()[name])
    state = {k: torch.from_numpy(v) for k, v in read_ncnn(param, binary).state.items()}
    torch.save({"params": state}, tmp_path / "weights.pth")
    if blocks:
        model = dense(3, 3, num_feat=64, num_block=blocks, num_grow_ch=32, scale=4)
    else:
        model = compact(3, 3, num_feat=64, num_conv=16, upscale=4, act_type="prelu")
    reference = enhancer(
        scale=4, model_path=str(tmp_path / "weights.pth"), model=model, pre_pad=0, device="cpu"
    )
    # Sixteen bits, so that rounding to code values stays far below the tolerance.
    image = np.random.default_rng(0).integers(0, 65536, (3, 24, 30), dtype=np.uint16)
    expected, _ = reference.enhance(np.ascontiguousarray(image[::-1].transpose(1, 2, 0)))
    expected = expected[..., ::-1].transpose(2, 0, 1) / 65535
    ours = load_torch(param, CPU)((image / 65535).astype(np.float32))
    assert np.abs(np.clip(ours, 0, 1) - expected).max() < 1e-4
