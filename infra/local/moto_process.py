"""moto's server in a process of its own: `python -m infra.local.moto_process` prints its port and lives as long as its stdin."""

from __future__ import annotations

import os
import sys
from threading import Thread


def main() -> None:
    """Serve on a free port of the loopback interface until stdin ends, which is when whoever started us is gone."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        # A connection is used for many small exchanges: Nagle's algorithm would add 40 ms to each.
        disable_nagle_algorithm = True
        protocol_version = "HTTP/1.1"

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True, request_handler=Quiet)
    Thread(target=_end_with_stdin, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
