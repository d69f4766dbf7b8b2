"""Two answers for load balancers: this process lives; this process can serve."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse


def live(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all."""
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """200 while the database answers, else 503. The broker is not asked: the service works without it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        connection.close()
        return JsonResponse({"database": error.__class__.__name__}, status=503)
    return JsonResponse({"database": "ok"})
