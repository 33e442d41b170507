// What is looked at on a page of the portal, in whatever state it is: axe (WCAG 2.0 to 2.2 A and AA, best practice), no
// wider than 320 points, at 200 %, with larger and spaced letters, targets of 24 points, focus that is seen, no script.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
let shots = '';

/** What is wrong. */
export const wrong = [];
/** States that were looked at, with their paths. */
export const seen = new Map();

export function say(text) {
  process.stderr.write(`${text}\n`);
}

export function check(holds, what) {
  if (!holds) {
    wrong.push(what);
    say(`WRONG: ${what}`);
  }
}

/** Has pictures be kept in a directory; none are where it is not given. */
export function picturesIn(directory) {
  if (directory) mkdirSync(directory, { recursive: true });
  shots = directory ?? '';
}

/** Debian's Chromium, which talks to nobody by itself. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

/** Looks at a page as it is now, and keeps its picture. */
export async function lookAt(page, name) {
  // With its style sheet, wherever a link led through.
  await page.waitForLoadState('load');
  const url = new URL(page.url());
  check((await page.locator('script').count()) === 0 || name === 'api', `${name}: holds a script`);
  check(!/Proefpersoon|Testgezin/.test(url.href + (await page.title())), `${name}: a name in address or title`);
  const found = await page.evaluate(async ([source, tags]) => {
    if (!window.axe) (0, eval)(source);
    const result = await window.axe.run(document, { runOnly: { type: 'tag', values: tags } });
    return result.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(' | ')}`);
  }, [AXE, TAGS]);
  for (const one of found) check(false, `${name}: axe ${one}`);
  await picture(page, name, 1280);
  await tour(page, name);
  await inForcedColours(page, name);
  await page.setViewportSize({ width: 320, height: 700 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  check(width <= 320, `${name}: ${width} points wide in 320`);
  const small = await page.evaluate(() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
    .filter((one) => one.offsetParent !== null && !one.closest('p, dd, li, td, th, label') && !one.classList.contains('naar-inhoud'))
    .filter((one) => { const box = one.getBoundingClientRect(); return box.width < 24 || box.height < 24; })
    .map((one) => one.outerHTML.slice(0, 80)));
  for (const one of small) check(false, `${name}: smaller than 24 points: ${one}`);
  await page.setViewportSize({ width: 360, height: 700 });
  await picture(page, name, 360);
  await magnified(page, name);
  await page.setViewportSize({ width: 1280, height: 900 });
  if (name !== 'api') await stops(page, name);
  seen.set(name, url.pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}'));
}

/** In colours of somebody's own, where backgrounds are gone: what is chosen is drawn by the browser, where one is in the menu differs. */
async function inForcedColours(page, name) {
  await page.emulateMedia({ forcedColors: 'active' });
  const unseen = await page.evaluate(() => [...document.querySelectorAll('input[type=radio], input[type=checkbox]')]
    .filter((one) => getComputedStyle(one).appearance === 'none').map((one) => one.id));
  for (const one of unseen) check(false, `${name}: in forced colours nobody sees whether this is chosen: ${one}`);
  const bars = await page.evaluate(() => [...document.querySelectorAll('.navigatie__link')]
    .map((one) => ({ here: one.hasAttribute('aria-current'), bar: getComputedStyle(one).borderBlockEndColor })));
  const here = bars.find((one) => one.here);
  check(!here || bars.every((one) => one.here || one.bar !== here.bar), `${name}: in forced colours the menu does not show where one is`);
  await picture(page, name, 'forced');
  await page.emulateMedia({ forcedColors: 'none' });
}

/** How far a page is wider than its window, in points. */
const tooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/** At 200 % (of 1280: a window of 640), with letters twice as large at 1280, and with the spacing of WCAG 1.4.12. */
async function magnified(page, name) {
  await page.setViewportSize({ width: 640, height: 450 });
  check((await tooWide(page)) <= 0, `${name}: too wide at 200 %`);
  if (name === 'api') return;
  await page.setViewportSize({ width: 1280, height: 900 });
  // As somebody does in the settings of the browser: what is measured in letters grows along, widths of windows too.
  const browser = await page.context().newCDPSession(page);
  await browser.send('Page.setFontSizes', { fontSizes: { standard: 32 } });
  const letter = await page.evaluate(() => parseFloat(getComputedStyle(document.querySelector('main')).fontSize));
  check(letter >= 32, `${name}: letters of ${letter} points where 32 were asked for`);
  check((await tooWide(page)) <= 0, `${name}: too wide with letters twice as large`);
  await browser.send('Page.setFontSizes', { fontSizes: { standard: 16 } });
  await browser.detach();
  await page.setViewportSize({ width: 320, height: 700 });
  await page.evaluate(() => {
    for (const one of document.querySelectorAll('body, body *')) {
      one.style.lineHeight = '1.5';
      one.style.letterSpacing = '0.12em';
      one.style.wordSpacing = '0.16em';
    }
  });
  check((await tooWide(page)) <= 0, `${name}: too wide with text spaced out`);
  const cut = await page.evaluate(() => [...document.querySelectorAll('main *')].filter((one) => {
    const style = getComputedStyle(one);
    const hides = ['hidden', 'clip'].includes(style.overflowX) || ['hidden', 'clip'].includes(style.overflowY);
    return hides && !one.closest('.visueel-verborgen, svg') && one.clientHeight > 1 && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1);
  }).map((one) => one.outerHTML.slice(0, 80)));
  for (const one of cut) check(false, `${name}: cut off with text spaced out: ${one}`);
  await page.evaluate(() => { for (const one of document.querySelectorAll('body, body *')) one.removeAttribute('style'); });
}

async function picture(page, name, width) {
  if (shots) await page.screenshot({ path: path.join(shots, `${name}-${width}.png`), fullPage: true });
}

/** The pictures of the README: what is seen first of some pages. */
const TOUR = ['aanmelden-2', 'zaak-proef', 'namen', 'cijfers', 'logboek-regel'];

async function tour(page, name) {
  if (!shots || !TOUR.includes(name)) return;
  await page.setViewportSize({ width: 1000, height: 680 });
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: path.join(shots, `tour-${name}.png`) });
}

/** Everything that can be reached by the keyboard is seen when it has the focus, and in view. */
async function stops(page, name) {
  // From the top, wherever the focus was.
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
    window.scrollTo(0, 0);
  });
  const reached = new Set();
  let last = '';
  // What a keyboard must reach: one of each group of radio buttons, nothing that is folded away.
  const expected = await page.evaluate(() => {
    const groups = new Set();
    return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter((one) => {
      if (!one.checkVisibility() || one.disabled || one.tabIndex < 0) return false;
      if (one.type !== 'radio') return true;
      const group = `${[...document.forms].indexOf(one.form)} ${one.name}`;
      return !groups.has(group) && groups.add(group);
    }).length;
  });
  for (let at = 0; at < 4 * expected + 40; at += 1) {
    await page.keyboard.press('Tab');
    const told = await page.evaluate(() => {
      const one = document.activeElement;
      if (!one || one === document.body) return null;
      const style = getComputedStyle(one);
      const box = one.getBoundingClientRect();
      const ringed = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      const inView = box.bottom > 0 && box.top < window.innerHeight;
      return { key: `${one.tagName}#${one.id}.${one.className}@${Math.round(box.left)},${Math.round(box.top + window.scrollY)}`, ringed, inView };
    });
    if (!told) break;
    // A field of a day has several stops; the first stop a second time is the end.
    if (told.key === last) continue;
    if (reached.has(told.key)) break;
    last = told.key;
    reached.add(told.key);
    check(told.ringed, `${name}: no focus ring on ${told.key}`);
    check(told.inView, `${name}: focus out of view on ${told.key}`);
  }
  check(reached.size >= Math.max(expected, 4), `${name}: ${reached.size} stops of the keyboard, where ${expected} are to be reached`);
}
