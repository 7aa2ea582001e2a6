"""Record a stream from a server on this machine; replay it without the server, and broken."""

import tempfile
from pathlib import Path

from google import genai

from maxim_gemini.testing import GeminiRecorder, GeminiServer, reply

file = Path(tempfile.mkdtemp()) / "count.yaml"


def count(client: genai.Client) -> None:
    stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Count to three.")
    try:
        for chunk in stream:
            print(repr(chunk.text), end=" ")
    except Exception as error:
        print(type(error).__name__, end="")
    print()


with GeminiServer(reply.stream("One, ", "two, ", "three.")) as server:
    with GeminiRecorder(file, record="once", base_url=server.url) as recorder:
        count(recorder.client)

with GeminiRecorder(file) as recorder:
    count(recorder.client)

with GeminiRecorder(file) as recorder:
    recorder.disconnect_after(events=2)
    count(recorder.client)
    broken = recorder.logger.generation
    print("In Maxim:", repr(broken.text), "and", broken.error.type if broken.error else "no error")
