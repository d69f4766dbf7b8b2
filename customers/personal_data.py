"""What this room and the merchants' keep about a person, and what erasure does to it."""

import secrets
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from customers import duplicates, people
from customers.erasure import Holding, Traces, deleted, nobody, plain, shown, theirs
from customers.journey import OURS
from customers.models import (
    Consent,
    Customer,
    Identifier,
    Referral,
    SegmentMember,
    Sighting,
    SignInCode,
    Touchpoint,
)
from merchants import jobs


def _forget_touchpoints(traces: Traces) -> None:
    theirs(Touchpoint, traces).exclude(anonymous_id="").update(anonymous_id="")
    told = theirs(Touchpoint, traces)
    for prefix in OURS:
        told = told.exclude(kind__startswith=prefix)
    told.update(data={}, reference="")
    # What staff wrote about a person may say anything.
    theirs(Touchpoint, traces).filter(kind="customer.blocked").update(data={})


def _forget_name(traces: Traces) -> None:
    for row in Customer.objects.filter(merchant=traces.customer.merchant_id, pk__in=traces.ids):
        row.name = row.birthday = row.language = row.timezone = ""
        row.birthday_set_at, row.written = None, {}
        # Erasing ends a merge: an erased alias must not look like somebody who is still here.
        row.status, row.merged_into, row.erased_at = Customer.Status.ERASED, None, traces.at
        row.referral_code = "".join(secrets.choice(people.CODE_LETTERS) for _ in range(8))
        row.save()


def _set_apart(traces: Traces) -> Any:
    return duplicates.pairs_of(merchant_id=traces.customer.merchant_id, customers=traces.ids)


def _forget_log(traces: Traces) -> None:
    for number in traces.ids:
        _log(number).update(object_repr="-", change_message="")


def _log(number: int) -> Any:
    return LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Customer), object_id=str(number)
    )


def _forget_reasons(traces: Traces) -> None:
    # What staff wrote may say anything; the code was the erased person's, or leads to who brought them.
    for by in ("referrer_id", "friend_id"):
        theirs(Referral, traces, by=by).update(reason="", code="")


def _referrals(traces: Traces) -> list[dict[str, Any]]:
    """Both sides' referrals, each without who the other one is."""
    names = ("state", "signals", "refusal", "claimed_at", "qualified_at", "rewarded_at", "ended_at")
    rows = [("referrer", "referrer_id", "referrer_points"), ("friend", "friend_id", "friend_points")]
    return [
        {
            "role": role,
            "points": found.pop(points),
            **found,
        }
        for role, by, points in rows
        for found in plain(theirs(Referral, traces, by=by).order_by("pk"), *names, points)
    ]


def _customer(traces: Traces) -> list[dict[str, Any]]:
    rows = Customer.objects.filter(merchant=traces.customer.merchant_id, pk__in=traces.ids).order_by("pk")
    return plain(
        rows,
        *("name", "status", "birthday", "birthday_set_at", "language", "timezone", "referral_code"),
        *("created_at", "written"),
    )


def _segments(traces: Traces) -> list[dict[str, Any]]:
    rows = theirs(SegmentMember, traces).order_by("segment_id", "customer_id")
    return list(rows.values("segment__name", "entered_at"))


HOLDINGS = [
    Holding(
        "customers.Identifier",
        "Deleted: they are who the person is.",
        erase=deleted(Identifier),
        export=shown(Identifier, "type", "source", "value", "verified_at", "created_at"),
    ),
    Holding(
        "customers.NotTheSame",
        "Deleted: it says who the person is not.",
        erase=lambda traces: _set_apart(traces).delete(),
        export=lambda traces: plain(_set_apart(traces).order_by("pk"), "at"),
    ),
    Holding(
        "customers.SignInCode",
        "Deleted. Codes of a contact that is nobody's are keyed hashes, and gone after a day.",
        erase=deleted(SignInCode),
    ),
    Holding(
        "customers.Touchpoint",
        "The fact and its time stay for the figures; what was told with it, by whom or where, is emptied.",
        erase=_forget_touchpoints,
        export=shown(Touchpoint, "kind", "channel", "reference", "data", "occurred_at"),
    ),
    Holding(
        "customers.Consent",
        "Kept unchanged, as the proof that the shop was allowed to write: channel, answer, time and the shop's "
        "own sentence, under a number that leads to nobody.",
        export=shown(Consent, "channel", "purpose", "granted", "source", "wording", "at"),
    ),
    Holding(
        "customers.Referral",
        "Kept as numbers, because points name it: who brought whom leads to nobody. What staff wrote goes.",
        erase=_forget_reasons,
        export=_referrals,
    ),
    Holding(
        "customers.Sighting",
        "Deleted. Keyed hashes of devices and addresses, and gone by themselves after 400 days.",
        erase=deleted(Sighting),
        export=shown(Sighting, "kind", "seen_at"),
    ),
    Holding(
        "customers.SegmentMember",
        "Deleted: it says what kind of customer the person was.",
        erase=deleted(SegmentMember),
        export=_segments,
    ),
    Holding("admin.LogEntry", "Emptied: the log of the staff's pages repeats names.", erase=_forget_log),
    Holding(
        "customers.Customer",
        "The row stays, because purchases and points name it; everything in it about a person is emptied.",
        erase=_forget_name,
        export=_customer,
    ),
    *nobody(
        "customers.Segment",
        "customers.HistoricalSegment",
        "customers.Site",
        "customers.Watermark",
        why="Kept: it is about the shop.",
    ),
    Holding(
        "merchants.JobPiece",
        "Deleted with all other files of the shop's jobs that are over, since any may name the person; those of a job "
        "that still waits go after 14 days at most.",
        erase=lambda traces: jobs.forget_files_of(merchant_id=traces.customer.merchant_id),
    ),
    Holding(
        "merchants.Job", "What was started and its counts stay; the refused rows it shows go with its files."
    ),
    *nobody(
        "merchants.Merchant",
        "merchants.Store",
        "merchants.ApiKey",
        why="Kept: it is about the shop.",
    ),
    *nobody(
        "merchants.Staff",
        "merchants.Staff_groups",
        "merchants.Staff_user_permissions",
        "merchants.Role",
        why="Kept: it is about the people who work there.",
    ),
]
