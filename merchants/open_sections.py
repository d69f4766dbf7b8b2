"""What of this room is in a merchant's open file."""

from merchants.models import Store
from merchants.open_rows import Table

SECTIONS = [Table("store", Store)]

LEFT_OUT = {
    "merchants.Merchant": "The file's first line.",
    "merchants.ApiKey": "Only a hash is kept: issue new keys.",
    "merchants.Staff": "People sign in to one installation, for several shops.",
    "merchants.Job": "Work that was done at one installation; its files are kept for 14 days.",
    "merchants.JobPiece": "Work that was done at one installation; its files are kept for 14 days.",
    "merchants.Role": "People sign in to one installation, for several shops.",
}
