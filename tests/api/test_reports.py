"""Reports at the door: JSON and CSV, of one merchant only."""

import csv
from datetime import timedelta

import numpy as np
import pytest

from insights import snapshots
from tests.api.conftest import V1
from tests.insights.shops import fill, random_days

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy(cafe, noon):
    who, day, spent = random_days(2, rows=3_000)
    fill(cafe, who, day, np.abs(spent) + 100, starts=noon.date() - timedelta(days=800))
    snapshots.refresh(merchant=cafe, at=noon)
    return cafe


def test_customer_value(till, busy):
    said = till.get(f"{V1}/reports/clv").json()

    assert (said["as_of"], said["status"], said["currency"]) == ("2026-05-01", "early", "EUR")
    assert said["predicted_minor"] == sum(row["value_minor"] for row in said["groups"]["lifecycle"])
    assert said["historic_minor"] == sum(row["historic_minor"] for row in said["groups"]["cohort"])
    assert said["backtest"]["days"] == 182
    assert all(row["customer"].startswith("cus_") and "customer_id" not in row for row in said["at_risk"])


@pytest.mark.parametrize("days", [365, 91])
def test_negative_churn(till, busy, days):
    said = till.get(f"{V1}/reports/churn?days={days}").json()
    total = said["total"]

    kept = total["start"] + total["expansion"] - total["contraction"] - total["lapsed"] - total["paused"]
    assert kept + total["returned"] + total["new"] == total["now"]
    assert total["net_churn"] == pytest.approx(1 - kept / total["start"], abs=1e-6)
    assert sum(row["now"] for row in said["groups"]["cohort"]) == total["now"]
    assert said["headline"].startswith("Net churn is")


def test_a_window_of_ones_own(till, busy):
    said = till.get(f"{V1}/reports/churn?ends_on=2026-01-01").json()

    assert (said["as_of"], said["ends_on"]) == ("2025-12-31", "2026-01-01")
    assert said == till.get(f"{V1}/reports/churn?ends_on=2026-01-01").json()


@pytest.mark.parametrize("path", ["clv?format=csv&by=cohort", "clv?format=csv", "churn?format=csv&by=cohort"])
def test_as_csv(till, busy, path):
    answer = till.get(f"{V1}/reports/{path}")

    assert answer["Content-Type"].startswith("text/csv")
    rows = csv.DictReader(answer.content.decode().splitlines())
    assert rows.fieldnames[0] == ("customer" if path == "clv?format=csv" else "key")
    assert list(rows) or path == "clv?format=csv"


@pytest.mark.parametrize(
    "path", ["clv?by=no", "clv?format=xml", "churn?days=30", "churn?ends_on=soon", "clv?no=1"]
)
def test_what_is_not_known_is_refused(till, busy, path):
    assert till.get(f"{V1}/reports/{path}").status_code == 400


@pytest.mark.parametrize("name", ["clv", "churn"])
def test_another_merchant_has_none_of_it(outsider_till, busy, name):
    answer = outsider_till.get(f"{V1}/reports/{name}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "report_not_made"


def test_few_customers_have_no_percentage(till, cafe, noon):
    fill(cafe, [1, 1], [0, 300], [500, 900], starts=noon.date() - timedelta(days=400))
    snapshots.refresh(merchant=cafe, at=noon)

    said = till.get(f"{V1}/reports/churn").json()

    assert said["total"]["expansion"] == 400
    assert said["total"]["net_churn"] is None
    assert said["headline"].startswith("Too early")
    assert till.get(f"{V1}/reports/clv").json()["predicted_minor"] is None
