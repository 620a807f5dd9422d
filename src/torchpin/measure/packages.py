"""The packages whose releases are measured, and the modules that people import of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredPackage:
    """A package on PyPI. `entries`: the modules that whoever uses it imports; without these it is read as a provider alone.

    `features`: modules of which each is imported by some of its users only. `modules`: the modules that others import.
    `since`: the first release that is read, where people still pin older ones than those of the last three years.
    """

    name: str
    entries: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    since: str = ""


def _package(
    name: str,
    *others: str,
    features: tuple[str, ...] = (),
    module: str = "",
    provides: bool = False,
    since: str = "",
) -> MeasuredPackage:
    """A package of the module of its name, and `others` that its users always import."""
    module = module or name.replace("-", "_")
    return MeasuredPackage(
        name=name,
        entries=(module, *others),
        features=features,
        modules=(module,) if provides else (),
        since=since,
    )


PACKAGES = (
    # what others import names from, and nothing else of them is read
    MeasuredPackage(name="torch", modules=("torch",)),
    MeasuredPackage(name="torchvision", modules=("torchvision",)),
    MeasuredPackage(name="torchaudio", modules=("torchaudio",)),
    MeasuredPackage(name="triton", modules=("triton",)),
    MeasuredPackage(name="numpy", modules=("numpy",)),
    MeasuredPackage(name="pyarrow", modules=("pyarrow",), since="8"),
    MeasuredPackage(name="setuptools", modules=("pkg_resources",)),
    MeasuredPackage(name="tokenizers", modules=("tokenizers",)),
    MeasuredPackage(name="safetensors", modules=("safetensors",)),
    _package("huggingface-hub", provides=True),
    _package(
        "transformers",
        "transformers.modeling_utils",
        "transformers.generation.utils",
        features=("transformers.trainer", "transformers.pipelines"),
        provides=True,
    ),
    _package(
        "diffusers",
        "diffusers.models.modeling_utils",
        "diffusers.pipelines.pipeline_utils",
        features=("diffusers.loaders",),
        provides=True,
        since="0.19",
    ),
    _package("accelerate", provides=True),
    _package("peft", provides=True),
    _package("datasets", provides=True, since="2.12"),
    _package("timm", provides=True),
    _package("torchmetrics", provides=True),
    _package("kornia", provides=True),
    _package("librosa", provides=True),
    _package("basicsr", provides=True),
    _package("torchao", provides=True),
    _package("bitsandbytes", provides=True),
    _package("xformers", "xformers.ops", provides=True),
    _package("lightning", "lightning.pytorch", provides=True, since="1.9"),
    _package("pytorch-lightning", provides=True, since="1.7"),
    _package("torchcodec"),
    _package("torchdata"),
    _package("torchtext"),
    _package("vllm", features=("vllm.entrypoints.llm",)),
    _package("ctranslate2"),
    _package("faster-whisper"),
    _package("openai-whisper", module="whisper"),
    _package("whisperx"),
    _package("pyannote-audio", module="pyannote.audio"),
    _package("speechbrain", features=("speechbrain.inference",)),
    _package("open-clip-torch", module="open_clip"),
    _package("clip-interrogator"),
    _package("gradio"),
    _package("onnxruntime", module="onnxruntime"),
    _package("onnxruntime-gpu", module="onnxruntime"),
    _package("tensorboard", "tensorboard.main"),
    _package("tensorboardx", module="tensorboardX"),
    _package("tts", "TTS.api", module="TTS"),
    _package("coqui-tts", "TTS.api", module="TTS"),
    _package("audiocraft", features=("audiocraft.models",)),
    _package("gfpgan"),
    _package("realesrgan"),
    _package("facexlib"),
    _package("ultralytics"),
    _package("deepspeed", "deepspeed.elasticity.elastic_agent"),
    _package(
        "trl",
        features=("trl.trainer.sft_trainer", "trl.trainer.dpo_trainer", "trl.trainer.grpo_trainer"),
    ),
    _package("unsloth"),
    _package("unsloth-zoo"),
    _package("optimum", features=("optimum.exporters", "optimum.onnxruntime")),
    _package("optimum-quanto", module="optimum.quanto"),
    _package("sentence-transformers", since="2.2"),
    _package("controlnet-aux"),
    _package("insightface"),
    _package("spandrel"),
    _package("compel"),
    _package("k-diffusion"),
    _package("auto-gptq"),
    _package("autoawq", module="awq"),
    _package("torchsde"),
    _package("albumentations"),
    _package("rembg"),
    _package("demucs"),
    _package("sam2"),
    _package("segment-anything"),
    _package("torch-fidelity"),
    _package("lpips"),
    _package("silero-vad"),
    _package("deepfilternet", "df.enhance", module="df"),
    _package(
        "resemble-perth", features=("perth.perth_net.perth_net_implicit.perth_watermarker",), module="perth"
    ),
    _package("webrtcvad"),
    _package("face-recognition-models"),
)

# Packages that a requirement is kept on, besides those above: other compiled ones that packages hold to a version.
REQUIRED = ("scipy", "numba", "sympy", "opencv-python", "opencv-python-headless", "flash-attn")


@cache
def provided_modules() -> dict[str, str]:
    """The module of each package that others import names from, to its package: `pkg_resources` to `setuptools`."""
    return {module: package.name for package in PACKAGES for module in package.modules}
