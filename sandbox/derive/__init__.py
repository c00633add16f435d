"""Derive: scenarios from what there is already, a Celery app or a recorded run.

``from_celery`` reads an app and its worker commands, ``from_run`` fits a recording. Both say
in ``Scenario.not_derived`` what they could not know. Read ``from_celery.py`` first.
"""
