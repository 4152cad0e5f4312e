// The library as others take it: packed, put into an empty project beside jose, imported by plain JavaScript, compiled against.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { buildGuard } from '../../scripts/build-guard.ts';
import { LoginRequired, requireLogin } from '../../src/guard/login.ts';
import { useFolders } from '../support/folder.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const newFolder = useFolders();
const made = { project: '', installed: '' };

beforeAll(() => {
  const built = newFolder();
  buildGuard(built);
  made.project = newFolder();
  made.installed = join(made.project, 'node_modules', 'gatehouse');
  mkdirSync(made.installed, { recursive: true });
  execFileSync('npm', ['pack', '--silent', '--pack-destination', made.project], { cwd: built });
  const packed = readdirSync(made.project).find((name) => name.endsWith('.tgz')) ?? '';
  execFileSync('tar', ['-xzf', join(made.project, packed), '-C', made.installed, '--strip-components=1']);
  symlinkSync(join(ROOT, 'node_modules', 'jose'), join(made.project, 'node_modules', 'jose'));
  writeFileSync(join(made.project, 'package.json'), '{"type":"module"}');
}, 120_000);

it('is imported by plain JavaScript, and needs jose alone', () => {
  const program = `import { createGuard, requirePermission } from 'gatehouse/guard';
    import { requireLogin } from 'gatehouse/login';
    const guard = createGuard({ issuer: 'https://login.example.com', audience: 'https://api.example.com' });
    const request = { method: 'GET', url: 'https://api.example.com/', header: () => undefined };
    const result = await guard.check(request, requirePermission('notes:read'));
    console.log(result.code, typeof requireLogin);`;
  writeFileSync(join(made.project, 'app.js'), program);
  const out = execFileSync(process.execPath, ['app.js'], { cwd: made.project, encoding: 'utf8' });
  expect(out.trim()).toBe('credential_missing function');
  expect(
    Object.keys(JSON.parse(readFileSync(join(made.installed, 'package.json'), 'utf8')).dependencies),
  ).toEqual(['jose']);
  const names = readdirSync(made.installed, { recursive: true, encoding: 'utf8' });
  const imported = names
    .filter((name) => name.endsWith('.js'))
    .flatMap((name) => [...readFileSync(join(made.installed, name), 'utf8').matchAll(/from '([^.'][^']*)'/g)])
    .map(([, from]) => from);
  expect([...new Set(imported)].sort()).toEqual(['jose', 'node:child_process']);
});

it('has types that a strict project compiles against, and that refuse mistakes', () => {
  const right = `import { createGuard, requireRole, type Identity } from 'gatehouse/guard';
    import { requireLogin } from 'gatehouse/login';
    const guard = createGuard({ issuer: 'https://login.example.com', audience: 'https://api.example.com' });
    export const handler = guard.fetch((_request, identity: Identity) => new Response(identity.subject), requireRole('staff'));
    export const token: string = (await requireLogin()).accessToken;`;
  writeFileSync(join(made.project, 'right.ts'), right);
  writeFileSync(
    join(made.project, 'wrong.ts'),
    `import { createGuard } from 'gatehouse/guard';\ncreateGuard({ issuer: 7 });`,
  );
  const compile = (file: string) =>
    spawnSync(
      join(ROOT, 'node_modules', '.bin', 'tsc'),
      [
        '--ignoreConfig',
        '--noEmit',
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2024',
        '--lib',
        'es2024,dom',
        '--types',
        '',
        file,
      ],
      { cwd: made.project, encoding: 'utf8' },
    );
  const good = compile('right.ts');
  expect(good.stdout + good.stderr).toBe('');
  expect(compile('wrong.ts').stdout).toContain('wrong.ts(2');
});

it('A1: requireLogin takes a fresh token from the command line of Gatehouse, or says what to do', async () => {
  const folder = newFolder();
  const command = (text: string) => {
    const path = join(folder, `gatehouse-${Math.random()}`);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return { command: [path] as const };
  };
  const answer = `printf '{"accessToken":"%s %s","expiresAt":"2030-01-01T00:00:00.000Z"}' "$1" "$2"`;
  expect(await requireLogin(command(answer))).toEqual({
    accessToken: 'token --json',
    expiresAt: new Date('2030-01-01T00:00:00.000Z'),
  });
  const nobody = requireLogin(command('echo "Run gatehouse login." >&2; exit 4'));
  await expect(nobody).rejects.toThrow(new LoginRequired('Run gatehouse login.'));
  await expect(requireLogin({ command: ['/no/such/gatehouse'] })).rejects.toThrow('is not installed');
  const real = { command: [process.execPath, join(ROOT, 'src', 'cli.ts')] as const };
  process.env.XDG_CONFIG_HOME = folder;
  await expect(requireLogin(real)).rejects.toThrow(/gatehouse login/);
}, 60_000);
