"""The command line. Each command is a row of COMMANDS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from configs import settings as configuration

SERVE_CONFIG = Path(__file__).resolve().parent.parent / "serve_config.yaml"


def _hours(text: str) -> float:
    hours = float(text)
    if not 1 <= hours < 1e6:
        raise argparse.ArgumentTypeError("at least 1 hour: a shorter grace could meet writes that go on")
    return hours


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


def doctor(options: argparse.Namespace) -> int:
    """Tell what works here; with --fsck, whether every record's bytes are there and right."""
    from deployments import doctor
    from deployments.launcher import read_args

    return doctor.run(configuration.load(read_args(options.config)), fsck=options.fsck, as_json=options.json)


def gc(options: argparse.Namespace) -> int:
    """Free the bytes that no record names: to trash/ after a grace time, out of it a grace time later."""
    from deployments import doctor
    from deployments.launcher import read_args

    grace_s = options.grace_hours * 3600
    return doctor.collect(configuration.load(read_args(options.config)), grace_s=grace_s, as_json=options.json)


Option = tuple[str, dict[str, Any]]
JSON_OPTION: Option = ("--json", {"action": "store_true", "help": "one JSON object"})
FSCK: Option = ("--fsck", {"action": "store_true", "help": "read every record and its bytes"})
GRACE: Option = ("--grace-hours", {"type": _hours, "default": 24.0, "help": "longer than any write takes (24)"})
TENANT: Option = ("--tenant", {"action": "append", "required": True, "help": "a tenant, `t_…`; may be repeated"})
ENV: Option = ("--env", {"action": "append", "required": True, "help": "an env; may be repeated"})
RIGHT: Option = ("--right", {"action": "append", "required": True, "choices": ("read", "write", "delete")})


class Command(NamedTuple):
    """What the command does, and the options that it takes beside --config."""

    run: Callable[[argparse.Namespace], int]
    options: tuple[Option, ...] = ()


COMMANDS: dict[str, Command] = {
    "serve": Command(serve),
    "models": Command(models),
    "key": Command(key, (TENANT, ENV, RIGHT)),
    "doctor": Command(doctor, (FSCK, JSON_OPTION)),
    "gc": Command(gc, (GRACE, JSON_OPTION)),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deployments", description="mattebox")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, row in COMMANDS.items():
        command = commands.add_parser(name, help=row.run.__doc__)
        for flag, how in row.options:
            command.add_argument(flag, **how)
        command.add_argument(
            "--config", type=Path, default=SERVE_CONFIG, help="the Serve config whose args are settings"
        )
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command].run(options)
    except ValidationError as error:
        for line in configuration.explain(error):
            print(line, file=sys.stderr)
        return 2


__all__ = ["COMMANDS", "main"]
