"""Thin hosts of work. host.py and faces.py know no Ray; serve.py makes deployments of them."""
