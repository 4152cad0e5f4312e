// A backup under a passphrase: scrypt makes the key, AES-256-GCM seals chunk after chunk, so that nothing of it can be
// changed, swapped, or cut off unseen (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár).
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { failure } from '../platform/errors.ts';
import { broken } from './frames.ts';

export const Encryption = z.object({
  cipher: z.literal('aes-256-gcm'),
  chunkBytes: z.number().int().min(1024).max(1_048_576),
  scrypt: z
    .object({
      salt: z.string(),
      cost: z.number().int().min(16_384).max(1_048_576),
      blockSize: z.number().int().min(8).max(16),
      parallelization: z.number().int().min(1).max(4),
    })
    // 512 MiB: a file from elsewhere cannot ask for all the memory there is.
    .refine(({ cost, blockSize }) => 128 * cost * blockSize <= 536_870_912),
});
export type Encryption = z.output<typeof Encryption>;

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CHUNK_BYTES = 65_536;
const SALT_BYTES = 16;
// OWASP's figures for scrypt: 128 MiB and about half a second for each guess.
const COST = 131_072;
const BLOCK_SIZE = 8;

export const LEAST_PASSPHRASE_CHARACTERS = 12;

export function newEncryption(): Encryption {
  const salt = randomBytes(SALT_BYTES).toString('base64');
  const settings = { salt, cost: COST, blockSize: BLOCK_SIZE, parallelization: 1 };
  return { cipher: 'aes-256-gcm', chunkBytes: CHUNK_BYTES, scrypt: settings };
}

/** A key of its own for every file, because every file has a salt of its own: its nonces may count from zero. */
export async function keyOf(passphrase: string, { scrypt: settings }: Encryption): Promise<Buffer> {
  const { cost, blockSize, parallelization } = settings;
  const memory = 128 * cost * blockSize + 1_048_576;
  const limits = { N: cost, r: blockSize, p: parallelization, maxmem: memory };
  const derive = promisify<string, Buffer, number, typeof limits, Buffer>(scrypt);
  return derive(passphrase.normalize('NFC'), Buffer.from(settings.salt, 'base64'), KEY_BYTES, limits);
}

/** `bound`: what stands in clear in front of the chunks, and must be the same when they are opened. */
export async function* encrypt(
  bytes: AsyncIterable<Buffer>,
  key: Buffer,
  { chunkBytes }: Encryption,
  bound: Buffer,
): AsyncGenerator<Buffer> {
  let counter = 0;
  const seal = (chunk: Buffer, last: boolean): Buffer => {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(counter, last), { authTagLength: TAG_BYTES });
    cipher.setAAD(bound);
    counter += 1;
    return Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
  };
  for await (const { chunk, last } of chunksOf(bytes, chunkBytes)) yield seal(chunk, last);
}

export async function* decrypt(
  bytes: AsyncIterable<Buffer>,
  key: Buffer,
  { chunkBytes }: Encryption,
  bound: Buffer,
): AsyncGenerator<Buffer> {
  let counter = 0;
  const open = (chunk: Buffer, last: boolean): Buffer => {
    if (chunk.length < TAG_BYTES) throw broken('it was cut off');
    const nonce = nonceOf(counter, last);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(bound);
    decipher.setAuthTag(chunk.subarray(chunk.length - TAG_BYTES));
    const opened = decipher.update(chunk.subarray(0, chunk.length - TAG_BYTES));
    try {
      decipher.final();
    } catch (error) {
      // Only the first chunk tells about the passphrase: after one that opened, it was the right one.
      if (counter === 0) throw failure('backup_passphrase_wrong', {}, error);
      throw broken('it was changed or cut off', error);
    }
    counter += 1;
    return opened;
  };
  for await (const { chunk, last } of chunksOf(bytes, chunkBytes + TAG_BYTES)) yield open(chunk, last);
}

/** Chunks of exactly this size; the last one is what is left, and is known as the last. */
async function* chunksOf(
  bytes: AsyncIterable<Buffer>,
  size: number,
): AsyncGenerator<{ chunk: Buffer; last: boolean }> {
  let waiting: Buffer = Buffer.alloc(0);
  for await (const more of bytes) {
    waiting = waiting.length === 0 ? more : Buffer.concat([waiting, more]);
    while (waiting.length > size) {
      yield { chunk: waiting.subarray(0, size), last: false };
      waiting = waiting.subarray(size);
    }
  }
  yield { chunk: waiting, last: true };
}

/** The number of the chunk, and whether it is the last: chunks out of order or a missing end do not open. */
function nonceOf(counter: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(counter, NONCE_BYTES - 5);
  nonce[NONCE_BYTES - 1] = last ? 1 : 0;
  return nonce;
}
