# The least that any build does: each package is downloaded, unpacked and written once, and the image is exported.
FROM torchpin-bench/base:1
COPY uv locked.txt /opt/
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN /opt/uv venv /opt/venv && \
    UV_CACHE_DIR=/opt/cache UV_LINK_MODE=hardlink \
        /opt/uv pip install --no-deps --require-hashes --requirement /opt/locked.txt && \
    rm -r /opt/cache
COPY smoke.py /opt/zopilot/smoke.py
