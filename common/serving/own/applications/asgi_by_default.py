"""The application of a project that has settings but no asgi.py."""

from django.core.asgi import get_asgi_application

application = get_asgi_application()
