"""In place of ComfyUI's main.py: its options, its server's library and one of its addresses."""

import argparse

import einops
import torch
import yaml
from aiohttp import web

parser = argparse.ArgumentParser()
parser.add_argument("--listen", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8188)
parser.add_argument("--base-directory")
options = parser.parse_args()


async def system_stats(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "pytorch_version": torch.__version__,
            "modules": sorted(module.__name__ for module in (einops, yaml)),
            "base_directory": options.base_directory,
        }
    )


application = web.Application()
application.router.add_get("/system_stats", system_stats)
web.run_app(application, host=options.listen, port=options.port)
