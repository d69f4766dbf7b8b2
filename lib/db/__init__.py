"""
The one place that knows which database this is.

Commands own the transaction (`@command`), steps require one (`@inside_transaction`). `ask`, `insert`
and `update` speak SQL that is the same text for one row and for a thousand; on PostgreSQL the
rows travel as one JSON parameter, or by COPY when there are many, and statements inside `together()`
share one round trip (`wire`: libpq's pipeline). On SQLite the same calls run one after another.
"""

from lib.db.commands import (
    Again,
    NotInTransaction,
    after_commit,
    answer,
    answering,
    command,
    dry_run,
    inside_transaction,
    snapshot,
)
from lib.db.statements import (
    Answer,
    any_of,
    apart,
    ask,
    claim,
    confirm,
    confirmed,
    for_update,
    given,
    insert,
    look,
    together,
    update,
)
from lib.db.values import day, is_postgres, loaded, time
from lib.db.watch import Watch, watching

__all__ = [
    "Again",
    "Answer",
    "NotInTransaction",
    "Watch",
    "after_commit",
    "answer",
    "answering",
    "any_of",
    "apart",
    "ask",
    "claim",
    "command",
    "confirm",
    "confirmed",
    "day",
    "dry_run",
    "for_update",
    "given",
    "insert",
    "inside_transaction",
    "is_postgres",
    "loaded",
    "look",
    "snapshot",
    "time",
    "together",
    "update",
    "watching",
]
