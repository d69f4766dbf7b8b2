"""A sale from the till's door to the books, and everything a till can get wrong."""

from tests.api.conftest import V1, buy


def test_a_sale_is_answered_with_its_points_the_reasons_and_the_balance(till, bought, ana):
    answer = buy(till, bought(1299))

    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert told["points"] == {"earned": 12, "pending": 0, "activates_at": None}
    assert told["customer"] == ana.public_id
    assert told["balance"]["active"] == told["balance"]["available"] == 12
    assert told["tier"] == "Bronze"
    assert [(why["rule"], why["points"], why["applied"]) for why in told["why"]] == [("base", 12, True)]
    assert "€1.00" in told["why"][0]["reason"]
