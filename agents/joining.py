"""``python -m agents join``: trade a join token for this host's credential, once.

The token is one line of standard input, never an argument: arguments can be
read by everybody on the machine.  Writes one line of JSON with the host's
name.  Exit status 3 means that the controller refused, 4 that it was not
reached, 1 that it could not be kept; an earlier credential is then still there.
"""

from __future__ import annotations

import json
import sys

from agents.config import AgentConfig
from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.credential import Credential
from agents.errors import AgentError
from agents.storage import files

REFUSED, UNREACHED = 3, 4


def join(config: AgentConfig) -> int:
    """The exit status; what went wrong is said on standard error."""
    token = sys.stdin.readline().strip()
    if not token:
        sys.stderr.write("webcloud-agent: there was no join token to read.\n")
        return 2
    try:
        files.ensure_parent(config.state_dir)
        files.ensure_folder(config.state_dir)
        api = ControllerApi(config.controller, config.ca_file)
        name = Credential(config, api).redeem(token)
    except Refused as error:
        sys.stderr.write(f"webcloud-agent: the controller refused: {error.message}\n")
        return REFUSED
    except AgentError as error:
        sys.stderr.write(
            f"webcloud-agent: this machine cannot keep its credential: {error}. Make room in "
            f"{config.state_dir} and run the same command again; the token is still good.\n"
        )
        return 1
    except (Unreachable, OSError) as error:
        sys.stderr.write(
            f"webcloud-agent: the controller at {config.controller} was not reached: {error}. "
            "Look whether it runs, listens on that address (webcloud up --listen), and whether "
            "a firewall is between.\n"
        )
        return UNREACHED
    sys.stdout.write(json.dumps({"name": name}) + "\n")
    return 0
