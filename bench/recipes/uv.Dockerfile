# A careful Dockerfile as uv's own guide advises: a cache mount, copies out of it, bytecode, dependencies before the code.
FROM torchpin-bench/base:1
COPY uv /bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=0 VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN uv venv /opt/venv
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=locked.txt,target=/tmp/locked.txt \
    uv pip install --no-deps --require-hashes --requirement /tmp/locked.txt
COPY smoke.py /opt/zopilot/smoke.py
RUN python /opt/zopilot/smoke.py
