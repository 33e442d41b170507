// What a page costs the server beside its twin of the API, and the memory of an idle gateway. A ratio, measured in one
// run; not a test.
//
//   node cost.mjs PROGRAM DEMO_DIRECTORY PORTAL_ADDRESS API_ADDRESS PID [REQUESTS]
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import path from 'node:path';

const [PROGRAM, DIR, PORTAL, API, PID, REQUESTS = '1500'] = process.argv.slice(2);
const file = (name) => readFileSync(path.join(DIR, name));
const portal = new Agent({ keepAlive: true, maxSockets: 1, ca: file('pki/ca.pem') });
const api = new Agent({
  keepAlive: true, maxSockets: 1, ca: file('pki/ca.pem'), cert: file('pki/buurtgezinnen/cert.pem'), key: file('pki/buurtgezinnen/key.pem'),
});

function send(agent, url, headers = {}, body) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => { text += chunk; });
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Processor time of the gateway, in hundredths of a second; its memory, in MiB. */
function spent() {
  const fields = readFileSync(`/proc/${PID}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${PID}/status`, 'utf8'))[1]) / 1024;

async function cost(what, ask) {
  for (let n = 0; n < 50; n += 1) await ask();
  const before = spent();
  for (let n = 0; n < Number(REQUESTS); n += 1) await ask();
  const each = ((spent() - before) * 10) / Number(REQUESTS);
  console.log(`${what}: ${each.toFixed(3)} ms of processor time`);
  return each;
}

console.log(`idle: ${memory().toFixed(1)} MiB`);
const link = execFileSync(PROGRAM, ['link', '--dir', DIR, '--partner', 'buurtgezinnen', '--person', 'anna']).toString().trim();
const taken = await send(portal, `${PORTAL}/inloggen/link`, { origin: PORTAL, 'content-type': 'application/x-www-form-urlencoded' }, `link=${link.split('/').pop()}`);
const cookie = taken.headers['set-cookie'][0].split(';')[0];
const token = execFileSync(PROGRAM, ['token', '--dir', DIR, '--partner', 'buurtgezinnen', '--person', 'anna', '--role', 'coordinator']).toString().trim();
const bearer = { authorization: `Bearer ${token}` };
const list = JSON.parse((await send(api, `${API}/v1/cases`, bearer)).text);
const id = list.items[0].id;

async function must(answer) {
  if ((await answer).status !== 200) throw new Error(`answered ${(await answer).status}`);
}
const twin = await cost('API, a case and its pairings', async () => {
  await must(send(api, `${API}/v1/cases/${id}`, bearer));
  await must(send(api, `${API}/v1/cases/${id}/pairings`, bearer));
});
const page = await cost('page of that case', () => must(send(portal, `${PORTAL}/coordinator/zaak/${id}`, { cookie })));
const listed = await cost('API, the list of cases', () => must(send(api, `${API}/v1/cases`, bearer)));
const inbox = await cost('page of that list', () => must(send(portal, `${PORTAL}/coordinator`, { cookie })));
console.log(`a page costs ${(page / twin).toFixed(2)} and ${(inbox / listed).toFixed(2)} times its twin; then ${memory().toFixed(1)} MiB`);
process.exit(0);
