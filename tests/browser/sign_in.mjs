// Signing in by a real OpenID provider, in a real browser.
//
//   node sign_in.mjs PROGRAM DEMO_DIRECTORY PORTAL_ADDRESS
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { launch } from './look.mjs';

const [PROGRAM, DIR, PORTAL] = process.argv.slice(2);
const wrong = [];
const file = (name) => path.join(DIR, name);

function check(holds, what) {
  process.stderr.write(`${holds ? 'ok' : 'WRONG'}: ${what}\n`);
  if (!holds) wrong.push(what);
}

/** The keys by which the gateway shows a provider who it is. */
function jwks() {
  return new Promise((resolve, reject) => {
    request(`${PORTAL}/.well-known/jwks.json`, { ca: readFileSync(file('pki/ca.pem')) }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => { text += chunk; });
      answer.on('end', () => resolve(text));
    }).on('error', reject).end();
  });
}

/** Has the register say who signs in the people of Buurtgezinnen, and who they are. */
async function register(issuer, keep = () => true) {
  const original = readFileSync(file('partners.toml'), 'utf8');
  const blocks = original.split(/^(?=\[\[partner\]\])/m).map((block) => {
    if (!block.includes('name = "buurtgezinnen"')) return block;
    // Territories come behind the last partner.
    const [own, rest] = block.split(/^(?=\[\[territory\]\])/m, 2);
    const people = own.split(/^(?=\[\[partner\.people\]\])/m).filter((part) => !part.startsWith('[[partner.people]]') || keep(part));
    const ca = readFileSync(file('pki/ca.pem'), 'utf8');
    const signIn = `\n[partner.sign-in]\nissuer = "${issuer}"\nclient-id = "buurtpoort"\nauthorities = """\n${ca}"""\n\n`;
    return people.join('') + signIn + (rest ?? '');
  });
  writeFileSync(file('partners-sign-in.toml'), blocks.join(''));
  execFileSync(PROGRAM, ['partner', 'apply', file('partners-sign-in.toml'), '--config', file('buurtpoort.toml')], { stdio: 'ignore' });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
}

/** Goes to the provider and says an account name there. */
async function signIn(browser, account) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false, locale: 'nl-NL' });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  await page.goto(`${PORTAL}/inloggen`);
  await page.getByRole('link', { name: 'Inloggen met het account van buurtgezinnen' }).click();
  await page.locator('input[name=login]').fill(account);
  await page.locator('input[name=password]').fill('x');
  await page.locator('button[type=submit]').click();
  await page.waitForURL(`${PORTAL}/**`);
  return page;
}

writeFileSync(file('jwks.json'), await jwks());
const provider = spawn(process.execPath, [path.join(import.meta.dirname, 'provider.mjs'), DIR, PORTAL, file('jwks.json')], { stdio: ['ignore', 'pipe', 'inherit'] });
const issuer = await new Promise((resolve) => createInterface({ input: provider.stdout }).once('line', resolve));
await register(issuer);
const browser = await launch();
try {
  const anna = await signIn(browser, 'anna');
  await anna.waitForURL(`${PORTAL}/coordinator`);
  check((await anna.locator('h1').innerText()) === 'Postvak', 'anna is signed in by the provider of her organisation');
  const cookies = await anna.context().cookies(PORTAL);
  const session = cookies.find((one) => one.name === '__Host-sessie');
  check(session?.httpOnly && session.secure && session.sameSite === 'Strict', 'with a cookie for this host, TLS and no script');
  check(!cookies.some((one) => one.name === '__Host-aanmelding'), 'what travelled along is gone');
  const zoe = await signIn(browser, 'zoe');
  check((await zoe.content()).includes('u mag Buurtpoort niet gebruiken'), 'who is not in the register is told so');
  check(!(await zoe.context().cookies(PORTAL)).some((one) => one.name === '__Host-sessie'), 'and is not signed in');

  // The way back of somebody else, and one that was made up.
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
  const stranger = await context.newPage();
  for (const query of ['code=x&state=y', '', `code=x&state=y&iss=${encodeURIComponent(issuer)}`]) {
    await stranger.goto(`${PORTAL}/inloggen/terug/buurtgezinnen?${query}`);
    check((await stranger.locator('[role=alert]').count()) === 1, `a way back that nobody went is refused (${query})`);
  }
  check((await context.cookies(PORTAL)).every((one) => one.name !== '__Host-sessie'), 'and signs nobody in');

  await register(issuer, (part) => !part.includes('"anna"'));
  await anna.goto(`${PORTAL}/coordinator`);
  check((await anna.locator('h1').innerText()) === 'Inloggen', 'who is taken off the register is out with the next request');
  provider.kill();
  await new Promise((resolve) => provider.once('exit', resolve));
  await stranger.goto(`${PORTAL}/inloggen/bij/buurtgezinnen`);
  check((await stranger.locator('[role=alert]').count()) === 1, 'without the provider nobody gets in, and the page says so');
} finally {
  await browser.close();
  provider.kill();
}
process.exit(wrong.length > 0 ? 1 : 0);
