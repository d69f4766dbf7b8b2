"""
Flows: what we say by itself, step by step, to whom something happened.

`document` is what a flow says, `plan` the same made ready; both are pure. `publishing` puts it in force.
`hearing` listens to touchpoints and `dates` looks for days: they start, continue and end runs.
`stepping` moves what is due, `giving` does the steps that give something. Where a run is stands in its
row, never in the broker.
"""

from engagement.flows.dates import scan_due
from engagement.flows.hearing import is_wanted, on_touchpoints
from engagement.flows.publishing import archive_step, publish, publish_step, shown, switch, switch_step
from engagement.flows.stepping import step_due

__all__ = [
    "archive_step",
    "is_wanted",
    "on_touchpoints",
    "publish",
    "publish_step",
    "scan_due",
    "shown",
    "step_due",
    "switch",
    "switch_step",
]
