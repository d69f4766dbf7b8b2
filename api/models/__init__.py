"""
What the door remembers of its callers.

`IdempotencyAnswer` is the first answer to a call that carried an `Idempotency-Key`: written in the
transaction of the command it answers, so that the answer is kept exactly when the work is. Keyed by
merchant, method, path and key; the fingerprint of what was sent tells a repeat from another call that
took the same key. Only answers of success are kept, for 30 days. A kept body may speak of a person: it
names the customer, and erasing them deletes it.
"""

from api.models.idempotency_answer import IdempotencyAnswer

__all__ = ["IdempotencyAnswer"]
