"""Which words of a command, and which values of variables, may be secrets, and which usual ones are none."""

from __future__ import annotations

import pytest

from torchpin.project.secret_values import hide_secrets, is_secret, secret_argument

SECRET = (
    ("serve", "-p", "S3CRET"), ("serve", "--pat", "S3CRET"), ("serve", "--auth", "S3CRET"), ("serve", "--token", "-S3CRET"),
    ("redis-server", "--requirepass", "S3CRET"), ("serve", "--db-pass=S3CRET"), ("run", "-e", "GITHUB_PAT=S3CRET"),
    ("serve", "--proxy", "u:S3CRET@h:1"), ("curl", "--user=u:S3CRET"), ("serve", "--dsn=mysql://a:p#S3CRET@h/x"),
    ("serve", "--hf", "hf_S3CRETabcdefghijklmnopqrstuvwxyz"), ("sh", "-c", "serve --api-key S3CRET"),
    ("sh", "-c", "serve --password 'S3CRET'"), ("sh", "-c", "curl -u user:S3CRET https://h"),
    ("sh", "-c", "serve --token ${HF_TOKEN:-S3CRET}"), ("sh", "-c", "A=1; redis-cli -a S3CRET"), ("mysql", "-pS3CRET"),
    ("python", "-c", "login(token = 'S3CRET')"), ("python", "-c", "os.environ['HF_TOKEN'] = 'S3CRET'"),
    ("python", "-c", 'if token == "S3CRET": pass'), ('{"api_key": "S3CRET"}',), ("HF_TOKEN", "S3CRET"),
    ("sh", "-c", r'curl -d "{\"api_key\": \"S3CRET\"}" h'), ("serve", "--password", "my S3CRET"),
    ("curl", "-H", "X-Vendor: S3CRET"), ("curl", "-H", "Authorization: Bearer S3CRET"), ("Server=x;Pwd=S3CRET;User=a",),
    ("https://u:it's-S3CRET@h",), ("https://u:p S3CRET@h/x",), ("https://u:a/S3CRET@h",), ("https://u:a<S3CRET@h",),
    ("https://u:a?S3CRET@h",), ("https:/u:S3CRET@h/x.whl",), ("https://h/x?a='S3CRET",), ('https://h/x?a="S3CRET',),
    ("https://h/x?a=<S3CRET",), ("https://u:1234/S3CRET@h",), ("https://token#en@S3CRET",), ("user:S3CRET@proxy:3128",),
    ("https://hooks.slack.com/services/T0/B0/S3CRET",), ("--urls=https://a,https://h?t=S3CRET",), ("pass=S3CRET",),
)  # fmt: skip
HARMLESS = (
    ("sh", "-c", "serve --token $HF_TOKEN --port 80"), ("serve", "--max-tokens", "4096"), ("serve", "-p", "8000"),
    ("jupyter", "lab", "--NotebookApp.token=''", "--port=80"), ("jupyter", "--ServerApp.password=", "--ip=0.0.0.0"),
    ("python", "-u", "serve.py"), ("uvicorn", "app:main", "--port", "8000"), ("sh", "-c", "mkdir -p data && serve"),
    ("gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", "0.0.0.0:80"), ("docker", "-p", "80:80"),
    ("bash", "--login", "-c", "serve"), ("git+https://github.com/a/b@v1",), ("serve", "--tokenizer", "x"),
    ("nvidia/cuda:12.4@sha256:ab",), ("python", "make_tokens.py", "--out", "x"), ("curl", "https://h:80/x", "-o", "f"),
    ("curl", "-H", "Content-Type: application/json", "http://localhost:8000/v1"), ("docker", "-u", "1000:1000"),
    ("vllm", "serve", "meta/x", "--max-num-batched-tokens", "8192"), ("serve", "--enable-auth", "--port", "80"),
    ("bash", "-c", "source /opt/secrets/env.sh && serve"), ("sh", "-c", "cd x && cp a $(pwd) && serve"),
    ("python", "-m", "http.server", "--bind", "[::1]:80"), ("curl", "http://[::1]:8000/x", "https://$HOST:$PORT/x"),
)  # fmt: skip
# What Dockerfiles of images for GPUs set.
VARIABLES = [
    "PATH=/usr/local/cuda/bin:/usr/bin",
    "LD_LIBRARY_PATH=/usr/local/cuda/lib64",
    "LIBRARY_PATH=/usr/local/cuda/lib64/stubs",
    "CUDA_HOME=/usr/local/cuda",
    "CUDA_VERSION=12.4.1",
    "CUDA_VISIBLE_DEVICES=0,1",
    "CUDA_DEVICE_ORDER=PCI_BUS_ID",
    "NVIDIA_VISIBLE_DEVICES=all",
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    "NVIDIA_PRODUCT_NAME=CUDA",
    "NVARCH=x86_64",
    "NV_CUDA_LIB_VERSION=12.4.1-1",
    "NV_LIBNCCL_PACKAGE=libnccl2=2.21.5-1+cuda12.4",
    "NCCL_VERSION=2.21.5-1",
    "NCCL_DEBUG=INFO",
    "NCCL_SOCKET_IFNAME=^docker0,lo",
    "NCCL_P2P_DISABLE=1",
    "NCCL_IB_HCA=mlx5_0:1",
    "TORCH_CUDA_ARCH_LIST=8.0;8.6+PTX",
    "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True,max_split_size_mb:128",
    "TORCH_HOME=/models/torch",
    "MAX_JOBS=4",
    "HF_HOME=/models/hf",
    "HF_HUB_ENABLE_HF_TRANSFER=1",
    "HF_HUB_OFFLINE=1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN=1",
    "TRANSFORMERS_CACHE=/m",
    "TOKENIZERS_PARALLELISM=false",
    "MAX_TOKENS=4096",
    "MAX_NEW_TOKENS=512",
    "MASTER_ADDR=127.0.0.1",
    "MASTER_PORT=29500",
    "WORLD_SIZE=8",
    "PIP_NO_CACHE_DIR=1",
    "PIP_INDEX_URL=https://mirror.example:8443/simple",
    "UV_LINK_MODE=copy",
    "UV_COMPILE_BYTECODE=1",
    "UV_INDEX_STRATEGY=unsafe-best-match",
    "PYTHONUNBUFFERED=1",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONPATH=/app:/app/src",
    "DEBIAN_FRONTEND=noninteractive",
    "LANG=C.UTF-8",
    "TZ=Etc/UTC",
    "SHELL=/bin/bash",
    "HOME=/root",
    "PWD=/app",
    "OLDPWD=/",
    "AUTHOR=Jane",
    "MAINTAINER=a@b.example",
    "GIT_AUTHOR_NAME=Jane",
    "PASSIVE=1",
    "KEYBOARD=us",
    "KEYRING=off",
    "PATTERN=x",
    "COMPASS=north",
    "OMP_NUM_THREADS=8",
    "GRADIO_SERVER_NAME=0.0.0.0",
    "GRADIO_SERVER_PORT=7860",
    "DATABASE_URL=sqlite:///data/x.db",
    "REDIS_URL=redis://redis:6379/0",
    "no_proxy=localhost,127.0.0.1",
    "http_proxy=http://proxy:3128",
    "MODEL=meta-llama/Llama-3-8B",
    "REVISION=0123456789abcdef0123",
    "FLASH_ATTN_COMMIT=0123456789abcdef0123456789abcdef01234567",
    "BASE=nvidia/cuda:12.4.1@sha256:0123",
    "PATCH_SIZE=14",
    "HF_TOKEN_PATH=/run/secrets/hf",
    "SSL_CERT_FILE=/etc/ssl/cert.pem",
    "GIT_ASKPASS=/bin/true",
    "SSH_AUTH_SOCK=/tmp/agent",
    "COMFYUI_ARGS=--listen",
    "VLLM_ATTENTION_BACKEND=FLASH_ATTN",
    "VLLM_USE_V1=1",
    "XDG_CACHE_HOME=/cache",
    "DISPLAY=:0",
    "CC=gcc",
    "LD_PRELOAD=/usr/lib/libtcmalloc.so.4",
    "TORCH_NCCL_ASYNC_ERROR_HANDLING=1",
    "OMPI_MCA_btl_tcp_if_include=eth0",
]
SECRET_VARIABLES = [
    "GITHUB_PAT=ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "DB_PASS=s3",
    "MYSQL_PWD=s3",
    "PASS=s3",
    "API_AUTH=s3",
    "JWT=eyJs3.eyJ.x",
    "DATABASE_URL=postgres://u:can#s3@h/db",
    "DATABASE_URL2=postgres://u:can/s3@h/db",
    "Q=https://u:it's-s3@h/simple",
    "http_proxy=user:s3@proxy:3128",
    "CONNECTION_STRING=Server=x;Pwd=s3",
    "SETTINGS=Server=x;Pwd=s3;User=a",
    "WEBHOOK=https://hooks.slack.com/services/T0/B0/s3",
    "HOOK=https://hooks.slack.com/services/T0/B0/s3",
    "SENTRY_DSN=s3",
    "SESSION=s3",
    "COOKIE=s3",
    "PRIVATE=s3",
    "SIGNATURE=s3",
    "X=hf_abcdefghijklmnopqrstuvwxyz",
    "OPTIONS=--api-key=s3",
    "PWD=s3",
    'EXTRA={"token":"s3"}',
    "ARGS=--password=s3",
    "KEY_PASSPHRASE=s3",
    "A=AKIAIOSFODNN7EXAMPLE",
    "B=https://h/x?sig=s3",
    "DB_PASSWORD=1234",
]


@pytest.mark.parametrize("words", SECRET, ids=" ".join)
def test_a_command_with_a_secret_is_known(words: tuple[str, ...]) -> None:
    assert secret_argument(words)
    assert "S3CRET" not in secret_argument(words)


@pytest.mark.parametrize("words", SECRET, ids=" ".join)
def test_a_secret_is_hidden_and_the_number_of_words_stays(words: tuple[str, ...]) -> None:
    hidden = hide_secrets(words)
    assert "S3CRET" not in " ".join(hidden)
    assert len(hidden) == len(words)


@pytest.mark.parametrize("words", HARMLESS, ids=" ".join)
def test_a_usual_command_has_no_secret(words: tuple[str, ...]) -> None:
    assert secret_argument(words) == ""
    assert hide_secrets(words) == words


@pytest.mark.parametrize(
    "words",
    [
        (
            "pip",
            "install",
            "tiktoken==0.7",
            "numpy",
            "pyjwt[crypto]>=2",
            "authlib",
            "keyring",
            "session-info",
        ),
        ("pip", "install", "tiktoken", "tokenizers", "python-jose", "cookiecutter", "passlib"),
        ("conda", "install", "-c", "conda-forge", "pytorch==2.5.1"),
    ],
    ids=" ".join,
)
def test_names_of_packages_hide_nothing(words: tuple[str, ...]) -> None:
    assert hide_secrets(words) == words


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_usual_variable_is_no_secret(variable: str) -> None:
    assert not is_secret(*variable.split("=", 1))


@pytest.mark.parametrize("variable", SECRET_VARIABLES)
def test_a_variable_that_may_be_a_secret_is_one(variable: str) -> None:
    assert is_secret(*variable.split("=", 1))


@pytest.mark.parametrize(
    "part", ["://", "https://u:x", "a:b@", "token ", "--token=", "-p x ", "x'", "$", "${A_TOKEN-"]
)
def test_long_words_take_no_long_time(part: str) -> None:
    assert hide_secrets((part * 20_000,))
    assert hide_secrets((part,) * 20_000)
