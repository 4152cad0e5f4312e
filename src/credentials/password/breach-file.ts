// A list of breached passwords on this machine. Of the usual form (SHA-1 in hexadecimal, a colon, a count, in the order of
// the hashes) it may have any size: it is searched on disk. A list of plain passwords is small and kept in memory.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { BreachCheck } from './checking.ts';

const HASH_LENGTH = 40;
/** The longest line is a hash, a colon and a count. */
const LINE_BYTES = 64;
const MOST_PLAIN_BYTES = 16 * 1024 * 1024;
const LINE = /^([0-9A-F]{40})(?::\d{1,12})?\r?$/i;
const NTLM_LINE = /^[0-9A-F]{32}(?::\d{1,12})?\r?$/i;
const SAMPLES = 64;

/** As such lists write it. */
export function sha1Of(password: string): string {
  return createHash('sha1').update(password).digest('hex').toUpperCase();
}

/** Throws a sentence for the operator when it cannot be read, or is not such a list. */
export function openBreachFile(path: string): BreachCheck {
  const begin = readStart(path);
  if (NTLM_LINE.test(begin.firstLine)) {
    throw mistake(path, 'has NTLM hashes; take the list of SHA-1 hashes');
  }
  if (!LINE.test(begin.firstLine)) return plainList(path, begin.size);
  checkOrder(path, begin.size);
  // Opened for each search: the list may be replaced by a newer one while the server runs.
  return async (password) => {
    const file = await open(path);
    try {
      return await isIn(file, (await file.stat()).size, sha1Of(password));
    } finally {
      await file.close();
    }
  };
}

function mistake(path: string, sentence: string): Error {
  return new Error(`PASSWORD_BREACH_FILE: ${path} ${sentence}.`);
}

function readStart(path: string): { size: number; firstLine: string } {
  try {
    return withFile(path, (file, size) => ({
      size,
      firstLine: textAt(file, 0, LINE_BYTES).split('\n', 1)[0] ?? '',
    }));
  } catch (error) {
    throw mistake(path, `cannot be read (${error instanceof Error ? error.message : 'unknown'})`);
  }
}

function withFile<T>(path: string, run: (file: number, size: number) => T): T {
  const file = openSync(path, 'r');
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error('it is not a file');
    return run(file, stat.size);
  } finally {
    closeSync(file);
  }
}

function textAt(file: number, position: number, length: number): string {
  const bytes = Buffer.alloc(length);
  return bytes.toString('latin1', 0, readSync(file, bytes, 0, length, position));
}

/** Looks at some lines from all over it: a list in the order of its counts would be searched in vain. */
function checkOrder(path: string, size: number): void {
  withFile(path, (file) => {
    let before = '';
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const at = Math.floor((size * sample) / SAMPLES);
      const lines = textAt(file, at, LINE_BYTES * 3).split('\n');
      // Where the sample begins in the middle of a line, that one is left out; so is one that it ends in.
      const hashes = lines.slice(at === 0 ? 0 : 1, -1).map((line) => LINE.exec(line)?.[1]?.toUpperCase());
      if (hashes.includes(undefined)) throw mistake(path, 'has lines that are not SHA-1:count');
      const inOrder = [before, ...hashes].every(
        (hash, index, all) => index === 0 || (all[index - 1] ?? '') <= (hash ?? ''),
      );
      if (!inOrder) throw mistake(path, 'is not in the order of its hashes; take the list ordered by hash');
      before = hashes[0] ?? before;
    }
  });
}

function plainList(path: string, size: number): BreachCheck {
  if (size > MOST_PLAIN_BYTES) {
    throw mistake(path, 'is too long for a list of plain passwords; take one of SHA-1:count lines');
  }
  const listed = new Set(readFileSync(path, 'utf8').split(/\r?\n/));
  listed.delete('');
  return async (password) => listed.has(password);
}

/** Halves the bytes in which the line can begin, until one line is left. */
async function isIn(file: FileHandle, size: number, hash: string): Promise<boolean> {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const line = await lineFrom(file, middle);
    // No line begins behind the middle: what is looked for can only begin before it.
    if (line === undefined || line.start >= high) {
      if (low === middle) break;
      high = middle;
      continue;
    }
    if (line.hash === hash) return true;
    if (line.hash < hash) low = line.start + HASH_LENGTH;
    else high = middle;
  }
  return (await lineFrom(file, low))?.hash === hash;
}

/** The first line that begins at `position` or later. */
async function lineFrom(
  file: FileHandle,
  position: number,
): Promise<{ start: number; hash: string } | undefined> {
  // From the byte before, which tells whether a line begins here.
  const from = Math.max(0, position - 1);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(LINE_BYTES * 2), 0, LINE_BYTES * 2, from);
  const text = buffer.toString('latin1', 0, bytesRead);
  const start = position === 0 ? 0 : text.indexOf('\n') + 1;
  if (position > 0 && start === 0) return undefined;
  const hash = text.slice(start, start + HASH_LENGTH).toUpperCase();
  return hash.length < HASH_LENGTH ? undefined : { start: from + start, hash };
}
