// The inside of a backup: a row of frames, each a letter, a length and so many bytes (docs/operations/backup.md has the layout).
import { createHash } from 'node:crypto';
import type { ZodType } from 'zod';
import { failure } from '../platform/errors.ts';
import {
  type CopySource,
  Ending,
  Header,
  type OnTable,
  type SourceTable,
  Sum,
  TableStart,
} from './schema.ts';
import { sameSum, summing } from './sums.ts';

const HEADER = 'H';
const TABLE = 'T';
const DATA = 'D';
const TABLE_END = 'E';
const END = 'Z';

const PREFIX_BYTES = 5;
const LARGEST_FRAME = 16 * 1024 * 1024;

/** Everything that `source` holds, as frames. */
export async function* writeFrames(source: CopySource, onTable: OnTable): AsyncGenerator<Buffer> {
  const all = createHash('sha256');
  const frame = (kind: string, body: Buffer): Buffer => {
    const made = frameOf(kind, body);
    all.update(made);
    return made;
  };
  yield frame(HEADER, json(source.header));
  for await (const table of source.tables()) {
    yield frame(TABLE, json({ name: table.name, columns: table.columns }));
    for await (const rows of table.rows) yield frame(DATA, rows);
    const written = table.sum();
    yield frame(TABLE_END, json(written));
    onTable({ name: table.name, ...written });
  }
  const ending = await source.ending();
  yield frameOf(END, json({ ...ending, sha256: all.digest('hex') }));
}

/** Reads frames back as a source that checks whatever it hands on. Throws backup_broken at the first thing out of place. */
export async function readFrames(bytes: AsyncIterable<Buffer>): Promise<CopySource> {
  const frames = createFrameReader(bytes);
  const header = read(Header, await frames.next(HEADER));
  return {
    header,
    async *tables() {
      while ((await frames.peek()) === TABLE) {
        const { name, columns } = read(TableStart, await frames.next(TABLE));
        yield { name, columns, ...readTable(frames, name) };
      }
    },
    async ending() {
      const sha256 = frames.digest();
      const ending = read(Ending, await frames.next(END));
      await frames.finish();
      if (ending.sha256 !== sha256) throw broken('the hash at its end does not fit');
      return ending;
    },
  };
}

function readTable(frames: FrameReader, name: string): Pick<SourceTable, 'rows' | 'sum'> {
  const { rows, sum } = summing(readRows(frames));
  async function* checked(): AsyncGenerator<Buffer> {
    yield* rows;
    const written = read(Sum, await frames.next(TABLE_END));
    if (!sameSum(sum(), written)) throw broken(`the rows of ${name} are not those that were written`);
  }
  return { rows: checked(), sum };
}

async function* readRows(frames: FrameReader): AsyncGenerator<Buffer> {
  while ((await frames.peek()) === DATA) yield frames.next(DATA);
}

interface FrameReader {
  /** The letter of the next frame. */
  peek(): Promise<string>;
  /** The body of the next frame, which must be of this kind. */
  next(kind: string): Promise<Buffer>;
  /** Over the frames that were taken so far. */
  digest(): string;
  /** Throws when anything follows. */
  finish(): Promise<void>;
}

function createFrameReader(bytes: AsyncIterable<Buffer>): FrameReader {
  const iterator = bytes[Symbol.asyncIterator]();
  const all = createHash('sha256');
  let buffer: Buffer = Buffer.alloc(0);

  /** False when the bytes end before there are so many. */
  const fill = async (length: number): Promise<boolean> => {
    if (buffer.length >= length) return true;
    const pieces = [buffer];
    let have = buffer.length;
    while (have < length) {
      const { done, value } = await iterator.next();
      if (done === true) break;
      pieces.push(value);
      have += value.length;
    }
    buffer = Buffer.concat(pieces);
    return have >= length;
  };
  const head = async (): Promise<{ kind: string; length: number }> => {
    if (!(await fill(PREFIX_BYTES))) throw broken('it ends before its end mark: it was cut off');
    const length = buffer.readUInt32BE(1);
    if (length > LARGEST_FRAME) throw broken('a frame is larger than any that is written');
    return { kind: String.fromCharCode(buffer[0] ?? 0), length };
  };

  return {
    peek: async () => (await head()).kind,
    async next(wanted) {
      const { kind, length } = await head();
      if (kind !== wanted) throw broken(`a frame ${wanted} was expected`);
      if (!(await fill(PREFIX_BYTES + length))) throw broken('it ends before its end mark: it was cut off');
      const frame = buffer.subarray(0, PREFIX_BYTES + length);
      all.update(frame);
      buffer = buffer.subarray(PREFIX_BYTES + length);
      return frame.subarray(PREFIX_BYTES);
    },
    digest: () => all.copy().digest('hex'),
    async finish() {
      if (await fill(1)) throw broken('something follows its end mark');
    },
  };
}

function frameOf(kind: string, body: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(kind, 0, 'latin1');
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function read<T>(schema: ZodType<T>, body: Buffer): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')));
  } catch (error) {
    throw broken('a description in it cannot be read', error);
  }
}

export function broken(reason: string, cause?: unknown): Error {
  return failure('backup_broken', { reason }, cause);
}
