"""What must run inside the zopilot image, on a machine without a GPU: documents are read, a model answers, one OpenCV."""

from __future__ import annotations

import tempfile
from importlib.metadata import distributions
from pathlib import Path


def main() -> None:
    import bitsandbytes
    import cv2
    import numpy as np
    import torch
    from packaging.version import Version
    from scipy.special import expit
    from skimage.transform import resize
    from transformers import BitsAndBytesConfig, MixtralConfig, MixtralForCausalLM

    # Versions, not texts: as texts, 10.0 is below 2.
    assert Version("1.26.0") <= Version(np.__version__) < Version("2"), np.__version__
    assert float(expit(np.zeros(3)).sum()) == 1.5  # noqa: PLR2004

    opencv = sorted({d.metadata["Name"] for d in distributions() if d.metadata["Name"].startswith("opencv")})
    assert opencv == ["opencv-python-headless"], opencv
    image = np.full((32, 32, 3), 128, dtype=np.uint8)
    done, png = cv2.imencode(".png", image)
    assert done
    assert (cv2.imdecode(png, cv2.IMREAD_COLOR) == image).all()
    assert resize(image, (8, 8)).shape == (8, 8, 3)

    # The model's own class, very small, on the CPU.
    config = MixtralConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, num_local_experts=2, num_experts_per_tok=1, max_position_embeddings=16,
    )  # fmt: skip
    with torch.no_grad():
        logits = MixtralForCausalLM(config)(torch.tensor([[1, 2, 3]])).logits
    assert logits.shape == (1, 3, 32), logits.shape

    # As the service asks for it; the 4-bit kernels themselves need a GPU.
    assert BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4").bnb_4bit_quant_type == "nf4"
    assert bitsandbytes.nn.Linear4bit(8, 8, quant_type="nf4").weight.shape == (8, 8)

    # The plain text processor: every other one would fetch its models first.
    from docstrange.processors import TXTProcessor

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "invoice.txt"
        page.write_text("Invoice 7\nTotal 12.50\n", encoding="utf-8")
        assert "Total 12.50" in TXTProcessor().process(str(page)).extract_markdown()

    from fastapi import FastAPI

    app = FastAPI()
    app.get("/health")(lambda: {"status": "healthy"})
    assert "/health" in app.openapi()["paths"]
    print("smoke: ok, documents are read and a small Mixtral answers")


if __name__ == "__main__":
    main()
