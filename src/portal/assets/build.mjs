// Builds dist/ from the npm packages and src/. `--check` builds twice and compares with dist/ instead.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { transform } from 'lightningcss';
import postcss from 'postcss';
import { PurgeCSS } from 'purgecss';

const HERE = import.meta.dirname;
const DIST = path.join(HERE, 'dist');
const TEMPLATES = path.join(HERE, '..', 'templates');
const THEME = '@nl-design-system-unstable/voorbeeld-design-tokens';
const FONT = '@fontsource-variable/noto-sans';
const SWAGGER = 'swagger-ui-dist';
const COMPONENTS = [
  'alert', 'button', 'button-group', 'button-link', 'checkbox', 'code', 'data-badge', 'data-list',
  'form-field', 'form-field-description', 'form-field-error-message', 'form-fieldset', 'form-label',
  'heading-1', 'heading-2', 'heading-3', 'heading-4', 'link', 'ordered-list', 'paragraph', 'radio-button',
  'select', 'separator', 'status-badge', 'table', 'textarea', 'textbox', 'unordered-list',
].map((name) => `@utrecht/${name}-css`);
const LICENCES = new Set(['EUPL-1.2', 'OFL-1.1', 'MIT', 'Apache-2.0', '0BSD']);

const inPackage = (name, file) => path.join(HERE, 'node_modules', name, file);
const read = (file) => readFileSync(file, 'utf8');
const hash = (data, encoding) => createHash('sha384').update(data).digest(encoding);

function fail(message) {
  throw new Error(message);
}

/** Every var() in a value: its name and whether it has a fallback. */
function varsIn(value) {
  const found = [];
  for (const match of value.matchAll(/var\(\s*(--[\w-]+)\s*([,)])/g)) {
    found.push({ name: match[1], fallback: match[2] === ',' });
  }
  return found;
}

const isProperty = (declaration) => declaration.prop.startsWith('--');

function definedIn(root) {
  const names = new Set();
  root.walkDecls((declaration) => {
    if (isProperty(declaration)) names.add(declaration.prop);
  });
  return names;
}

/** Our tokens win over the theme's: keep only the last definition in the theme's own block. */
function mergeTheme(root) {
  const last = new Map();
  root.each((rule) => {
    if (rule.type !== 'rule' || rule.selector !== '.voorbeeld-theme') return;
    rule.each((node) => {
      if (node.type !== 'decl') return;
      last.get(node.prop)?.remove();
      last.set(node.prop, node);
    });
  });
}

/** Drops custom properties that no rule reaches, directly or through other properties. */
function dropUnreached(root) {
  const uses = new Map();
  const reached = new Set();
  const queue = [];
  const reach = (name) => {
    if (!reached.has(name)) {
      reached.add(name);
      queue.push(name);
    }
  };
  root.walkDecls((declaration) => {
    const names = varsIn(declaration.value).map((entry) => entry.name);
    if (!isProperty(declaration)) names.forEach(reach);
    else uses.set(declaration.prop, [...(uses.get(declaration.prop) ?? []), ...names]);
  });
  while (queue.length > 0) (uses.get(queue.pop()) ?? []).forEach(reach);
  root.walkDecls((declaration) => {
    if (isProperty(declaration) && !reached.has(declaration.prop)) declaration.remove();
  });
  root.walkRules((rule) => {
    if (rule.nodes.length === 0) rule.remove();
  });
}

/** Names used without a fallback. */
function neededBy(root) {
  const names = new Set();
  root.walkDecls((declaration) => {
    for (const { name, fallback } of varsIn(declaration.value)) {
      if (!fallback) names.add(name);
    }
  });
  return [...names];
}

/** A name that existed before and is used without a fallback must still exist. */
function checkNames(root, before) {
  const after = definedIn(root);
  const lost = neededBy(root).filter((name) => before.has(name) && !after.has(name));
  if (lost.length > 0) fail(`custom properties lost: ${lost.join(', ')}`);
}

/** Our own files may not use a name that nothing defines. */
function checkOwn(file, known) {
  const unknown = neededBy(postcss.parse(read(file))).filter((name) => !known.has(name));
  if (unknown.length > 0) fail(`${path.basename(file)}: defined nowhere: ${unknown.join(', ')}`);
}

/** No other origin, no imports, no data but images, nothing sticky. */
function checkCss(name, css, files) {
  if (/@import/i.test(css)) fail(`${name}: @import`);
  if (/:\s*sticky/.test(css)) fail(`${name}: sticky`);
  for (const match of css.matchAll(/url\(\s*(["']?)([^"')\s]{0,80})/g)) {
    const target = match[2];
    if (!target.startsWith('data:image/') && !files.has(target)) fail(`${name}: url(${target})`);
  }
}

function minify(name, css) {
  const { code, warnings } = transform({ filename: name, code: Buffer.from(css), minify: true });
  for (const warning of warnings) console.warn(`${name}: ${warning.message}`);
  return Buffer.from(code);
}

function safelist() {
  return read(path.join(HERE, 'safelist.txt')).split('\n').filter((line) => !line.startsWith('#')).join('\n');
}

function templates() {
  if (!existsSync(TEMPLATES)) return [];
  return readdirSync(TEMPLATES, { recursive: true })
    .filter((file) => file.endsWith('.html'))
    .sort()
    .map((file) => ({ raw: read(path.join(TEMPLATES, file)), extension: 'html' }));
}

async function portalCss(fonts) {
  const faces = read(inPackage(FONT, 'wght.css')).match(/@font-face\s*\{[^}]*\}/g)
    .flatMap((face) => {
      const subset = /noto-sans-(latin-ext|latin)-wght-normal\.woff2/.exec(face)?.[1];
      if (subset === undefined) return [];
      return [face.replace(/url\([^)]*\)/, `url(${fonts.get(subset)})`).replace('woff2-variations', 'woff2')];
    });
  const own = path.join(HERE, 'src', 'portal.css');
  const theme = path.join(HERE, 'src', 'theme.css');
  const sources = [inPackage(THEME, 'dist/theme.css'), theme,
    ...COMPONENTS.map((name) => inPackage(name, 'dist/index.css')), own];
  const all = [...faces, ...sources.map((file) => read(file).replace(/@charset[^;]*;/g, ''))].join('\n');

  const before = postcss.parse(all);
  mergeTheme(before);
  const names = definedIn(before);
  checkOwn(own, names);
  checkOwn(theme, names);
  const [{ css }] = await new PurgeCSS().purge({
    content: [{ raw: safelist(), extension: 'html' }, ...templates()],
    css: [{ raw: before.toString() }],
    variables: false,
  });
  const after = postcss.parse(css);
  dropUnreached(after);
  checkNames(after, names);
  return minify('portal.css', after.toString());
}

/** Name, version, licence, copyright lines and licence text of everything that is shipped. */
function thirdParty() {
  const parts = [
    { name: THEME, changed: 'unreached tokens removed, some overridden, minified', css: 'dist/theme.css' },
    ...COMPONENTS.map((name) => ({ name, changed: 'unused rules removed, minified', css: 'dist/index.css' })),
    { name: FONT, changed: 'subsets latin and latin-ext, files renamed' },
    { name: SWAGGER, changed: 'own rules added and CSS minified, source map comment removed, files renamed' },
  ];
  const texts = new Map();
  for (const part of parts) {
    const { version, license } = JSON.parse(read(inPackage(part.name, 'package.json')));
    if (!LICENCES.has(license)) fail(`${part.name}: licence ${license} is not allowed`);
    const file = ['LICENSE', 'LICENSE.md'].map((name) => inPackage(part.name, name)).find(existsSync);
    const text = read(file).replaceAll('\r\n', '\n').trim();
    const marks = part.css === undefined ? [] : read(inPackage(part.name, part.css)).match(/Copyright \(c\)[^\n*]*/g) ?? [];
    const entry = texts.get(text) ?? { license, lines: [], marks: new Set() };
    entry.lines.push(`${part.name} ${version} (${license}) - ${part.changed}`);
    marks.forEach((mark) => entry.marks.add(mark.trim()));
    texts.set(text, entry);
  }
  const out = ['Files in this folder are made from the npm packages below; their sources are in those packages.', ''];
  const rule = '='.repeat(80);
  for (const [text, { lines, marks }] of texts) out.push(rule, ...lines, ...[...marks].sort(), rule, '', text, '');
  out.push(rule, `${SWAGGER}: NOTICE`, rule, '', read(inPackage(SWAGGER, 'NOTICE')).trim(), '');
  out.push(rule, `${SWAGGER}: parts inside swagger-ui-bundle.js`, rule, '',
    read(inPackage(SWAGGER, 'swagger-ui-bundle.js.LICENSE.txt')).replaceAll('\r\n', '\n').trim(), '');
  return Buffer.from(out.join('\n'));
}

async function build() {
  const files = new Map();
  const manifest = {};
  const add = (name, data) => {
    const dot = name.lastIndexOf('.');
    const file = `${name.slice(0, dot)}.${hash(data, 'hex').slice(0, 8)}${name.slice(dot)}`;
    // Fonts are compressed already. The rest stands there compressed only: it is for browsers, which all take brotli over
    // TLS, and each byte is one of the program.
    if (name.endsWith('.woff2')) files.set(file, data);
    else files.set(`${file}.br`, brotliCompressSync(data));
    manifest[name] = { file, sha384: hash(data, 'base64') };
    return file;
  };

  const fonts = new Map(['latin', 'latin-ext'].map((subset) => [subset,
    add(`noto-sans-${subset}.woff2`, readFileSync(inPackage(FONT, `files/noto-sans-${subset}-wght-normal.woff2`)))]));
  const portal = await portalCss(fonts);
  checkCss('portal.css', portal.toString(), files);
  add('portal.css', portal);

  const swagger = minify('swagger-ui.css',
    `${read(inPackage(SWAGGER, 'swagger-ui.css'))}\n${read(path.join(HERE, 'src', 'swagger.css'))}`);
  checkCss('swagger-ui.css', swagger.toString(), files);
  add('swagger-ui.css', swagger);
  add('swagger-ui-bundle.js', Buffer.from(read(inPackage(SWAGGER, 'swagger-ui-bundle.js')).replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, '')));
  add('swagger-init.js', readFileSync(path.join(HERE, 'src', 'swagger-init.js')));

  const sorted = Object.fromEntries(Object.entries(manifest).sort(([a], [b]) => (a < b ? -1 : 1)));
  files.set('manifest.json', Buffer.from(`${JSON.stringify(sorted, null, 2)}\n`));
  files.set('THIRD-PARTY.txt', thirdParty());
  return files;
}

function compare(label, wanted, found) {
  const names = new Set([...wanted.keys(), ...found.keys()]);
  // Another version of Node may compress otherwise: what counts is what comes out.
  const plain = (name, data) => (data && name.endsWith('.br') ? brotliDecompressSync(data) : data);
  const different = [...names].filter(
    (name) => !plain(name, wanted.get(name))?.equals(plain(name, found.get(name)) ?? Buffer.alloc(0)));
  if (different.length > 0) fail(`${label}: ${different.join(', ')}`);
}

const files = await build();
if (process.argv.includes('--check')) {
  compare('two builds differ', files, await build());
  const committed = new Map(readdirSync(DIST).map((name) => [name, readFileSync(path.join(DIST, name))]));
  compare('dist/ is out of date', files, committed);
  console.log(`dist/ is up to date, ${files.size} files`);
} else {
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(DIST);
  for (const [name, data] of files) writeFileSync(path.join(DIST, name), data);
  for (const [name, data] of files) console.log(`${String(data.length).padStart(9)}  ${name}`);
}
