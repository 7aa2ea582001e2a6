"""For every test: `pytester`, and examples of hypothesis that are the same on every machine."""

from hypothesis import settings

pytest_plugins = ["pytester"]

# A run in CI must not fail for what the change did not do; `tox -e proof` looks for new examples.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")
