"""
Whose shop it is.

`Merchant` is the tenant: every other table of the house names its merchant, and every key and unique
constraint begins with it. `Store` is one shop of a merchant. `Staff` is the user model: the people who
sign in to the admin; a `Role` says what one of them may do at one merchant. `ApiKey` opens the REST API
for a till or a shop's server: only the digest of the key is stored. Merchants, stores and roles are
configuration and are edited; keys are issued and revoked by `merchants.keys`. A `Job` is long work that staff
started, with its files in pieces (`JobPiece`): only `merchants.jobs` moves it.
"""

from merchants.models.api_key import SCOPES, ApiKey
from merchants.models.job import Job, JobPiece
from merchants.models.merchant import Merchant, Store
from merchants.models.staff import Role, Staff

__all__ = ["SCOPES", "ApiKey", "Job", "JobPiece", "Merchant", "Role", "Staff", "Store"]
