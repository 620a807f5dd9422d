"""A project of others that has a secret in every place where projects have one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# CANARY stands for the secret; each gets a number of its own
_FILES = {
    ".env": r"""
HF_TOKEN=CANARY
PLAIN=CANARY
""",
    "Dockerfile": r"""
FROM nvidia/cuda:12.4.1-devel-ubuntu22.04
ARG PIP_TOKEN=CANARY
ARG INDEX=https://user:CANARY@mirror.example/simple?k=CANARY
ENV HF_TOKEN=CANARY
ENV DATABASE_URL=postgres://user:CANARY@db/x
ENV AWS_SECRET_ACCESS_KEY="CANARY" OTHER=https://a.example/x#token=CANARY
RUN pip install torch==2.5.1 --extra-index-url https://user:CANARY@mirror.example/simple
RUN pip install -i https://mirror.example/simple?token=CANARY numpy==1.26.4
RUN git clone https://CANARY@github.com/a/b
RUN git clone https://oauth2:CANARY@gitlab.example/a/c.git && cd c && git checkout v1.0
RUN curl -H "Authorization: Bearer CANARY" https://a.example/x.whl && pip install x.whl
RUN curl -u user:CANARY https://a.example/y.sh | sh
RUN pip install git+https://CANARY@github.com/a/d@v2
RUN pip install https://user:CANARY@a.example/z-1.0-py3-none-any.whl#token=CANARY
RUN HF_TOKEN=CANARY pip install tqdm==4.67.0
RUN huggingface-cli login --token CANARY
RUN export WANDB_API_KEY=CANARY && pip install wandb
RUN pip install $(echo https://CANARY@a.example/w-1-py3-none-any.whl)
RUN wget --header="PRIVATE-TOKEN: CANARY" https://gitlab.example/q.whl
RUN pip config set global.index-url https://u:CANARY@mirror.example/simple
RUN echo "machine a.example login u password CANARY" > ~/.netrc
COPY requirements.txt .
RUN pip install -r requirements.txt
HEALTHCHECK CMD curl -H "X-Api-Key: CANARY" localhost
LABEL token=CANARY
RUN HF_TOKEN=CANARY pip install torch>=2.5
RUN pip install --proxy http://u:CANARY@proxy:1 --trusted-host a torch==2.5.1 || true
RUN pip install --token=CANARY --no-such "x;y
RUN MY_KEY=CANARY bash -c 'pip install "numpy<2'
RUN curl -sSL https://u:CANARY@a.example/install.sh?token=CANARY | bash
RUN git clone --branch v1 https://u:CANARY@a.example/a/b.git /x && pip install -e /x
RUN TOKEN=CANARY conda install pytorch cudatoolkit=11.8 -c https://conda.example/t/CANARY/chan
RUN pip install flash-attn --no-build-isolation --config-settings="API_KEY=CANARY"
ENV PIP_EXTRA_INDEX_URL=https://u:CANARY@a.example/simple UV_INDEX=https://u:CANARY@a.example
ENV TORCH_CUDA_ARCH_LIST="8.0" API_KEY CANARY
ENV SECRET_THING CANARY
RUN echo 'torch==2.5.1 # https://u:CANARY@a.example' > r.txt && pip install -r r.txt
VOLUME https://u:CANARY@a
ONBUILD RUN pip install --password CANARY torch
ENV GITHUB_PAT=CANARY DB_PASS=CANARY MYSQL_PWD=CANARY PASS=CANARY API_AUTH=CANARY JWT=CANARY SESSION_ID=CANARY
ENV WEBHOOK=https://hooks.slack.com/services/T0/B0/CANARY http_proxy=user:CANARY@proxy:3128
ENV DATABASE_URL2=postgres://u:can#CANARY@h/db CONNECTION_STRING="Server=x;Pwd=CANARY;User=a"
RUN pip install foo==1 --proxy u:CANARY@proxy:1
RUN git clone u:CANARY@github.com:a/b.git
RUN pip install "https://u:it's-CANARY@h/x.whl" "https://u:a/CANARY@h/x.whl"
CMD ["python", "serve.py", "--api-key", "CANARY", "--pat", "CANARY", "-p", "CANARY"]
""",
    "docker-compose.yml": r"""
services:
  a:
    build: .
    environment:
      HF_TOKEN: CANARY
      URL: https://u:CANARY@a.example
    command: python serve.py --token CANARY
""",
    "pip.conf": r"""
[global]
index-url = https://u:CANARY@mirror.example/simple
""",
    "pyproject.toml": r"""
[project]
name = "x"
version = "1"
dependencies = ["g @ git+https://CANARY@github.com/a/g@v1", "tqdm==4.67.0"]
[[tool.uv.index]]
name = "m"
url = "https://u:CANARY@mirror.example/simple"
[tool.uv.sources]
h = { git = "https://CANARY@github.com/a/h", tag = "v1" }
""",
    "requirements.txt": r"""
--extra-index-url https://user:CANARY@mirror.example/simple
--find-links https://mirror.example/f?token=CANARY
git+https://CANARY@github.com/a/e@v1#egg=e
f @ https://user:CANARY@a.example/f-1.0-py3-none-any.whl#sha256=00&token=CANARY
bad line https://user:CANARY@a.example
""",
    "uv.lock": r"""
version = 1
[[package]]
name = "k"
version = "1.0"
source = { registry = "https://u:CANARY@mirror.example/simple" }
sdist = { url = "https://u:CANARY@mirror.example/k-1.0.tar.gz?t=CANARY", hash = "sha256:00" }
[[package]]
name = "l"
version = "1.0"
source = { git = "https://u:CANARY@mirror.example/l?tag=v1#abc" }
""",
}


def write_secret_project(folder: Path, canary: str) -> int:
    """Writes the project, with the canary and a number for each secret, and returns how many there are."""
    folder.mkdir(parents=True)
    count = 0
    for name, text in _FILES.items():
        first, *others = text.lstrip("\n").split("CANARY")
        (folder / name).write_text(
            first + "".join(f"{canary}{count + number}x{part}" for number, part in enumerate(others))
        )
        count += len(others)
    return count
