"""Texts: light marks and Liquid, the merchant's own or ours, safe whatever a customer is called."""

import re
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from engagement import deciding, markup, templates
from engagement.models import SendingLimits, Template
from engagement.templates import InvalidTemplate

pytestmark = [pytest.mark.core, pytest.mark.django_db]


def test_marks_become_html_and_plain_text():
    body = "# Hi\n\nSee **this**,\nplease: [more]({{ url }}).\n\n- one\n- two\n\n[Go]({{ url }})"

    html, text = markup.to_html(body), markup.to_text(body)

    assert "<h1>Hi</h1>" in html
    assert "See <strong>this</strong>,<br>" in html
    assert '<a href="{{ url }}">more</a>' in html
    assert "<ul><li>one</li><li>two</li></ul>" in html
    assert 'class="button"' in html
    assert "Go: {{ url }}" in text


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "[click](https://evil.example)", "**Ana**", "{{ secret }}", "# Ana"]
)
def test_a_name_is_only_a_name(name, ana):
    ana.name = name

    rendered = templates.render("welcome", ana, {})

    assert "<script" not in rendered.html
    assert 'href="https://evil.example"' not in rendered.html
    assert "<strong>Ana" not in rendered.html
    assert name.split()[0] in rendered.text


def test_a_link_never_leads_to_a_script(cafe, ana):
    text = Template(merchant=cafe, name="x", channel="email", body="[Go]({{ url }})")

    rendered = templates.render(text, ana, {"url": "javascript:alert(1)"})

    assert 'href="javascript' not in rendered.html
    assert 'href="#"' in rendered.html


def test_the_merchants_own_words_come_first_in_the_customers_language(cafe, ana):
    assert templates.render("welcome", ana, {}).subject == "Welcome to Café Mira"
    ana.language = "pt-BR"
    assert templates.render("welcome", ana, {}).subject == "Bem-vindo a Café Mira"
    ana.language = "de"
    assert templates.render("welcome", ana, {}).subject == "Willkommen bei Café Mira"
    Template.objects.create(merchant=cafe, name="welcome", language="en", subject="Hi!", body="Hi")
    assert templates.render("welcome", ana, {}).subject == "Hi!"
    Template.objects.create(merchant=cafe, name="welcome", language="de", subject="Moin!", body="Moin")
    assert templates.render("welcome", ana, {}).subject == "Moin!"


def test_another_merchants_words_are_not_ours(cafe, bar_nilo, ana):
    Template.objects.create(merchant=bar_nilo, name="welcome", subject="Nilo", body="Nilo")

    assert templates.render("welcome", ana, {}).subject == "Welcome to Café Mira"


@pytest.mark.parametrize(
    "body", ["Hello {{ frist_name }}", "Hello {% if %}", "{% for a in (1..9999999) %}x{% endfor %}"]
)
def test_a_text_that_does_not_fill_in_is_refused_when_it_is_saved(body, cafe):
    with pytest.raises(InvalidTemplate):
        templates.check(Template(merchant=cafe, name="welcome", body=body))


@pytest.mark.parametrize("name", templates.names())
def test_what_we_ship_fills_in_in_every_language(name, cafe, ana):
    for language in ("en", "de", "pt"):
        ana.language = language
        rendered = templates.render(name, ana, templates.sample(name))
        assert rendered.subject
        assert "{{" not in rendered.html + rendered.text
        assert templates.shipped(name, "email", language) is not None


def test_the_frame_is_built_from_its_source():
    call_command("build_mail", "--check")


def test_the_frame_is_readable_in_any_color_by_day_and_night(cafe, ana):
    cafe.color = "#ffff00"
    ana.merchant = cafe

    html = templates.render("welcome", ana, {}).html

    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"<script|<link|src=", html)


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        # The night the clock is put forward in Lisbon (29 March 2026, 1:00 to 2:00) and back (25 October).
        (datetime(2026, 3, 28, 22, 30, tzinfo=UTC), datetime(2026, 3, 29, 7, tzinfo=UTC)),
        (datetime(2026, 10, 24, 21, 30, tzinfo=UTC), datetime(2026, 10, 25, 8, tzinfo=UTC)),
        (datetime(2026, 10, 25, 7, 59, tzinfo=UTC), datetime(2026, 10, 25, 8, tzinfo=UTC)),
        (datetime(2026, 10, 25, 8, 0, tzinfo=UTC), None),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(at, ends):
    limits = SendingLimits(quiet_from=time(22), quiet_until=time(8))

    assert deciding.quiet_until(limits, zone=ZoneInfo("Europe/Lisbon"), at=at) == ends


def test_quiet_hours_within_a_day_and_an_hour_that_comes_twice():
    noon = SendingLimits(quiet_from=time(12), quiet_until=time(14))
    zone = ZoneInfo("Europe/Lisbon")
    assert deciding.quiet_until(noon, zone=zone, at=datetime(2026, 1, 5, 13, tzinfo=UTC)) == datetime(
        2026, 1, 5, 14, tzinfo=UTC
    )
    night = SendingLimits(quiet_from=time(22), quiet_until=time(1, 30))
    # 1:30 comes twice; at 1:15 the second time (1:15 UTC) quiet ends at the second 1:30.
    assert deciding.quiet_until(night, zone=zone, at=datetime(2026, 10, 25, 1, 15, tzinfo=UTC)) == datetime(
        2026, 10, 25, 1, 30, tzinfo=UTC
    )
