"""Systems: real Celery applications that run here."""
