"""What must run inside the lora image, on a machine without a GPU: the trainer's own code loads and answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# The image's own folder; a native install names the checkout.
SD_SCRIPTS = Path(os.environ.get("TORCHPIN_HOME") or Path(__file__).parent) / "third_party" / "sd-scripts"


def main() -> None:
    import torch

    product = torch.ones(8, 8) @ torch.ones(8, 8)
    assert float(product.sum()) == 512.0, product  # noqa: PLR2004

    # The FLUX trainer imports its whole library and parses its arguments; no model is loaded.
    done = subprocess.run(
        [sys.executable, "-B", "flux_train_network.py", "--help"],
        cwd=SD_SCRIPTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "--network_module" in done.stdout, done.stdout[-500:]
    print("smoke: ok, the FLUX trainer loads")


if __name__ == "__main__":
    main()
