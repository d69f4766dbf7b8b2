"""The shop's own pages: its settings and people, and the long jobs that staff start."""

from merchants.admin import jobs, shop
from merchants.admin.shop import OwnMerchant

__all__ = ["OwnMerchant", "jobs", "shop"]
