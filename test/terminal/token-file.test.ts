// The token file: who can read it, and what happens when several commands use it at once.
import { chmodSync, existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createTokenFile, tokenDirectory } from '../../src/terminal/token-file.ts';
import { useFolders } from '../support/folder.ts';

const newFolder = useFolders();

const signIn = { refreshToken: 'refresh', person: null, api: { token: 'token', expiresAt: 5 } };

function file() {
  const directory = join(newFolder(), 'config', 'gatehouse');
  return { directory, tokens: createTokenFile(directory) };
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('the token file', () => {
  it('A1 is readable by its owner alone', async () => {
    const { directory, tokens } = file();
    await tokens.write('https://a.example', signIn);
    expect(modeOf(tokens.path)).toBe(0o600);
    expect(modeOf(directory)).toBe(0o700);
    expect(readdirSync(directory)).toEqual(['tokens.json']);
  });

  it.each([0o640, 0o604, 0o666])('is refused when others can read it (mode %o)', async (mode) => {
    const { tokens } = file();
    await tokens.write('https://a.example', signIn);
    chmodSync(tokens.path, mode);
    await expect(tokens.read('https://a.example')).rejects.toMatchObject({ code: 'token_file_unsafe' });
  });

  it('keeps one sign-in for each issuer', async () => {
    const { tokens } = file();
    await tokens.write('https://a.example', signIn);
    await tokens.write('https://b.example', { ...signIn, refreshToken: null });
    await tokens.write('https://a.example', undefined);
    expect(await tokens.read('https://a.example')).toBeUndefined();
    expect(await tokens.read('https://b.example')).toEqual({ ...signIn, refreshToken: null });
  });

  it('is empty when it does not exist, and broken when it is not ours', async () => {
    const { tokens } = file();
    expect(await tokens.read('https://a.example')).toBeUndefined();
    await tokens.write('https://a.example', signIn);
    writeFileSync(tokens.path, '{"https://a.example": 1}');
    await expect(tokens.read('https://a.example')).rejects.toMatchObject({ code: 'token_file_broken' });
  });

  it('lets one command at a time use it', async () => {
    const { tokens } = file();
    const order: string[] = [];
    const use = (name: string) =>
      tokens.alone(async () => {
        order.push(`${name} in`);
        await wait(20);
        order.push(`${name} out`);
      });
    await Promise.all([use('a'), use('b'), use('c')]);
    for (let i = 0; i < order.length; i += 2) {
      expect(order[i + 1]).toBe(order[i]?.replace('in', 'out'));
    }
  });

  it('gives the file free when a command fails or has died', async () => {
    const { tokens } = file();
    const lock = `${tokens.path}.lock`;
    await expect(tokens.alone(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(existsSync(lock)).toBe(false);
    writeFileSync(lock, '');
    const longAgo = Date.now() / 1000 - 3600;
    utimesSync(lock, longAgo, longAgo);
    expect(await tokens.alone(async () => 'in')).toBe('in');
  });
});

describe('its place', () => {
  it.each([
    ['/x', '/x/gatehouse'],
    [undefined, '/home/me/.config/gatehouse'],
    ['', '/home/me/.config/gatehouse'],
    ['relative', '/home/me/.config/gatehouse'],
  ])('with XDG_CONFIG_HOME=%s is %s', (configHome, place) => {
    expect(tokenDirectory({ home: '/home/me', configHome })).toBe(place);
  });
});
