"""Vouchers: issued once, used as often as they may be, undone, expired, and nobody else's."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from customers import erasure
from customers.identifiers import Given
from customers.models import Touchpoint
from lib import db
from lib.db import NotInTransaction, watching
from lib.errors import NotFound, ReferenceReused, Refused
from loyalty import members
from rewards import bearers, codes, vouchers
from rewards.models import Voucher, VoucherUse
from rewards.vouchers import (
    CustomerRequired,
    VoucherCancelled,
    VoucherExpired,
    VoucherNotYetValid,
    VoucherNotYours,
    VoucherRedeemed,
)

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def eva(cafe, noon):
    return members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")


def kinds():
    return list(
        Touchpoint.objects.filter(kind__startswith="voucher.").order_by("pk").values_list("kind", flat=True)
    )


def test_ana_is_given_a_coffee_and_has_it(issue, use, cafe, ana, noon):
    issued = issue()

    found = vouchers.find(merchant=cafe, code=issued.code.lower().replace("-", " "))
    receipt = use(issued.code, customer=ana, purchase_reference="R-1")

    assert vouchers.state(found, at=noon) == "issued"
    assert (receipt.status, receipt.use.customer, receipt.use.purchase_reference) == ("created", ana, "R-1")
    assert vouchers.state(vouchers.find(merchant=cafe, code=issued.code), at=noon) == "redeemed"
    assert kinds() == ["voucher.issued", "voucher.redeemed"]


def test_a_bound_voucher_shows_its_code_again_and_a_bearers_never(issue):
    bound, bearer = issue(), issue(customer=None)

    assert vouchers.code_of(bound.voucher) == bound.code
    assert vouchers.code_of(bearer.voucher) == ""
    assert bearer.voucher.last_four == bearer.code[-4:]
    kept = str(Voucher.objects.values().get(pk=bearer.voucher.pk))
    assert bearer.code not in kept
    assert codes.read(bearer.code) not in kept


def test_issued_twice_is_issued_once(issue):
    first, again = issue(reference="P-1"), issue(reference="P-1")

    assert (again.voucher, again.code) == (first.voucher, first.code)
    assert Voucher.objects.count() == 1


def test_issuing_needs_the_callers_transaction(cafe, ana, noon):
    with pytest.raises(NotInTransaction):
        vouchers.issue(
            merchant=cafe, name="x", worth={}, at=noon, by="t", origin="perk", reference="1", customer=ana
        )


def test_it_is_used_once(issue, use):
    code = issue().code
    use(code)

    with pytest.raises(VoucherRedeemed):
        use(code)
    assert VoucherUse.objects.count() == 1


def test_told_twice_is_used_once(issue, use):
    code = issue().code

    first, again = use(code, reference="U"), use(code, reference="U")

    assert (again.status, again.use) == ("replayed", first.use)
    assert VoucherUse.objects.count() == 1


def test_told_twice_with_something_else_names_it(issue, use):
    code, other = issue().code, issue().code
    use(code, reference="U", purchase_reference="R-1")

    with pytest.raises(ReferenceReused) as refused:
        use(other, reference="U", purchase_reference="R-2")

    assert {fault.pointer for fault in refused.value.faults} == {"/code", "/purchase_reference"}


def test_three_uses_are_three(issue, use, cafe, noon):
    code = issue(customer=None, uses=3).code
    for _ in range(3):
        use(code)

    with pytest.raises(VoucherRedeemed):
        use(code)
    assert vouchers.find(merchant=cafe, code=code).used == 3


def test_without_end_is_without_end(issue, use, cafe, noon):
    code = issue(customer=None, uses=None).code
    for _ in range(5):
        use(code)

    assert vouchers.state(vouchers.find(merchant=cafe, code=code), at=noon) == "issued"


def test_once_per_customer(issue, use, ana, eva):
    code = issue(customer=None, uses=None, once_per_customer=True).code
    use(code, customer=ana, reference="A-1")
    use(code, customer=eva)

    with pytest.raises(VoucherRedeemed):
        use(code, customer=ana)
    with pytest.raises(CustomerRequired):
        use(code)


def test_once_per_customer_counts_no_use_that_was_undone(issue, use, cafe, ana, noon):
    code = issue(customer=None, uses=None, once_per_customer=True).code
    use(code, customer=ana, reference="A-1")
    vouchers.rollback(merchant=cafe, code=code, reference="A-1", at=noon, by="till")

    assert use(code, customer=ana).status == "created"


def test_a_bound_voucher_is_not_evas(issue, use, eva):
    code = issue().code

    with pytest.raises(VoucherNotYours):
        use(code, customer=eva)
    assert use(code).status == "created"


def test_a_voucher_of_somebody_merged_is_their_targets(issue, use, ana, eva):
    code = issue().code
    type(ana).objects.filter(pk=ana.pk).update(merged_into=eva, status="merged")

    with pytest.raises(VoucherNotYours):
        use(code, customer=ana)
    assert use(code, customer=eva).use.customer == eva


def test_expired_is_expired_without_any_job(issue, use, cafe, noon):
    code = issue(expires_at=noon + timedelta(days=1)).code
    later = noon + timedelta(days=1)

    with pytest.raises(VoucherExpired):
        use(code, at=later)
    assert vouchers.state(vouchers.find(merchant=cafe, code=code), at=later) == "expired"
    assert Voucher.objects.get().status == "issued"
    assert use(code, at=later - timedelta(seconds=1)).status == "created"


def test_taken_offline_its_own_time_counts(issue, use, noon):
    code = issue(expires_at=noon + timedelta(hours=1)).code

    receipt = use(code, at=noon + timedelta(hours=2), occurred_at=noon)

    assert (receipt.status, receipt.use.occurred_at) == ("created", noon)


def test_not_yet_is_not_yet(issue, use, noon):
    code = issue(starts_at=noon + timedelta(hours=1)).code

    with pytest.raises(VoucherNotYetValid):
        use(code)


def test_undone_it_may_be_used_again(issue, use, cafe, noon):
    code = issue().code
    use(code, reference="U-A")

    first = vouchers.rollback(merchant=cafe, code=code, reference="U-A", at=noon, by="till")
    again = vouchers.rollback(merchant=cafe, code=code, reference="U-A", at=noon, by="till")

    assert (first.status, again.status) == ("created", "replayed")
    assert use(code, reference="U-A").is_rolled_back
    assert use(code, reference="U-B").status == "created"
    assert list(VoucherUse.objects.order_by("pk").values_list("reference", "undoes__reference")) == [
        ("U-A", None), ("U-A", "U-A"), ("U-B", None),
    ]  # fmt: skip
    assert kinds()[1:] == ["voucher.redeemed", "voucher.rolled_back", "voucher.redeemed"]


def test_only_what_was_used_is_undone(issue, use, cafe, noon):
    code, other = issue().code, issue().code
    use(other, reference="U-A")

    with pytest.raises(NotFound):
        vouchers.rollback(merchant=cafe, code=code, reference="U-A", at=noon, by="till")
    with pytest.raises(codes.UnknownCode):
        vouchers.rollback(merchant=cafe, code=codes.new(), reference="U-A", at=noon, by="till")


def test_cancelled_it_is_worth_nothing(issue, use, noon):
    issued = issue()
    for _ in range(2):
        db.command(vouchers.cancel)(voucher=issued.voucher, at=noon, by="owner")

    with pytest.raises(VoucherCancelled):
        use(issued.code)
    assert kinds() == ["voucher.issued", "voucher.cancelled"]


def test_a_used_one_is_not_cancelled(issue, use, noon):
    issued = issue(uses=2)
    use(issued.code)

    with pytest.raises(VoucherRedeemed):
        vouchers.withdraw(voucher=issued.voucher, at=noon, by="owner")


def test_a_use_is_never_changed(issue, use):
    use(issue().code)

    with pytest.raises(DatabaseError, match="roll the use back"), transaction.atomic():
        VoucherUse.objects.update(reference="other")


def test_another_merchants_code_is_like_one_that_nobody_has(issue, bar_nilo, noon):
    code = issue(customer=None).code

    with pytest.raises(codes.UnknownCode) as theirs, watching() as costs:
        vouchers.find(merchant=bar_nilo, code=code)
    with pytest.raises(codes.UnknownCode) as nobodys, watching() as other:
        vouchers.find(merchant=bar_nilo, code=codes.new())

    assert (str(theirs.value), theirs.value.code) == (str(nobodys.value), nobodys.value.code)
    assert (costs.statements, costs.trips) == (other.statements, other.trips)


def test_a_thousand_codes_for_bearers_are_made_at_once(cafe, noon, use):
    said = {"merchant": cafe, "name": "Flyer", "worth": {}, "reference": "flyer", "at": noon, "by": "owner"}

    with watching() as watch:
        made = bearers.issue(count=1000, **said)

    assert len(set(made)) == Voucher.objects.count() == 1000
    assert watch.statements <= 3
    assert use(made[999]).status == "created"
    with pytest.raises(bearers.AlreadyIssued):
        bearers.issue(count=1, **said)
    with pytest.raises(bearers.CountOutOfRange):
        bearers.issue(count=10_001, **said)


def test_a_voucher_that_points_bought_is_not_withdrawn_at_the_desk(issue, noon):
    voucher = issue().voucher
    voucher.redemption_id = 1

    with pytest.raises(Refused, match="redemption"):
        vouchers.withdraw(voucher=voucher, at=noon, by="owner")


def test_a_use_costs_a_fixed_number_of_statements(issue, use, ana):
    costs = []
    for _ in range(2):
        code = issue().code
        with watching() as watch:
            use(code, customer=ana)
        costs.append(watch.statements)

    assert costs[0] == costs[1] <= 9


def test_who_leaves_takes_the_code_along_and_the_books_stay(issue, use, ana, noon):
    issued, used = issue(), issue()
    use(used.code)
    exported = erasure.export(customer=ana)
    erasure.erase(customer=ana, at=noon, by="test")

    assert len(exported["voucher"]) == 2
    assert len(exported["voucheruse"]) == 1
    assert issued.code not in str(exported)
    assert set(Voucher.objects.values_list("sealed_code", flat=True)) == {""}
    assert VoucherUse.objects.count() == 1
