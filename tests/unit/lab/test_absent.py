"""Which errors are about what the lab does not have."""

from __future__ import annotations

import pytest

from torchpin.lab.absent import Absent, explain, failing_line

LORA = Absent(
    packages=frozenset({"numpy", "scikit-learn"}),
    modules={"numpy": "numpy", "sklearn": "scikit-learn"},
    present=frozenset({"tqdm", "lion_pytorch"}),
    torch_users={"lion_pytorch": "lion-pytorch"},
    stubs=frozenset({"torch", "torchvision"}),
    sources={"sd-scripts": "third_party/sd-scripts"},
    has_system_packages=True,
)
PLAIN = Absent(stubs=frozenset({"torch"}))
TRACEBACK = "Traceback (most recent call last):\n"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("ModuleNotFoundError: No module named 'numpy'", "numpy is left out"),
        ("ModuleNotFoundError: No module named 'sklearn.svm'", "sklearn is left out (scikit-learn)"),
        ("ModuleNotFoundError: No module named 'torch.nn'; 'torch' is not a package", "torch.nn is not in the stub of torch"),
        ("ImportError: cannot import name 'nn' from 'torch' (/opt/venv/torch/__init__.py)", "torch.nn is not in the stub of torch"),
        ("AttributeError: module 'torch' has no attribute 'ones'", "torch.ones is not in the stub of torch"),
        ("AttributeError: partially initialized module 'torchvision' has no attribute 'ops' (most likely due to a circular import)", "torchvision.ops is not in the stub of torchvision"),
        ("PackageNotFoundError: No package metadata was found for Scikit_Learn", "scikit-learn is left out"),
        ("DistributionNotFound: The 'numpy>=1.26' distribution was not found and is required", "numpy is left out"),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file", "libGL.so.1 is a library of a system package"),
        ("OSError: libcudart.so.12: cannot open shared object file", "libcudart.so.12 comes with the real torch"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", "ffmpeg is a program of a system package"),
        ("python: can't open file '/opt/lora/third_party/sd-scripts/train.py': [Errno 2]", "/opt/lora/third_party/sd-scripts/train.py is a file of sd-scripts, which is a stub"),
        ("ModuleNotFoundError: No module named 'library'", "library may be code of sd-scripts, which is a stub"),
        ("start.sh: 3: exec: jq: not found", "jq is a program of a system package"),
    ],
)  # fmt: skip
def test_an_error_about_a_gap_is_explained(error: str, reason: str) -> None:
    assert explain(LORA, f'{TRACEBACK}  File "/a/smoke.py", line 3\n{error}\n') == reason


@pytest.mark.parametrize(
    ("absent", "error"),
    [
        (LORA, "AssertionError"),
        (LORA, "NameError: name 'nump' is not defined"),
        (LORA, "ModuleNotFoundError: No module named 'tqdm.contrib.nothing'"),  # of a package that is there
        (LORA, "AttributeError: module 'tqdm' has no attribute 'tdqm'"),
        (LORA, "FileNotFoundError: [Errno 2] No such file or directory: '/opt/lora/model.bin'"),
        (PLAIN, "ModuleNotFoundError: No module named 'numpi'"),  # which no description names
        (PLAIN, "FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'"),  # nor `apt`
        (PLAIN, "ImportError: libGL.so.1: cannot open shared object file"),
    ],
)
def test_an_error_of_the_users_own_is_not(absent: Absent, error: str) -> None:
    assert explain(absent, f'{TRACEBACK}  File "/a/smoke.py", line 3\n{error}\n') == ""


def test_an_earlier_error_that_was_handled_explains_nothing() -> None:
    handled = f"{TRACEBACK}ModuleNotFoundError: No module named 'numpy'\ngoing on without numpy\n"
    assert explain(LORA, f"{handled}{TRACEBACK}AssertionError\n") == ""
    chained = f"{TRACEBACK}ModuleNotFoundError: No module named 'numpy'\n\nDuring handling of the above exception, another exception occurred:\n\n"
    assert explain(LORA, f"{chained}{TRACEBACK}RuntimeError: arrays are needed\n") == "numpy is left out"


def test_an_error_inside_a_package_that_requires_torch_is_about_the_stub() -> None:
    frames = '  File "/a/smoke.py", line 3\n  File "/opt/venv/lib/python3.11/site-packages/{}/a.py", line 9\n'
    assert (
        explain(LORA, f"{TRACEBACK}{frames.format('lion_pytorch')}TypeError: no\n")
        == "lion-pytorch fails, which requires the real torch"
    )
    assert explain(LORA, f"{TRACEBACK}{frames.format('tqdm')}TypeError: no\n") == ""


def test_the_line_of_a_smoke_test_is_the_last_frame_in_it() -> None:
    path = "services/lora/smoke.py"
    text = f'{TRACEBACK}  File "/opt/lora/smoke.py", line 40, in <module>\n  File "/opt/lora/smoke.py", line 12, in main\n  File "/x/a.py", line 1\n'
    assert failing_line(text, path) == f"{path}:12"
    assert failing_line("Killed\n", path) == ""
