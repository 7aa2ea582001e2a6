"""The HTTP edge: requests of google-genai are answered from memory, or sent while their answers are recorded.

    with routed(route):              # this task or thread, and the tasks and threads it starts
        client.models.generate_content(...)     # route.answer(request) decides

`routing` opens and closes routes; `routes` finds the route of a request; `blocking` refuses requests without one, and
patches the libraries. One file for each library: `httpx` (and httpx2), `aiohttp`, `websockets`, `requests`, `threads`;
`memory_websocket` is the connection that a replay gives in place of one of websockets' own; `sdk` holds what
google-genai does besides HTTP. `delivery` says how an answer travels. Nothing but this folder touches the private names
of those libraries.
"""
