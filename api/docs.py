"""The reference of the API: the document, and a page to read it."""

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class Schema(SpectacularAPIView):
    """The OpenAPI document. The same text is committed as docs/openapi.json."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class Page(SpectacularSwaggerSplitView):
    """The reference page. Its script comes from an address of its own, as the content policy wants."""

    url_name = "api-schema"
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
