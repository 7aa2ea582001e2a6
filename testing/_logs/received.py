"""The views, checks and renderings that a fake logger and a mocked API have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from maxim_gemini.testing.exceptions import IncompleteTrace, TextReceived

from . import completeness
from .rendering import render
from .searching import occurrences
from .snapshots import export, snapshot
from .view import View, Views, view_of
from .views import Session, TraceHolder

if TYPE_CHECKING:
    from maxim_gemini.testing._json_types import JsonDict

    from .commits import Commit, Dropped
    from .completeness import Problem
    from .records import Error
    from .tree import Tree

V = TypeVar("V", bound=View)


class Received(TraceHolder):
    """The base of `FakeLogger` and `MaximApi`: shows what Maxim received."""

    def _tree(self) -> Tree:
        raise NotImplementedError

    def _inside(self, kind: type[V]) -> Views[V]:
        views = (view_of(node) for node in self._tree().walk())
        return Views([view for view in views if isinstance(view, kind)], kind.kind.replace("_", " "))

    @property
    def commits(self) -> tuple[Commit, ...]:
        """All commits, as the backend reads them, in order of arrival."""
        return self._tree().commits

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """The commits that would never reach the backend, with the reasons."""
        return self._tree().dropped

    @property
    def sessions(self) -> Views[Session]:
        """The sessions."""
        return self._inside(Session)

    @property
    def session(self) -> Session:
        """The only session; raises `NotTheOnlyOne` if there is none, or more than one."""
        return self.sessions.only

    @property
    def errors(self) -> tuple[Error, ...]:
        """The errors of all entities."""
        return tuple(error for root in self._tree().roots for error in view_of(root).errors)

    def find(self, id_or_name: str) -> View:
        """Return the entity with that id, or the only one with that name."""
        return Views([view_of(node) for node in self._tree().walk()], "entity")[id_or_name]

    def problems(self, *, strict: bool = False) -> list[Problem]:
        """Return the problems that `assert_complete` would report."""
        return completeness.problems(self._tree(), strict=strict)

    def assert_complete(self, *, strict: bool = False) -> None:
        """Fail unless everything that began has ended, exactly once, and was received completely.

        Sessions, and function calls that the application has not answered yet, may be open, except with *strict*.
        """
        __tracebackhide__ = True
        tree = self._tree()
        if problems := completeness.problems(tree, strict=strict):
            marks: dict[tuple[str, str], list[str]] = {}
            for problem in problems:
                if problem.commit is None or not problem.what.startswith("dropped"):
                    marks.setdefault((problem.kind, problem.id), []).append(problem.what)
            listed = "\n".join(f"  {problem}" for problem in problems)
            shown = render(tree, color=False, marks=marks)
            raise IncompleteTrace(f"what Maxim received is not complete:\n{listed}\n\n{shown}")

    def assert_no_text(self, *texts: str) -> None:
        """Fail if Maxim received one of *texts* anywhere: in a field, a name, a tag or an attachment.

        It also searches inside JSON that is stored as text, in which quotes and line ends are escaped.
        """
        __tracebackhide__ = True
        if not texts or not all(texts):
            raise ValueError("assert_no_text needs one or more texts, none of them empty")
        if matches := list(dict.fromkeys(occurrences(self._tree().commits, texts))):
            raise TextReceived("Maxim received what it should not:\n" + "\n".join(f"  {one}" for one in matches))

    def snapshot(self) -> JsonDict:
        """Return everything as plain data with stable ids (`trace-1`) and without times, to compare runs."""
        return snapshot(self._tree())

    def as_dict(self) -> JsonDict:
        """Return everything as plain data for JSON, with the real ids and times."""
        return export(self._tree())

    def render(self, *, color: bool | None = None, width: int | None = None) -> str:
        """Return everything as a readable tree of text; *color* is by default used on a terminal."""
        return render(self._tree(), title="Maxim received", color=color, width=width)

    def __str__(self) -> str:
        return self.render()
