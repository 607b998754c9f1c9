"""One folder an engine, three rooms each: models.py (shapes), plan.py (light), work.py (heavy)."""
