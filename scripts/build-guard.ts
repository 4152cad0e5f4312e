// The library for APIs as a package of its own: what `gatehouse/guard` and `gatehouse/login` need, and jose alone beside it.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** `npm pack` of the folder makes the file that others install (docs/guard.md). */
export function buildGuard(folder: string): void {
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  execFileSync(tsc, ['-p', join(ROOT, 'tsconfig.guard.json'), '--outDir', folder], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  const { name, version, license, engines, dependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const manifest = {
    name,
    version,
    description: 'What an API puts in front of its routes to take the tokens and keys of Gatehouse.',
    license,
    private: true,
    type: 'module',
    engines,
    exports: { './guard': entry('guard'), './login': entry('login') },
    dependencies: { jose: dependencies.jose },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function entry(name: string) {
  return { types: `./guard/${name}.d.ts`, default: `./guard/${name}.js` };
}
