"""A cassette that somebody made to do harm takes little time and memory, and ends in one error with the file's name."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.traffic import answer, sent_request

from maxim_gemini.testing import cassettes
from maxim_gemini.testing._cassette import Cassette, yaml_format
from maxim_gemini.testing.exceptions import CassetteError

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = {"method": "POST", "uri": "https://h/v1/models/m:generateContent", "headers": {}, "body": "{}"}
RESPONSE = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "{}"}}
OURS = yaml_format.SIGNATURE
START = "version: 1\ninteractions:\n"


def vcr(**changes: Any) -> str:
    """Return a cassette of vcrpy's, in JSON, which is YAML, too."""
    item = {"request": REQUEST | changes.pop("request", {}), "response": RESPONSE | changes.pop("response", {})}
    return "version: 1\ninteractions:\n- " + json.dumps(item | changes) + "\n"


def bomb(last: str, *, mark: str = "", levels: int = 12) -> str:
    lines = ["x0: &x0 {a: b}" if mark else "x0: &x0 [lol, lol]"]
    for n in range(levels):
        inner = ", ".join([f"*x{n}"] * 9)
        lines.append(f"x{n + 1}: &x{n + 1} {{<<: [{inner}]}}" if mark else f"x{n + 1}: &x{n + 1} [{inner}]")
    request = f"{{method: POST, uri: 'https://h/p', body: x, headers: {last}}}"
    response = f"{{status: {{code: 200, message: {last}}}, headers: {{}}, body: {last}}}"
    return "\n".join([*lines, f"{START}- request: {request}\n  response: {response}\n"])


ZIPPED = {"headers": {"Content-Encoding": ["gzip"]}, "body": {"string": "BODY"}}
GZIP = base64.b64encode(gzip.compress(bytes(300_000_000), 1)).decode()
DEEP = "[" * 900 + "]" * 900
HOSTILE = {
    "aliases": bomb("*x12"),
    "aliases in ours": OURS + bomb("*x12") + "...\n",
    "merged": bomb("*x12", mark="<<"),
    "cyclic": "version: 1\ninteractions: &a\n- *a\n",
    "cyclic headers": f"{START}- {{request: {{method: GET, uri: x, headers: &h {{a: *h}}}}, response: *h}}\n",
    "cyclic body": f"{OURS}{START}- request: {{method: GET, uri: x, body: &b {{json: *b}}}}\n  response: {{}}\n...\n",
    "deep": vcr().replace('"{}"', DEEP, 1),
    "deep in ours": OURS + vcr().replace('"{}"', DEEP, 1) + "...\n",
    "deep block": "version: 1\ninteractions:\n" + "".join(" " * n + "- \n" for n in range(900)),
    "deeper than any reader": "version: 1\ninteractions: " + "[" * 100_000,
    "deep JSON": '{"version": 1, "interactions": ' + "[" * 900 + "]" * 900 + "}",
    "gzip": vcr(response=ZIPPED).replace('"BODY"', f"!!binary {GZIP}"),
    "huge int": vcr(response={"status": {"code": 1}}).replace('"code": 1', '"code": ' + "9" * 100_000),
    "huge base 60": vcr(response={"status": {"code": 1}}).replace('"code": 1', "code: 1" + ":1" * 200_000),
    "infinite": vcr(response={"status": {"code": 1}}).replace('"code": 1', '"code": .inf'),
    "many keys": "version: 1\n" + "interactions : x\n" * 50_000,
    "two documents": vcr() + "---\n" + vcr(),
    "unknown tag": vcr().replace('"POST"', "!!python/object/apply:os.system [ls]"),
    "local tag": vcr().replace('"POST"', "!file [a]"),
    "tag on a key": vcr().replace('"method"', "!!binary {}"),
    "no key": vcr().replace('"method"', "[1, {}]"),
    "bad date": vcr().replace('"POST"', "2026-99-99"),
    "bad base64": vcr().replace('"{}"', "!!binary é"),
    "pickled": vcr().replace('"{}"', "!!python/object/new:_io.BytesIO {state: [3]}"),
    "pickled iterator": vcr().replace('"{}"', "!!python/object/apply:builtins.iter {args: 3}"),
    "surrogate": vcr(request={"uri": "\ud800"}),
    "address": vcr(request={"uri": "https://[::1/p"}),
    "conflict": "<<<<<<< HEAD\n" + vcr(),
    "times": OURS + vcr(response={"times": [1, 2, 3]}) + "...\n",
    "negative times": OURS + vcr(response={"times": [-1]}) + "...\n",
    "text for times": OURS + vcr(response={"times": ["soon"]}) + "...\n",
    "NaN": '{"version": NaN, "interactions": []}',
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name, text in HOSTILE.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8", errors="surrogatepass")
    return folder


LIMITED = """
import resource, sys, time
from pathlib import Path
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing.exceptions import CassetteError
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
for path in sorted(Path(sys.argv[1]).glob("*.yaml")):
    start = time.process_time()
    try:
        for interaction in Cassette.load(path).interactions:
            interaction.response, interaction.meaning
        print(path.stem, "was read", sep="|")
    except CassetteError as error:
        print(path.stem, str(error).startswith(str(path)) and str(error).count(chr(10)) == 0, sep="|")
    except BaseException as error:
        print(path.stem, repr(error)[:200], sep="|")
    if time.process_time() - start > 20:
        print(path.stem, "took", time.process_time() - start, sep="|")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of memory there")
def test_each_is_one_error_in_little_time_and_memory(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, folder], capture_output=True, text=True, timeout=250, check=False
    )
    found = dict(line.split("|", 1) for line in run.stdout.splitlines())
    assert found == dict.fromkeys(HOSTILE, "True"), run.stderr[-2000:]


def test_aliases_as_yaml_libraries_write_them_are_read(tmp_path: Path) -> None:
    headers = {"a": ["b"]}
    item = {"request": REQUEST | {"headers": headers}, "response": RESPONSE | {"headers": headers}}
    text = yaml.safe_dump({"version": 1, "interactions": [item] * 300})
    assert "*id00" in text
    (tmp_path / "a.yaml").write_text(text)
    assert len(Cassette.load(tmp_path / "a.yaml").interactions) == 300


def test_merge_keys_are_read(tmp_path: Path) -> None:
    text = "base: &base {method: POST, headers: {}, body: x}\n" + vcr().replace(
        '"request": {', '"request": {<<: *base, '
    )
    (tmp_path / "a.yaml").write_text(text)
    assert Cassette.load(tmp_path / "a.yaml").interactions[0].request.method == "POST"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["string", "json", "events", "style", "code", "a"]) | st.integers(), inner, max_size=3
        )
    ),
    max_leaves=6,
)
# fmt: off
PLACES = [
    "request", "response", "request.method", "request.uri", "request.headers", "request.body", "response.status",
    "response.status.code", "response.headers", "response.body", "response.body.string", "response.times",
    "response.ended", "metadata", "version", "interactions", "metadata.recorded_at",
]
# fmt: on


@given(st.lists(st.tuples(st.sampled_from(PLACES), anything), min_size=1, max_size=3), st.booleans())
def test_wrong_types_anywhere_are_read_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, Any]], is_ours: bool
) -> None:
    item: Any = json.loads(json.dumps({"request": REQUEST, "response": RESPONSE}))
    document: Any = {"version": 1, "metadata": {}, "interactions": [item]}
    for place, value in changes:
        *way, last = place.split(".")
        node = item if {*way, last} & {"request", "response"} else document
        for name in way:
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node[last] = value
    path = tmp_path_factory.getbasetemp() / "types.yaml"
    path.write_text((OURS if is_ours else "") + yaml.safe_dump(document) + "...\n")
    try:
        cassette = Cassette.load(path)
        for interaction in cassette.interactions:
            assert isinstance(interaction.response.status, int)
            assert all(isinstance(chunk.data, bytes) and chunk.at >= 0 for chunk in interaction.response.chunks)
            assert isinstance(interaction.request.method, str)
            repr(interaction)
        assert cassette.head.metadata() is not None
        cassette.record(sent_request("x"), answer("x"))
        cassette.save()
    except CassetteError as error:
        assert str(path) in str(error)  # noqa: PT017


# Regular expressions


READERS = [
    "_cassette.events",
    "_cassette.json_strings",
    "_cassette.matching",
    "_cassette.store",
    "_cassette.yaml_format",
    "_cassette.yaml_reader",
    "_http.wire",
]
"""What reads text of any length that others have written."""


def patterns() -> list[tuple[str, re.Pattern[Any]]]:
    """Return the patterns of those modules."""
    modules = [import_module(f"maxim_gemini.testing.{name}") for name in READERS]
    found = [(f"{module.__name__}.{name}", value) for module in modules for name, value in vars(module).items()]
    return [(name.partition("testing.")[2], value) for name, value in found if isinstance(value, re.Pattern)]


# fmt: off
SEEDS = [
    "a", " ", "\n", "\r\n", "a ", "a\n", "a:", '"', '\\"', '"\\', "{[", "data:", "    times: [", "-----BEGIN ", "eyJ",
    "eyJa.", "projects/", "/projects/", "AIza", "\\u", "=", "%", "<<<<<<< ", "version ", "0", "1.", "boundary=", "key=",
    "Bearer ", "a_", "-", "+/", "A1b2",
]
# fmt: on


def seconds(pattern: re.Pattern[Any], text: str) -> float:
    given: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
    start = time.process_time()
    for _ in pattern.finditer(given):
        pass
    pattern.fullmatch(given)
    return time.process_time() - start


@pytest.mark.parametrize(("name", "pattern"), patterns(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_pattern_takes_time_in_proportion(name: str, pattern: re.Pattern[Any]) -> None:
    for seed in SEEDS:
        few, many = (seconds(pattern, '"' + seed * (size // len(seed)) + "\0") for size in (1_000, 10_000))
        assert many < 40 * few + 0.3, (name, seed)


def test_the_bundled_cassettes_are_not_hostile() -> None:
    for name in cassettes.names():
        Cassette.load(cassettes.path(name))
