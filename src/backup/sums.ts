// The sum of a table: how many rows it has, and one hash over them that does not depend on their order.
import { hash } from 'node:crypto';
import { failure } from '../platform/errors.ts';

export interface TableSum {
  readonly rows: number;
  /** Hex. */
  readonly sha256: string;
}

export interface RunningSum {
  /** Lines of COPY's text format, cut anywhere. */
  add(chunk: Buffer): void;
  end(): TableSum;
}

const LINE_END = 0x0a;
const WORDS = 8;
/** A row is gathered in memory; ours have kilobytes. A file that somebody made may have one that never ends. */
const LONGEST_ROW = 64 * 1024 * 1024;

/**
 * Each row's SHA-256, taken as eight numbers of 32 bits, is added to the sum; the sum and the count are hashed at the end.
 * PostgreSQL promises no order of rows, and sorting millions of them just to compare would cost more than the copy.
 */
export function createSum(): RunningSum {
  const words = new Uint32Array(WORDS);
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let rows = 0;

  const addRow = (row: Buffer): void => {
    const digest = hash('sha256', row, 'buffer');
    // The array wraps each number at 32 bits.
    for (let word = 0; word < WORDS; word += 1)
      words[word] = (words[word] ?? 0) + digest.readUInt32LE(word * 4);
    rows += 1;
  };

  return {
    add(chunk) {
      let start = 0;
      for (;;) {
        // A line end inside a value is written as \n, so this byte always ends a row.
        const end = chunk.indexOf(LINE_END, start);
        if (end < 0) break;
        const rest = chunk.subarray(start, end);
        addRow(begun.length === 0 ? rest : Buffer.concat([...begun, rest]));
        begun = [];
        begunBytes = 0;
        start = end + 1;
      }
      if (start === chunk.length) return;
      begunBytes += chunk.length - start;
      if (begunBytes > LONGEST_ROW) throw failure('backup_broken', { reason: 'a row is too long' });
      begun.push(Buffer.from(chunk.subarray(start)));
    },
    end() {
      if (begun.length > 0) throw new Error('the last row of a table is not whole');
      const text = Buffer.alloc(WORDS * 4 + 8);
      for (const [at, word] of words.entries()) text.writeUInt32LE(word, at * 4);
      text.writeBigUInt64LE(BigInt(rows), WORDS * 4);
      return { rows, sha256: hash('sha256', text, 'hex') };
    },
  };
}

/** The same rows, and their sum once they were read to the end. */
export function summing(rows: AsyncIterable<Buffer>): { rows: AsyncGenerator<Buffer>; sum(): TableSum } {
  const running = createSum();
  async function* passing(): AsyncGenerator<Buffer> {
    for await (const chunk of rows) {
      running.add(chunk);
      yield chunk;
    }
  }
  return { rows: passing(), sum: running.end };
}

export function sameSum(one: TableSum, other: TableSum): boolean {
  return one.rows === other.rows && one.sha256 === other.sha256;
}
