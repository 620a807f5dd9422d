"""Transcription over HTTP: a recording in the body of a POST, its text in the answer."""

import tempfile
from functools import cache
from typing import Any

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


@cache
def model() -> Any:
    import whisper

    return whisper.load_model("turbo")


def transcribe(audio: bytes) -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(audio)
        file.flush()
        return str(model().transcribe(file.name)["text"])


async def transcription(request: Request) -> JSONResponse:
    return JSONResponse({"text": await run_in_threadpool(transcribe, await request.body())})


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"torch": torch.__version__})


routes = [Route("/transcribe", transcription, methods=["POST"]), Route("/health", health)]

if __name__ == "__main__":
    uvicorn.run(Starlette(routes=routes), host="0.0.0.0", port=8000)
