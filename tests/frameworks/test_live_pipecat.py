"""pipecat's Gemini Live service on a wrapped client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from maxim_gemini.testing import FakeLogger, GeminiServer, reply

pytest.importorskip("pipecat", reason="pipecat is installed in the environment `voice` only")

from pipecat.frames.frames import EndFrame, Frame, LLMContextFrame, TTSTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient


@pytest.mark.filterwarnings("ignore")  # pipecat's own
async def test_a_spoken_answer_is_traced(client: MaximGeminiClient, server: GeminiServer, logger: FakeLogger) -> None:
    # it sends a space of its own after the question
    server.reply(reply.live(reply.speech("It is sunny."), reply.speech("It is sunny.")))

    class Service(GeminiLiveLLMService):
        def create_client(self) -> None:
            self._client: Any = client

    class Ear(FrameProcessor):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, TTSTextFrame) and "sunny" in frame.text:
                await task.queue_frame(EndFrame())
            await self.push_frame(frame, direction)

    context = LLMContext([{"role": "user", "content": "How is the weather?"}])
    task = PipelineTask(Pipeline([Service(api_key="unused"), Ear()]), cancel_on_idle_timeout=False)
    await task.queue_frame(LLMContextFrame(context))
    await PipelineRunner(handle_sigint=False).run(task)

    assert "How is the weather?" in str(logger.generations[0].messages)
    assert "It is sunny." in str(logger.traces[0].output)
    assert logger.generations[0].attachments
    logger.assert_complete()
