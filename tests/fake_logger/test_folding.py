"""Commits in any order of arrival give the same tree."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.maxim_flows import by_id, nested, one_answer, tools

from maxim_gemini.testing import FakeLogger
from maxim_gemini.testing._logs.commits import Commit
from maxim_gemini.testing._logs.snapshots import snapshot
from maxim_gemini.testing._logs.tree import Tree, instant


def _commits() -> list[Commit]:
    logger = FakeLogger()
    for flow in (one_answer, tools, nested, by_id):
        flow(logger)
    return list(logger.commits)


COMMITS = _commits()


def _arrived(commits: list[Commit]) -> Tree:
    return Tree(
        Commit(commit.entity, commit.id, commit.action, commit.text, index=index, batch=index)
        for index, commit in enumerate(commits)
    )


def _births_first(commits: list[Commit]) -> Tree:
    return _arrived(sorted(commits, key=lambda commit: commit.action != "create"))


@given(st.permutations([commit for commit in COMMITS if commit.action != "update"]))
@settings(max_examples=25, deadline=None)
def test_creations_results_and_ends_may_come_in_any_order(order: list[Commit]) -> None:
    in_order = [commit for commit in COMMITS if commit.action != "update"]
    assert snapshot(_arrived(order)) == snapshot(_arrived(in_order))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_updates_of_one_entity_only_need_their_own_order(data: st.DataObject) -> None:
    entities = sorted({(commit.entity, commit.id) for commit in COMMITS})
    order = data.draw(st.permutations(entities))
    ranks = {entity: rank for rank, entity in enumerate(order)}
    moved = sorted(COMMITS, key=lambda commit: ranks[commit.entity, commit.id])
    assert snapshot(_arrived(moved)) == snapshot(_arrived(COMMITS))


def test_a_later_value_wins_over_the_creation_even_if_it_came_first() -> None:
    tree = _arrived(
        [
            Commit("generation", "g", "update", '{"model": "new"}'),
            Commit("trace", "t", "add-generation", '{"id": "g", "model": "old"}'),
            Commit("trace", "t", "create", "{}"),
        ]
    )
    assert tree.nodes["generation", "g"].data == {"model": "new"}


def test_a_second_creation_starts_anew() -> None:
    first = Commit("trace", "t", "create", '{"name": "one", "tags": {"a": "b"}, "startTimestamp": "2026-01-01"}')
    second = Commit("trace", "t", "create", '{"name": "two", "tags": {}, "startTimestamp": "2026-01-02"}')
    assert _arrived([first, second]).nodes["trace", "t"].data == second.data


def test_an_entity_that_is_added_twice_is_where_it_was_added_last() -> None:
    tree = _arrived([Commit("trace", id, "add-generation", '{"id": "g"}') for id in ("a", "b")])
    parent = tree.nodes["generation", "g"].parent
    assert parent is not None
    assert (parent.id, tree.nodes["trace", "a"].children) == ("b", [])


def test_records_are_in_the_order_of_their_times() -> None:
    def event(name: str, second: int) -> Commit:
        data = {"id": name, "name": name, "timestamp": f"2026-01-01T00:00:0{second}+00:00"}
        return Commit("trace", "t", "add-event", json.dumps(data))

    node = _arrived([event("late", 2), event("early", 1)]).nodes["trace", "t"]
    assert [record.data["name"] for record in node.records("add-event")] == ["early", "late"]


def test_a_time_without_a_zone_is_taken_for_utc() -> None:
    started = '{"startTimestamp": "2026-01-01T12:00:00%s"}'
    tree = _arrived(
        [
            Commit("trace", "later", "create", started % "+00:00"),
            Commit("trace", "earlier", "create", started % "+05:00"),
            Commit("trace", "same", "create", started % ""),
        ]
    )
    assert [root.id for root in tree.roots] == ["earlier", "later", "same"]


@pytest.mark.parametrize("time", [None, "yesterday", 17, {}])
def test_a_time_that_is_none_is_no_time(time: object) -> None:
    assert instant(time) is None


def test_entities_that_contain_each_other_are_shown_once() -> None:
    tree = _arrived(
        [
            Commit("span", "a", "add-span", '{"id": "b"}'),
            Commit("span", "b", "add-span", '{"id": "a"}'),
            Commit("span", "c", "add-span", '{"id": "c"}'),
        ]
    )
    assert sorted(node.id for node in tree.walk()) == ["a", "b", "c"]


@pytest.mark.parametrize("line", [commit.line for commit in COMMITS], ids=range(len(COMMITS)))
def test_a_line_of_the_wire_reads_back(line: str) -> None:
    commit = Commit.parse(line)
    assert commit.line == line
    assert commit.data == json.loads(commit.text)


@pytest.mark.parametrize("line", ["", "trace", "trace{id=1}", 'trace{id=a,action=b,data={"a": 1}', "{}"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of a Maxim log"):
        Commit.parse(line)
