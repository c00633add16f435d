"""Gallery: every picture of LeadLawk's worker kill, photographed for the documentation.

``python -m tests.browser.gallery`` (``make gallery``) writes docs/gallery.md and its pictures.
"""
