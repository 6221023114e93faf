#!/usr/bin/env bash
# npm smpp: Chinese text under the data_coding of GBK leaves as zeros, one for each character, and
# the sending counts as a success.
#
# 15 is how gateways of Chinese carriers mark GBK (as in CMPP); the operator of a desk gets it in the
# carrier's sheet and sets data_coding. The library has no encoder for it, falls back to its default
# one, and that writes 0 for what it does not know. Under 0 the zeros are read as @@ on the telephone.
# For a desk: the warning to a quarter arrives empty, with a message id and a delivery receipt.
# Encode yourself and hand over a Buffer.
set -euo pipefail
source "$(dirname "$0")/lib-common.sh"
node_with smpp@0.5.1

guess 'GBK for 15 (or UCS-2), or an error: "fire" in Chinese cannot be written in the default alphabet'
cd "$NODE_FOLDER"
node - <<'JS'
const smpp = require('smpp');

const FIRE = '火警';
const GBK = Buffer.from('bbf0beaf', 'hex');
// What is set on the PDU, and the octets of short_message that the SMSC gets.
const CASES = [
  ['no data_coding', { short_message: FIRE }, 8, '706b8b66'],
  ['data_coding 15', { short_message: FIRE, data_coding: 15 }, 15, '0000'],
  ['data_coding 0', { short_message: FIRE, data_coding: 0 }, 0, '0000'],
  ['data_coding 15, a Buffer', { short_message: GBK, data_coding: 15 }, 15, 'bbf0beaf'],
];

let octets = '';
const smsc = smpp.createServer((session) => {
  // The body as it came: the library's own reading of it is not what this is about.
  session.socket.on('data', (data) => { octets = data.toString('hex'); });
  session.on('bind_transceiver', (pdu) => session.send(pdu.response()));
  session.on('submit_sm', (pdu) => session.send(pdu.response({ message_id: 'A1' })));
});
const changed = (what) => { console.log(`changed:  ${what}`); process.exit(1); };

smsc.listen(0, '127.0.0.1', () => {
  const client = smpp.connect({ url: `smpp://127.0.0.1:${smsc.address().port}` });
  const submit = (fields) => new Promise((done) => { client.submit_sm(fields, done); });
  client.bind_transceiver({ system_id: 'desk', password: 'desk' }, async () => {
    for (const [what, fields, coding, asFound] of CASES) {
      const answer = await submit({ destination_addr: '13912344444', ...fields });
      // Last in the body: data_coding, sm_default_msg_id, sm_length, short_message.
      const head = [coding, 0, asFound.length / 2].map((n) => n.toString(16).padStart(2, '0')).join('');
      console.log(`seen:     ${what}: status ${answer.command_status}, ...${octets.slice(-14)}`);
      if (answer.command_status !== 0) changed('it was taken (status 0) before');
      if (!octets.endsWith(head + asFound)) changed(`it ended in ${head + asFound} before`);
    }
    process.exit(0);
  });
});
setTimeout(() => changed('no answer within 20 s'), 20000);
JS
