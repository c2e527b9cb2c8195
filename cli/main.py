"""The `aliran` command: which commands there are, and how each failure ends.

Commands import what they need when they are called, so that `aliran --help` is quick.
Exit status: 0 done, 1 failed (one line says why), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from aliran.cli.broker import broker
from aliran.cli.connect import app as connect
from aliran.cli.demo.command import app as demo
from aliran.cli.records import consume, produce
from aliran.cli.registry import registry
from aliran.cli.topics import app as topics
from aliran.cli.version import version
from aliran.core.errors import AliranError

_HELP = """Kafka Streams for Python, with the broker included.

Start here: `aliran demo trending` runs a whole job in a few seconds.
Then: `aliran broker` is a broker for any Kafka client, `aliran COMMAND --help` says more.
"""

app: App = App(name="aliran", help=_HELP, version_flags=[], help_format="markdown")
for _command in (broker, registry, connect, demo, topics, produce, consume, version):
    app.command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name (None: those of the process); return the status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        status = app(words, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return 2  # cyclopts has said what is wrong
    except AliranError as error:
        print(f"aliran: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("aliran: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output is gone (`| head`): not an error, but say nothing more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    sys.exit(main())
