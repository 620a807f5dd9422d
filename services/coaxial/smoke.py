"""What must run inside every coaxial image, with a GPU or without: one training step with the tuning that fits the machine."""

from __future__ import annotations

import io
import os
import sys
import tempfile

# The scripts that the image carries; a native install names another folder of them.
sys.path.insert(0, os.environ.get("TORCHPIN_RUNTIME", "/opt/torchpin"))


def main() -> None:
    import gpu_tuning
    import numpy as np
    import torch

    # Under its name or its older one, and tuned in this very process, as a training does it.
    lightning, found = gpu_tuning.lightning()
    report = gpu_tuning.tune()
    assert report["torch"] == torch.__version__, report

    class Slope(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
            return self.layer(batch[0]).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 4)), batch_size=4)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            **gpu_tuning.trainer_kwargs(), max_steps=1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        )  # fmt: skip
        trainer.fit(Slope(), rows)
        assert trainer.global_step == 1, trainer.global_step

    # A second of sound to a file and to a spectrum.
    import librosa
    import soundfile

    sound = np.sin(np.linspace(0, 440 * 2 * np.pi, 16000, dtype=np.float32))
    file = io.BytesIO()
    soundfile.write(file, sound, 16000, format="WAV")
    file.seek(0)
    heard, rate = soundfile.read(file)
    assert (len(heard), rate) == (16000, 16000), (len(heard), rate)
    assert librosa.feature.melspectrogram(y=sound, sr=rate, n_mels=80).shape[0] == 80  # noqa: PLR2004

    # Phonemes come from the system's espeak-ng.
    from phonemizer import phonemize

    assert phonemize("hello", language="en-us", backend="espeak").strip()

    import tensorboard.default  # noqa: F401  (imports pkg_resources)
    from fastapi import FastAPI

    app = FastAPI()
    app.get("/health")(lambda: {"status": "healthy"})
    assert "/health" in app.openapi()["paths"]
    print(f"smoke: ok, one training step with {found} on {report['device'] or 'the CPU'}")


if __name__ == "__main__":
    main()
