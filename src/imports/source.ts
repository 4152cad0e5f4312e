// What is imported from: its bytes, what it begins with, and by that its format and how it is known again.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { UsageMistake } from '../platform/command.ts';
import type { Format } from './schema.ts';

export interface Source {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Of its first bytes: the same file is known by it. */
  readonly fingerprint: string;
  readonly format: Format;
}

const HEAD_BYTES = 64 * 1024;

/** `-` is standard input. Throws a UsageMistake when it cannot be read. */
export async function openSource(path: string): Promise<Source> {
  if (path === '-') return sourceOf(process.stdin);
  await access(path, constants.R_OK).catch(() => {
    throw new UsageMistake(`The file ${path} cannot be read.`);
  });
  return sourceOf(createReadStream(path, { highWaterMark: HEAD_BYTES }));
}

export async function sourceOf(stream: AsyncIterable<Uint8Array>): Promise<Source> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < HEAD_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    length += next.value.length;
  }
  const head = Buffer.concat(chunks);
  return {
    fingerprint: createHash('sha256').update(head.subarray(0, HEAD_BYTES)).digest('base64url'),
    format: /^[\s\ufeff]*\{/.test(head.toString('utf8', 0, 1024)) ? 'jsonl' : 'csv',
    bytes: (async function* () {
      yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    })(),
  };
}
