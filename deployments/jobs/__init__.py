"""Long work as jobs: job.py is the document, runs.py runs it, routes.py shows it over HTTP."""
