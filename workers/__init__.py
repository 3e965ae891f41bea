"""The work: Celery, the way of one study, and the command line that puts the parts together."""
