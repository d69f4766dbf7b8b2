"""What the OpenAPI document allows and forbids, generated and sent to the live server: never a 500."""

import json

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.conftest import V1
from tests.cast import NOON, client_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

EXAMPLES = 12


def operations():
    document = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))
    schema = schemathesis.openapi.from_dict(document)
    return [found.ok() for found in schema.get_all_operations()]


OPERATIONS = operations()


@pytest.fixture
def open_door(cafe, settings):
    """Limits would answer most of what is generated."""
    settings.API_RATE_QUOTA = 1_000_000
    settings.API_LOOKUP_LIMIT = "1000000/minute"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_whatever_is_sent_is_answered_as_described(operation, live_server, cafe, ana, open_door):
    from merchants import keys

    token = keys.issue(merchant=cafe)
    headers = {"Authorization": f"Bearer {token}", "X-Test-Clock": NOON.isoformat()}
    statuses = {int(status) for status in operation.definition.raw["responses"]}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def send(data):
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        mode = data.draw(st.sampled_from(modes))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        for name in headers:
            (case.headers or {}).pop(name, None)
        case.path_parameters = {
            name: data.draw(st.sampled_from([value, ana.public_id]))
            for name, value in (case.path_parameters or {}).items()
        }
        answer = case.call(base_url=live_server.url, headers=headers)

        assert answer.status_code < 500, answer.text
        assert answer.status_code in statuses | {404, 405}, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"]

    send()


def test_the_server_still_works_afterwards(cafe):
    assert client_of(cafe).get(f"{V1}/programs").status_code == 200
