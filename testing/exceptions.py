"""What the test kit raises.

    TestKitError
    ├── CassetteError            something is wrong with a cassette
    │   ├── CassetteNotFound     there is no such file
    │   ├── CassetteBroken       it can't be read: truncated, merge conflict, wrong version; names file and line
    │   ├── CassetteMiss         a request that is not in it
    │   ├── CassetteUnused       strict: it has answers that the test did not use
    │   ├── CassetteDrift        verify: the live answer no longer has the recorded shape
    │   └── SecretFound          it was not saved, because a secret is in it
    ├── RequestRefused           a request to Gemini outside of any recorder or mock; nothing was sent
    ├── ScriptError              a scripted reply that doesn't fit, an unused reply, a request without one
    ├── NotTheOnlyOne            `logger.trace` and the like, where there are none or several; lists them
    ├── NotDelivered             `assert_delivered()`: logs that did not arrive, or arrived twice
    ├── IncompleteTrace          `assert_complete()`: not ended, never begun, lost; shows the tree, marked
    └── TextReceived             `assert_no_text()`: Maxim received a text that must not leave the process

    RequestNotCaught             a warning: a request to Gemini went past an open recorder

Every message names the value and says what to do.
"""

from __future__ import annotations

from ._printable import shown


class TestKitError(Exception):
    """Base of every error of the test kit. Its message shows no key, and nothing in it that a terminal would obey."""

    __test__ = False

    def __str__(self) -> str:
        """Return the message."""
        return shown(super().__str__())


class CassetteError(TestKitError):
    """Something is wrong with a cassette."""


class CassetteNotFound(CassetteError):
    """There is no cassette of that name."""


class CassetteBroken(CassetteError):
    """The cassette can't be read."""


class CassetteMiss(CassetteError):
    """A request that is not in the cassette."""


class CassetteUnused(CassetteError):
    """The cassette has answers that the test did not use."""


class CassetteDrift(CassetteError):
    """The live answer no longer has the shape of the recorded one."""


class SecretFound(CassetteError):
    """A secret was found in what was to be saved; nothing was written."""


class RequestRefused(TestKitError):
    """A request to Gemini outside of any recorder or mock; nothing was sent."""


class ScriptError(TestKitError):
    """A scripted reply doesn't fit, was not used, or is missing."""


class NotTheOnlyOne(TestKitError, LookupError):
    """`logger.trace` and the like: there is none, or there are several."""


class NotDelivered(TestKitError, AssertionError):
    """Not every log that was given to a real logger arrived once."""


class IncompleteTrace(TestKitError, AssertionError):
    """Something that was logged has not ended, was never begun, or never reached Maxim."""


class TextReceived(TestKitError, AssertionError):
    """Something that Maxim received contains a text that must not leave the process."""


class RequestNotCaught(UserWarning):
    """A request to Gemini went past an open recorder, from code that is older than its block."""
