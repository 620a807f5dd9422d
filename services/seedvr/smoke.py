"""What must run inside the seedvr image, on a machine without a GPU: the pinned set works together, video goes through it."""

from __future__ import annotations

import io
import os

# No question to the network while an image is built.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def main() -> None:
    import av
    import cv2
    import numpy as np
    import torch
    from diffusers.models.normalization import RMSNorm
    from einops import rearrange
    from flash_attn import flash_attn_varlen_func  # its compiled part fits this torch, or this line fails
    from omegaconf import OmegaConf
    from rotary_embedding_torch import RotaryEmbedding
    from transformers import AutoTokenizer

    assert callable(flash_attn_varlen_func)
    assert AutoTokenizer.__name__ == "AutoTokenizer"

    # Eight frames to a video and back, in memory.
    frames = [np.full((64, 64, 3), 16 * number, dtype=np.uint8) for number in range(8)]
    file = io.BytesIO()
    with av.open(file, mode="w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == len(frames), len(decoded)

    done, png = cv2.imencode(".png", frames[3])
    assert done
    assert (cv2.imdecode(png, cv2.IMREAD_COLOR) == frames[3]).all()

    # The pieces that the restoration model is put together from.
    batch = rearrange(torch.from_numpy(np.stack(decoded)).float(), "t h w c -> 1 t (h w) c")
    assert batch.shape == (1, 8, 64 * 64, 3), batch.shape
    turned = RotaryEmbedding(dim=32).rotate_queries_or_keys(torch.ones(1, 2, 8, 32))
    assert RMSNorm(32, eps=1e-6, elementwise_affine=True)(turned).shape == (1, 2, 8, 32)
    assert OmegaConf.create({"dit": {"norm": "fusedrms"}}).dit.norm == "fusedrms"

    import gradio

    with gradio.Blocks() as page:
        gradio.Video()
    assert page.blocks
    print("smoke: ok, flash-attn loads and a video goes through")


if __name__ == "__main__":
    main()
