// An SMS centre by the npm package `smpp`: what it takes and hears goes to stdout, a JSON object to
// a line; what it is to send comes by stdin, the same way. What it answers is decided by the number.
const smpp = require('smpp');
const readline = require('readline');

const tell = (what) => console.log(JSON.stringify(what));
const [port, password] = [Number(process.argv[2]), process.argv[3]];
let bound = null;
let number = 1000;

const server = smpp.createServer((session) => {
  session.on('error', (error) => tell({event: 'error', message: String(error)}));
  session.on('bind_transceiver', (pdu) => {
    if (pdu.password !== password) {
      session.send(pdu.response({command_status: smpp.ESME_RINVPASWD}));
      return;
    }
    bound = session;
    session.send(pdu.response());
    tell({event: 'bound', as: pdu.system_id});
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('enquire_link_resp', () => tell({event: 'enquired'}));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('submit_sm', (pdu) => {
    const to = pdu.destination_addr;
    if (to.endsWith('98')) { session.socket.destroy(); tell({event: 'dropped', to}); return; }
    if (to.endsWith('99')) {
      session.send(pdu.response({command_status: smpp.ESME_RINVDSTADR}));
      return;
    }
    const id = (number += 1).toString(16);
    const sm = pdu.short_message;
    tell({
      event: 'submitted', to, from: pdu.source_addr, id, coding: pdu.data_coding,
      message: sm.message, udh: sm.udh ? sm.udh.map((each) => each.toString('hex')) : null,
      registered: pdu.registered_delivery, validity: pdu.validity_period,
      reference: pdu.user_message_reference,
    });
    session.send(pdu.response({message_id: id}));
    // Its ids are hexadecimal in answers and decimal in receipts.
    session.deliver_sm({
      source_addr: to, destination_addr: pdu.source_addr, esm_class: 4,
      short_message: `id:${parseInt(id, 16)} sub:001 dlvrd:001 submit date:2612010300 ` +
        'done date:2612010301 stat:DELIVRD err:000 text:',
    });
  });
  session.on('deliver_sm_resp', (pdu) => tell({event: 'delivered', status: pdu.command_status}));
});
server.listen(port, '127.0.0.1', () => tell({event: 'listening'}));

readline.createInterface({input: process.stdin}).on('line', (line) => {
  const what = JSON.parse(line);
  if (what.enquire) bound.enquire_link();
  else bound.deliver_sm(what);
}).on('close', () => process.exit(0));
