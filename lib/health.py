"""Two answers for load balancers: this process lives; this process can serve."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.module_loading import import_string


def live(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all."""
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """
    200 while the database answers, else 503. The broker is not asked: the service works without it. Periodic work
    that is late is told and fails nothing: taking web servers away would not bring it back.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        late = [name for path in settings.HEALTH_WARNINGS for name in import_string(path)(at=timezone.now())]
    except DatabaseError as error:
        connection.close()
        return JsonResponse({"database": error.__class__.__name__}, status=503)
    return JsonResponse({"database": "ok", **({"late": late} if late else {})})
