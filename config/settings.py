"""
The settings, read top to bottom. The environment differs between machines; this file does not.

With nothing set, everything is embedded: SQLite, Valkey on a unix socket, mail as files, all in DATA_DIR.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config.env import BASE_DIR, data_dir, env, key, provider_settings
from config.look import ADMIN_MENU as ADMIN_MENU
from config.look import UNFOLD as UNFOLD
from config.schedule import SCHEDULE
from connectors.kinds import PUBLIC
from lib import embedded

# What this machine is ------------------------------------------------------------------------------

DATA_DIR = data_dir()
DEBUG = env.bool("DEBUG", default=False)
BASE_URL = env.str("BASE_URL", default="http://localhost:8000").rstrip("/")
IS_HTTPS = BASE_URL.startswith("https://")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    default=sorted({urlsplit(BASE_URL).hostname or "localhost", "localhost", "127.0.0.1", "[::1]"}),
)

# Keys: each guards one thing, so that one can be changed without the others --------------------------

KEYS_DIR = DATA_DIR / "keys"
SECRET_KEY = key("SECRET_KEY", folder=KEYS_DIR)  # sessions, sign-in codes, form tokens
FIELD_KEY = key("FIELD_KEY", folder=KEYS_DIR)  # Fernet: secrets of connections, at rest
LOOKUP_KEY = key("LOOKUP_KEY", folder=KEYS_DIR)  # HMAC of identifiers in lookup hashes
LEDGER_KEY = key("LEDGER_KEY", folder=KEYS_DIR)  # MAC of the ledger's chain

# Rooms ---------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "simple_history",
    "axes",
    "csp",
    "anymail",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "merchants",
    "customers",
    "loyalty",
    "rewards",
    "engagement",
    "insights",
    "connectors",
    "api",
    "portal",
]
AUTH_USER_MODEL = "merchants.Staff"

# Dotted paths of functions that hear each touchpoint after its commit. A lower room never calls a higher
# one: the higher room is named here. Each is (function, kinds it hears): "told" hears what was told from
# outside, "*" everything. A third part names a function of (merchant's id, kind) that says whether anybody
# there wants it: where nobody does, nothing is kept for the relay.
TOUCHPOINT_LISTENERS: list[tuple[str, tuple[str, ...]] | tuple[str, tuple[str, ...], str]] = [
    ("loyalty.members.on_contacts", ("identifier.verified", "customer.converted")),
    ("loyalty.bonuses.on_touchpoints", ("told", "survey.answered")),
    ("engagement.optins.on_consents", ("consent.given",)),
    ("loyalty.referrals.on_sales", ("customer.converted", "purchase.refunded", "purchase.voided")),
    ("connectors.outbox.queue_for", tuple(PUBLIC), "connectors.endpoints.is_wanted"),
    ("rewards.entry_perks.on_tiers", ("customer.converted", "tier.changed")),
    ("rewards.entry_perks.on_refunds", ("purchase.refunded", "purchase.voided")),
    ("engagement.flows.on_touchpoints", ("*",), "engagement.flows.is_wanted"),
]

# Functions that bring what is kept per customer up to date, told of whoever was touched, in this order: facts
# before what is made from them. See customers/changes.py.
CUSTOMER_FOLLOWERS = ["loyalty.customer_days.roll_up", "customers.segments.follow"]

# Packages with the conditions of segments, one file each: see customers/predicates/base.py.
SEGMENT_PREDICATES = ["customers.predicates", "loyalty.predicates", "insights.predicates"]

# Packages with the kinds of long jobs, one file each: see merchants/jobs.py.
JOB_KINDS = ["merchants.job_kinds", "customers.job_kinds", "loyalty.job_kinds", "connectors.job_kinds"]

# What waits for periodic work, and since when, by task: see config/periodic.py. What warns without failing at
# /health/ready is a function of the time that returns names.
DUE = [
    "merchants.due.DUE",
    "customers.due.DUE",
    "loyalty.due.DUE",
    "engagement.due.DUE",
    "connectors.due.DUE",
]
HEALTH_WARNINGS = ["config.periodic.late"]

# What each room keeps about people: see customers/erasure.py. A test fails for a table that is not listed.
PERSONAL_DATA = [
    "insights.personal_data.HOLDINGS",
    "api.personal_data.HOLDINGS",
    "connectors.personal_data.HOLDINGS",
    "engagement.personal_data.HOLDINGS",
    "engagement.flows.holdings.HOLDINGS",
    "engagement.surveys.holdings.HOLDINGS",
    "rewards.personal_data.HOLDINGS",
    "loyalty.personal_data.HOLDINGS",
    "customers.personal_data.HOLDINGS",
    "config.personal_data.HOLDINGS",
]

# Parts of the program file that belong to other rooms: see loyalty/program_sections.py.
PROGRAM_SECTIONS = [
    "connectors.program_section.SECTION",
    "connectors.webhooks_section.SECTION",
    "customers.segment_section.SECTION",
    "rewards.program_section.SECTION",
    "engagement.surveys.section.SECTION",
    "engagement.program_section.SECTION",
    "insights.journey_section.SECTION",
]

# What holds of points keep beside points, and what tenders of a sale name beside holds: see
# loyalty/purposes.py and loyalty/returns.py.
HOLD_PURPOSES = ["rewards.holding.PURPOSE"]
TENDERS = ["rewards.tenders.TENDERS"]

# Functions of a merchant's id (None: everybody's) that yield what does not add up: `verify_ledger` asks them.
BOOKS = ["loyalty.ledger.differences", "rewards.gift_cards.differences", "insights.points.differences"]

# What a merchant's open file holds, in its order: see merchants/open_file.py. A test fails for a table that is not
# listed and not among what is left out.
OPEN_FILE = [
    "merchants.open_sections.SECTIONS",
    "customers.open_sections.SECTIONS",
    "connectors.open_sections.SECTIONS",
    "loyalty.open_sections.SECTIONS",
    "rewards.open_sections.SECTIONS",
]

# Requests ------------------------------------------------------------------------------------------

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

# Machines neither have a session nor read a language from a cookie: under these paths only the request
# id, the security headers and the form token check (which API views are exempt from) run.
MACHINE_PATHS = ("/api/v1/", "/hooks/", "/health/", "/t/pk_", "/t/touch.js")
MIDDLEWARE = [
    "lib.http.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "lib.pages.Sessions",
    "lib.pages.Language",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "lib.pages.User",
    "lib.pages.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "lib.pages.ContentPolicy",
    "lib.pages.History",
    "merchants.staff.LocalTime",
    "axes.middleware.AxesMiddleware",
]
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    },
]

# Database ------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'loyalty.sqlite3'}"
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASE = DATABASES["default"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASE["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE takes the write lock at BEGIN: with Django's DEFERRED three writers of four failed with
    # "database is locked" (measured). WAL lets readers go on meanwhile.
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA mmap_size=134217728;"
            "PRAGMA journal_size_limit=27103364;PRAGMA cache_size=2000;"
        ),
    }
    # A database in memory would be one per connection: races need threads that share one.
    DATABASE["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
# Opening a connection costs as much as ten purchases, and asking whether it still works costs a round trip
# on every request; a broken one costs one failed request.
DATABASE["CONN_MAX_AGE"] = None
DATABASE["CONN_HEALTH_CHECKS"] = False
if DATABASE["ENGINE"].endswith("postgresql"):
    # Django prepares nothing, for poolers that give each transaction another server: every statement is then
    # planned anew, which costs a sale more than the work itself. Poolers learned it (pgbouncer 1.21); for an
    # older one, 0 in the environment.
    threshold = env.int("PREPARE_THRESHOLD", default=3)
    DATABASE.setdefault("OPTIONS", {})["prepare_threshold"] = threshold or None

# Cache and broker ----------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default=embedded.redis_url(DATA_DIR))
CACHES = {
    "default": {
        "BACKEND": "lib.cache.Cache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "loyalty",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 2},
    }
}

CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object]
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=embedded.broker_url(REDIS_URL))
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {**embedded.filesystem_broker(DATA_DIR)}
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # Longer than the longest task: a task that runs longer is handed out twice. Delays never live in
        # the broker, they are rows with a `due_at`.
        "visibility_timeout": 600,
        # With the defaults a killed worker's task comes back only after about 100 seconds.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 2,
    }
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 540
CELERY_TASK_SOFT_TIME_LIMIT = 480
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")

# Mail ----------------------------------------------------------------------------------------------

EMAIL_URL = env.str("EMAIL_URL", default=f"filemail:///{DATA_DIR / 'mail'}")
vars().update(env.email_url_config(EMAIL_URL))
EMAIL_TIMEOUT = 10
# Mail through a provider's API instead, like postmark or mailgun: its own settings stand in the environment
# under the provider's name (POSTMARK_SERVER_TOKEN). What it tells of bounces comes to /hooks/mail/.
MAIL_PROVIDER = env.str("MAIL_PROVIDER", default="")
if MAIL_PROVIDER:
    EMAIL_BACKEND = f"anymail.backends.{MAIL_PROVIDER}.EmailBackend"
MAIL_WEBHOOK_SECRET = env.str("MAIL_WEBHOOK_SECRET", default="")
ANYMAIL = {**provider_settings(MAIL_PROVIDER), "REQUESTS_TIMEOUT": (5, 20)}
if MAIL_WEBHOOK_SECRET:
    ANYMAIL["WEBHOOK_SECRET"] = MAIL_WEBHOOK_SECRET
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"no-reply@{urlsplit(BASE_URL).hostname}")

# People: passwords, sessions, lockout --------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "merchants.staff.RoleBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# Safety: what follows from the scheme of BASE_URL ----------------------------------------------------

SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
# Behind a proxy, the header in which it tells the visitor's address, like X-Real-IP. Unset, nobody's word is
# taken for it: a header that no proxy overwrites says whatever a visitor likes.
CLIENT_ADDRESS_HEADER = env.str("CLIENT_ADDRESS_HEADER", default="")
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_TRUSTED_ORIGINS = [BASE_URL]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# The theme of the admin runs Alpine (which evaluates its attributes) and writes style attributes; the
# reference page of the API writes style elements. Nothing else is relaxed, and no outside host anywhere.
CONTENT_SECURITY_POLICY_BY_PATH = {
    "/admin/": {
        "script-src": [SELF, "'unsafe-eval'"],
        "style-src": [SELF, "'unsafe-inline'"],
        "frame-src": [SELF],  # a mail is looked at in a frame in which nothing runs
    },
    "/api/docs": {"style-src": [SELF, "'unsafe-inline'"]},
}

# Admin: its theme, its menu, and whose rows a person reaches ------------------------------------------

ADMIN_MERCHANTS = "merchants.staff.merchants_where"


# Languages and time --------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("pt", _("Portuguese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Static files: hashed and compressed once collected (`manage.py up` does it), read in place before that --

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS: list[Path] = [folder for folder in [BASE_DIR / "static"] if folder.is_dir()]
IS_COLLECTED = not DEBUG and (STATIC_ROOT / "staticfiles.json").is_file()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "config.assets.Storage"
        if IS_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
MEDIA_ROOT = DATA_DIR / "media"
WHITENOISE_USE_FINDERS = not IS_COLLECTED
WHITENOISE_MANIFEST_STRICT = False
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ("map", "png", "jpg", "webp", "gif", "woff", "woff2", "gz", "br", "zip")

# REST ----------------------------------------------------------------------------------------------

# One way to sign in, one way to write, one way to refuse: `api.door.Door` reads the body and writes the
# answer itself, so parsers, renderers and negotiation cost nothing on the hot doors.
REST_FRAMEWORK: dict[str, object] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.auth.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["api.auth.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["api.throttles.KeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "api.schema.CallSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
# Per key: 100 requests a second in the long run, 600 at once. Look-ups exactly, against guessing.
API_RATE_QUOTA = env.int("API_RATE_QUOTA", default=600)
API_RATE_SECONDS = env.int("API_RATE_SECONDS", default=6)
API_LOOKUP_LIMIT = env.str("API_LOOKUP_LIMIT", default="600/minute")
# What one visitor of a shop's pages may tell, per site.
TOUCH_LIMIT = env.str("TOUCH_LIMIT", default="120/minute")
# Wrong codes of vouchers and gift cards, per key and per visitor of the customers' pages.
CODE_GUESS_LIMIT = env.str("CODE_GUESS_LIMIT", default="20/10 minutes")
SPECTACULAR_SETTINGS: dict[str, object] = {
    "TITLE": "Loyalty API",
    "DESCRIPTION": "Points, tiers and customers for tills and shops. The guide is docs/guides/till-developers.md.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
# Networks that may be called although they are not public, like 10.0.0.0/8: a gateway in the own house.
WEBHOOK_NETWORKS = env.list("WEBHOOK_NETWORKS", default=[])
FILTERS_EMPTY_CHOICE_LABEL = _("Any")

# Outgoing webhooks -----------------------------------------------------------------------------------

# Networks that endpoints may lead into although they are not public, also without TLS: a CRM in one's own
# house (10.1.2.0/24), or a developer's machine (127.0.0.0/8). Whoever may add an endpoint reaches them.
WEBHOOK_NETWORKS = env.list("WEBHOOK_NETWORKS", default=[])

# Logs ----------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "lib.http.RequestIdFilter"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": "line"}
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "axes": {"level": "WARNING"},
        # Sweeps run every few seconds: two lines for each would bury what matters. Failures are still said.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
