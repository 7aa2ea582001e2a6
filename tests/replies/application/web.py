"""A small web application with a wrapped client of its own; it runs in a process of its own.

GET /ask?question=...      the answer, and what Maxim would have received of it
GET /stream?question=...   the pieces of the answer, a line each, as they come
"""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from google import genai
from google.genai import errors
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

logger = FakeLogger()
client = MaximGeminiClient(genai.Client(), logger)  # key and base URL come from the environment


def ask(request: Request) -> JSONResponse:
    logger.clear()
    answer = client.models.generate_content(model="gemini-2.5-flash", contents=request.query_params["question"])
    logger.assert_complete()
    return JSONResponse({"answer": answer.text, "traced": logger.traces[-1].output, "traces": len(logger.traces)})


def failed(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_code=500)


def stream(request: Request) -> StreamingResponse:
    def lines() -> Iterator[str]:
        chunks = client.models.generate_content_stream(
            model="gemini-2.5-flash", contents=request.query_params["question"]
        )
        for chunk in chunks:
            yield json.dumps(chunk.text) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], file=sys.stdout, flush=True)
    # Handled, so that the server keeps the connection: else it closes it under the client's next request.
    application = Starlette(
        routes=[Route("/ask", ask), Route("/stream", stream)], exception_handlers={errors.APIError: failed}
    )
    uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listening])
