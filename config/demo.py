"""
The demo: a shop with a year of purchases, told through the same verb as a till's.

The panel (demo/ORIGIN.md) is laid so that its last day is the day before the demo was first made. Later
runs go on from there: past its end the panel begins anew, so that every day until yesterday has sales. What
was told stays where it is. `demo.json` in DATA_DIR remembers all that, and the logins, with mode 0600.
"""

import csv
import gzip
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from config.env import BASE_DIR
from customers.identifiers import Given
from insights import journey_map, recommendations
from loyalty import members, program_file, purchases, rfm
from loyalty.members import Newcomer
from loyalty.models import Purchase
from loyalty.sale import Line, Sale
from merchants import keys
from merchants.models import Merchant, Role, Staff, Store

FOLDER = BASE_DIR / "demo"
SLUG, STAFF, NAMESAKE = "millers", "demo", "demo-0"
GUEST = 518  # somebody who comes twice a week, short of the highest level
FIRST_DAY, LAST_DAY = date(2017, 1, 1), date(2017, 12, 31)
DAYS = (LAST_DAY - FIRST_DAY).days + 1
CHUNK = 2_000
PARTS = ("grocery", "produce", "meat", "deli", "pastry", "drugstore", "fuel", "other")


@dataclass(slots=True)
class State:
    """
    What must be the same the next time.

    `told` purchases are in; the panel lies `shift_days` later; of its `households` so many take part (0: all).
    """

    merchant: str = ""
    shift_days: int = 0
    told: int = 0
    households: int = 0
    password: str = ""
    key: str = ""

    def save(self) -> None:
        place = path()
        draft = place.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        os.replace(draft, place)


@dataclass(frozen=True, slots=True)
class Basket:
    household: int
    at: datetime  # as the shop's clock showed it
    store: str
    parts: tuple[int, ...]


def path() -> Path:
    return Path(settings.DATA_DIR) / "demo.json"


def prepare(*, at: datetime, households: int = 0) -> tuple[Merchant, State]:
    """Make the shop, its program, its staff and a key, where they are not there yet."""
    text = (FOLDER / "program.yaml").read_text()
    if not Merchant.objects.filter(slug=SLUG).exists():
        program_file.apply(text=text, at=at, by="demo")  # later the shop is its owner's to change
    merchant = Merchant.objects.get(slug=SLUG)
    state = _load()
    if state.merchant != merchant.public_id:
        yesterday = at.astimezone(merchant.zone).date() - timedelta(days=1)
        state = State(
            merchant=merchant.public_id, shift_days=_shift(merchant, yesterday), households=households
        )
    _give_staff(merchant, state)
    if not state.key or keys.find(state.key, at=at) is None:
        state.key = keys.issue(merchant=merchant, name="demo", by="demo")
    state.save()
    return merchant, state


def _load() -> State:
    try:
        return State(**json.loads(path().read_text()))
    except (OSError, ValueError, TypeError):  # not there, or not ours: what is in the database counts
        return State()


def _shift(merchant: Merchant, yesterday: date) -> int:
    """Return by how many days the panel lies later: as it was told, or so that it ends yesterday."""
    told = Purchase.objects.filter(merchant=merchant, source="api", reference=NAMESAKE).first()
    if told:
        return (told.occurred_at.astimezone(merchant.zone).date() - FIRST_DAY).days
    return (yesterday - LAST_DAY).days


def _give_staff(merchant: Merchant, state: State) -> None:
    staff = Staff.objects.filter(username=STAFF).first() or Staff(username=STAFF, email="owner@example.com")
    if not (state.password and staff.pk and staff.check_password(state.password)):
        state.password = secrets.token_urlsafe(9)
        staff.is_staff, staff.is_active = True, True
        staff.first_name, staff.last_name = "Mia", "Miller"
        staff.set_password(state.password)
        staff.save()
    Role.objects.get_or_create(merchant=merchant, staff=staff, defaults={"kind": Role.Kind.OWNER})


# --- the panel ----------------------------------------------------------------------------------------


def panel(zone: ZoneInfo, households: int = 0) -> list[Basket]:
    """Return the baskets in the order of their time, which is local and of the year they were bought in."""
    baskets: list[Basket] = []
    household = moment = 0
    with gzip.open(FOLDER / "baskets.csv.gz", "rt", newline="") as file:
        for row in islice(csv.reader(file), 1, None):
            number = int(row[0])
            moment = int(row[1]) + (moment if number == household else 0)
            household = number
            if households and number > households and number != GUEST:
                continue
            local = datetime.fromtimestamp(moment, UTC).astimezone(zone).replace(tzinfo=None)
            baskets.append(Basket(number, local, row[2], tuple(int(part or 0) for part in row[4:])))
    return sorted(baskets, key=lambda basket: (basket.at, basket.household))


def due(baskets: list[Basket], state: State, *, until: date) -> int:
    """Return how many baskets in all lie on days before `until`, going round the panel as often as it takes."""
    day = until - timedelta(days=state.shift_days)  # as a day of the panel's first round
    rounds, days = divmod((day - FIRST_DAY).days, DAYS)
    ends = FIRST_DAY + timedelta(days=days)
    return rounds * len(baskets) + sum(1 for basket in baskets if basket.at.date() < ends)


def sales(
    baskets: list[Basket], state: State, merchant: Merchant, *, until: int, stores: dict[str, int]
) -> Iterator[Sale]:
    """Yield the sales that are not told yet, up to number `until`."""
    people: dict[int, Given] = {}
    for number in range(state.told, until):
        turn, place = divmod(number, len(baskets))
        basket = baskets[place]
        later = timedelta(days=state.shift_days + turn * DAYS)
        lines = tuple(
            Line(str(count), amount, category=name)
            for count, (name, amount) in enumerate(zip(PARTS, basket.parts, strict=True), 1)
            if amount
        )
        yield Sale(
            reference=f"demo-{number}",
            currency=merchant.currency,
            amount_minor=sum(basket.parts),
            occurred_at=(basket.at + later).replace(tzinfo=merchant.zone).astimezone(UTC),
            identifier=people.setdefault(basket.household, Given("card", card(basket.household))),
            lines=lines,
            store_id=stores[basket.store],
            store=basket.store,
            channel="store",
        )


def replay(
    *, merchant: Merchant, state: State, at: datetime, each: Callable[[int, int], None] | None = None
) -> int:
    """Tell every sale until yesterday that was not told yet; return how many there were. Stop it as you like."""
    baskets = panel(merchant.zone, state.households)
    until = due(baskets, state, until=at.astimezone(merchant.zone).date())
    if state.told >= until:
        return 0
    stores = open_stores(merchant, baskets)
    enroll(merchant, state, baskets, at=at)
    source = sales(baskets, state, merchant, until=until, stores=stores)
    before = state.told
    while chunk := list(islice(source, CHUNK)):
        purchases.record_all(merchant=merchant, sales=chunk, at=at, by="demo", as_of="history")
        state.told += len(chunk)
        state.save()
        if each:
            each(state.told - before, until - before)
    return state.told - before


def open_stores(merchant: Merchant, baskets: list[Basket]) -> dict[str, int]:
    codes = sorted({basket.store for basket in baskets}, key=int)
    Store.objects.bulk_create(
        [Store(merchant=merchant, code=code, name=f"Store {code}") for code in codes], ignore_conflicts=True
    )
    return dict(Store.objects.filter(merchant=merchant).values_list("code", "pk"))


def enroll(merchant: Merchant, state: State, baskets: list[Basket], *, at: datetime) -> None:
    """Enroll the households, each a minute before its first purchase. Who is here already stays."""
    first: dict[int, datetime] = {}
    for basket in baskets:
        first.setdefault(basket.household, basket.at)
    later = timedelta(days=state.shift_days, minutes=-1)
    people = iter(
        person(household, (moment + later).replace(tzinfo=merchant.zone).astimezone(UTC))
        for household, moment in sorted(first.items())
    )
    while chunk := list(islice(people, 1_000)):
        members.enroll_all(merchant=merchant, people=chunk, at=at, by="demo")


# --- the people ---------------------------------------------------------------------------------------


def person(household: int, joined_at: datetime) -> Newcomer:
    """Return a made-up person for a household: always the same one."""
    name = " ".join(names(household))
    return Newcomer(
        name=name,
        identifiers=(Given("email", email(household)), Given("card", card(household))),
        birthday=f"{household * 7 % 12 + 1:02}-{household * 11 % 28 + 1:02}" if household % 3 else "",
        language="en",
        joined_at=joined_at,
    )


def names(household: int) -> tuple[str, str]:
    first, last = _names()
    # Two steps that share no factor with the lists' lengths, so that neighbors have nothing in common.
    return first[household * 31 % len(first)], last[household * 53 % len(last)]


def _names() -> list[list[str]]:
    if not _known_names:
        text = (FOLDER / "names.txt").read_text(encoding="utf-8")
        _known_names.extend(part.split() for part in text.split("\n-\n"))
    return _known_names


_known_names: list[list[str]] = []


def email(household: int) -> str:
    first, last = names(household)
    return f"{first}.{last}.{household}@example.com".lower()


def card(household: int) -> str:
    return f"44{household:08}"


def facts(*, merchant: Merchant) -> dict[str, Any]:
    """Return what the demo's shop has, for the last lines of the command."""
    return {
        "customers": merchant.customers.count(),
        "purchases": Purchase.objects.filter(merchant=merchant).count(),
    }


def study(*, merchant: Merchant, at: datetime) -> None:
    """Make at once what a worker makes in the course of a day: groups, journey map, recommendations."""
    rfm.score(merchant=merchant, at=at)
    recommendations.refresh(merchant=merchant, at=at)
    journey_map.snapshot(merchant=merchant, at=at)
