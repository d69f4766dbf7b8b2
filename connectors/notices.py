"""Letters to the owners of endpoints that were switched off by themselves."""

from datetime import datetime

from django.conf import settings
from django.core import mail
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from connectors.models import WebhookEndpoint
from lib import db
from merchants.models import Role


def tell(*, at: datetime) -> int:
    """Write to the owners about each endpoint that was switched off; return how many there were."""
    told = 0
    off = WebhookEndpoint.objects.filter(is_on=False, disabled_reason__in=["failing", "gone"])
    for endpoint in off.filter(notified_at=None).select_related("merchant"):
        if not _claim(endpoint, at=at):
            continue
        try:
            _write(endpoint)
        except Exception:
            # Nobody was told: the next sweep tries again.
            WebhookEndpoint.objects.filter(pk=endpoint.pk).update(notified_at=None)
            raise
        told += 1
    return told


@db.command
def _claim(endpoint: WebhookEndpoint, *, at: datetime) -> bool:
    """Be the one who writes: of two sweeps at once only one finds the endpoint not yet told of."""
    return bool(WebhookEndpoint.objects.filter(pk=endpoint.pk, notified_at=None).update(notified_at=at))


def _write(endpoint: WebhookEndpoint) -> None:
    owners = Role.objects.filter(merchant=endpoint.merchant, kind=Role.Kind.OWNER, staff__is_active=True)
    addresses = [email for email in owners.values_list("staff__email", flat=True) if email]
    if not addresses:
        return
    page = reverse("admin:connectors_webhookendpoint_change", args=[endpoint.pk])
    with translation.override(endpoint.merchant.language):
        said = {
            "shop": endpoint.merchant.name,
            "address": endpoint.url,
            "reason": endpoint.get_disabled_reason_display(),
            "page": f"{settings.BASE_URL}{page}",
        }
        mail.send_mail(
            _("%(shop)s: a webhook endpoint was switched off") % said,
            _(
                "%(address)s hears nothing any more. %(reason)s.\n\n"
                "What waits is kept for 30 days. Once the receiver works, switch the endpoint on again, and it "
                "is sent: %(page)s"
            )
            % said,
            None,
            addresses,
        )
