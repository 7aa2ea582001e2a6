"""A chat with a function call and a streamed answer, and the trace that Maxim gets of it."""

from google import genai
from google.genai import types

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, GeminiMock, reply


def find_orders(customer: str) -> list[str]:
    """Return the ids of a customer's open orders."""
    return ["A-17", "A-23"]


logger = FakeLogger()  # in production: maxim.Maxim().logger()
client = MaximGeminiClient(genai.Client(api_key="any"), logger)

with GeminiMock(
    reply.function_call("find_orders", customer="Ada"),
    reply.stream("You have ", "two open orders: ", "A-17 and A-23."),
):
    chat = client.chats.create(
        model="gemini-2.5-flash",
        config=types.GenerateContentConfig(tools=[find_orders]),
    )
    for chunk in chat.send_message_stream("I am Ada. What is open?"):
        if not chunk.function_calls:
            print(chunk.text, end="")
    chat.end_trace()

print()
print(logger)
