# Sourced by the findings about Asterisk: one Asterisk of our own, on loopback, without linkage.
# It runs by chroot from ASTERISK_ROOT, into which only a folder below its /tmp is written.
# shellcheck shell=bash

source "$(dirname "${BASH_SOURCE[0]}")/lib-common.sh"

[[ -n ${ASTERISK_ROOT:-} && -x $ASTERISK_ROOT/usr/sbin/asterisk ]] \
    || { echo "set ASTERISK_ROOT to an unpacked Asterisk $ASTERISK_VERSION" >&2; exit 2; }
[[ $(id -u) == 0 ]] || { echo 'needs root (chroot)' >&2; exit 2; }
SEEN_VERSION=$(chroot "$ASTERISK_ROOT" /usr/sbin/asterisk -V)
printf 'software: %s\n' "$SEEN_VERSION"
[[ $SEEN_VERSION == "Asterisk $ASTERISK_VERSION"* ]] \
    || { echo "this finding is about Asterisk $ASTERISK_VERSION" >&2; exit 2; }

python_with websocket-client==1.8.0

OWN=$(mktemp -d "$ASTERISK_ROOT/tmp/finding-XXXXXX")
INSIDE=/tmp/$(basename "$OWN")
remove_own() { rm -rf "$OWN"; }
UNDO+=(remove_own)

read -r SIP_PORT HTTP_PORT RTP_PORT TELEPHONE_A TELEPHONE_B < <(python3 - <<'PY'
import random, socket
def free(count, step=1):
    while True:
        first = random.randrange(12000, 31000, 2)
        held = []
        try:
            for port in range(first, first + count):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    held.append(socket.socket(socket.AF_INET, kind))
                    held[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for sock in held:
                sock.close()
print(free(1), free(1), free(100), free(1), free(1))
PY
)
export SIP_PORT HTTP_PORT TELEPHONE_A TELEPHONE_B

# Telephones 1001 and 1002 are on TELEPHONE_A and TELEPHONE_B; whoever else calls is a caller.
# Callers reach the extensions of context `in`, which a finding gives on standard input.
asterisk_start() {
    mkdir -p "$OWN"/{etc,lib,run,log,cache,spool/recording,spool/monitor}
    cp "$ASTERISK_ROOT/etc/asterisk/indications.conf" "$OWN/etc"
    local modules
    modules=$(cd "$ASTERISK_ROOT" && echo usr/lib/*/asterisk/modules)
    cat >"$OWN/etc/asterisk.conf" <<CONF
[directories]
astcachedir => $INSIDE/cache
astetcdir => $INSIDE/etc
astmoddir => /$modules
astvarlibdir => $INSIDE/lib
astdbdir => $INSIDE/lib
astkeydir => $INSIDE/lib
astdatadir => /usr/share/asterisk
astagidir => /usr/share/asterisk/agi-bin
astspooldir => $INSIDE/spool
astrundir => $INSIDE/run
astlogdir => $INSIDE/log
astsbindir => /usr/sbin
[options]
entityid = 02:00:00:00:00:01
CONF
    { echo '[modules]'; echo 'autoload = yes'
      printf 'noload = %s.so\n' chan_iax2 chan_unistim chan_skinny chan_mgcp chan_ooh323 chan_motif \
          chan_console pbx_dundi pbx_ael pbx_lua res_snmp res_hep res_prometheus res_xmpp \
          res_config_ldap res_config_odbc res_config_pgsql res_odbc app_voicemail app_queue \
          app_festival app_minivm app_alarmreceiver
    } >"$OWN/etc/modules.conf"
    printf '[general]\n[logfiles]\nmessages.log => notice,warning,error\n' >"$OWN/etc/logger.conf"
    printf '[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport=%s\n' "$HTTP_PORT" >"$OWN/etc/http.conf"
    printf '[general]\nenabled=yes\n[desk]\ntype=user\nread_only=no\npassword=desk\n' >"$OWN/etc/ari.conf"
    printf '[general]\nrtpstart=%s\nrtpend=%s\n' "$RTP_PORT" $((RTP_PORT + 99)) >"$OWN/etc/rtp.conf"
    printf '[default]\nmode=files\ndirectory=/usr/share/asterisk/moh\n' >"$OWN/etc/musiconhold.conf"
    printf '[general]\nenable=no\n' | tee "$OWN/etc/cdr.conf" >"$OWN/etc/cel.conf"
    printf '[general]\n' | tee "$OWN"/etc/{features,confbridge,ccss,udptl,acl}.conf >/dev/null
    printf '[general]\n[default]\ncontext=parked\nparkpos=701-709\nparkingtime=2\n' \
        >"$OWN/etc/res_parking.conf"
    {
        printf '[global]\ntype=global\nendpoint_identifier_order=username,ip\n'
        printf '[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:%s\n' "$SIP_PORT"
        printf '[caller](!)\ntype=endpoint\ncontext=in\ndisallow=all\nallow=ulaw\ndirect_media=no\n'
        printf '[callers](caller)\n[callers]\ntype=identify\nendpoint=callers\nmatch=127.0.0.1\n'
        printf '[1001](caller)\naors=1001\n[1001]\ntype=aor\ncontact=sip:1001@127.0.0.1:%s\n' "$TELEPHONE_A"
        printf '[1002](caller)\naors=1002\n[1002]\ntype=aor\ncontact=sip:1002@127.0.0.1:%s\n' "$TELEPHONE_B"
        if [[ -n ${MORE_PJSIP:-} ]]; then printf '%s\n' "$MORE_PJSIP"; fi
    } >"$OWN/etc/pjsip.conf"
    { printf '[general]\n[in]\n'; cat; } >"$OWN/etc/extensions.conf"
    (cd / && exec setpriv --pdeathsig KILL chroot "$ASTERISK_ROOT" /usr/sbin/asterisk -f \
        -C "$INSIDE/etc/asterisk.conf") </dev/null >"$OWN/log/console.log" 2>&1 &
    ASTERISK_PID=$!
    UNDO=(stop_asterisk "${UNDO[@]}")
    local attempts=300
    while ((attempts--)); do
        if [[ -S $OWN/run/asterisk.ctl ]] && cli 'core waitfullybooted' >/dev/null 2>&1; then return; fi
        kill -0 "$ASTERISK_PID" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 20 "$OWN"/log/*.log >&2
    exit 2
}
stop_asterisk() { kill -KILL "$ASTERISK_PID" 2>/dev/null; wait "$ASTERISK_PID" 2>/dev/null; }
cli() { chroot "$ASTERISK_ROOT" /usr/sbin/asterisk -C "$INSIDE/etc/asterisk.conf" -rx "$1" </dev/null; }
