"""Scripted replies: what Gemini answers, how real servers write it, and which reply answers which request.

request.py    `GeminiRequest`: what a client sends, read from method, URL and body
validation.py malformed requests, refused as real servers refuse them
model.py      `Reply` and what it is made of: events, pauses, failures; replies add up
assembly.py   replies in the wire's own words, for the vocabulary `maxim_gemini.testing.reply` and the readers
style.py      how a model family on a backend writes: which fields, how it counts, where it cuts
failures.py   the bodies of real errors
usage.py      token counts that add up as measured
composing.py  the steps of a reply as a model family sends them
documents.py  token counts, tokens and embeddings
ordering.py   an event as JSON, its fields in the order of real servers
render.py     a reply and a request -> status, headers and bytes
reading.py    recorded bytes -> a reply
player.py     what every player has: the requests that it keeps, and what went wrong
script.py     which reply answers which request
cassette_player.py  a cassette that answers requests
mock.py       `GeminiMock`: a script in this process
server.py     `GeminiServer`: a script or a cassette over real HTTP
flows.py      the bundled flows: a program and the script that answers it
interaction_steps.py    the parts of a reply as steps of an interaction, and as the deltas of its stream
interaction_usage.py    their token counts
interaction_writing.py  a reply and a request for an interaction -> status, headers and bytes
interaction_reading.py  recorded bytes of an interaction -> a reply
interaction_memory.py   the interactions of a server, by id
resources.py  files, caches, models, token counts and embeddings, answered without a script
"""
