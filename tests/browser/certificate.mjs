// Signing in with a certificate: the pages in a real browser. The certificate is shown by Playwright on Chromium's behalf; how
// Chromium itself asks for one and remembers the choice is not tried here.
//
//   node certificate.mjs PROGRAM DEMO_DIRECTORY PORTAL_ADDRESS SIGN_IN_ADDRESS [SCREENSHOT_DIRECTORY]
//
// Certificates are those of the demo's own authority: anna's, which the register is told of, and that of a partner's
// system, which is nobody's.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { check, launch, lookAt, picturesIn, say, seen, wrong } from './look.mjs';

const [PROGRAM, DIR, PORTAL, SIGN_IN, SHOTS] = process.argv.slice(2);
const file = (name) => path.join(DIR, name);
const run = (...words) => execFileSync(PROGRAM, words).toString();

/** Has the register know the key of a certificate as anna's. */
async function register(pin) {
  const own = 'account = "anna"';
  const original = readFileSync(file('partners.toml'), 'utf8');
  check(original.includes(own), 'the register names anna');
  writeFileSync(file('partners-keys.toml'), original.replace(own, `${own}\npins = ["${pin}"]`));
  run('partner', 'apply', file('partners-keys.toml'), '--config', file('buurtpoort.toml'));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
}

/** Somebody whose browser has a certificate, or none, goes to the page where one signs in and asks for that. */
async function arrives(browser, name, scripts = false) {
  const clientCertificates = name
    ? [{ origin: SIGN_IN, certPath: file(`pki/${name}/cert.pem`), keyPath: file(`pki/${name}/key.pem`) }] : [];
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, javaScriptEnabled: scripts, locale: 'nl-NL', viewport: { width: 1280, height: 900 }, clientCertificates,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on('request', (request) => check([PORTAL, SIGN_IN, 'data:'].some((own) => request.url().startsWith(own)), `asked for ${request.url()}`));
  page.on('console', (message) => check(!/Content Security Policy|Refused to/.test(message.text()), `console: ${message.text()}`));
  await page.goto(`${PORTAL}/inloggen`);
  await page.getByRole('link', { name: 'Inloggen met een pas of certificaat' }).click();
  return page;
}

const told = (page) => page.locator('[role=alert]').innerText();
const isIn = async (page) => (await page.context().cookies(PORTAL)).some((one) => one.name === '__Host-sessie');

picturesIn(SHOTS);
const issued = run('cert', 'issue', 'anna-pas', '--number', '00000099000000006000', '--dir', DIR);
await register(issued.trim().split(' ').pop());
const browser = await launch();
try {
  const anna = await arrives(browser, 'anna-pas');
  await anna.waitForURL(`${PORTAL}/coordinator`);
  check((await anna.locator('h1').innerText()) === 'Postvak' && (await isIn(anna)), 'anna is signed in with her certificate');
  const nobody = await arrives(browser, '', true);
  check((await told(nobody)).includes('liet geen certificaat zien'), 'who shows none is told so');
  check(nobody.url().startsWith(`${SIGN_IN}/inloggen/certificaat/`) && !(await isIn(nobody)), 'and is not signed in');
  await lookAt(nobody, 'certificaat-geen');
  await nobody.getByRole('link', { name: 'English' }).click();
  check((await told(nobody)) === 'Your browser showed no certificate.', 'the same in English');
  await nobody.getByRole('link', { name: 'Begin again' }).click();
  check(nobody.url() === `${PORTAL}/inloggen`, `one can begin again: ${nobody.url()}`);
  const system = await arrives(browser, 'buurtgezinnen', true);
  check((await told(system)).includes('kent dit certificaat niet'), "a system's certificate is nobody's");
  await lookAt(system, 'certificaat-onbekend');
  run('cert', 'revoke', 'anna-pas', '--dir', DIR);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const revoked = await arrives(browser, 'anna-pas', true);
  check((await told(revoked)).includes('niet meer geldig'), 'who shows one that was revoked is told so');
  await lookAt(revoked, 'certificaat-voorbij');
  for (const page of [system, revoked]) check(!(await isIn(page)), 'neither signs anybody in');
} finally {
  await browser.close();
}
say(`signing in with a certificate: ${seen.size} states of pages, ${wrong.length} wrong`);
process.exit(wrong.length > 0 ? 1 : 0);
