"""The errors of the test kit.

    TestKitError
    ├── CassetteError            a problem with a cassette
    │   ├── CassetteNotFound     there is no such file
    │   ├── CassetteBroken       it can't be read: truncated, merge conflict, wrong version; names file and line
    │   ├── CassetteMiss         a request is not in it
    │   ├── CassetteUnused       strict: it has answers that the test did not use
    │   ├── CassetteDrift        verify: the live answer no longer has the recorded shape
    │   └── SecretFound          it was not saved, because a secret is in it
    ├── RequestRefused           a request to Gemini outside of any recorder or mock; nothing was sent
    ├── ScriptError              a reply does not fit or is not used, or a request has no reply
    ├── NotTheOnlyOne            `logger.trace` and similar: there is none, or more than one; lists them
    ├── NotDelivered             `assert_delivered()`: logs did not arrive, or arrived twice
    ├── IncompleteTrace          `assert_complete()`: not ended, never begun, or lost; shows the marked tree
    └── TextReceived             `assert_no_text()`: Maxim received a forbidden text

    RequestNotCaught             a warning: an open recorder did not record a request to Gemini

Every message names the value and says what to do.
"""

from __future__ import annotations


class TestKitError(Exception):
    """The base of all errors of the test kit. Keys and control characters are removed from its message."""

    __test__ = False

    def __str__(self) -> str:
        """Return the message."""
        from ._printable import shown  # not with this module, which every run of pytest loads

        return shown(super().__str__())


class CassetteError(TestKitError):
    """There is a problem with a cassette."""


class CassetteNotFound(CassetteError):
    """There is no cassette with that name."""


class CassetteBroken(CassetteError):
    """The cassette can't be read."""


class CassetteMiss(CassetteError):
    """A request is not in the cassette."""


class CassetteUnused(CassetteError):
    """The cassette has answers that the test did not use."""


class CassetteDrift(CassetteError):
    """A live answer no longer has the shape of the recorded one."""


class SecretFound(CassetteError):
    """A cassette was not saved, or not all of it, because it has a secret in it."""


class RequestRefused(TestKitError):
    """A request to Gemini was refused, outside of any recorder or mock; nothing was sent."""


class ScriptError(TestKitError):
    """A scripted reply does not fit, was not used, or is missing."""


class NotTheOnlyOne(TestKitError, LookupError):
    """There is not exactly one entity: for `logger.trace` and similar."""


class NotDelivered(TestKitError, AssertionError):
    """A log of a real logger did not arrive, or arrived more than once."""


class IncompleteTrace(TestKitError, AssertionError):
    """An entity has not ended, was never begun, or did not reach Maxim completely."""


class TextReceived(TestKitError, AssertionError):
    """Maxim received a text that must not leave the process."""


class RequestNotCaught(UserWarning):
    """An open recorder did not record a request to Gemini, because older code than its block sent it."""
