"""Which arm of an experiment a customer is in, and what a campaign has for their receipt."""

from pydantic import BaseModel, Field

from api import fields
from api.answers import Answer
from api.customers import own
from api.door import Door, call
from engagement import campaigns, trials
from engagement.models import Experiment
from lib import public_ids

SCOPES = ("customers:read",)
CUSTOMER = {"customer": "The customer's id."}


class ArmOut(BaseModel):
    """The arm to show this customer: `holdout` is those who are shown nothing new."""

    experiment: str
    customer: str
    arm: str


class ReceiptNoteOut(BaseModel):
    campaign: str
    text: str


class ReceiptNotesOut(BaseModel):
    results: list[ReceiptNoteOut] = Field(
        description="Lines to print, the newest campaign first; at most three."
    )


class Arm(Door):
    @call(scopes=SCOPES, answers={200: ArmOut}, parameters=CUSTOMER)
    def get(self, experiment: str) -> Answer:
        """
        Return the arm of a customer in an experiment, named by its id or code.

        The answer is always the same for the same customer. Asking puts the customer into the arm: ask when you are
        about to show it. After the end nobody new comes in: 422 `experiment_over`; show what you show everybody.
        """
        number = public_ids.read(Experiment.prefix, experiment)
        named = {"slug": experiment} if number is None else {"pk": number}
        # Those of campaigns are drawn by the campaign alone.
        rows = Experiment.objects.filter(merchant=self.merchant, campaign__isnull=True, **named)
        found = rows.first()
        if found is None:
            raise fields.missing()
        customer = own(self, self.request._request.GET.get("customer", ""))
        arm = trials.arm(experiment=found, customer=customer, at=self.at)
        return Answer(200, {"experiment": found.public_id, "customer": customer.public_id, "arm": arm})


class ReceiptNotes(Door):
    @call(scopes=SCOPES, answers={200: ReceiptNotesOut})
    def get(self, customer: str) -> Answer:
        """
        List what the receipt should tell this customer.

        Campaigns reach customers without e-mail and telephone by a line on their receipt.
        """
        notes = campaigns.receipt_notes(customer=own(self, customer), at=self.at)
        return Answer(200, {"results": [{"campaign": campaign, "text": text} for campaign, text in notes]})
