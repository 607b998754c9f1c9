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


def key(options: argparse.Namespace) -> int:
    """Make an API key: the secret is printed once, its hash goes into API_KEYS_FILE."""
    from deployments.gateway.auth import make_key
    from deployments.launcher import read_args

    path = configuration.load(read_args(options.config)).keys_file
    secret, row = make_key(path, options.tenant, options.env, options.right)
    print(f"{row.id} may {', '.join(sorted(row.rights))} for {', '.join(sorted(row.tenants))}", file=sys.stderr)
    print(secret)
    return 0


def _key_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", action="append", required=True, help="a tenant, `t_…`; may be repeated")
    parser.add_argument("--env", action="append", required=True, help="an env; may be repeated")
    parser.add_argument("--right", action="append", required=True, choices=("read", "write", "delete"))


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": serve,
    "models": models,
    "key": key,
}
OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {"key": _key_options}
"""What a command takes beside --config."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deployments", description="mattebox")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        command.add_argument(
            "--config", type=Path, default=SERVE_CONFIG, help="the Serve config whose args are settings"
        )
        OPTIONS.get(name, lambda _: None)(command)
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except ValidationError as error:
        for line in configuration.explain(error):
            print(line, file=sys.stderr)
        return 2


__all__ = ["COMMANDS", "OPTIONS", "main"]
