"""How the exercises of a README are checked in a database: queries that find nothing when one is solved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from infra.errors import OrreryError
from infra.live import Check

Question = tuple[str, str, str]
"""What is checked, the query, and what to say of the first row that it finds; ``{0}`` is the row's first column."""


def same(right: str, columns: str, relation: str) -> str:
    """Return a query for rows that only one of both sides has.

    Parameters
    ----------
    right : str
        The query that gives what is asked for.
    columns : str
        The columns to compare, with casts where a user may choose another type.
    relation : str
        What the user made.
    """
    mine = f"SELECT {columns} FROM {relation}"
    facts = f"SELECT {columns} FROM ({right}) AS facts"
    return (
        f"(SELECT 'it lacks', lacks::text FROM ({facts} EXCEPT ALL {mine}) AS lacks)"
        f" UNION ALL (SELECT 'it has', more::text FROM ({mine} EXCEPT ALL {facts}) AS more) LIMIT 1"
    )


def checked(questions: Iterable[Question], ask: Callable[[str], Sequence[tuple[Any, ...]]]) -> Iterator[Check]:
    """Yield the answer to each question, up to the first that can't be asked.

    Parameters
    ----------
    questions : iterable of Question
        In their order.
    ask : callable
        Runs a query and returns its rows.
    """
    for name, query, wrong in questions:
        try:
            found = ask(query)
        except OrreryError:  # the database does not answer: that says nothing about the exercise
            raise
        except Exception as error:  # a view that is missing or has other columns is what is to be told
            yield Check(name, False, str(error).splitlines()[0])
            return
        yield Check(name, not found, wrong.format(*found[0]) if found else "")
