// The pages in a real browser: the story of one family from referral to figures, by five people, without JavaScript.
//
//   node story.mjs PROGRAM DEMO_DIRECTORY PORTAL_ADDRESS [SCREENSHOT_DIRECTORY]
//
// On every page, in every state that is met: what look.mjs looks at, nothing loaded from elsewhere, no complaint of the
// content security policy. Names are invented. Ends with code 1 and the list of what is wrong.
import { execFileSync } from 'node:child_process';
import { check, launch, lookAt, picturesIn, say, seen, wrong } from './look.mjs';

const [PROGRAM, DIR, PORTAL, SHOTS] = process.argv.slice(2);

function link(partner, person) {
  return execFileSync(PROGRAM, ['link', '--dir', DIR, '--partner', partner, '--person', person]).toString().trim();
}

/** Somebody at a browser of their own. */
async function somebody(browser, partner, person, options = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, javaScriptEnabled: scripts, locale: 'nl-NL', viewport: { width: 1280, height: 900 }, ...options,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on('request', (request) => check(request.url().startsWith(PORTAL) || request.url().startsWith('data:'), `asked for ${request.url()}`));
  page.on('console', (message) => check(!/Content Security Policy|Refused to/.test(message.text()), `console: ${message.text()}`));
  page.on('pageerror', (error) => check(false, `script: ${error.message}`));
  if (partner) {
    await page.goto(link(partner, person));
    await page.getByRole('button', { name: /^(Inloggen|Sign in)$/ }).click();
  }
  return page;
}

// Twice: with scripts off, as nobody needs any; then with scripts on, without which axe cannot look.
let scripts = false;
const look = (page, name) => (scripts ? lookAt(page, name) : Promise.resolve());

const press = (page, words) => page.getByRole('button', { name: words, exact: true }).first().click();
const choose = (page, words) => page.getByLabel(words, { exact: true }).check();
const fill = (page, words, text) => page.getByLabel(words).first().fill(text);
const heading = (page) => page.locator('h1').innerText();

async function expectHeading(page, words, what) {
  const found = await heading(page);
  check(found === words, `${what}: "${found}" where "${words}" was expected`);
}

function day(offset) {
  return new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
}

/** A referrer refers a family in six steps, with a mistake on the way. */
async function refer(browser) {
  const page = await somebody(browser, 'wijkteam-nijmegen', 'wijkteam-1');
  await look(page, 'verwijzer');
  await page.getByRole('link', { name: 'Gezin aanmelden' }).first().click();
  await expectHeading(page, 'Gemeente en uw rol', 'step 1');
  await look(page, 'aanmelden-1');
  await press(page, 'Verder');
  check((await page.title()).startsWith('Fout: '), 'a wrong step says so in its title');
  const first = page.locator('.fout a').first();
  const id = (await first.getAttribute('href')).slice(1);
  check((await page.locator(`[id="${id}"]`).count()) === 1, 'an error leads to its field');
  await look(page, 'aanmelden-1-fout');
  await choose(page, 'Wijkteam');
  await page.getByLabel('In welke gemeente woont het gezin?').selectOption({ label: 'Nijmegen' });
  await fill(page, /^Wijkcode/, 'WK026801');
  await choose(page, 'Gewoon');
  await fill(page, 'Uw naam', 'Voorbeeld Verwijzer');
  await press(page, 'Verder');
  await expectHeading(page, 'Toestemming', 'step 2');
  await look(page, 'aanmelden-2');
  await choose(page, 'Nee, of nog niet');
  await press(page, 'Verder');
  await expectHeading(page, 'Nog geen toestemming', 'no consent');
  await look(page, 'aanmelden-geen-toestemming');
  await press(page, 'Vorige stap');
  await choose(page, 'Ja');
  await choose(page, 'Beide ouders samen');
  await fill(page, 'Op welke dag zei de eerste ouder ja?', day(-3));
  await fill(page, /^Op welke dag zei de andere ouder ja/, day(-2));
  for (const what of ['Een steungezin zoeken en voorstellen', 'Volgen hoe het gaat', 'De verwijzer laten weten hoe het staat']) await choose(page, what);
  await fill(page, 'Hoe zei het gezin ja?', 'getekend op papier');
  await fill(page, 'Waar is dat vastgelegd?', 'dossier 2026-0147');
  await press(page, 'Verder');
  await expectHeading(page, 'Het gezin', 'step 3');
  await press(page, 'Verder');
  await expectHeading(page, 'Het gezin', 'an empty step 3 leads nowhere');
  check((await page.locator('.fout a').count()) > 3, 'and says what lacks');
  await look(page, 'aanmelden-3-fout');
  await choose(page, 'Twee ouders');
  await fill(page, 'Hoeveel kinderen wonen er?', '2');
  await fill(page, 'Voornamen van de ouder', 'Voorbeeld');
  await fill(page, 'Achternaam van de ouder', 'Proefpersoon');
  await press(page, 'Nog een kind');
  for (const [at, birth] of [[1, '2021-05-01'], [2, '2017-09-30']]) {
    await fill(page, `Voornamen van kind ${at}`, `Kind${at}`);
    await fill(page, `Achternaam van kind ${at}`, 'Proefpersoon');
    await fill(page, `Geboortedatum van kind ${at}`, birth);
  }
  await look(page, 'aanmelden-3');
  await press(page, 'Verder');
  await expectHeading(page, 'De vraag', 'step 4');
  await choose(page, 'Ouder ontlasten');
  await choose(page, 'Weekend, middag');
  await fill(page, /^Toelichting/, 'Graag een middag rust. Bel 024 329 0000.');
  await choose(page, 'Nee');
  await look(page, 'aanmelden-4');
  await press(page, 'Verder');
  await expectHeading(page, 'Contact', 'step 5');
  await fill(page, /^Telefoon van het gezin/, '024 000 0002');
  await look(page, 'aanmelden-5');
  await press(page, 'Verder');
  await expectHeading(page, 'Controleren en versturen', 'step 6');
  check((await page.getByText('In uw toelichting lijkt een telefoonnummer te staan').count()) === 1, 'a telephone number in the text is warned of');
  await look(page, 'aanmelden-6');
  await press(page, 'Versturen');
  await expectHeading(page, 'Verstuurd', 'sent');
  await look(page, 'verstuurd');
  await page.getByRole('link', { name: 'Naar deze aanmelding' }).click();
  await look(page, 'aanmelding');
  await page.getByRole('link', { name: 'Mijn aanmeldingen' }).click();
  check((await page.locator('tbody tr').count()) > 1, 'the referral is in the list');
  await look(page, 'verwijzer-lijst');
}

/** Who assigns hands the newest case to anna. */
async function assign(browser) {
  const page = await somebody(browser, 'buurtgezinnen', 'lea');
  await expectHeading(page, 'Toewijzen', 'assigner');
  await look(page, 'toewijzen');
  await page.locator('tbody tr').last().getByRole('link').click();
  const id = page.url().split('/').pop();
  await look(page, 'toewijzen-zaak');
  await press(page, 'Toewijzen');
  await look(page, 'toewijzen-zaak-fout');
  await choose(page, 'anna (Nijmegen)');
  check((await page.getByText('Ouder ontlasten').count()) === 1, 'who assigns sees what is asked for, and no name');
  await press(page, 'Toewijzen');
  check((await page.getByText('De zaak is toegewezen.').count()) === 1, 'it is said that the case is assigned');
  check((await page.locator('tbody th', { hasText: 'anna' }).count()) === 1, 'it is said to whom');
  await look(page, 'toegewezen');
  await page.getByRole('link', { name: 'Terug' }).click();
  await expectHeading(page, 'Toewijzen', 'assigned');
  return id;
}

/** Registers a support family and has it available. */
async function supportFamily(page) {
  await page.getByRole('link', { name: 'Steungezinnen' }).click();
  await look(page, 'steungezinnen-leeg');
  await page.getByRole('link', { name: 'Steungezin aanmelden' }).click();
  await look(page, 'steungezin-aanmelden');
  await page.getByLabel('Gemeente', { exact: true }).selectOption({ label: 'Nijmegen' });
  await fill(page, /^Wijkcode/, 'WK026801');
  await fill(page, 'Voornamen', 'Steun');
  await fill(page, 'Achternaam', 'Testgezin');
  await fill(page, /^Telefoon/, '+31240000010');
  await fill(page, 'Straat', 'Voorbeeldlaan');
  await fill(page, 'Huisnummer', '10');
  await fill(page, 'Postcode', '6500AB');
  await fill(page, 'Plaats', 'Nijmegen');
  await choose(page, 'Weekend, middag');
  await page.getByLabel('Het steungezin vindt goed').check();
  await press(page, 'Aanmelden');
  check((await heading(page)).startsWith('Steungezin '), 'the support family is registered');
  for (const state of ['Kennismaking en VOG', 'Beschikbaar']) {
    await page.getByText('Stand veranderen').first().click();
    await choose(page, state);
    await fill(page, /^Gesprek gehad op/, day(-5));
    await fill(page, /^VOG gezien op/, day(-4));
    await page.getByLabel('Heeft ervaring met kinderen').check();
    await press(page, 'Stand veranderen');
  }
  check((await page.getByText('Beschikbaar').count()) > 0, 'the support family is available');
  await look(page, 'steungezin');
  await page.getByRole('link', { name: 'Steungezinnen' }).click();
  await look(page, 'steungezinnen');
}

/** The coordinator puts the telephone number right, after a mistake, and opens the names again. */
async function correct(page) {
  await page.getByText('Telefoon of adres verbeteren').first().click();
  await fill(page, /^Telefoon/, '12');
  await press(page, 'Telefoon of adres verbeteren');
  check((await page.locator('.fout a').count()) === 1, 'a wrong telephone number is said to be');
  await look(page, 'verbeteren-fout');
  await fill(page, /^Telefoon/, '024 000 0009');
  await press(page, 'Telefoon of adres verbeteren');
  check((await page.getByText('De gegevens zijn verbeterd.').count()) === 1, 'it is said that the data are corrected');
  await look(page, 'zaak-verbeterd');
  await choose(page, 'Eerste gesprek met het gezin');
  await fill(page, /^Waarom\?/, 'Eerste gesprek plannen na verbetering');
  await press(page, 'Namen tonen');
  check((await page.getByText('+31240000009').count()) === 1, 'the corrected number is shown');
}

/** Somebody of the family asks to see what is kept, and gets it on paper. */
async function answer(page) {
  await page.getByText('Verzoek om inzage vastleggen').first().click();
  await page.getByLabel('Wie vraagt?').selectOption({ label: 'Ouder 1' });
  await press(page, 'Verzoek om inzage vastleggen');
  await page.getByText('Inzage geven (om te printen)').first().click();
  await page.locator('input[name="/request"]').first().check();
  await page.getByLabel('Ik heb gecontroleerd wie het vraagt').check();
  await page.getByLabel('Ik heb gekeken of er gegevens van anderen in staan').check();
  await press(page, 'Inzage geven (om te printen)');
  await expectHeading(page, 'Inzage in uw gegevens', 'what is kept');
  check((await page.getByText('Proefpersoon').count()) > 0 && (await page.getByText(/parent1|release\./).count()) === 0, 'what is kept is told in words');
  await look(page, 'inzage');
}

/** What is left is told by the minute, also to who wants no motion; the clock of the style sheet is set here. */
async function countdown(page) {
  if (!scripts) return;
  await page.emulateMedia({ reducedMotion: 'reduce' });
  for (const [seconds, words] of [[0, 'Nog 15 minuten.'], [61, 'Nog 14 minuten.'], [899, 'Nog 1 minuut.'], [901, '']]) {
    const seen = await page.evaluate((at) => {
      for (const one of document.getAnimations()) one.currentTime = at * 1_000;
      const lines = [...document.querySelectorAll('.aftellen > span')];
      return lines.filter((one) => getComputedStyle(one).visibility === 'visible').map((one) => one.textContent).join('|');
    }, seconds);
    check(seen === words, `after ${seconds} seconds of the countdown: "${seen}" where "${words}" was expected`);
  }
  await page.emulateMedia({ reducedMotion: null });
}

/** The coordinator opens names, hides them, pairs, and begins the trial. */
async function coordinate(browser, id) {
  const page = await somebody(browser, 'buurtgezinnen', 'anna');
  await expectHeading(page, 'Postvak', 'inbox');
  await look(page, 'postvak');
  await page.goto(`${PORTAL}/coordinator/zaak/${id}`);
  await look(page, 'zaak');
  await press(page, 'Namen tonen');
  check((await page.locator('.fout a').count()) === 2, 'a refused opening says what lacks, and leads there');
  await look(page, 'zaak-fout');
  await choose(page, 'Eerste gesprek met het gezin');
  await fill(page, /^Waarom\?/, 'Eerste gesprek plannen');
  await press(page, 'Namen tonen');
  check((await page.getByText('Proefpersoon').count()) > 0, 'the names are shown');
  await look(page, 'namen');
  await countdown(page);
  await correct(page);
  await press(page, 'Nu verbergen');
  check((await page.getByText('De namen zijn verborgen.').count()) === 1, 'it is said that they are hidden');
  check((await page.getByText('Proefpersoon').count()) === 0, 'the names are hidden');
  // Longer than who taps twice is given.
  await page.waitForTimeout(4_000);
  await page.goBack().catch(() => {});
  await page.waitForTimeout(1_000);
  check(!(await page.content()).includes('Proefpersoon'), 'going back shows no names');
  await page.reload().catch(() => {});
  await page.waitForLoadState('load');
  check((await page.getByText('De namen blijven verborgen.').count()) === 1, 'sending the form again says that they stay hidden');
  check(!(await page.content()).includes('Proefpersoon'), 'sending the form again shows no names');
  await page.goto(`${PORTAL}/coordinator/zaak/${id}/gezien`);
  check((await page.getByText('Eerste gesprek plannen', { exact: true }).count()) === 1, 'who opened is listed');
  await look(page, 'gezien');
  if (scripts) {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
    check(kept === '[{},{}]', `a page keeps something in the browser: ${kept}`);
  }
  await supportFamily(page);
  await page.goto(`${PORTAL}/coordinator/zaak/${id}`);
  for (const state of ['Gesprek', 'Steungezin zoeken']) {
    await page.getByText('Zaak verder brengen').first().click();
    await choose(page, state);
    await press(page, 'Zaak verder brengen');
  }
  await page.getByRole('link', { name: 'Steungezin zoeken' }).click();
  await look(page, 'voorstellen');
  await page.locator('input[type=radio]').first().check();
  await fill(page, 'Hoeveel kinderen doen mee?', '1');
  await press(page, 'Laten kennismaken');
  await page.getByText('Proefperiode beginnen').first().click();
  await fill(page, 'Tot en met welke dag?', day(45));
  await press(page, 'Proefperiode beginnen');
  check((await page.locator('[aria-current=step]').innerText()).startsWith('Proefperiode'), 'the trial has begun');
  await look(page, 'zaak-proef');
  await page.getByRole('link', { name: 'Rechten van het gezin' }).click();
  await look(page, 'rechten');
  await answer(page);
  await page.goto(`${PORTAL}/coordinator/zaak/${id}/dubbel`);
  await look(page, 'dubbel');
  return page;
}

/** The gemeente sees its closed year with a hidden cell, the same in every form, and downloads it. */
async function figures(browser) {
  const page = await somebody(browser, 'gemeente-nijmegen', 'beleid-1');
  await expectHeading(page, 'Cijfers', 'figures');
  await look(page, 'gemeente');
  await page.locator('tbody a').first().click();
  await look(page, 'cijfers');
  const cells = await page.locator('table tbody td').allInnerTexts();
  const bars = await page.locator('svg .staaf-tekst:nth-of-type(2n)').allTextContents();
  check(JSON.stringify(cells) === JSON.stringify(bars), `the drawing says what the table says: ${bars} / ${cells}`);
  check(cells.some((text) => text === 'verborgen' || text === '0*'), 'a cell is hidden or starred');
  const stubs = await page.locator('svg .staaf-verborgen').evaluateAll((all) => all.map((one) => one.getAttribute('width')));
  check(new Set(stubs).size <= 1, `hidden bars have one length: ${stubs}`);
  const json = await page.request.get(`${page.url()}/json`);
  const values = (await json.json()).figures.cells.map((cell) => (cell.value === null ? 'verborgen' : cell.value === 0 ? '0*' : String(cell.value)));
  check(JSON.stringify(values) === JSON.stringify(cells), 'the file has the same cells');
  for (const words of ['Excel (XLSX)', 'CSV, puntkomma', 'JSON-stat 2.0']) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: words }).click()]);
    check(/^buurtgezinnen-GM0268-\d{4}\./.test(download.suggestedFilename()), `downloaded ${download.suggestedFilename()}`);
  }
  await page.getByRole('link', { name: 'Wat telt mee?' }).click();
  await look(page, 'uitleg');
}

/** The privacy officer finds the opening, and the rule that allowed it. */
async function oversee(browser, id) {
  const page = await somebody(browser, 'toezicht', 'fg-1');
  await expectHeading(page, 'Logboek', 'ledger');
  await look(page, 'logboek');
  await page.getByRole('link', { name: 'Namen geopend', exact: true }).click();
  await page.locator('tbody tr', { hasText: 'Eerste gesprek' }).first().getByRole('link').click();
  check((await page.getByText('coordinator-opens-hers-as-consented').count()) > 0, 'the rule that allowed it is named');
  await look(page, 'logboek-regel');
  await page.getByRole('link', { name: 'Logboek', exact: true }).click();
  await fill(page, 'Nummer van de zaak', 'zaak 12');
  await press(page, 'Zoeken op zaak');
  check((await page.getByText('36 tekens').count()) > 0, 'what is no number of a case is said to be none');
  await look(page, 'zoeken-fout');
  await fill(page, 'Nummer van de zaak', id);
  await press(page, 'Zoeken op zaak');
  check((await page.getByText('coordinator-opens-hers-as-consented').count()) > 1, 'the number of a case leads to who opened its names');
  await look(page, 'logboek-zaak');
  await page.getByRole('link', { name: 'Inzageverzoeken' }).click();
  await look(page, 'inzageverzoeken');
  await page.getByRole('link', { name: 'Vrijgegeven cijfers' }).click();
  await look(page, 'vrijgegeven-cijfers');
  await page.getByRole('link', { name: 'Controle' }).click();
  await look(page, 'controle');
  await press(page, 'Nu controleren');
  check((await page.getByText('Het logboek klopt').count()) === 1, 'the ledger holds');
  await look(page, 'controle-goed');
  await page.getByRole('link', { name: 'Regels' }).click();
  await look(page, 'regels');
}

async function operate(browser) {
  const page = await somebody(browser, 'beheer', 'beheer-1');
  await look(page, 'beheer');
  await page.getByRole('link', { name: 'Cijfers', exact: true }).click();
  await look(page, 'beheer-cijfers');
  await page.getByRole('link', { name: 'Leveringen' }).click();
  await look(page, 'leveringen');
}

/** Who runs a programme reports its counts; who manages a plan asks for its goals. */
async function report(browser) {
  const page = await somebody(browser, 'poh-j-nijmegen', 'poh-1');
  await page.getByRole('link', { name: 'Opgave van een kwartaal' }).click();
  await press(page, 'Opgave POH-jeugd versturen');
  check((await page.locator('.fout a').count()) > 4, 'an empty report says what lacks');
  await look(page, 'opgave-fout');
  await page.getByLabel('Over welk kwartaal?').selectOption({ index: 1 });
  await page.getByLabel('Gemeente', { exact: true }).selectOption({ label: 'Nijmegen' });
  for (const [words, count] of [['Kinderen gezien', '100'], ['Daarvan geholpen zonder verwijzing', '75'], ['Daarvan verwezen', '20'], ['Contacten', '480'], ['Kinderen of ouders die een cijfer gaven', '40'], [/^Gemiddeld cijfer/, '8,6']]) await fill(page, words, count);
  await press(page, 'Opgave POH-jeugd versturen');
  check((await page.getByText('De opgave is ontvangen.').count()) === 1, 'the counts are received');
  await look(page, 'opgave');
  const manager = await somebody(browser, 'regieteam-nijmegen', 'regisseur-1');
  await manager.getByRole('link', { name: 'Doelen van een plan' }).click();
  await look(manager, 'plan');
}

/** What anybody sees; in English too; and the reader of the API, which is the one page with a script. */
async function anybody(browser) {
  const page = await somebody(browser);
  for (const [at, name] of [['/inloggen', 'inloggen'], ['/toegankelijkheid', 'toegankelijkheid'], ['/privacy', 'privacy'], ['/hulp', 'hulp'], ['/nergens', 'niet-gevonden']]) {
    await page.goto(PORTAL + at);
    await look(page, name);
  }
  await page.goto(`${PORTAL}/inloggen?taal=en`);
  await expectHeading(page, 'Sign in', 'English');
  check((await page.locator('html').getAttribute('lang')) === 'en', 'the language is said');
  await look(page, 'inloggen-en');
  await page.goto(`${PORTAL}/inloggen/l/${'0'.repeat(64)}`);
  await press(page, 'Sign in');
  await look(page, 'link-voorbij');
  const reader = await somebody(browser, null, null, { javaScriptEnabled: true });
  await reader.goto(`${PORTAL}/api`);
  await reader.locator('.opblock').first().waitFor();
  await look(reader, 'api');
}

/** Bytes over the wire of the first view, compressed as a browser gets it. */
async function firstView(browser) {
  const page = await somebody(browser);
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  let bytes = 0;
  session.on('Network.loadingFinished', (event) => { bytes += event.encodedDataLength; });
  await page.goto(`${PORTAL}/inloggen`, { waitUntil: 'networkidle' });
  say(`first view: ${bytes} bytes`);
  check(bytes > 10_000 && bytes <= 60 * 1024, `the first view takes ${bytes} bytes`);
}

picturesIn(SHOTS);
const browser = await launch();

/** The story, from the referral to the page that is not there for another. */
async function story() {
  await refer(browser);
  const id = await assign(browser);
  const anna = await coordinate(browser, id);
  await figures(browser);
  await oversee(browser, id);
  await operate(browser);
  await report(browser);
  const bert = await somebody(browser, 'buurtgezinnen', 'bert');
  await bert.goto(`${PORTAL}/coordinator/zaak/${id}`);
  await expectHeading(bert, 'Niet gevonden', 'another coordinator');
  await look(bert, 'zaak-van-een-ander');
  await press(anna, 'Uitloggen');
  check((await anna.getByText('U bent uitgelogd.').count()) === 1, 'it is said that nobody is signed in');
  await anna.goto(`${PORTAL}/coordinator/zaak/${id}`);
  await expectHeading(anna, 'Inloggen', 'signed out');
  await anna.goto(link('buurtgezinnen', 'anna'));
  await press(anna, 'Inloggen');
  check(anna.url() === `${PORTAL}/coordinator/zaak/${id}`, `who signs in again comes back to the case: ${anna.url()}`);
}

try {
  await firstView(browser);
  await story();
  say('the story was played without scripts');
  scripts = true;
  await anybody(browser);
  await story();
} finally {
  await browser.close();
}
say(`${seen.size} states of pages, ${wrong.length} wrong`);
process.exit(wrong.length > 0 ? 1 : 0);
