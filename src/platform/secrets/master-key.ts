// The master key: given by setting, read from the keys directory, or made there at first start.
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { MASTER_KEY_BYTES } from './vault.ts';

/** Stops the start; the message says what is wrong and what to do, and never contains key material. */
export class SecretsProblem extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SecretsProblem';
  }
}

export async function loadMasterKey(settings: {
  masterKey: string | undefined;
  keysDirectory: string;
}): Promise<Buffer> {
  if (settings.masterKey !== undefined) return parseMasterKey(settings.masterKey, 'The master key setting');
  const file = join(settings.keysDirectory, 'master.key');
  return (await readKeyFile(file)) ?? (await makeKeyFile(settings.keysDirectory, file));
}

/** Base64, base64url or hex of exactly 32 bytes; a key of another length is refused and never padded. */
export function parseMasterKey(text: string, source: string): Buffer {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex');
  const key = /^[A-Za-z0-9+/_-]+=*$/.test(trimmed) ? Buffer.from(trimmed, 'base64') : Buffer.alloc(0);
  if (key.length === MASTER_KEY_BYTES) return key;
  throw new SecretsProblem(
    `${source} is not 32 bytes in base64 or hex. Make one with: openssl rand -base64 32`,
  );
}

async function readKeyFile(file: string): Promise<Buffer | undefined> {
  let text: string;
  try {
    if (process.platform !== 'win32') refuseIfShared(file, (await stat(file)).mode);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    if (error instanceof SecretsProblem) throw error;
    throw new SecretsProblem(
      `The master key file ${file} cannot be read by this user. Check its owner.`,
      error,
    );
  }
  return parseMasterKey(text, `The master key file ${file}`);
}

function refuseIfShared(file: string, mode: number): void {
  if ((mode & 0o077) === 0) return;
  throw new SecretsProblem(
    `The master key file ${file} is open to other users (mode ${(mode & 0o777).toString(8)}). Run: chmod 600 ${file}`,
  );
}

/**
 * The key is written to a file of our own and then linked to its name: linking fails when the name exists, so of two
 * processes that start together one wins, and the other never reads a half-written key.
 */
async function makeKeyFile(directory: string, file: string): Promise<Buffer> {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    // The mode of a directory that was there before is its owner's business: it may hold more than our key.
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeDraft(draft, randomBytes(MASTER_KEY_BYTES));
    await link(draft, file).catch((error: unknown) => {
      if (!isCode(error, 'EEXIST')) throw error;
    });
    await syncDirectory(directory);
  } catch (error) {
    throw new SecretsProblem(
      `The master key cannot be made in ${directory}. Make the directory writable for this user, or give the key by setting.`,
      error,
    );
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  const key = await readKeyFile(file);
  if (key === undefined)
    throw new SecretsProblem(`The master key file ${file} disappeared while it was made.`);
  return key;
}

async function writeDraft(draft: string, key: Buffer): Promise<void> {
  const opened = await open(draft, 'wx', 0o600);
  try {
    await opened.writeFile(`${key.toString('base64')}\n`);
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** A key that a power cut can take away takes every sealed secret with it, so the name is made durable too. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const opened = await open(directory, 'r');
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
