"""The command line: an operator's commands, rows of COMMANDS, and a caller's, rows of client/table.py."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from configs import settings as configuration
from deployments.client import actions, show
from deployments.client.service import Caller, Refused, Service
from deployments.client.table import ROWS, Row

if TYPE_CHECKING:
    import httpx

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


CALLER: tuple[Option, ...] = (
    ("--url", {"default": os.environ.get("MATTEBOX_URL", "http://127.0.0.1:8000"), "help": "MATTEBOX_URL"}),
    ("--tenant", {"default": os.environ.get("MATTEBOX_TENANT", "t_me"), "help": "MATTEBOX_TENANT; t_me"}),
    ("--env", {"default": os.environ.get("MATTEBOX_ENV", "dev"), "help": "MATTEBOX_ENV; dev"}),
    ("--key", {"default": os.environ.get("MATTEBOX_KEY", ""), "help": "an API key; better in MATTEBOX_KEY"}),
    JSON_OPTION,
)
"""Of every command that asks the service."""
INTERRUPTED = 130


def main(arguments: list[str], http: httpx.Client | None = None) -> int:
    """Run a command: 0, 1 where the service refuses, 2 for a wrong command line. `http`: see client.Service."""
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    parser = argparse.ArgumentParser(prog="python -m deployments", description="mattebox")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, row in COMMANDS.items():
        command = commands.add_parser(name, help=row.run.__doc__)
        for flag, how in row.options:
            command.add_argument(flag, **how)
        command.add_argument(
            "--config", type=Path, default=SERVE_CONFIG, help="the Serve config whose args are settings"
        )
    for name, asked in ROWS.items():
        command = commands.add_parser(name, help=f"{asked.summary} (asks the service)")
        for flag, how in _options(asked) if name == chosen else ():
            command.add_argument(flag, **how)
    options = parser.parse_args(arguments)
    if options.command in ROWS:
        return _ask(ROWS[options.command], options, http)
    try:
        return COMMANDS[options.command].run(options)
    except ValidationError as error:
        for line in configuration.explain(error):
            print(line, file=sys.stderr)
        return 2


def _options(row: Row) -> list[Option]:
    """A client command's: its own, or those of its operation's request."""
    if not row.operation:
        return [*row.options, *CALLER]
    from deployments.client.options import options_of
    from deployments.operations import OPERATIONS

    operation = OPERATIONS[row.operation]
    subject = ("subject", {"metavar": " | ".join(row.subjects).upper(), "help": actions.told(row.subjects)})
    made = [*options_of(operation.request, tuple(row.subjects.values()))]
    made += [actions.SAVE] if row.artifact else []
    made += [("--dry-run", {"action": "store_true", "help": "show the plan"})] if operation.preview else []
    return [subject, *made, *CALLER]


def _ask(row: Row, given: argparse.Namespace, http: httpx.Client | None) -> int:
    try:
        service = Service(Caller(given.url, given.tenant, given.env, given.key), http)
        if row.run:
            row.run(given, service)
            return 0
        from deployments.client.options import request_of
        from deployments.operations import OPERATIONS

        operation = OPERATIONS[row.operation]
        request = request_of(operation.request, given)
        request |= actions.subject(given.subject, row.subjects, service)
        actions.operate(row, operation, request, given, service)
    except Refused as error:
        show.refusal(error, as_json=given.json)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


__all__ = ["COMMANDS", "main"]
