"""A flow as text: read with the line of what is wrong, written so that it reads well."""

from pydantic import ValidationError

from engagement.flows import document
from engagement.flows.document import Document
from engagement.models import Flow
from lib import marked_yaml
from loyalty.program_faults import Faults


def read(text: str) -> Document:
    """
    Return the flow that a text says.

    :raises Malformed: it is no YAML or no flow; the message has a sentence with its line for each fault
    """
    raw, lines = marked_yaml.read(text)
    try:
        return document.read(raw)
    except ValidationError as error:
        faults = Faults(raw=raw, lines=lines)
        faults.add_all(error, under=(), model=Document)
        faults.refuse()
        raise AssertionError("unreachable") from error


def write(flow: Flow) -> str:
    """Return a flow's newest version as text; reading it gives the same flow."""
    return marked_yaml.write(document.plain(document.read(flow.document)))
