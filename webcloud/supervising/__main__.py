"""The story of ``webcloud up``, from a bare state directory to a login link.

Started by the command line with every setting in WEBCLOUD_* variables.  Each
stage says in one line, with the seconds since the start, what it does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from types import FrameType

from webcloud.config import Config
from webcloud.errors import WebcloudError
from webcloud.supervising import account as accounts
from webcloud.supervising import (
    checks,
    credentials,
    directories,
    hypervisor,
    programs,
    readiness,
    takeover,
)
from webcloud.supervising.child import Child
from webcloud.supervising.logs import Logs
from webcloud.supervising.own_command import typed
from webcloud.supervising.supervisor import Supervisor

STARTED = time.monotonic()


def say(words: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{time.monotonic() - STARTED:6.1f} s  {words}\n")
    sys.stdout.flush()


def main() -> None:
    """Run until a signal; exit code 0 after an orderly stop, 1 when it could not start."""
    verbose = "--verbose" in sys.argv[1:]
    # Also SIGINT: a shell starts background jobs with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        config = Config.from_environment().with_defaults_filled()
        _up(config, verbose)
    except WebcloudError as error:
        sys.stderr.write(f"\nwebcloud cannot start: {error.full_message}\n")
        sys.exit(1)
    except ValueError as error:
        sys.stderr.write(f"\nwebcloud cannot start: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        say("stopped before it was ready")
        sys.exit(130)


def _up(config: Config, verbose: bool) -> None:
    checks.check(config)
    account = accounts.service_account(say)
    takeover.lock(config.state_dir)
    directories.prepare(config, account)
    for name in takeover.end_stale(config.run_dir / "pids"):
        say(f"ended the {name} that an earlier start left behind")
    listener = checks.listening_socket(config.listen)
    if account:
        reachable = [*accounts.program_files(), config.state_dir / "controller"]
        accounts.make_reachable(account, [*reachable, config.run_dir / "proxy"], say)
        accounts.make_kernels_readable(account, say)
    if config.virt != "test":
        hypervisor.start(say)
    logs = Logs(config.state_dir / "logs", echoing=verbose)
    supervisor = Supervisor(say, logs)
    try:
        given = config.admin_password
        kept = credentials.stored_password(config.state_dir)
        prepared = readiness.prepare(config, account, given or kept, say)
        if prepared.admin_password:
            credentials.write(
                config.state_dir, config.public_url, config.region, prepared.admin_password
            )
        elif not given and not kept:
            say("clouds.yaml was not written: the password of admin is not known here")
        token_file = config.state_dir / "agent" / "join-token"
        if prepared.join_token:
            credentials.write_private(token_file, prepared.join_token + "\n")
        for program in (
            programs.agent(config, token_file, account),
            programs.proxy(config, account),
            programs.controller(config, account, listener),
        ):
            pid_file = takeover.PidFile(config.run_dir / "pids" / f"{program.name}.pid")
            supervisor.add(Child(program, pid_file))
        say("started agent, proxy and controller")
        _remember(config)
        readiness.wait(config, supervisor)
        if prepared.join_token:
            readiness.wait_for_host(config, supervisor, say)
        _welcome(config, prepared.login_link)
        supervisor.run()
        say("stopping; virtual machines go on running")
    finally:
        supervisor.stop()
    say("stopped")


def _remember(config: Config) -> None:
    """Let the other commands know what this one was told."""
    told = json.dumps(
        {"listen": config.listen, "virt": config.virt, "public_url": config.public_url}
    )
    path = config.run_dir / "running.json"
    path.write_text(told + "\n", encoding="utf-8")
    path.chmod(0o644)


def _welcome(config: Config, link: str) -> None:
    say(f"ready at {config.public_url}")
    sys.stdout.write(
        f"\n  Log in once, within 10 minutes:  {link}\n"
        f"  Another link:                    {typed('user link admin')}\n"
        f"  For OpenStack clients:           {config.state_dir}/clouds.yaml (cloud: webcloud), "
        f"{config.state_dir}/openrc\n"
        f"  Logs:                            {config.state_dir}/logs\n"
        f"  Stop with Ctrl-C; virtual machines go on running.\n\n"
    )
    sys.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.umask(0o022)
    main()
