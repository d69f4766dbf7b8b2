"""The abstract row that every table of the house starts from."""

from typing import ClassVar

from django.db import models

from lib import public_ids


class Row(models.Model):
    """A row whose id is made by the application and shown to the world with the table's `prefix`."""

    prefix: ClassVar[str] = "row"

    id = models.BigIntegerField(primary_key=True, default=public_ids.new, editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        return public_ids.show(self.prefix, self.pk)
