// The tokens of the person at this terminal, by issuer, in one file that nobody else can read.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { failure } from '../platform/errors.ts';

const Token = z.object({ token: z.string(), expiresAt: z.number() });
const SignIn = z.object({
  refreshToken: z.string().nullable(),
  /** For userinfo; an access token for the management API is not accepted there. */
  person: Token.nullable(),
  /** For the management API. */
  api: Token.nullable(),
});
const Contents = z.record(z.string(), SignIn);

export type SignIn = z.infer<typeof SignIn>;

export interface TokenFile {
  readonly path: string;
  /** Throws `token_file_unsafe` when others can read the file. */
  read(issuer: string): Promise<SignIn | undefined>;
  write(issuer: string, signIn: SignIn | undefined): Promise<void>;
  /** One process at a time: two that used one refresh token would end the family of both. */
  alone<T>(run: () => Promise<T>): Promise<T>;
}

const LOCK_STALE_MILLISECONDS = 60_000;

export function createTokenFile(directory: string): TokenFile {
  const path = join(directory, 'tokens.json');

  const readAll = async (): Promise<Record<string, SignIn>> => {
    const mode = await modeOf(path);
    if (mode === undefined) return {};
    if ((mode & 0o077) !== 0) throw failure('token_file_unsafe', { path });
    const parsed = Contents.safeParse(jsonOf(await readFile(path, 'utf8')));
    if (!parsed.success) throw failure('token_file_broken', { path });
    return parsed.data;
  };

  return {
    path,
    read: async (issuer) => (await readAll())[issuer],
    async write(issuer, signIn) {
      const { [issuer]: _before, ...others } = await readAll();
      const all = signIn === undefined ? others : { ...others, [issuer]: signIn };
      await prepare(directory);
      await replace(path, `${JSON.stringify(all, null, 2)}\n`);
    },
    async alone(run) {
      await prepare(directory);
      const lock = `${path}.lock`;
      await takeLock(lock);
      try {
        return await run();
      } finally {
        await rm(lock, { force: true });
      }
    },
  };
}

/** $XDG_CONFIG_HOME/gatehouse, or .config/gatehouse below the home directory. */
export function tokenDirectory(places: { home: string; configHome: string | undefined }): string {
  // The XDG specification: a relative path in the variable is to be ignored.
  const absolute = places.configHome?.startsWith('/') === true ? places.configHome : undefined;
  return join(absolute ?? join(places.home, '.config'), 'gatehouse');
}

async function prepare(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
}

/** A new file takes the old one's place at once, so that a crash leaves one of the two whole. */
async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(next, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}

async function takeLock(lock: string): Promise<void> {
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close();
      return;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      const made = await stat(lock).catch(() => undefined);
      const isStale = made !== undefined && Date.now() - made.mtimeMs > LOCK_STALE_MILLISECONDS;
      if (isStale) await rm(lock, { force: true });
      else await wait(50);
    }
  }
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
