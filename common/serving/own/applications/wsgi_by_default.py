"""The application of a project that has settings but no wsgi.py."""

import os

from django.core.wsgi import get_wsgi_application

if os.environ.get("DJANGO_CONFIGURATION"):  # settings in classes
    import configurations

    configurations.setup()
application = get_wsgi_application()
