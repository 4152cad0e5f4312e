// The master keys: given by setting, read from the keys directory, or made there at first start.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { MASTER_KEY_BYTES, masterKeyId } from './vault.ts';

/** Stops the start; the message says what is wrong and what to do, and never contains key material. */
export class SecretsProblem extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SecretsProblem';
  }
}

export interface MasterKeySettings {
  masterKey: string | undefined;
  /** Beside the master key setting: values may be under them, before a rotation or after it. */
  previousMasterKeys?: readonly string[] | undefined;
  keysDirectory: string;
}

export interface MasterKeyAtHand {
  id: string;
  key: Buffer;
  /** Undefined when it came by setting. */
  file: string | undefined;
}

const FIRST = 'master.key';
const LATER = /^master-[0-9a-f]{16}\.key$/;

/** The first one, made when there is none. */
export async function loadMasterKey(settings: MasterKeySettings): Promise<Buffer> {
  const file = join(settings.keysDirectory, FIRST);
  const [first] = masterKeysAtHand(settings);
  return first?.key ?? (await makeKeyFile(settings.keysDirectory, file, randomBytes(MASTER_KEY_BYTES)));
}

/**
 * All of them, for those who must not make one. At once and not later: the vault asks when a value names a key that it
 * does not know, which happens once after a rotation.
 */
export function masterKeysAtHand(settings: MasterKeySettings): MasterKeyAtHand[] {
  const found = settings.masterKey === undefined ? inDirectory(settings.keysDirectory) : bySetting(settings);
  return found.map(({ key, file }) => ({ id: masterKeyId(key), key, file }));
}

function bySetting({ masterKey, previousMasterKeys }: MasterKeySettings) {
  const texts = masterKey === undefined ? [] : [masterKey, ...(previousMasterKeys ?? [])];
  return texts.map((text) => ({ key: parseMasterKey(text, 'The master key setting'), file: undefined }));
}

function inDirectory(directory: string): { key: Buffer; file: string }[] {
  return filesIn(directory).flatMap((file) => {
    const key = readKeyFile(file);
    return key === undefined ? [] : [{ key, file }];
  });
}

/** Where they lie, unread and whatever their modes; none when they come by setting. */
export function masterKeyFiles(settings: MasterKeySettings): string[] {
  return settings.masterKey === undefined ? filesIn(settings.keysDirectory) : [];
}

function filesIn(directory: string): string[] {
  const names = namesIn(directory);
  const later = names.filter((name) => LATER.test(name)).sort();
  return [...names.filter((name) => name === FIRST), ...later].map((name) => join(directory, name));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw new SecretsProblem(
      `The master keys in ${directory} cannot be read by this user. Check its owner.`,
      error,
    );
  }
}

/** A further master key beside the first: `master-<id>.key`, readable for its owner only. */
export async function makeFurtherMasterKey(directory: string): Promise<MasterKeyAtHand> {
  const key = randomBytes(MASTER_KEY_BYTES);
  const id = masterKeyId(key);
  const file = join(directory, `master-${id}.key`);
  await makeKeyFile(directory, file, key);
  return { id, key, file };
}

/** Not read any more and not lost either: back-ups from before the rotation need it. */
export async function setAsideMasterKey(directory: string, file: string): Promise<string> {
  const aside = `${file}.retired`;
  await rename(file, aside);
  await syncDirectory(directory);
  return aside;
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

function readKeyFile(file: string): Buffer | undefined {
  let text: string;
  try {
    if (process.platform !== 'win32') refuseIfShared(file, statSync(file).mode);
    text = readFileSync(file, 'utf8');
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
async function makeKeyFile(directory: string, file: string, made: Buffer): Promise<Buffer> {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    // The mode of a directory that was there before is its owner's business: it may hold more than our key.
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeDraft(draft, made);
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
  const key = readKeyFile(file);
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
