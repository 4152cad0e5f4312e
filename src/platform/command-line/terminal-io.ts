// The terminal: lines, JSON and tables out, questions and passwords without echo in.
import { StringDecoder } from 'node:string_decoder';
import { type CommandResult, Interrupted, type Io, type Table, UsageMistake } from '../command.ts';

export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?(on: boolean): unknown };
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

interface Line {
  text: string;
  /** What was typed or pasted after the end of the line. */
  rest: string;
  end: 'open' | 'entered' | 'interrupted';
}

export function createIo(streams: Streams, json: boolean): Io {
  const { stdin, stdout, stderr } = streams;
  const interactive = stdin.isTTY === true;
  let typedAhead = '';

  const askWith = async (question: string, echo: boolean): Promise<string> => {
    if (!interactive) {
      throw new UsageMistake(
        echo
          ? 'There is no terminal to answer at: give the value as an option.'
          : 'There is no terminal to type a password at: use --password-stdin.',
      );
    }
    const prompt = () => stderr.write(question);
    const line = await readLine(stdin, prompt, typedAhead, echo ? stderr : undefined);
    typedAhead = line.rest;
    stderr.write('\n');
    if (line.end === 'interrupted') throw new Interrupted();
    return line.text;
  };

  return {
    json,
    interactive,
    say: (line) => (json ? stderr : stdout).write(`${harmless(line)}\n`),
    note: (line) => stderr.write(`${harmless(line)}\n`),
    ask: (question) => askWith(question, true),
    askSecret: (question) => askWith(question, false),
    async readStdin() {
      const chunks: Buffer[] = [];
      for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks)
        .toString('utf8')
        .replace(/\r?\n$/, '');
    },
  };
}

export function printResult(
  result: CommandResult | undefined,
  json: boolean,
  stdout: NodeJS.WritableStream,
): void {
  if (json) stdout.write(`${JSON.stringify(result?.json ?? {}, null, 2)}\n`);
  else if (result !== undefined) stdout.write(textOf(result.text));
}

function textOf(text: CommandResult['text']): string {
  if (typeof text === 'string') return `${harmless(text)}\n`;
  if ('rows' in text) return `${tableLines(text).join('\n')}\n`;
  return text.map((line) => `${harmless(line)}\n`).join('');
}

/** Columns as wide as their widest cell, two spaces between them. */
export function tableLines(table: Table): string[] {
  if (table.rows.length === 0) return [table.empty];
  const rows = [
    table.columns.map((name) => name.toUpperCase()),
    ...table.rows.map((row) => row.map(cellText)),
  ];
  const widths = table.columns.map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - [...cell].length))
      .join('  ')
      .trimEnd(),
  );
}

function cellText(cell: Table['rows'][number][number]): string {
  return cell === null || cell === undefined ? '-' : harmless(String(cell)).replaceAll('\n', '\u{fffd}');
}

/** Names come from strangers: a control or direction character in one must not steer the operator's terminal. */
export function harmless(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\u{202a}-\u{202e}\u{2066}-\u{2069}]/gu, '\u{fffd}');
}

/** One line in raw mode, in which the terminal itself shows nothing. */
function readLine(
  stdin: Streams['stdin'],
  prompt: () => void,
  typedAhead: string,
  echo: NodeJS.WritableStream | undefined,
): Promise<Line> {
  const decoder = new StringDecoder('utf8');
  return new Promise((resolve, reject) => {
    let line: Line = { text: '', rest: typedAhead, end: 'open' };
    const leave = () => {
      stdin.off('data', onData).off('end', onEnd).off('error', reject);
      stdin.setRawMode?.(false);
      stdin.pause();
      resolve(line);
    };
    const take = (typed: string) => {
      line = typeInto(line.text, line.rest + typed, echo);
      if (line.end !== 'open') leave();
    };
    const onData = (chunk: Buffer | string) => take(decoder.write(Buffer.from(chunk)));
    const onEnd = () => {
      line = { ...line, end: line.text === '' ? 'interrupted' : 'entered' };
      leave();
    };
    // Before the question: what is typed the moment it appears must not be shown by the terminal.
    stdin.setRawMode?.(true);
    prompt();
    stdin.on('data', onData).on('end', onEnd).on('error', reject);
    stdin.resume();
    take('');
  });
}

/** Applies typed characters to a line: backspace, Ctrl-U, Ctrl-C, Ctrl-D, and the end of the line. */
export function typeInto(start: string, typed: string, echo?: NodeJS.WritableStream): Line {
  const letters = [...start];
  const keys = [...typed];
  for (const [index, key] of keys.entries()) {
    const rest = keys.slice(index + 1).join('');
    if (key === '\r' || key === '\n') {
      // A terminal may send CR LF for one key.
      return { text: letters.join(''), rest: key === '\r' ? rest.replace(/^\n/, '') : rest, end: 'entered' };
    }
    if (key === '\u0003') return { text: '', rest: '', end: 'interrupted' };
    if (key === '\u0004') {
      return { text: letters.join(''), rest, end: letters.length === 0 ? 'interrupted' : 'entered' };
    }
    if (key === '\u007f' || key === '\b') erase(letters, 1, echo);
    else if (key === '\u0015') erase(letters, letters.length, echo);
    else if (key >= ' ') {
      letters.push(key);
      echo?.write(key);
    }
  }
  return { text: letters.join(''), rest: '', end: 'open' };
}

function erase(letters: string[], count: number, echo: NodeJS.WritableStream | undefined): void {
  const removed = letters.splice(Math.max(0, letters.length - count), count);
  echo?.write('\b \b'.repeat(removed.length));
}
