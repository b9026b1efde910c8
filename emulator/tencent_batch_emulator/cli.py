# SPDX-License-Identifier: Apache-2.0
"""
``tencent-batch-emulator``: run the emulator as a process until SIGINT or SIGTERM.

When it serves it writes the address file, and says where; when it ends it takes the file away and ends the processes of
its jobs. The key is never printed: it is in the address file, which only its user can read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import resource
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tencent_batch_emulator import __version__

if TYPE_CHECKING:
    from tencent_batch_emulator.emulator import Emulator

_EPILOG = """
the address file:
  While the emulator serves, this file (mode 0600) holds its endpoint, secret_id, secret_key and region as JSON.
  All services are at that one endpoint: Batch, TDMQ and the data plane of its queues.

faults:
  --fault 'EFFECT SETTING=VALUE ...' may be given several times. Effects on messages: drop, duplicate (times=N), delay
  (seconds=S), reorder (times=N, seconds=S), corrupt. Effects on requests: error (code=C), http_500, throttle
  (per_second=N), hang (seconds=S), cut_before and cut_after (the effect of the request).
  Choose what they meet: event=, topic=, queue= for messages; service= (batch, tdmq, cmq), action=, queue=, topic= for
  requests; names or patterns with * and ?. Choose how much: share=0.3, next=10, after=S, duration=S.

examples:
  %(prog)s --port 8700
  %(prog)s --runner scripted --no-delays
  %(prog)s --fault 'drop event=JOB_SUCCEED share=0.3' --fault 'hang action=DescribeJobs seconds=5'

control, with the key as HTTP basic authentication or the secret key as bearer token:
  GET    /_emulator/counters        calls by service, action and code
  GET    /_emulator/requests        the last calls (limit=, service=, action=); DELETE forgets them
  POST   /_emulator/faults          a fault as JSON; GET lists them, DELETE removes all, DELETE .../faults/N one
  POST   /_emulator/clock           {"advance": seconds}; GET tells the time
The console page is at / in a browser on this machine.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command and return its exit status.

    :param arguments: The command line without the program's name; that of this process when it is None.
    """
    parser = argparse.ArgumentParser(prog="tencent-batch-emulator")
    add_arguments(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return run(parser.parse_args(arguments))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to a parser, which may be that of another command's subcommand."""
    parser.set_defaults(prog=parser.prog)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.description = (
        "Run a small Tencent Cloud on this machine: Batch, TDMQ for CMQ and the CMQ data plane on one HTTP port,\n"
        "signatures verified. Clients only need another endpoint. It forgets everything when it ends."
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on; a free one by default")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; %(default)s by default")
    parser.add_argument(
        "--expose",
        action="store_true",
        help="allow a --host that other machines can reach; anyone who has the key can then run commands here",
    )
    parser.add_argument(
        "--address-file",
        "--ready-file",
        type=Path,
        metavar="PATH",
        help="where address and key are written; in your runtime or cache directory by default",
    )
    parser.add_argument("--region", default="ap-guangzhou", help="its region; %(default)s by default")
    parser.add_argument(
        "--runner",
        choices=("process", "scripted"),
        default="process",
        help="process runs the commands of jobs; scripted ends them as told: 'scripted: outcome=failed duration=3' "
        "as command; anything else succeeds at once",
    )
    parser.add_argument(
        "--script",
        type=Path,
        metavar="FILE",
        help="JSON with scripts by pattern of the job's name, for --runner scripted",
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="where jobs run, in directories that only you can enter; a temporary one by default",
    )
    parser.add_argument("--max-parallel", type=int, metavar="N", help="task instances that run at once")
    parser.add_argument("--no-delays", action="store_true", help="let every step of a job take no time, for load tests")
    parser.add_argument(
        "--rate-limits",
        nargs="?",
        const="cn",
        choices=("cn", "intl"),
        help="enforce the documented API rates, those of the Chinese (default) or the international pages",
    )
    parser.add_argument("--jobs-quota", type=int, metavar="N", help="jobs that may exist at once; 1000 as in the cloud")
    parser.add_argument("--fault", action="append", default=[], metavar="RULE", help="a fault to inject, see below")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="the seed of faults, ids and order; drawn and printed by default"
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens inside")


def run(args: argparse.Namespace) -> int:
    """
    Run the emulator until a signal ends it.

    :return: 0 after a signal, 2 when an option makes no sense, 1 when it cannot serve.
    """
    # Here and not at the top, because asking for help must not wait for a web server.
    import structlog

    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if args.verbose else logging.WARNING),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        emulator = _make_emulator(args)
    except (ValueError, OSError) as error:
        print(f"{args.prog}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    _allow_many_connections()
    try:
        _run_loop(_serve(emulator, args.address_file))
    except OSError as error:
        print(f"{args.prog}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _make_emulator(args: argparse.Namespace) -> Emulator:
    from tencent_batch_emulator.emulator import Emulator
    from tencent_batch_emulator.faults.rules import parse_fault
    from tencent_batch_emulator.services.batch.runners.scripted import ScriptedRunner
    from tencent_batch_emulator.services.batch.settings import Delays, Quotas

    faults = [parse_fault(text) for text in args.fault]
    if args.script is not None and args.runner != "scripted":
        raise ValueError("--script needs --runner scripted")
    if not 0 <= args.port <= 65535:
        raise ValueError(f"--port {args.port}: ports go from 1 to 65535, 0 is a free one")
    emulator = Emulator(
        host=args.host,
        port=args.port,
        expose=args.expose,
        region=args.region,
        seed=args.seed,
        runner=args.runner,
        script=ScriptedRunner.read_file(args.script) if args.script is not None else None,
        work_dir=args.work_dir,
        max_parallel=args.max_parallel,
        delays=Delays.none() if args.no_delays else None,
        quotas=Quotas(jobs=args.jobs_quota) if args.jobs_quota is not None else None,
        rate_limits=args.rate_limits,
    )
    for fault in faults:
        emulator.faults.add(fault)
    return emulator


async def _serve(emulator: Emulator, path: Path | None) -> None:
    from tencent_batch_emulator.admin.address_file import AddressFile, default_path

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    address_file = AddressFile(path or default_path())
    async with emulator:
        try:
            address_file.write(
                endpoint=emulator.endpoint,
                secret_id=emulator.secret_id,
                secret_key=emulator.secret_key,
                region=emulator.region,
            )
            _say(emulator, address_file.path)
            await ended.wait()
        finally:
            address_file.remove()


def _say(emulator: Emulator, path: Path) -> None:
    lines = [
        f"The emulator serves Batch, TDMQ and CMQ at {emulator.endpoint} (region {emulator.region}).",
        f"Key and address are in {path}; the console is at {emulator.endpoint}/ in a browser.",
        f"Seed: {emulator.seed}. Faults in force: {len(emulator.faults.rules)}. End it with Ctrl+C or SIGTERM.",
    ]
    if emulator.is_exposed:
        lines.append("WARNING: other machines can reach it. Anyone who has its key can run commands here as you.")
    print("\n".join(lines), flush=True)  # noqa: T201


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def _allow_many_connections() -> None:
    """A thousand long polls need a thousand file descriptors, more than a shell allows by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(hard, 16_384)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
