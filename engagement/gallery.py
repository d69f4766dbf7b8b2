"""Ready-made flows: files that a merchant copies by one click, and changes as they like."""

from datetime import datetime
from functools import cache
from pathlib import Path

from engagement import flows
from engagement.flows import document
from engagement.flows.document import Document, every
from engagement.models import Flow
from engagement.surveys import ready
from lib import marked_yaml
from lib.errors import NotFound
from merchants.models import Merchant

FOLDER = Path(__file__).parent / "ready_made"


class UnknownFlow(NotFound):
    code = "unknown_flow"


@cache
def ready_made() -> dict[str, Document]:
    """Return the ready-made flows by their id."""
    found = [document.read(marked_yaml.read(place.read_text())[0]) for place in sorted(FOLDER.glob("*.yaml"))]
    return {one.id: one for one in found}


def about(slug: str) -> str:
    """Return what the file of a ready-made flow says of it: its first comment."""
    lines = (FOLDER / f"{slug}.yaml").read_text().splitlines()
    said = []
    for line in lines:
        if not line.startswith("#"):
            break
        said.append(line.lstrip("# "))
    return " ".join(said)


def copy(*, merchant: Merchant, slug: str, at: datetime, by: str) -> Flow:
    """
    Give a merchant a ready-made flow, switched off. One they have already stays as they made it.

    :raises UnknownFlow: there is none of this name
    """
    wanted = ready_made().get(slug)
    if wanted is None:
        raise UnknownFlow(f"There is no ready-made flow {slug!r}.")
    mine = Flow.objects.filter(merchant=merchant, slug=slug).first()
    for code in {step.message.survey for _, step in every(wanted.steps) if step.message}:
        ready.ensure(merchant=merchant, code=code or "")
    return mine or flows.publish(merchant=merchant, wanted=wanted, at=at, by=by)
