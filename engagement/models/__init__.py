"""
What we say to customers and what they answer.

`Message` is one thing said once to one customer on one channel: unique per merchant, key and channel, where
the key names what it is about, so that it is said at most once for ever. It waits as a row until it is due,
is decided when it is sent (consent, suppression, caps, quiet hours) and keeps why it was not sent.
`Suppression` is a contact that must not be written to, as a keyed hash. `OptIn` is a yes that waits for
its confirmation. Templates, channel settings and sending
limits are the merchant's configuration and are edited; messages and suppressions are facts, moved by
`engagement.messages` and `engagement.suppressions`.

`Flow` is an automated conversation, published in versions (`FlowVersion`) of which each run keeps its own.
`FlowRun` is one customer in one flow about one thing, its state in the row: which step, due when. `FlowStep`
keeps what each step did, once. `Holdout` is the share of customers whom no marketing flow reaches.

`Survey` is one question. A `SurveyInvitation` is the link that lets one customer answer it once, a
`SurveyAnswer` what they said, with what staff did about it.
`Campaign` is something said once to many. Its arms are an `Experiment`, its recipients the experiment's
`Assignment`s: who is in which arm, by which channel, or why not. An experiment may also stand alone, asked
by a till or a shop. `ExperimentDay` keeps the sums of each arm, day by day.
"""

from engagement.models.campaign import Campaign
from engagement.models.channel import ChannelSettings, SendingLimits
from engagement.models.experiment import Assignment, Experiment, ExperimentDay
from engagement.models.flow import Flow, FlowRun, FlowStep, FlowVersion, Holdout
from engagement.models.message import Message
from engagement.models.reach import OptIn, Suppression
from engagement.models.survey import Survey, SurveyAnswer, SurveyInvitation
from engagement.models.template import Template

__all__ = [
    "Assignment",
    "Campaign",
    "ChannelSettings",
    "Experiment",
    "ExperimentDay",
    "Flow",
    "FlowRun",
    "FlowStep",
    "FlowVersion",
    "Holdout",
    "Message",
    "OptIn",
    "SendingLimits",
    "Suppression",
    "Survey",
    "SurveyAnswer",
    "SurveyInvitation",
    "Template",
]
