"""What tests of campaigns say: people who can be reached or not, a campaign, time that passes."""

from itertools import count

from customers import consent
from customers.consent import Choice
from customers.identifiers import Given
from engagement import campaigns, recipients
from engagement.campaigns import Question
from engagement.models import Campaign
from lib import db
from loyalty import members

numbers = count(1)


def people(merchant, many, at, *, says=("email",), name="Person"):
    """`many` members; each has proved an e-mail address and a number, and said yes to `says`."""
    made = []
    for _ in range(many):
        number = next(numbers)
        given = [
            Given("email", f"p{number}@example.com"),
            Given("phone", f"+3519{number:08}"),
        ]
        one = members.enroll(
            merchant=merchant, name=name and f"{name} {number}", identifiers=given, at=at, by="test"
        )
        choices = [Choice(channel, "marketing", True, "portal", "Yes?") for channel in says]
        if choices:
            consent.choose(customer=one, choices=choices, at=at)
        made.append(one)
    return made


def draft(merchant, at, *, holdout=0, goal="purchase.recorded", days=14, **more):
    """A campaign of everybody by e-mail, with one text."""
    said = {"name": "Summer", "channels": ["email"], "arms": campaigns.arms(template="welcome"), **more}
    campaign = Campaign(merchant=merchant, **said)
    question = Question(goal=goal, days=days, holdout=holdout)
    return db.command(campaigns.save)(campaign=campaign, question=question, at=at, by="test")


def launch(merchant, at, **more):
    campaign = draft(merchant, at, **more)
    campaigns.schedule(campaign=campaign, starts_at=None, at=at)
    return campaign


def write_all(at, **more):
    while recipients.write_due(at=at, **more):
        pass
