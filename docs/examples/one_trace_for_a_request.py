"""Two calls and the application's own step in one trace."""

from google import genai

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiMock, reply

logger = FakeLogger()  # in production: maxim.Maxim().logger()
client = MaximGeminiClient(genai.Client(api_key="any"), logger)


def ask(question: str, trace_id: str, name: str) -> str:
    answer = client.models.generate_content(
        model="gemini-2.5-flash", contents=question, trace_id=trace_id, generation_name=name
    )
    return answer.text or ""


with GeminiMock(reply.text("refund policy"), reply.text("You have 30 days.")):
    trace = logger.trace({"id": "request-1", "name": "answer a question"})
    trace.set_input("Can I give it back?")

    topic = ask("What is this about: Can I give it back?", trace.id, "classify")
    look_up = trace.retrieval({"id": "retrieval-1", "name": "handbook"})
    look_up.input(topic)
    look_up.output(["Returns are possible within 30 days."])
    answer = ask("Answer from: Returns are possible within 30 days.", trace.id, "answer")

    trace.set_output(answer)
    trace.end()

print(logger)
