"""The configuration files of one Asterisk: everything on loopback, nothing it does not need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

# The channel drivers and services that open sockets, want a database or only complain.
NOT_LOADED: Final = (
    "app_adsiprog",
    "app_agent_pool",
    "app_alarmreceiver",
    "app_festival",
    "app_followme",
    "app_jack",
    "app_minivm",
    "app_page",
    "app_queue",
    "app_sms",
    "app_voicemail",
    "app_voicemail_odbc",
    "cdr_adaptive_odbc",
    "cdr_csv",
    "cdr_custom",
    "cdr_manager",
    "cdr_odbc",
    "cdr_pgsql",
    "cdr_radius",
    "cdr_sqlite3_custom",
    "cdr_tds",
    "cel_custom",
    "cel_manager",
    "cel_odbc",
    "cel_pgsql",
    "cel_radius",
    "cel_sqlite3_custom",
    "cel_tds",
    "chan_console",
    "chan_iax2",
    "chan_mgcp",
    "chan_motif",
    "chan_ooh323",
    "chan_rtp",
    "chan_skinny",
    "chan_unistim",
    "func_odbc",
    "pbx_ael",
    "pbx_dundi",
    "pbx_lua",
    "pbx_realtime",
    "res_adsi",
    "res_ael_share",
    "res_aeap",
    "res_calendar",
    "res_calendar_caldav",
    "res_calendar_ews",
    "res_calendar_exchange",
    "res_calendar_icalendar",
    "res_config_curl",
    "res_config_ldap",
    "res_config_odbc",
    "res_config_pgsql",
    "res_config_sqlite3",
    "res_hep",
    "res_hep_pjsip",
    "res_hep_rtcp",
    "res_odbc",
    "res_odbc_transaction",
    "res_phoneprov",
    "res_pjsip_geolocation",
    "res_pjsip_phoneprov_provider",
    "res_pjsip_stir_shaken",
    "res_pjsip_transport_websocket",
    "res_prometheus",
    "res_smdi",
    "res_snmp",
    "res_speech_aeap",
    "res_stir_shaken",
    "res_stun_monitor",
    "res_xmpp",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs between one Asterisk of ours and another."""

    folder: PurePosixPath
    """The instance's own folder, as Asterisk sees it (inside the chroot)."""
    modules: PurePosixPath
    app: str
    ari_user: str
    ari_password: str = field(repr=False)
    sip_port: int
    http_port: int
    rtp_ports: range
    officers: Mapping[str, int | Sequence[int]]
    """Number of each officer's telephone and the loopback ports where it is to be found."""
    trunk_port: int | None
    """Where outside numbers are reached: PJSIP/NUMBER@trunk goes to this loopback port."""
    timer_t1_ms: int
    dialplan: str


def files(settings: Settings) -> dict[str, str]:
    """Return every configuration file by name; `indications.conf` comes with the package."""
    return {
        "asterisk.conf": _asterisk(settings),
        "modules.conf": _modules(),
        "logger.conf": (
            "[general]\ndateformat=%FT%T.%3q\nrotatestrategy=none\n"
            "[logfiles]\nmessages.log => notice,warning,error,verbose(3)\n"
        ),
        "http.conf": (
            f"[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport={settings.http_port}\n"
        ),
        "ari.conf": (
            "[general]\nenabled=yes\npretty=no\n"
            f"[{settings.ari_user}]\ntype=user\nread_only=no\npassword_format=plain\n"
            f"password={settings.ari_password}\n"
        ),
        "rtp.conf": (
            f"[general]\nrtpstart={settings.rtp_ports[0]}\nrtpend={settings.rtp_ports[-1]}\n"
        ),
        "musiconhold.conf": "[default]\nmode=files\ndirectory=/usr/share/asterisk/moh\n",
        "pjsip.conf": _pjsip(settings),
        "extensions.conf": _extensions(settings),
        "cdr.conf": "[general]\nenable=no\n",
        "cel.conf": "[general]\nenable=no\n",
        "confbridge.conf": "[general]\n",
        "features.conf": "[general]\n",
        "res_parking.conf": (
            "[general]\n[default]\ncontext=parked\nparkpos=701-720\nparkingtime=45\n"
            "[soon]\ncontext=parked-soon\nparkpos=801-820\nparkingtime=1\n"
        ),
        "ccss.conf": "[general]\n",
        "udptl.conf": "[general]\n",
        "acl.conf": "",
    }


def _asterisk(settings: Settings) -> str:
    folder = settings.folder
    return (
        "[directories]\n"
        f"astcachedir => {folder}/cache\n"
        f"astetcdir => {folder}/etc\n"
        f"astmoddir => {settings.modules}\n"
        f"astvarlibdir => {folder}/lib\n"
        f"astdbdir => {folder}/lib\n"
        f"astkeydir => {folder}/lib\n"
        "astdatadir => /usr/share/asterisk\n"
        "astagidir => /usr/share/asterisk/agi-bin\n"
        f"astspooldir => {folder}/spool\n"
        f"astrundir => {folder}/run\n"
        f"astlogdir => {folder}/log\n"
        "astsbindir => /usr/sbin\n"
        "[options]\nentityid = 02:00:00:00:00:01\n"
        "verbose = 3\nnocolor = yes\ndumpcore = no\nhideconnect = yes\n"
        "documentation_language = en_US\n"
    )


def _modules() -> str:
    unwanted = "".join(f"noload = {name}.so\n" for name in NOT_LOADED)
    return f"[modules]\nautoload = yes\n{unwanted}"


def _pjsip(settings: Settings) -> str:
    # Timer B is what an invitation to a dead address costs: 64 times T1.
    parts = [
        (
            f"[system]\ntype=system\ntimer_t1={settings.timer_t1_ms}\n"
            f"timer_b={64 * settings.timer_t1_ms}\n"
        ),
        # A telephone is told by its From user; whoever else is on loopback is a caller.
        "[global]\ntype=global\nendpoint_identifier_order=username,ip\n",
        f"[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{settings.sip_port}\n",
        _endpoint("caller", "from-callers"),
        "[caller]\ntype=identify\nendpoint=caller\nmatch=127.0.0.1\n",
    ]
    for number, ports in settings.officers.items():
        found = [ports] if isinstance(ports, int) else ports
        contacts = "".join(f"contact=sip:{number}@127.0.0.1:{port}\n" for port in found)
        parts += [
            # One pick-up group: `Pickup()` in the dialplan takes a colleague's call.
            _endpoint(number, "from-officers", aor=number, caller_id=number)
            + "call_group=1\npickup_group=1\n",
            f"[{number}]\ntype=aor\n{contacts}",
        ]
    if settings.trunk_port is not None:
        parts += [
            _endpoint("trunk", "from-callers", aor="trunk"),
            f"[trunk]\ntype=aor\ncontact=sip:127.0.0.1:{settings.trunk_port}\n",
        ]
    return "\n".join(parts)


def _endpoint(name: str, context: str, *, aor: str = "", caller_id: str = "") -> str:
    return (
        f"[{name}]\ntype=endpoint\ntransport=udp\ncontext={context}\n"
        "disallow=all\nallow=ulaw,alaw\ndirect_media=no\nrtp_symmetric=yes\n"
        # SIPp sends digits by INFO; `auto` takes those beside telephone-event.
        "dtmf_mode=auto\nallow_subscribe=no\n"
        + (f"aors={aor}\n" if aor else "")
        + (f"callerid={caller_id} <{caller_id}>\n" if caller_id else "")
    )


def _extensions(settings: Settings) -> str:
    def context(name: str, role: str) -> str:
        into = f"Stasis({settings.app},{role},${{EXTEN}},${{CALLERID(num)}})"
        return "".join(
            f"[{name}]\n" if first else f"exten => {pattern},1,{into}\n same => n,Hangup()\n"
            for first, pattern in ((True, ""), (False, "_X."), (False, "_X"), (False, "_+X."))
        )

    return (
        "[general]\nstatic=yes\nwriteprotect=yes\nclearglobalvars=no\n"
        + context("from-callers", "caller")
        + context("from-officers", "officer")
        + settings.dialplan
    )
