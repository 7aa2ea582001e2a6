"""Scripted replies: what Gemini says, how real servers write it, and who answers which request.

request.py    what a client asked, read from method, URL and body
saying.py     `Reply` and what it is made of: events, pauses, failures; replies add up
style.py      how a model family on a backend writes: which fields, how it counts, where it cuts
failures.py   the bodies of real errors
usage.py      token counts that add up as measured
writing.py    a reply and a request -> status, headers and bytes
reading.py    recorded bytes -> a reply
script.py     which reply answers which request, and what was asked
interaction_words.py    what only interactions have, in words
interaction_steps.py    the parts of a reply as steps of an interaction, and as the deltas of its stream
interaction_usage.py    their token counts
interaction_writing.py  a reply and a request for an interaction -> status, headers and bytes
interaction_reading.py  recorded bytes of an interaction -> a reply
interaction_memory.py   the interactions of a server, by id
resources.py  files, caches, models, token counts and embeddings, answered without a script
"""
