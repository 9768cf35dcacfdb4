"""The WSGI entry point: ``gunicorn wsgi:app``."""

from webcloud import create_app

app = create_app()
