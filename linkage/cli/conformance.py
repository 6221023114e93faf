"""`linkage conformance`: hold a vendor's application or platform to the specification."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.commands import INTERRUPTED, FailureError
from linkage.cli.shared.options import ADDRESS, json_option
from linkage.cli.shared.output import console, print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from rich.console import Console

    from simulators.conformance import Finding, Report, Settings

STYLES: Final = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
ROLES: Final = ("application", "platform")


@click.command()
@click.argument("address", metavar="ADDRESS", type=ADDRESS, required=False)
@click.option("--role", type=click.Choice(ROLES), required=True, help="What is under test.")
@click.option(
    "--listen",
    is_flag=True,
    help="ADDRESS is ours: the application connects to it. Platforms always do.",
)
@click.option("--id", "peer_id", metavar="ID", help="The PeerId that it must register as.")
@click.option("--secret", envvar="LINKAGE_SECRET", help="Its secret; default $LINKAGE_SECRET.")
@click.option("--legacy", is_flag=True, help="It speaks only the patent: nobody registers.")
@click.option("--no-fragments", is_flag=True, help="It does not put fragments together.")
@click.option(
    "--number", "numbers", multiple=True, help="(platform) A telephone to call; repeatable."
)
@click.option("--transfer-to", metavar="LOGINID", help="(platform) To whom to transfer a call.")
@click.option("--login", default="13", show_default=True, help="The LoginId of our dispatcher.")
@click.option("--only", multiple=True, metavar="CHECK", help="Run only this; repeatable.")
@click.option("--leave-out", multiple=True, metavar="CHECK", help="Do not run this; repeatable.")
@click.option("--list", "listing", is_flag=True, help="List the checks of the role and end.")
@click.option("--strict", is_flag=True, help="Take warnings for failures.")
@click.option(
    "--answer-within",
    type=click.FloatRange(0.1),
    default=5.0,
    show_default=True,
    help="Seconds that an answer may take.",
)
@click.option(
    "--connect-within",
    type=click.FloatRange(0.1),
    default=30.0,
    show_default=True,
    help="Seconds that it may take to connect, also again.",
)
@click.option(
    "--call-within",
    type=click.FloatRange(0.1),
    default=30.0,
    show_default=True,
    help="(platform) Seconds in which somebody places a call there.",
)
@click.option(
    "--heartbeat",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help="Seconds of silence before it sends a heartbeat.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report as JUnit XML too.",
)
@json_option
def conformance(
    role: str, address: tuple[str, int] | None, *, as_json: bool, **options: Any
) -> None:
    """Drive an application or a platform through the specification.

    The kit plays linkage towards it. Exit status 1 when any check failed, or when it was stopped
    by SIGTERM, 130 when it was by Ctrl-C: both leave the report of what was tried until then. Use
    it against a test installation: it places and ends calls, and sends what no healthy peer would.

    \b
    linkage conformance --role application --listen 127.0.0.1:7700 --id desk
    linkage conformance --role application 192.0.2.7:7701
    linkage conformance --role platform 127.0.0.1:7700 --number 2222
    """  # noqa: D301 - \b is click's
    if options["listing"]:
        _list_checks(role, as_json=as_json)
        return
    if address is None:
        raise click.UsageError("Missing argument 'ADDRESS'.")
    strict, junit = options["strict"], options["junit"]
    report, interrupted = _run(_settings(role, address, options), as_json=as_json)
    if junit is not None:
        from simulators.conformance import to_junit

        junit.write_bytes(to_junit(report, strict=strict))
    if as_json:
        print_json(report.to_plain())
    else:
        _summarise(console(), report)
    if report.stopped and interrupted:
        raise SystemExit(INTERRUPTED)
    if not report.passed(strict=strict):
        raise SystemExit(1)


def _settings(role: str, address: tuple[str, int], options: dict[str, Any]) -> Settings:
    from linkage.config.secrets import Secret
    from protocol.roles import Role
    from simulators.conformance import Settings

    if options["secret"] is None and not options["legacy"]:
        raise FailureError(
            "no secret: give --secret or set LINKAGE_SECRET; --legacy for one that speaks only "
            "the patent"
        )
    heartbeat_s = options["heartbeat"]
    return Settings(
        role=Role(role),
        host=address[0],
        port=address[1],
        listen=options["listen"] or role == "platform",
        secret=None if options["legacy"] else Secret(options["secret"]),
        peer_id=options["peer_id"],
        answer_within_s=options["answer_within"],
        connect_within_s=options["connect_within"],
        call_within_s=options["call_within"],
        heartbeat_s=heartbeat_s,
        dead_after_s=3 * heartbeat_s,
        fragments=not options["no_fragments"],
        numbers=options["numbers"],
        transfer_to=options["transfer_to"],
        login_id=options["login"],
        only=frozenset(options["only"]),
        leave_out=frozenset(options["leave_out"]),
    )


def _run(settings: Settings, *, as_json: bool) -> tuple[Report, bool]:
    """The report, and whether Ctrl-C came before its end."""
    from linkage.cli.shared.loop import run, told_to_stop
    from simulators.conformance import ConformanceError, run_conformance

    out = console()

    def ready(address: str) -> None:
        if not as_json:
            where = "waits for it at" if settings.listen else "connects to it at"
            out.print(f"conformance of the {settings.role}: the kit {where} {address}\n")

    def found(finding: Finding) -> None:
        if not as_json:
            _show(out, finding)

    async def examine() -> tuple[Report, bool]:
        with told_to_stop() as stop:
            report = await run_conformance(settings, on_ready=ready, on_finding=found, stop=stop)
        return report, stop.interrupted

    try:
        return run(examine())
    except ConformanceError as error:
        raise FailureError(str(error)) from error


def _show(out: Console, finding: Finding) -> None:
    from rich.text import Text

    check, status = finding.check, str(finding.status)
    line = Text()
    line.append(f"{status.upper():4} ", STYLES[status])
    line.append(f"{check.name:24} ", "bold")
    line.append(check.title)
    if finding.note:
        line.append(f" ({harmless(finding.note)})", "dim")
    out.print(line, soft_wrap=True)
    if not finding.expected:
        return
    for word, text in (
        ("section", check.cites),
        ("expected", finding.expected),
        ("seen", finding.seen),
        ("remedy", check.remedy),
    ):
        out.print(Text(f"     {word + ':':10}{harmless(text)}"), soft_wrap=True)


def _summarise(out: Console, report: Report) -> None:
    from rich.text import Text

    counts = report.to_plain()["counts"]
    who = f"{report.peer_id}: " if report.peer_id else ""
    text = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    verdict = "conforms" if report.passed() else "does not conform"
    if report.stopped:
        verdict = "stopped before its end"
    out.print()
    out.print(Text(f"{harmless(who)}{verdict}: {text}", "green" if report.passed() else "red"))


def _list_checks(role: str, *, as_json: bool) -> None:
    from protocol.roles import Role
    from simulators.conformance import checks_for

    checks = checks_for(Role(role))
    if as_json:
        print_json(
            [
                {"name": check.name, "title": check.title, "section": check.cites}
                for check in checks
            ]
        )
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        click.echo(f"{check.name:{width}}  {check.title} (#{check.section})")
