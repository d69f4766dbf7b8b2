"""The ways a command can refuse. Doors turn them into HTTP answers; nothing below knows HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one field. `pointer` is a JSON pointer into what was said."""

    pointer: str
    code: str
    detail: str


class DomainError(Exception):
    """A refusal the caller can act on. The message is fit for a person to read."""

    code = "error"
    retryable = False

    def __init__(self, message: str, *, faults: Sequence[Fault] = ()):
        super().__init__(message)
        self.faults = tuple(faults)


class Malformed(DomainError):
    """What was said cannot be understood."""

    code = "invalid_request"


class NotFound(DomainError):
    """It does not exist, or belongs to somebody else: the caller cannot tell which."""

    code = "not_found"


class Gone(DomainError):
    """It was here and has been removed for good."""

    code = "gone"


class Conflict(DomainError):
    """The same thing was already said, differently."""

    code = "conflict"


class ReferenceReused(Conflict):
    """The caller's reference belongs to something else already; the faults name the fields that differ."""

    code = "reference_reused"

    def __init__(self, reference: str, *, of: str, differ: Sequence[str]):
        super().__init__(
            f"Reference {reference} belongs to {of}; these differ: {', '.join(differ)}.",
            faults=differing(differ),
        )


class Refused(DomainError):
    """The rules of the program say no."""

    code = "refused"


def differing(names: Sequence[str]) -> list[Fault]:
    """Return a fault for each field that is not what was said the first time."""
    return [Fault(f"/{name}", "differs", "is not what was said the first time") for name in names]
