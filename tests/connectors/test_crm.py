"""People who come in from a CRM: found or enrolled, the later word stands, an unsubscribe stays one."""

from datetime import timedelta

import pytest

from connectors import crm
from connectors.crm import Contact
from connectors.crm_answers import Answer
from customers import consent, people
from customers.consent import Choice
from customers.identifiers import Given
from customers.models import Consent, Customer, Identifier, Touchpoint
from lib import db
from loyalty.models import Membership

pytestmark = pytest.mark.core
DAY = timedelta(days=1)


@pytest.fixture
def tell(cafe, noon):
    """`tell(contact, ...)` is what HubSpot says of these at noon."""

    def tell(*contacts, at=noon, source="hubspot", merchant=cafe):
        return crm.upsert_all(merchant=merchant, source=source, contacts=contacts, at=at, by="test")

    return tell


def contact(number="101", *, email="", **more):
    given = (Given("email", email),) if email else ()
    return Contact(external_id=number, identifiers=given, **more)


def states(customer):
    return {(one.channel, one.purpose): one.granted for one in consent.current(customer=customer)}


def test_somebody_new_is_enrolled(cafe, program, tell, noon):
    [told] = tell(
        contact(
            email="Eva@Example.com",
            fields={"name": "Eva", "language": "pt"},
            consents=(Answer("email", "marketing", True, noon - DAY, "Yes, please."),),
        )
    )

    eva = Customer.objects.get(pk=told.customer_id)
    assert told.status == "created"
    assert (eva.name, eva.language, eva.written["name"]["by"]) == ("Eva", "pt", "hubspot")
    assert Membership.objects.filter(customer=eva).exists()
    assert set(Identifier.objects.filter(customer=eva).values_list("type", "source", "value")) == {
        ("external_id", "hubspot", "101"),
        ("email", "", "eva@example.com"),
    }
    answer = Consent.objects.get(customer=eva)
    assert (answer.at, answer.source, answer.wording) == (noon - DAY, "hubspot", "Yes, please.")


def test_told_twice_changes_nothing(program, tell, noon):
    said = contact(email="eva@example.com", fields={"name": "Eva"}, changed_at=noon - DAY,
                   consents=(Answer("email", "marketing", True),))  # fmt: skip
    first, [second] = tell(said), tell(said)

    assert (first[0].status, second.status, second.kept) == ("created", "unchanged", [])
    assert Customer.objects.count() == 1
    assert Consent.objects.count() == 1


def test_somebody_who_is_here_is_found_by_e_mail_and_keeps_the_id(ana, tell, noon):
    [told] = tell(contact(email="ana@example.com"))
    [again] = tell(contact(email="ana.new@example.com"))

    assert told.customer_id == again.customer_id == ana.pk
    assert (told.status, again.status) == ("changed", "changed")
    assert Identifier.objects.filter(customer=ana, type="email").count() == 2


def test_an_older_word_never_overwrites_a_newer_one(ana, tell, noon):
    people.change(customer=ana, at=noon, by="portal", name="Ana Maria")
    [old] = tell(contact(email="ana@example.com", fields={"name": "A."}, changed_at=noon - DAY))
    ana.refresh_from_db()
    assert (ana.name, old.kept) == ("Ana Maria", ["name"])

    [new] = tell(contact(fields={"name": "Ana M."}, changed_at=noon + DAY), at=noon + 2 * DAY)
    ana.refresh_from_db()
    assert (ana.name, new.kept, new.status) == ("Ana M.", [], "changed")
    assert ana.written["name"] == {"at": (noon + DAY).isoformat(), "by": "hubspot"}
    assert Touchpoint.objects.filter(customer=ana, kind="customer.changed").count() == 2


def test_two_systems_and_the_later_one_wins_in_any_order(ana, tell, noon):
    later = contact("1", email="ana@example.com", fields={"name": "Later"}, changed_at=noon + 2 * DAY)
    earlier = contact("2", email="ana@example.com", fields={"name": "Earlier"}, changed_at=noon + DAY)
    tell(later, at=noon + 3 * DAY)
    tell(earlier, at=noon + 3 * DAY, source="salesforce")
    ana.refresh_from_db()

    assert ana.name == "Later"


def test_what_is_not_said_stays(ana, tell):
    tell(contact(email="ana@example.com", fields={"language": "pt"}))
    ana.refresh_from_db()

    assert (ana.name, ana.language) == ("Ana", "pt")


def test_an_unsubscribe_is_never_undone_by_something_older(ana, tell, noon):
    consent.choose(customer=ana, choices=[Choice("email", "marketing", False)], at=noon)
    yes = Answer("email", "marketing", True)
    for said in (
        contact(email="ana@example.com", consents=(Answer("email", "marketing", True, noon - DAY),)),
        contact(email="ana@example.com", consents=(yes,), changed_at=noon - DAY),
        contact(email="ana@example.com", consents=(yes,), changed_at=noon),
        contact(email="ana@example.com", consents=(yes,)),
    ):
        [told] = tell(said, at=noon + 3 * DAY)
        assert told.kept == ["consent:email/marketing"]
        assert states(ana) == {("email", "marketing"): False}

    tell(
        contact(email="ana@example.com", consents=(Answer("email", "marketing", True, noon + DAY),)),
        at=noon + 3 * DAY,
    )
    assert states(ana) == {("email", "marketing"): True}


def test_a_no_without_a_time_is_taken(ana, tell, noon):
    consent.choose(customer=ana, choices=[Choice("email", "marketing", True)], at=noon)
    tell(contact(email="ana@example.com", consents=(Answer("email", "marketing", False),)), at=noon + DAY)

    assert states(ana) == {("email", "marketing"): False}
    assert Touchpoint.objects.filter(customer=ana, kind="consent.withdrawn").count() == 1


def test_a_birthday_changes_once_a_year(ana, tell, noon):
    people.change(customer=ana, at=noon, by="test", birthday="05-31")
    [told] = tell(contact(email="ana@example.com", fields={"birthday": "06-01"}), at=noon + DAY)

    ana.refresh_from_db()
    assert (ana.birthday, told.kept) == ("05-31", ["birthday"])


def test_one_bad_contact_spoils_nothing(program, tell, noon):
    told = tell(
        contact("1", email="not an address"),
        contact("2", email="eva@example.com"),
        contact("3", fields={"birthday": "13-40"}),
        contact("4", changed_at=noon + DAY),
        contact("", email="x@example.com"),
    )

    assert [one.status for one in told] == ["rejected", "created", "rejected", "rejected", "rejected"]
    assert Customer.objects.count() == 1


def test_the_same_person_twice_in_one_batch_is_one(program, tell, noon):
    told = tell(
        contact("1", email="eva@example.com", fields={"name": "Old"}, changed_at=noon - DAY),
        contact("1", email="eva@example.com", fields={"name": "New"}, changed_at=noon),
        contact("2", email="eva@example.com"),
    )

    assert [one.status for one in told] == ["created", "changed", "rejected"]
    assert told[2].error.code == "other_external_id"
    assert Customer.objects.get().name == "New"


def test_an_address_of_somebody_else_stays_theirs(program, ana, tell):
    tell(contact("1", email="eva@example.com"))
    [told] = tell(contact("1", email="ana@example.com"))

    assert told.kept == ["email"]
    assert Identifier.objects.get(type="email", value="ana@example.com").customer == ana


def test_the_outsiders_customer_is_another_one(program, bo, tell):
    [told] = tell(contact(email="bo@example.com", fields={"name": "Not Bo"}))

    assert told.status == "created"
    assert told.customer_id != bo.pk
    bo.refresh_from_db()
    assert bo.name == "Bo"


def test_many_cost_as_many_statements_as_few(program, tell, noon):
    def some(first, count):
        return [
            contact(
                str(n), email=f"c{n}@example.com", fields={"name": f"C {n}"},
                consents=(Answer("email", "marketing", True, noon - DAY),),
            )
            for n in range(first, first + count)
        ]  # fmt: skip

    tell(*some(0, 3))
    with db.watching() as few:
        tell(*some(0, 3), *some(100, 3))
    with db.watching() as many:
        tell(*some(0, 3), *some(200, 40))

    assert many.statements <= few.statements
