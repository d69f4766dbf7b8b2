"""
Rewards and products for each customer, made every night for all of a merchant at once.

The order is made at night (`refresh`): what people of the same tier redeemed in 90 days and what goes with what the
customer took in a year, half and half; without what they redeemed in the last two weeks, and of products without
what they have bought. What may be shown is asked when it is shown (`rewards_for`), of the catalogue: tier, segments,
stock, dates, limits and the balance of now; or "almost there", when the missing points come within thirty days at
the pace of late. Nothing says why: the customer sees rewards, not what we know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from insights import ranking
from insights.models import Recommendation
from lib import db
from loyalty.ledger import NotEnoughPoints
from merchants.models import Merchant
from rewards import catalogue
from rewards.catalogue import Offer
from rewards.models import Reward

YEAR, LATELY, COOL_DOWN, PACE = (timedelta(days=days) for days in (365, 90, 14, 30))
MOST_REWARDS, MOST_PRODUCTS, MOST_ITEMS = 12, 6, 1_000


@dataclass(frozen=True, slots=True)
class People:
    """Everybody of a merchant: ids, the place of each, the group (tier) of each, and the points to come."""

    ids: list[int]
    place: dict[int, int]
    group: NDArray[np.intp]
    coming: list[int]


@db.command
def refresh(*, merchant: Merchant, at: datetime) -> int:
    """Make everybody's recommendations anew; return for how many. Repeating gives the same."""
    people = _people(merchant, at)
    Recommendation.objects.filter(merchant_id=merchant.pk).delete()
    rewards, products = _rewards(merchant, people, at), _products(merchant, people, at)
    made = 0
    for some, things in zip(rewards, products, strict=True):
        rows = [
            {
                "merchant_id": merchant.pk,
                "customer_id": people.ids[made + n],
                "rewards": liked,
                "products": things[n],
                "coming": people.coming[made + n],
                "made_at": at,
            }
            for n, liked in enumerate(some)
        ]
        db.insert(Recommendation, rows)
        made += len(rows)
    return made


def refresh_all(*, at: datetime) -> int:
    """Make the recommendations of every merchant anew; return for how many customers."""
    return sum(refresh(merchant=merchant, at=at) for merchant in Merchant.objects.filter(is_active=True))


def rewards_for(
    *,
    merchant: Merchant,
    customer_id: int,
    at: datetime,
    offers: Sequence[Offer] | None = None,
    most: int = 3,
) -> list[Offer]:
    """
    Return the rewards to show a customer: those that can be redeemed now, then those almost there.

    `offers` spares asking the catalogue again. Whoever has joined since last night has none yet.

    :raises NotFound: there is no such customer here
    """
    known = (
        offers if offers is not None else catalogue.offers(merchant=merchant, customer_id=customer_id, at=at)
    )
    mine = of(merchant=merchant, customer_id=customer_id)
    if mine is None:
        return []
    by_id = {one.reward.pk: one for one in known}
    liked = [by_id[number] for number in mine.rewards if number in by_id]
    ready = [one for one in liked if one.can_be_redeemed]
    near = [one for one in liked if 0 < one.missing_points <= mine.coming and _lacks_points_only(one)]
    return (ready + near)[:most]


def _lacks_points_only(offer: Offer) -> bool:
    return isinstance(offer.refusal, NotEnoughPoints)


def of(*, merchant: Merchant, customer_id: int) -> Recommendation | None:
    """Return what was made for a customer last night."""
    return Recommendation.objects.filter(merchant_id=merchant.pk, customer_id=customer_id).first()


def _people(merchant: Merchant, at: datetime) -> People:
    """Return the active customers with their tiers and the points they earn in thirty days at the pace of 90."""
    rows = db.ask(
        """
        SELECT c.id, COALESCE(MAX(m.tier), '') AS tier, COALESCE(SUM(d.points), 0) AS points
        FROM customers_customer c
        LEFT JOIN loyalty_membership m ON m.merchant_id = c.merchant_id AND m.customer_id = c.id
        LEFT JOIN (
            SELECT membership_id, SUM(points) AS points FROM loyalty_customerday
            WHERE merchant_id = %s AND day >= %s GROUP BY membership_id
        ) d ON d.membership_id = m.id
        WHERE c.merchant_id = %s AND c.status = 'active' GROUP BY c.id ORDER BY c.id
        """,
        [merchant.pk, (at - LATELY).date(), merchant.pk],
    ).rows
    ids = [int(row[0]) for row in rows]
    tiers = {tier: n for n, tier in enumerate(sorted({row[1] for row in rows}))}
    group = np.array([tiers[row[1]] for row in rows], np.intp)
    coming = [max(int(row[2]), 0) * PACE.days // LATELY.days for row in rows]
    return People(ids, {number: place for place, number in enumerate(ids)}, group, coming)


def _rewards(merchant: Merchant, people: People, at: datetime) -> Iterator[list[list[int]]]:
    # Those that cost the merchant less come first among equals: points cost the same, so fewer points.
    found = Reward.objects.filter(merchant=merchant, is_active=True).order_by("cost", "position", "pk")
    items = list(found.values_list("pk", flat=True))
    rows = db.ask(
        """
        SELECT COALESCE(c.merged_into_id, c.id) AS owner, r.reward_id, MAX(r.occurred_at) AS last
        FROM rewards_redemption r JOIN customers_customer c ON c.merchant_id = r.merchant_id AND c.id = r.customer_id
        WHERE r.merchant_id = %s AND r.status IN ('pending', 'fulfilled') AND r.occurred_at >= %s
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
        [merchant.pk, at - YEAR],
    ).rows
    told = [(int(who), int(what), db.time(last) or at) for who, what, last in rows]
    taken = _matrix(people, items, [(who, what) for who, what, _ in told])
    lately = _matrix(people, items, [(who, what) for who, what, last in told if last >= at - LATELY])
    barred = _matrix(people, items, [(who, what) for who, what, last in told if last >= at - COOL_DOWN])
    for places in _ranked(people, taken, lately, barred, MOST_REWARDS):
        yield [[items[place] for place in row if place >= 0] for row in places.tolist()]


def _products(merchant: Merchant, people: People, at: datetime) -> Iterator[list[list[list[str]]]]:
    line = "line.value->>'{}'" if db.is_postgres() else "json_extract(line.value, '$.{}')"
    lines = (
        "jsonb_array_elements(p.lines) AS line(value)" if db.is_postgres() else "json_each(p.lines) AS line"
    )
    sku, name = line.format("sku"), line.format("name")
    rows = db.ask(
        f"""
        SELECT COALESCE(c.merged_into_id, c.id) AS owner, {sku} AS sku, MAX({name}) AS name, MAX(p.occurred_at) AS last
        FROM loyalty_purchase p CROSS JOIN {lines}
        JOIN customers_customer c ON c.merchant_id = p.merchant_id AND c.id = p.customer_id
        WHERE p.merchant_id = %s AND p.status = 'recorded' AND p.occurred_at >= %s AND {sku} <> ''
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
        [merchant.pk, at - YEAR],
    ).rows
    names: dict[str, str] = {}
    buyers: dict[str, int] = {}
    for _, sku, name, _ in rows:
        names[sku] = name or sku
        buyers[sku] = buyers.get(sku, 0) + 1
    items = sorted(buyers, key=lambda sku: (-buyers[sku], sku))[:MOST_ITEMS]
    told = [(int(who), what, db.time(last) or at) for who, what, _, last in rows]
    taken = _matrix(people, items, [(who, what) for who, what, _ in told])
    lately = _matrix(people, items, [(who, what) for who, what, last in told if last >= at - LATELY])
    for places in _ranked(people, taken, lately, taken, MOST_PRODUCTS):
        yield [
            [[items[place], names[items[place]]] for place in row if place >= 0] for row in places.tolist()
        ]


def _matrix(people: People, items: Sequence[Any], pairs: Sequence[tuple[int, Any]]) -> sparse.csr_matrix:
    """Return a matrix of customers by items with a one for each pair of those that are known."""
    column = {item: place for place, item in enumerate(items)}
    known = [
        (people.place[who], column[what]) for who, what in pairs if who in people.place and what in column
    ]
    shape = len(people.ids), len(items)
    if not known:
        return sparse.csr_matrix(shape, dtype=np.float32)
    rows, columns = zip(*known, strict=True)
    return sparse.csr_matrix((np.ones(len(known), np.float32), (rows, columns)), shape=shape)


def _ranked(
    people: People, taken: sparse.csr_matrix, lately: sparse.csr_matrix, barred: sparse.csr_matrix, most: int
) -> Iterator[NDArray[np.intp]]:
    """Yield the best items of each customer; popular is what the same tier took lately."""
    if not taken.shape[1]:
        for start in range(0, len(people.ids), ranking.AT_ONCE):
            yield np.empty((len(people.ids[start : start + ranking.AT_ONCE]), 0), np.intp)
        return
    tiers = int(people.group.max()) + 1 if people.ids else 0
    members = sparse.csr_matrix(
        (np.ones(len(people.ids), np.float32), (people.group, range(len(people.ids))))
    )
    popularity = (members @ lately).toarray().astype(np.float64) if tiers else np.empty((0, taken.shape[1]))
    yield from ranking.rank(taken=taken, barred=barred, popularity=popularity, group=people.group, most=most)
