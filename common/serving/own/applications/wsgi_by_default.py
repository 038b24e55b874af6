"""The application of a project that has settings but no wsgi.py."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
