"""The application of a project that has settings but no asgi.py."""

import os

from django.core.asgi import get_asgi_application

if os.environ.get("DJANGO_CONFIGURATION"):  # settings in classes
    import configurations

    configurations.setup()
application = get_asgi_application()
