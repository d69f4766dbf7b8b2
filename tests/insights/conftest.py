"""What the tests of insights share: the customers of CDNOW, whose figures are published."""

import csv
import gzip
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from insights import clv

CDNOW = Path(__file__).parent.parent / "data" / "cdnow.csv.gz"
CALIBRATED = 38.86 * 7  # 39 weeks: the first half of the log, on which the papers fit


@pytest.fixture(scope="session")
def cdnow():
    """`cdnow.who`, `.day` and `.spent`: one entry per customer and day, days since 1 January 1997."""

    class Log:
        pass

    sums = {}
    with gzip.open(CDNOW, "rt") as file:
        for row in csv.DictReader(file):
            key = int(row["customer"]), (date.fromisoformat(row["date"]) - date(1997, 1, 1)).days
            sums[key] = sums.get(key, 0.0) + float(row["amount"])
    log = Log()
    log.who, log.day = (np.array(column) for column in zip(*sums, strict=True))
    log.spent = np.array(list(sums.values()))
    return log


@pytest.fixture(scope="session")
def summary(cdnow):
    """The customers after 39 weeks; those who paid nothing count too, as in the papers."""
    return clv.summarize(cdnow.who, cdnow.day, np.maximum(cdnow.spent, 0.01), until=272)
