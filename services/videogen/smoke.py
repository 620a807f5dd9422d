"""What must run inside the videogen image, on a machine without a GPU: every stage works, and none undid another's bound."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

OPTIONAL = ("onnxruntime", "pandas")


def main() -> None:
    import av
    import cv2
    import decord
    import librosa
    import numpy as np
    import torch
    from diffusers import UniPCMultistepScheduler
    from easydict import EasyDict
    from flash_attn import flash_attn_varlen_func  # its compiled part fits this torch, or this line fails
    from ftfy import fix_text
    from omegaconf import OmegaConf
    from packaging.version import Version
    from peft import LoraConfig, get_peft_model
    from transformers import T5TokenizerFast

    assert callable(flash_attn_varlen_func)
    # Versions, not texts: as texts, 10.0 is below 2.
    assert Version("1.23.5") <= Version(np.__version__) < Version("2"), np.__version__
    assert torch.from_numpy(np.ones(4, dtype=np.float32)).sum().item() == 4.0  # noqa: PLR2004

    # Eight frames to a video with av, back with decord.
    frames = [np.full((64, 64, 3), 16 * number, dtype=np.uint8) for number in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        video = str(Path(folder) / "frames.mp4")
        with av.open(video, mode="w") as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        assert len(decord.VideoReader(video)) == len(frames)

    done, png = cv2.imencode(".png", frames[3])
    assert done
    assert (cv2.imdecode(png, cv2.IMREAD_COLOR) == frames[3]).all()

    spectrum = librosa.stft(np.sin(np.linspace(0, 440, 4096, dtype=np.float32)), n_fft=512)
    assert spectrum.shape[0] == 257, spectrum.shape  # noqa: PLR2004

    # A scheduler of the generation, an adapter on one layer, and the texts around them.
    scheduler = UniPCMultistepScheduler()
    scheduler.set_timesteps(4)
    assert len(scheduler.timesteps) == 4  # noqa: PLR2004
    adapted = get_peft_model(
        torch.nn.Sequential(torch.nn.Linear(8, 8)), LoraConfig(r=2, target_modules=["0"])
    )
    assert adapted(torch.ones(1, 8)).shape == (1, 8)
    assert T5TokenizerFast.__name__ == "T5TokenizerFast"
    assert fix_text("schÃ¶n") == "schön"
    assert EasyDict(task="ti2v-5B").task == OmegaConf.create({"task": "ti2v-5B"}).task

    missing = [name for name in OPTIONAL if not find_spec(name)]
    print(f"smoke: ok, every stage works; optional and not there: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    main()
