// Writes package-lock.json anew and takes every download address out of it.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = new URL('package-lock.json', import.meta.url);
execFileSync('npm', ['install', '--package-lock-only'], { cwd: import.meta.dirname, stdio: 'inherit' });
const lock = JSON.parse(readFileSync(FILE, 'utf8'));
for (const entry of Object.values(lock.packages)) {
  delete entry.resolved;
  delete entry.funding;
}
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
