"""The pages of nobody in particular: the front, and what went wrong."""

import pytest
from django.template.loader import render_to_string

pytestmark = pytest.mark.django_db


def test_the_front_page_names_no_merchant(client, cafe, bar_nilo):
    page = client.get("/").content.decode()

    assert "Staff sign-in" in page
    assert "Café Mira" not in page
    assert "bar-nilo" not in page


def test_an_unknown_address_is_answered_kindly(client):
    answer = client.get("/nobody-here/at/all")

    assert answer.status_code == 404
    assert "This page is not here" in answer.content.decode()


def test_a_slash_at_the_end_leads_to_the_page(client, cafe):
    assert client.get("/cafe-mira/").headers["Location"] == "/cafe-mira"


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
def test_error_pages_need_neither_request_nor_database(name, django_assert_num_queries):
    with django_assert_num_queries(0):
        page = render_to_string(f"{name}.html")

    assert "<h1>" in page
    assert 'rel="stylesheet"' in page


def test_a_page_that_breaks_shows_the_page_for_it(client, cafe, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("portal.sign_in.show", broken)
    client.raise_request_exception = False

    answer = client.get("/cafe-mira")

    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()
