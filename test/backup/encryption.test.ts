// The chunks of an encrypted backup: what goes in comes out, and nothing else does.
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { decrypt, Encryption, encrypt, newEncryption } from '../../src/backup/encryption.ts';

const encryption = { ...newEncryption(), chunkBytes: 1024 };
const sealedChunk = 1024 + 16;
const key = randomBytes(32);
const head = Buffer.from('head');

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function gathered(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
const seal = (bytes: Buffer, bound = head) => gathered(encrypt(inPieces(bytes, 700), key, encryption, bound));
const open = (bytes: Buffer, bound = head, by = key) =>
  gathered(decrypt(inPieces(bytes, 333), by, encryption, bound));

it.each([0, 1, 1023, 1024, 1025, 2048, 5000])('opens %i bytes as they were', async (length) => {
  const bytes = randomBytes(length);
  expect(await open(await seal(bytes))).toEqual(bytes);
});

it('opens nothing that was cut off, also not exactly between two chunks', async () => {
  const sealed = await seal(randomBytes(4096));
  for (const length of [sealedChunk, 2 * sealedChunk, 2 * sealedChunk + 5, sealed.length - 1]) {
    await expect(open(sealed.subarray(0, length)), `${length}`).rejects.toThrow();
  }
});

it('opens no chunk in the place of another, none twice, and nothing behind the last', async () => {
  const sealed = await seal(randomBytes(3000));
  const [one, two, three] = [0, 1, 2].map((at) => sealed.subarray(at * sealedChunk, (at + 1) * sealedChunk));
  for (const order of [
    [two, one, three],
    [one, one, two, three],
    [one, three],
    [one, two, three, three],
  ]) {
    await expect(open(Buffer.concat(order.map((chunk) => chunk ?? head)))).rejects.toThrow();
  }
});

it('opens nothing behind another head or with another key', async () => {
  const sealed = await seal(randomBytes(100));
  await expect(open(sealed, Buffer.from('heaD'))).rejects.toMatchObject({ code: 'backup_passphrase_wrong' });
  await expect(open(sealed, head, randomBytes(32))).rejects.toMatchObject({
    code: 'backup_passphrase_wrong',
  });
});

it('takes its own figures for scrypt, and none that ask for all the memory there is', () => {
  const made = newEncryption();
  expect(Encryption.safeParse(made).success).toBe(true);
  const greedy = { ...made, scrypt: { ...made.scrypt, cost: 1_048_576, blockSize: 16 } };
  expect(Encryption.safeParse(greedy).success).toBe(false);
});
