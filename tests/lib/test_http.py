"""The id of a request goes in, through the log, and out; machines do not pay for pages."""

import logging

import pytest

from lib.http import RequestIdFilter, request_id

pytestmark = pytest.mark.django_db


def test_an_answer_carries_a_new_request_id(client):
    first, second = client.get("/health/live"), client.get("/health/live")

    assert len(first["X-Request-Id"]) == 24
    assert first["X-Request-Id"] != second["X-Request-Id"]


def test_a_callers_request_id_is_kept(client):
    assert (
        client.get("/health/live", headers={"X-Request-Id": "till-7:000123"})["X-Request-Id"]
        == "till-7:000123"
    )


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "with space in it", "new\nline-and-more", "<script>alert</script>"]
)
def test_a_harmful_request_id_is_replaced(client, given):
    answered = client.get("/health/live", headers={"X-Request-Id": given})["X-Request-Id"]

    assert answered != given
    assert answered.isalnum()


def test_a_log_line_names_its_request(rf):
    lines = []

    def view(request):
        record = logging.makeLogRecord({"msg": "hello"})
        RequestIdFilter().filter(record)
        lines.append(record.request_id)

        from django.http import HttpResponse

        return HttpResponse()

    from lib.http import RequestId

    RequestId(view)(rf.get("/", headers={"X-Request-Id": "till-7:000123"}))

    assert lines == ["till-7:000123"]
    assert request_id() == "-"


def test_a_machine_gets_no_cookie_and_no_page_policy(client):
    answer = client.get("/health/live")

    assert not answer.cookies
    assert "Content-Security-Policy" not in answer
    assert "Vary" not in answer


@pytest.mark.django_db
def test_a_page_has_a_strict_policy(client):
    policy = client.get("/admin/login/")["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


@pytest.mark.django_db
def test_a_policy_is_relaxed_for_named_paths_only(client, settings):
    strict = client.get("/no-such-page")["Content-Security-Policy"]

    assert "unsafe" not in strict
    assert set(settings.CONTENT_SECURITY_POLICY_BY_PATH) == {"/admin/", "/api/docs"}
