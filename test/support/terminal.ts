// A terminal in memory: what is typed goes in, what is shown is kept.
import { PassThrough, Writable } from 'node:stream';
import type { Streams } from '../../src/platform/command-line/terminal-io.ts';

export interface TestTerminal extends Streams {
  type(text: string): void;
  readonly rawModes: boolean[];
  out(): string;
  err(): string;
}

/** `piped` is standard input that is not a terminal. */
export function testTerminal(piped?: string): TestTerminal {
  const input = new PassThrough();
  if (piped !== undefined) input.end(piped);
  const rawModes: boolean[] = [];
  const stdin = Object.assign(input, {
    isTTY: piped === undefined,
    setRawMode: (on: boolean) => rawModes.push(on),
  });
  const stdout = keep();
  const stderr = keep();
  return {
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    rawModes,
    type: (text) => void input.write(text),
    out: stdout.text,
    err: stderr.text,
  };
}

function keep(): { stream: Writable; text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => chunks.join('') };
}
