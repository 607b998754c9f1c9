"""Weights: which models there are (models.yaml), what their tensors are called, and how to get them onto this machine.

Importing this package reaches neither torch nor numpy, so the Gateway can ask it for `weights_id`s.
"""

from configs.models.fetch import Fetched, fetch_default
from configs.models.resolver import Models
from configs.models.table import Row, UnknownModel, load_rows
from configs.models.transfer import Progress, WeightsMissing

__all__ = ["Fetched", "Models", "Progress", "Row", "UnknownModel", "WeightsMissing", "fetch_default", "load_rows"]
