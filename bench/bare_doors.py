"""
The limits of the doors: the least that Django can do, with our settings, middleware and server.

`insert` is a view that stores one row and answers; `nothing` is a view of Django REST framework that finds
nobody, checks nothing and answers a constant.
"""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lib import health, public_ids

_INSERT = """
    INSERT INTO connectors_inboundevent (id, merchant_id, connection_id, event_id, type, body, status, tries,
        error, occurred_at, received_at, due_at)
    VALUES (%s, 1, 1, %s, 'bare', %s, 'done', 0, '', %s, %s, %s)
    """


@csrf_exempt
def insert(request: HttpRequest) -> HttpResponse:
    now, number = timezone.now(), public_ids.new()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [number, str(number), request.body.decode(), now, now, now])
    return HttpResponse(b'{"status":"stored"}', content_type="application/json")


class Nothing(APIView):
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        return Response({"active": 0})


urlpatterns = [
    path("health/live", health.live),
    path("hooks/insert", insert),
    path("api/v1/nothing", Nothing.as_view()),
]
