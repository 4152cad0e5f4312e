// The command line as a whole: every command is there, and the process keeps its promises to scripts.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { program } from '../src/cli.ts';
import { childEnvironment } from './support/child.ts';
import { useFolders } from './support/folder.ts';

const newFolder = useFolders();

const SOURCE = join(import.meta.dirname, '..', 'src');
const CLI = join(SOURCE, 'cli.ts');

function gatehouse(args: readonly string[], environment: Record<string, string> = {}) {
  const cwd = newFolder();
  const env = { ...childEnvironment, HOME: cwd, XDG_CONFIG_HOME: cwd, ...environment };
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => {
      said.out += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      said.err += String(chunk);
    });
    child.on('close', (code) => resolve({ code, ...said }));
  });
}

describe('the list of commands', () => {
  const definitions = program.commands.map(({ definition }) => definition);

  it('has the commands of every feature', async () => {
    const folders = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
      .filter((path) => /^[^/]+\/commands\.ts$/.test(path))
      .map((path) => path.split('/')[0]);
    expect(folders.length).toBeGreaterThan(5);
    const names = new Set(definitions.map(({ name }) => name));
    for (const folder of folders) {
      const { commands } = await import(`../src/${folder}/commands.ts`);
      for (const { name } of commands) expect(names).toContain(name);
    }
  });

  it('names each command once, in one sentence, in a group that has a sentence', () => {
    expect(new Set(definitions.map(({ name }) => name)).size).toBe(definitions.length);
    const groups: Readonly<Record<string, string>> = program.groups;
    for (const { name, summary } of definitions) {
      expect(summary).toMatch(/\.$/);
      const [group = '', ...rest] = name.split(' ');
      if (rest.length > 0) expect(groups[group]).toMatch(/\.$/);
    }
  });

  it('takes no password as an argument or value', () => {
    const valued = definitions
      .flatMap(({ options }) => options ?? [])
      .filter(({ value }) => value !== undefined);
    expect(valued.filter(({ name }) => /password/.test(name))).toEqual([]);
  });
});

describe('the process', () => {
  it('ends with 78 and every mistake of the configuration', async () => {
    const { code, out, err } = await gatehouse(['config', 'check'], {
      PORT: 'x',
      ISSUER: 'http://id.example.com',
    });
    expect(code).toBe(78);
    expect(out).toBe('');
    expect(err).toContain('There are 2 mistakes');
  });

  it('checks the configuration and shows where values come from', async () => {
    const { code, out } = await gatehouse(['config', 'check', '--json'], { PORT: '4000' });
    expect(code).toBe(0);
    expect(JSON.parse(out).settings).toContainEqual(
      expect.objectContaining({ name: 'PORT', value: '4000', origin: 'environment' }),
    );
  });

  it('ends with 4 when nobody is signed in, 75 when the server is away, 2 for what it does not know', async () => {
    expect(await gatehouse(['whoami'])).toMatchObject({
      code: 4,
      err: 'error: Nobody is signed in at this terminal. Run `gatehouse login`. (not_signed_in)\n',
    });
    // Port 9 is the discard service: nothing speaks HTTP there.
    expect((await gatehouse(['login'], { ISSUER: 'http://127.0.0.1:9' })).code).toBe(75);
    expect((await gatehouse(['whoam'])).code).toBe(2);
  });

  it('prints its version', async () => {
    expect(await gatehouse(['version', '--json'])).toMatchObject({
      code: 0,
      out: expect.stringContaining(`"version": "${program.version}"`),
    });
  });
});
