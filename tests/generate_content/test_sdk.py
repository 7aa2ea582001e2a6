"""What the wrapper takes from inside google-genai; these tests fail when it moves."""

from __future__ import annotations

import base64
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from google.genai.chats import AsyncChat, Chat
from google.genai.models import AsyncModels, Models
from PIL import Image
from support.script import chunks, response
from support.sides import MODEL

from maxim_gemini._generate_content import sdk

if TYPE_CHECKING:
    from google import genai
    from support.script import Gemini
    from support.sides import Sync

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger


@pytest.mark.parametrize("kind", [Models, AsyncModels])
def test_models_have_one_hook_for_each_remote_call(kind: Any) -> None:
    for name in ("_generate_content", "_generate_content_stream"):
        parameters = inspect.signature(getattr(kind, name)).parameters
        assert {"model", "contents", "config"} <= set(parameters)
    assert f"self.{'_generate_content'}(" in inspect.getsource(kind)


def test_an_api_client_has_its_options_from_the_beginning(raw: genai.Client) -> None:
    """What stands in for it while a call runs shares its attributes, and shows other options."""
    assert vars(raw._api_client)["_http_options"].headers["x-goog-api-key"] == "test-key"
    source = inspect.getsource(type(raw._api_client))
    begin = inspect.getsource(type(raw._api_client).__init__)
    assert source.count("self._http_options =") == begin.count("self._http_options =")


def test_models_send_by_their_api_client(raw: genai.Client) -> None:
    for models in (raw.models, raw.aio.models):
        assert vars(models)["_api_client"] is raw._api_client


def test_chats_hold_what_a_turn_needs(raw: genai.Client) -> None:
    for chats, kind in ((raw.chats, Chat), (raw.aio.chats, AsyncChat)):
        chat: Any = chats.create(model="m", config={"temperature": 0.5})
        assert type(chat) is kind
        assert {"_modules", "_model", "_config"} < vars(chat).keys()
        assert sdk.model_of(chat) == "m"
        assert sdk.config_of(chat) is not None


async def test_what_the_sdks_methods_write_on_their_object_is_the_users(
    side: Sync, raw: genai.Client, client: MaximGeminiClient, gemini: Gemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tracer may patch the SDK's class, and keep something on each object."""

    def counting(original: Any) -> Any:
        def count(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.count = getattr(self, "count", 0) + 1
            return original(self, *args, **kwargs)

        return count

    gemini.says(response("a"), response("b"))
    for kind, name in ((side.kinds.models, "generate_content"), (side.kinds.chat, "send_message")):
        monkeypatch.setattr(kind, name, counting(getattr(kind, name)))
    chat = side.chats(client).create(model=MODEL)
    await side.send(chat, "Hi")
    await side.generate(client)
    assert vars(side.models(raw))["count"] == 2
    assert chat.count == 1
    assert side.models(client).count == 2


async def test_what_a_later_release_may_hand_to_its_hook_goes_on(
    side: Sync, raw: genai.Client, monkeypatch: pytest.MonkeyPatch, client: MaximGeminiClient, gemini: Gemini
) -> None:
    """The SDK is the one that calls the hook, and the one that it belongs to: what else they say is between them."""
    seen: list[tuple[str, Any]] = []
    for kind in (Models, AsyncModels):
        for name in ("_generate_content", "_generate_content_stream"):
            monkeypatch.setattr(kind, name, _noting(getattr(kind, name), seen))
    gemini.says(response("a")).streams(*chunks("b", "c"))
    models: Any = side.models(client)
    recorded, call, _ = models._begin(MODEL, "Hi", None, None, None)
    request: dict[str, Any] = {"model": MODEL, "contents": "Hi", "config": None, "later": 1}
    with call:
        answer = recorded._generate_content(**request)
        stream = recorded._generate_content_stream
        if side.is_async:
            assert (await answer).candidates
            assert len([chunk async for chunk in await stream(**request)]) == 2
        else:
            assert answer.candidates
            assert len(list(stream(**request))) == 2
    assert seen == [("_generate_content", {"later": 1}), ("_generate_content_stream", {"later": 1})]


def _noting(original: Any, seen: list[tuple[str, Any]]) -> Any:
    def hook(self: Any, *, model: Any, contents: Any, config: Any, **more: Any) -> Any:
        seen.append((original.__name__, more))
        return original(self, model=model, contents=contents, config=config)

    return hook


def test_what_is_no_chat_of_the_sdks_tells_nothing() -> None:
    nothing = object()
    assert sdk.model_of(nothing) == ""
    assert (sdk.config_of(nothing), sdk.models_of(nothing), sdk.headers_of(nothing)) == (None, None, None)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", ["alone", "in a list", "in a list of lists"])
async def test_an_image_of_pillow_is_encoded_once_and_logged_as_it_is_sent(
    side: Sync,
    gemini: Gemini,
    raw: genai.Client,
    client: MaximGeminiClient,
    logger: FakeLogger,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    streamed: bool,
    form: str,
) -> None:
    saved: list[str] = []
    really = Image.Image.save

    def save(self: Image.Image, stream: Any, *args: Any, **more: Any) -> None:
        saved.append(self.mode)
        really(self, stream, *args, **more)

    monkeypatch.setattr(Image.Image, "save", save)
    image = Image.new(mode, (3, 2))
    forms: dict[str, Any] = {
        "alone": image,
        "in a list": ["What?", image],
        "in a list of lists": [["What?", image], "And?"],
    }
    contents = forms[form]

    async def use(either: Any) -> None:
        gemini.forget()
        gemini.streams(*chunks("a")) if streamed else gemini.says(response("a"))
        await (side.read(await side.open(either, contents)) if streamed else side.generate(either, contents))

    await use(raw)
    await use(client)
    assert saved == [mode] * 2
    assert gemini.requests[0] == gemini.requests[1]
    sent = [base64.urlsafe_b64decode(data) for data in _inline_data(gemini.requests[1])]
    assert sent == [one.content for one in logger.generation.attachments]


def _inline_data(request: dict[str, Any]) -> list[str]:
    parts = [part for content in request["contents"] for part in content["parts"]]
    return [part[name]["data"] for part in parts for name in ("inlineData", "inline_data") if name in part]


async def test_an_image_that_cannot_be_encoded_fails_as_with_the_bare_client(
    side: Sync, gemini: Gemini, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response("a"))

    async def outcome(either: Any) -> str:
        with pytest.raises(OSError, match="HSV") as error:
            await side.generate(either, Image.new("HSV", (1, 1)))
        return repr(error.value)

    assert await outcome(client) == await outcome(raw)
    assert logger.generation.error is not None
    logger.assert_complete(strict=True)


def test_contents_without_images_stay_the_very_object() -> None:
    forms: tuple[Any, ...] = ("Hi", ["Hi", ["there"]], [types.Part(text="Hi")], {"parts": []}, None)
    for contents in forms:
        assert sdk.with_encoded_images(contents) is contents
