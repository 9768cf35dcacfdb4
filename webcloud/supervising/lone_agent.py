"""``webcloud agent run``: the agent alone, kept running on a machine without systemd.

Started by the command line with the state directory in WEBCLOUD_* variables;
everything else is in ``agent.env``.  Ctrl-C ends the agent; virtual machines
go on running.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from webcloud.config import Config
from webcloud.errors import WebcloudError
from webcloud.supervising import (
    account,
    agent_settings,
    checks,
    directories,
    hypervisor,
    programs,
    takeover,
)
from webcloud.supervising.child import Child
from webcloud.supervising.logs import Logs
from webcloud.supervising.supervisor import Supervisor


def say(words: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> None:
    """Run until a signal; exit code 0 after an orderly stop, 1 when it could not start."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        _run(Config.from_environment().with_defaults_filled(), "--verbose" in sys.argv[1:])
    except WebcloudError as error:
        sys.stderr.write(f"webcloud agent: {error.full_message}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _run(config: Config, verbose: bool) -> None:
    settings = agent_settings.read(config)
    virt = settings.get("WEBCLOUD_AGENT_VIRT", "auto")
    service = account.service_account(say)
    takeover.lock(config.state_dir)
    directories.prepare_for_agent(config, service)
    for name in takeover.end_stale(config.run_dir / "pids"):
        say(f"ended the {name} that an earlier start left behind")
    if virt != "test":
        checks.check_machine()
        hypervisor.start(say)
    logs = Logs(config.state_dir / "logs", echoing=verbose)
    supervisor = Supervisor(say, logs)
    try:
        pid_file = takeover.PidFile(config.run_dir / "pids" / "agent.pid")
        supervisor.add(Child(programs.lone_agent(config, settings), pid_file))
        name = settings["WEBCLOUD_AGENT_NAME"]
        say(f"host {name} serves {settings['WEBCLOUD_AGENT_CONTROLLER']}")
        say(f"log: {programs.log_file(config, 'agent')}; stop with Ctrl-C, machines go on running")
        supervisor.run()
    finally:
        supervisor.stop()
    say("stopped")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.umask(0o022)
    main()
