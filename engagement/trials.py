"""Experiments that stand alone: a till or a shop asks which arm a customer is in, and shows them that."""

from datetime import datetime

from customers.models import Customer
from engagement import recipients
from engagement.models import Assignment, Experiment
from lib import db
from lib.errors import Refused


class ExperimentOver(Refused):
    """It has ended, and this customer was in none of its arms."""

    code = "experiment_over"


@db.command
def arm(*, experiment: Experiment, customer: Customer, at: datetime) -> str:
    """
    Return the arm of a customer, and write down that they are in it from now on.

    Asked again it is the same, also after the experiment was changed or has ended.

    :raises ExperimentOver: it has ended
    """
    row = Assignment.objects.filter(experiment=experiment, customer=customer).first()
    if row is not None:
        return row.arm
    if experiment.ended_at is not None:
        raise ExperimentOver("The experiment has ended: nobody new comes into it.")
    found = recipients.arm_of(experiment, merchant_id=customer.merchant_id, customer_id=customer.pk)
    row_of = recipients.assigned(experiment, customer.merchant, customer.pk, arm=found, way=None, at=at)
    db.claim(Assignment, row_of, on_conflict="(customer_id, experiment_id) DO NOTHING")
    return found


@db.command
def end(*, experiment: Experiment, at: datetime) -> None:
    """Let nobody new into an experiment. Who is in it is counted to the end. Repeating changes nothing."""
    Experiment.objects.filter(pk=experiment.pk, ended_at__isnull=True).update(ended_at=at)
    experiment.refresh_from_db()
