// The shipped list of passwords that are tried first: truncated hashes in one sorted file, searched in place.
// docs/decisions/0004-password-blocklist.md says where its entries come from; scripts/build-blocklist.ts makes it.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { foldCase } from '../../lib/identifiers.ts';

export interface Blocklist {
  /** Takes the password as typed or folded: both are the same entry. */
  has(password: string): Promise<boolean>;
  size(): Promise<number>;
}

/** 48 bits: among half a million entries, one of 500 million other passwords is refused by chance. */
export const ENTRY_BYTES = 6;

const shipped = new URL('./blocklist.bin', import.meta.url);

export function blocklistEntry(password: string): Buffer {
  return createHash('sha256').update(foldCase(password)).digest().subarray(0, ENTRY_BYTES);
}

/** Read when it is first asked: most processes never set a password. */
export function createBlocklist(file: URL = shipped): Blocklist {
  let entries: Promise<Buffer> | undefined;
  const loaded = () => {
    entries ??= readFile(file);
    return entries;
  };
  return {
    has: async (password) => contains(await loaded(), blocklistEntry(password)),
    size: async () => (await loaded()).length / ENTRY_BYTES,
  };
}

function contains(entries: Buffer, entry: Buffer): boolean {
  let low = 0;
  let high = entries.length / ENTRY_BYTES - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const at = middle * ENTRY_BYTES;
    const order = entries.compare(entry, 0, ENTRY_BYTES, at, at + ENTRY_BYTES);
    if (order === 0) return true;
    // `order` is that of the stored entry against the one looked for.
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}
