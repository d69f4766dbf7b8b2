"""
The letters of a campaign, as a PDF to print: for those whom nothing else reaches.

We know no postal addresses. A letter is folded so that the name stands in its window, and handed over at the
counter or addressed by hand; the code on it is the customer's own, which the till finds them by.
"""

from pathlib import Path

from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from fpdf import FPDF

from customers.models import Customer
from engagement import reach, templates
from engagement.models import Assignment, Campaign

# Letters in one file: what a printer's tray holds, and little memory.
PART = 500
LEFT_MM, TOP_MM = 20, 50
PAPER = "A4"
# Latin, Greek and Cyrillic letters; only those that are used get into the file.
FONT, FONT_FILE = "dejavu", Path(__file__).parent / "fonts" / "DejaVuSans.ttf"


def parts(campaign: Campaign) -> int:
    """Return how many files the letters of a campaign are."""
    return -(-_rows(campaign).count() // PART)


def pdf(campaign: Campaign, *, part: int) -> bytes:
    """Return one file of letters; `part` counts from 1. The same part holds the same letters while it grows."""
    start = (part - 1) * PART
    rows = _rows(campaign).order_by("id").select_related("customer")[start : start + PART]
    texts = {arm["name"]: arm["template"] for arm in campaign.arms}
    sheets = FPDF(format=PAPER)
    sheets.set_title(campaign.name)
    sheets.set_margins(LEFT_MM, LEFT_MM)
    sheets.add_font(FONT, fname=FONT_FILE)
    own = templates.of(campaign.merchant)
    for row in rows:
        row.customer.merchant = campaign.merchant
        said = templates.render(texts[row.arm], row.customer, {}, channel=reach.POST, own=own)
        _letter(sheets, campaign, row.customer, subject=said.subject, text=said.text)
    return bytes(sheets.output())


def _rows(campaign: Campaign) -> "QuerySet[Assignment]":
    return Assignment.objects.filter(
        merchant=campaign.merchant_id,
        experiment=campaign.experiment_id,
        channel=reach.POST,
        customer__status=Customer.Status.ACTIVE,
    )


def _letter(sheets: FPDF, campaign: Campaign, customer: Customer, *, subject: str, text: str) -> None:
    sheets.add_page()
    sheets.set_font(FONT, size=9)
    sheets.cell(text=campaign.merchant.name, align="L", new_x="LMARGIN", new_y="NEXT")
    sheets.set_y(TOP_MM)
    sheets.set_font(FONT, size=12)
    sheets.multi_cell(0, 6, " ".join(customer.name.split()), align="L", new_x="LMARGIN", new_y="NEXT")
    sheets.set_y(TOP_MM + 45)
    sheets.set_font(FONT, size=14)
    sheets.multi_cell(0, 7, subject, align="L", new_x="LMARGIN", new_y="NEXT")
    sheets.ln(4)
    sheets.set_font(FONT, size=11)
    sheets.multi_cell(0, 6, text, align="L", new_x="LMARGIN", new_y="NEXT")
    sheets.ln(6)
    with translation.override(templates.language_of(customer)):
        code = _("Your code at the till: %(code)s") % {"code": customer.referral_code}
    sheets.cell(text=code, align="L", new_x="LMARGIN", new_y="NEXT")
