// A backup as bytes: a line that says what it is, a line that says how it is packed, then the frames, compressed and perhaps encrypted.
import { pipeline, type Readable, type Writable } from 'node:stream';
import { pipeline as finished } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { z } from 'zod';
import { failure } from '../platform/errors.ts';
import { decrypt, Encryption, encrypt, keyOf, newEncryption } from './encryption.ts';
import { broken, readFrames, writeFrames } from './frames.ts';
import { type CopySource, FORMAT, type OnTable } from './schema.ts';

const MAGIC = 'GATEHOUSE-BACKUP';
const LONGEST_HEAD_BYTES = 4096;
const LINE_END = 0x0a;

const Packing = z.object({ compression: z.literal('zstd'), encryption: Encryption.nullable() });
type Packing = z.output<typeof Packing>;

/** Resolves when the last byte was taken by `target`, which is ended. */
export async function writeBackup(
  source: CopySource,
  target: Writable,
  options: { passphrase: string | undefined; onTable: OnTable },
): Promise<void> {
  const { passphrase, onTable } = options;
  const packing: Packing = {
    compression: 'zstd',
    encryption: passphrase === undefined ? null : newEncryption(),
  };
  const head = Buffer.from(`${MAGIC} ${FORMAT}\n${JSON.stringify(packing)}\n`);
  const key = passphrase !== undefined && packing.encryption && (await keyOf(passphrase, packing.encryption));
  const packed = pipeline(
    writeFrames(source, onTable),
    createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    // Every error also ends the iteration below, where it is thrown.
    () => {},
  );
  const body = key && packing.encryption ? encrypt(packed, key, packing.encryption, head) : packed;
  await finished(withHead(head, body), target);
}

async function* withHead(head: Buffer, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  yield* body;
}

/** The source of what `bytes` hold. Asks for the passphrase only when there is one. Throws backup_broken and its kin. */
export async function readBackup(
  bytes: Readable,
  reading: { passphrase: () => Promise<string>; mustBeEncrypted?: boolean },
): Promise<CopySource & { readonly encrypted: boolean }> {
  const iterator = bytes[Symbol.asyncIterator]() as AsyncIterator<Buffer>; // a byte stream gives buffers
  const { head, packing, rest } = await readHead(iterator);
  const { encryption } = packing;
  if (reading.mustBeEncrypted === true && encryption === null) {
    throw broken('a passphrase was given for it, and it is not encrypted');
  }
  const body = continued(rest, iterator);
  const packed = encryption
    ? decrypt(body, await keyOf(await reading.passphrase(), encryption), encryption, head)
    : body;
  const frames = pipeline(packed, createZstdDecompress(), () => {});
  return { ...(await readFrames(unpacked(frames))), encrypted: encryption !== null };
}

async function readHead(
  iterator: AsyncIterator<Buffer>,
): Promise<{ head: Buffer; packing: Packing; rest: Buffer }> {
  let start: Buffer = Buffer.alloc(0);
  for (;;) {
    const first = start.indexOf(LINE_END);
    const second = first < 0 ? -1 : start.indexOf(LINE_END, first + 1);
    if (first >= 0) checkMagic(start.subarray(0, first).toString('latin1'));
    if (second >= 0) {
      const packing = packingOf(start.subarray(first + 1, second));
      return { head: start.subarray(0, second + 1), packing, rest: start.subarray(second + 1) };
    }
    const { done, value } = await iterator.next();
    if (done === true || start.length > LONGEST_HEAD_BYTES) throw broken('this is no backup of Gatehouse');
    start = Buffer.concat([start, value]);
  }
}

function checkMagic(line: string): void {
  const [, format] = new RegExp(`^${MAGIC} (\\d{1,6})$`).exec(line) ?? [];
  if (format === undefined) throw broken('this is no backup of Gatehouse');
  if (Number(format) > FORMAT) throw failure('backup_newer', { format: Number(format) });
}

function packingOf(line: Buffer): Packing {
  try {
    return Packing.parse(JSON.parse(line.toString('utf8')));
  } catch (error) {
    throw broken('its second line cannot be read', error);
  }
}

async function* continued(rest: Buffer, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield rest;
  for (;;) {
    const { done, value } = await iterator.next();
    if (done === true) return;
    yield value;
  }
}

async function* unpacked(frames: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* frames;
  } catch (error) {
    const { code } = error as { code?: unknown };
    const byZstd = typeof code === 'string' && /^(ZSTD_|Z_|ERR_ZSTD)/.test(code);
    throw byZstd ? broken('it cannot be unpacked: it was changed or cut off', error) : error;
  }
}
