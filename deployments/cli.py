"""The command line. Each command is a row of COMMANDS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from configs import settings as configuration

SERVE_CONFIG = Path(__file__).resolve().parent.parent / "serve_config.yaml"


def serve(options: argparse.Namespace) -> int:
    """Start Ray, Ray Serve and the application; SIGTERM ends all three."""
    from deployments.launcher import launch

    return launch(options.config)


def models(options: argparse.Namespace) -> int:
    """Fetch the weights that the configuration needs."""
    from configs.models import fetch_default
    from deployments.launcher import read_args

    fetch_default(configuration.load(read_args(options.config)))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {"serve": serve, "models": models}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deployments", description="mattebox")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        command.add_argument(
            "--config", type=Path, default=SERVE_CONFIG, help="the Serve config whose args are settings"
        )
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except ValidationError as error:
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]).upper()
            print(f"setting {name}: {item['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return 2


__all__ = ["COMMANDS", "main"]
