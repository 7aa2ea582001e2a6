"""Parallel calls: each has a trace of its own, and one of them fails."""

import asyncio

from google import genai
from google.genai import errors

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiMock, reply

logger = FakeLogger()  # in production: maxim.Maxim().logger()
client = MaximGeminiClient(genai.Client(api_key="any"), logger)


async def ask(city: str) -> str:
    try:
        answer = await client.aio.models.generate_content(
            model="gemini-2.5-flash", contents=f"Describe {city} in one word."
        )
    except errors.ClientError as error:
        return f"{city}: {error.code}"
    return f"{city}: {answer.text}"


async def main() -> None:
    print(*await asyncio.gather(ask("Paris"), ask("Oslo"), ask("Rome")), sep="\n")
    await client.aio.aclose()


with GeminiMock() as gemini:
    gemini.when(text="Paris").reply(reply.text("romantic"))
    gemini.when(text="Oslo").reply(reply.error(429))
    gemini.when(text="Rome").reply(reply.text("eternal"))
    asyncio.run(main())

print(len(logger.traces), "traces,", len(logger.errors), "error:", logger.errors[0].type)
logger.assert_complete()
