"""What granian loads to serve the bare doors: our settings with other addresses."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
settings.ROOT_URLCONF = "bench.bare_doors"

application = get_wsgi_application()
