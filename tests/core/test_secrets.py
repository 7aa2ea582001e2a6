"""What is taken out of what goes to Maxim because it is a key, a token or a password, and what stays."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from support.script import Gemini, call, response
from support.secrets import WORDS
from support.sides import MODEL, Sync

from maxim_gemini._core.secrets import REDACTED, redacted, without_credentials

if TYPE_CHECKING:
    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

# Put together here, so that no scanner of repositories takes the tests for a leak.
R = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
AIZA = "AI" + "zaSy" + R[:33]
JWT = f"ey{'J'}hbGciOiJIUzI1NiJ9.ey{'J'}zdWIiOiIxMjM0In0.{R}"
PEM = f"-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIEow{R}\n{R}\n-----END RSA {'PRIVATE'} KEY-----"

GOES = [
    (AIZA, AIZA),
    (f"Permission denied: Consumer 'api_key:{AIZA}' has been suspended.", AIZA),
    (f"GEMINI_API_KEY_{AIZA}", AIZA),
    (f"https://example.com/{AIZA}/models", AIZA),
    (f"key={AIZA}", AIZA),
    (f"AQ.Ab8{R}", R),
    (f"ya29.{R}", R),
    (f"1//0{R}", R),
    (f"GOC{'SPX'}-{R}", R),
    (f"sk_mx_{R}", R),
    (f"sk-proj-{R}", R),
    (f"sk-ant-api03-{R}", R),
    (f"ghp_{R}", R),
    (f"github_pat_{R}", R),
    (f"glpat-{R}", R),
    (f"hf_{R}", R),
    (f"AKIA{'ABCDEFGH12345678'}", "ABCDEFGH12345678"),
    (f"xoxb-{R}", R),
    (f"xapp-1-{R}", R),
    (f"https://hooks.slack.com/services/T0/B0/{R}", R),
    (f"sk_live_{R}", R),
    (f"SG.{R}.{R}", R),
    (f"gsk_{R}", R),
    (f"npm_{R}", R),
    (JWT, R),
    (PEM, R),
    (PEM[:60], "MIIEow"),
    (f"Authorization: Bearer {R}", R),
    ("authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
    ("Bearer onlylettersbutverylong", "onlyletters"),
    ("https://example.com/v1?key=short", "short"),
    ("https://example.com/v1?alt=sse&key=abc", "abc"),
    ("https://example.com/a.png?token=abc#x", "abc"),
    ("https://example.com/a.png?x=1&access_token=abc", "abc"),
    ("https://storage.googleapis.com/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=0a1b2c", "0a1b2c"),
    ("https://storage.googleapis.com/b/o?x-goog-signature=0a1b2c", "0a1b2c"),
    ("https://storage.googleapis.com/b/o?X-Goog-Credential=me%40project.iam", "me%40"),
    ("https://bucket.s3.amazonaws.com/o?X-Amz-Signature=0a1b2c", "0a1b2c"),
    ("https://bucket.s3.amazonaws.com/o?X-Amz-Security-Token=0a1b2c", "0a1b2c"),
    ("https://x.blob.core.windows.net/c/o?sv=2023&sig=aB%2Fc%3D&se=1", "aB%2Fc"),
    ("https://d1.cloudfront.net/o?Signature=abc~", "abc~"),
    ("https://firebasestorage.googleapis.com/o?alt=media&token=uuid", "uuid"),
    ("https://example.com/o?api_key=abc", "abc"),
    ("https://example.com/o?apiKey=abc", "abc"),
    ("https://example.com/o?x-api-key=abc", "abc"),
    ("https://example.com/o?client_secret=abc", "abc"),
    ("https://example.com/cb#access_token=abc", "abc"),
    ("https://user:hunter2@example.com/", "hunter2"),
    ("postgres://admin:hunter2@db:5432/x", "hunter2"),
    ('{"api_key": "abcd1234"}', "abcd1234"),
    ("{'password': 'abcd1234'}", "abcd1234"),
    ("password=abcd1234", "abcd1234"),
    ("Invalid access_token: abcd1234", "abcd1234"),
    ("client-secret: abcd1234", "abcd1234"),
    ("MY_API_KEY=abcd1234", "abcd1234"),
    (r"{\"apiKey\": \"abcd1234\"}", "abcd1234"),
]

STAYS = [
    "API key not valid. Please pass a valid API key.",
    "API key expired. Please renew the API key.",
    "Consumer 'project_number:123456789012' has been suspended.",
    "models/gemini-9 is not found for API version v1beta",
    "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    "max_output_tokens: 8192",
    "total_token_count=12",
    "token: required",
    "password: string",
    "'password' must be a string",
    "secret: missing",
    "the key: value pair",
    "api_key must be set",
    "Basic authentication is required",
    "Bearer authentication",
    "AIza",
    "AIzaTooShort",
    "sk-learn",
    "scikit-learn sk-something-about-words-only",
    "task-0123-of-the-flask-sqlalchemy-session",
    "risk-assessment-2024-final-version-of-the-report",
    "https://example.com/a.png",
    "https://example.com/a.png?size=10&page_token=3&pageToken=4",
    "https://example.com/list?monkey=1&keyboard=qwerty&keys=2",
    "https://example.com/?design=1&tokenize=yes",
    "https://generativelanguage.googleapis.com/v1beta/files/abc123",
    "gs://bucket/folder/file-2024.pdf",
    "https://example.com/a:b@c",
    "me@example.com",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "projects/p/locations/us-central1/ragCorpora/4611686018427387904",
    "4fzyz9",
    "00000000-0000-0000-0000-000000000000",
    "eyJ",
    "-----BEGIN CERTIFICATE-----",
    "Retry in 23s. quotaId: GenerateRequestsPerMinutePerProjectPerModel",
    '{"type": "OBJECT", "properties": {"token": {"type": "STRING"}}, "required": ["token"]}',
]


@pytest.mark.parametrize(("text", "secret"), GOES, ids=range(len(GOES)))
def test_it_goes(text: str, secret: str) -> None:
    for around in (text, f"x {text} y", f'"{text}"', f"({text})"):
        assert secret not in redacted(around)
        assert REDACTED in redacted(around)
        assert redacted(redacted(around)) == redacted(around)


@pytest.mark.parametrize("text", STAYS, ids=range(len(STAYS)))
def test_it_stays(text: str) -> None:
    for around in (text, f"x {text} y", f'"{text}"', f"({text})"):
        assert redacted(around) == around


def test_every_documented_form_goes() -> None:
    assert [kind for kind, key in WORDS.items() if key in redacted(f"it is {key}.")] == []


@pytest.mark.parametrize(
    "text",
    [
        mark * (100_000 // len(mark))
        for mark in (
            "?",
            "a",
            "key=",
            "-----BEGIN A PRIVATE KEY-----",
            "a1-",
            "://",
            "eyJ",
            "bearer ",
            "://a:",
            "a_",
            "?a-",
            "AQ.",
            "token token=",
        )
    ],
    ids=lambda text: text[:30],
)
def test_no_text_takes_long(text: str) -> None:
    redacted(text)


# In the config.

MCP: Any = {
    "mcp_servers": [
        {
            "name": "shop",
            "streamable_http_transport": {
                "url": f"https://mcp.example.com/api/{R}/sse?key=SECRET-0",
                "headers": {"Authorization": "SECRET-1", "X-Any": "SECRET-2"},
            },
        }
    ]
}
MAPS: Any = {"google_maps": {"auth_config": {"api_key": "SECRET-3", "auth_type": "NO_AUTH"}}}
EVERY_AUTH = {
    "apiKeyConfig": {"apiKeyString": "SECRET-4", "apiKeySecret": "SECRET-5", "name": "x-key"},
    "oauthConfig": {"accessToken": "SECRET-6"},
    "oidcConfig": {"idToken": "SECRET-7"},
    "httpBasicAuthConfig": {"credentialSecret": "SECRET-8"},
}
EXTERNAL = {
    "retrieval": {
        "externalApi": {
            "apiAuth": {"apiKeyConfig": {"apiKeyString": "SECRET-9", "apiKeySecretVersion": "SECRET-10"}},
            "endpoint": "https://search.example.com?token=SECRET-11",
        }
    }
}
TOOLS: dict[str, Any] = {}
for name, tool in (
    ("mcp", MCP),
    ("maps", MAPS),
    ("external", EXTERNAL),
    ("every kind of authorisation", {"googleMaps": {"authConfig": EVERY_AUTH}}),
    ("exa", {"exaAiSearch": {"api_key": "SECRET-12"}}),
    ("parallel", {"parallelAiSearch": {"api_key": "SECRET-13"}}),
):
    with contextlib.suppress(ValueError):  # not known to every google-genai
        TOOLS[name] = types.Tool.model_validate(tool)
FORMS_OF_A_CONFIG = {
    "types": lambda tool: types.GenerateContentConfig(tools=[tool]),
    "types in a dict": lambda tool: {"tools": [tool]},
    "snake case": lambda tool: {"tools": [tool.model_dump(exclude_none=True)]},
    "camel case": lambda tool: {"tools": [tool.model_dump(by_alias=True, exclude_none=True, mode="json")]},
    "types deep inside": lambda tool: {"tools": [dict(tool)]},
}


@pytest.mark.parametrize("form", FORMS_OF_A_CONFIG.values(), ids=FORMS_OF_A_CONFIG)
@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
async def test_no_credential_of_a_tool_is_logged(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, tool: Any, form: Any
) -> None:
    gemini.says(response("ok"))
    config = form(tool)
    before = repr(config)
    with contextlib.suppress(ValueError):  # for Vertex only; logged all the same
        await side.generate(client, config=config)
    logged = json.dumps(logger.generation.model_parameters)
    assert (REDACTED in logged, "SECRET" in logged, R in logged) == (True, False, False)
    assert repr(config) == before


def test_what_is_no_credential_of_a_tool_stays() -> None:
    (shop,) = without_credentials([MCP])
    assert shop["mcp_servers"][0]["name"] == "shop"
    assert shop["mcp_servers"][0]["streamable_http_transport"] == {
        "url": f"https://mcp.example.com/api/{REDACTED}/sse?key=SECRET-0",  # text is for `redacted`
        "headers": {"Authorization": REDACTED, "X-Any": REDACTED},
    }
    assert without_credentials(MAPS) == {"google_maps": {"auth_config": {"api_key": REDACTED, "auth_type": "NO_AUTH"}}}
    schema = {"type": "OBJECT", "properties": {"password": {"type": "STRING", "default": "none"}, "token": {}}}
    declared = {"function_declarations": [{"name": "login", "parameters": schema}]}
    assert without_credentials([declared]) == [declared]
    settings = {"max_output_tokens": 5, "stop_sequences": ["key"], "labels": {"team": "search"}, "url": "gs://b/a"}
    assert without_credentials(settings) == settings


@pytest.mark.parametrize("streamed", [False, True])
async def test_no_key_in_an_error_of_google_is_logged(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger, streamed: bool
) -> None:
    gemini.fails(403, "PERMISSION_DENIED", f"Permission denied: Consumer 'api_key:{AIZA}' has been suspended.")
    with pytest.raises(Exception, match=AIZA):
        await (side.read(await side.open(client)) if streamed else side.generate(client))
    assert AIZA not in repr(logger.as_dict())
    assert logger.generation.error is not None
    assert logger.generation.error.message == f"Permission denied: Consumer 'api_key:{REDACTED}' has been suspended."


async def test_no_key_in_the_error_of_a_function_is_logged(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    def find(what: str) -> str:
        """Find."""
        raise ValueError(f"GET https://shop.example.com/{what}?key=hunter2: 403")

    find.__annotations__["what"] = str
    gemini.says(response(call("find", what="tea")), response("sorry"))
    await side.generate(client, config={"tools": [find]})
    assert "hunter2" in json.dumps(gemini.requests)
    assert "hunter2" not in repr(logger.as_dict())
    assert logger.trace.tool_call.error is not None
    assert "shop.example.com" in logger.trace.tool_call.error.message


async def test_no_key_in_the_error_that_an_application_answers_is_logged(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    gemini.says(response(call("find", what="tea")), response("sorry"))
    chat = side.chats(client).create(model=MODEL, config={"tools": [{"function_declarations": [{"name": "find"}]}]})
    await side.send(chat, "Find tea")
    failure = types.Part.from_function_response(name="find", response={"error": f"bad token {JWT}"})
    await side.send(chat, failure)
    assert R not in repr(logger.as_dict())


async def test_no_signature_of_a_file_is_logged(
    side: Sync, gemini: Gemini, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    uri = "https://storage.googleapis.com/b/cat.png?X-Goog-Algorithm=A&X-Goog-Signature=0a1b2c"
    gemini.says(response("ok"))
    await side.generate(client, ["What?", types.Part.from_uri(file_uri=uri, mime_type="image/png")])
    assert "0a1b2c" not in repr(logger.as_dict())
    (attachment,) = logger.generation.attachments
    assert attachment.url == uri.replace("0a1b2c", REDACTED)
