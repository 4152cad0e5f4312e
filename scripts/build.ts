// Compiles the server into dist/ and puts beside it what it reads at run time. `npm start` calls this first; when nothing
// is newer than the last build it does nothing.
import { execFileSync } from 'node:child_process';
import { cp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildGuard } from './build-guard.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const stamp = join(dist, '.built');
const sources = [
  'src',
  'migrations',
  'views',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.guard.json',
];

if (await isStale()) {
  // A migration or view that was deleted must not live on in dist.
  await rm(dist, { recursive: true, force: true });
  execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  buildGuard(join(dist, 'guard'));
  await cp(join(root, 'views'), join(dist, 'views'), { recursive: true });
  const blocklist = join('src', 'credentials', 'password', 'blocklist.bin');
  await cp(join(root, blocklist), join(dist, blocklist));
  await writeFile(stamp, '');
}

async function isStale(): Promise<boolean> {
  const built = await stat(stamp).catch(() => undefined);
  return built === undefined || (await newest()) > built.mtimeMs;
}

/** The latest change of any source; a folder's own time tells of files that were added or removed. */
async function newest(): Promise<number> {
  const times = await Promise.all(
    sources.map(async (source) => {
      const path = join(root, source);
      const inside = await readdir(path, { recursive: true }).catch(() => []);
      const all = await Promise.all(
        [path, ...inside.map((name) => join(path, name))].map((file) => stat(file)),
      );
      return Math.max(...all.map(({ mtimeMs }) => mtimeMs));
    }),
  );
  return Math.max(...times);
}
