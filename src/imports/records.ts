// Records from bytes, one after another, in bounded memory: whatever is wrong with one costs that line and none after it.
import { UsageMistake } from '../platform/command.ts';

/** The longest record; what is longer is refused, and not kept in memory. */
const LONGEST = 64 * 1024;
/** What stands in place of bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd';

export type Parsed<T> =
  /** `end`: where the next record begins. No value: an empty line. */
  | { kind: 'record'; value: T | undefined; end: number }
  /** Not all of it is there yet. */
  | { kind: 'more' }
  | { kind: 'mistake'; sentence: string };

/** Reads the record that begins at `at`; `last`: no more text will come. */
export type Parse<T> = (text: string, at: number, last: boolean) => Parsed<T>;

export type RawRecord<T> = { line: number; value: T } | { line: number; mistake: string };

const TOO_LONG = `The record is longer than ${LONGEST / 1024} KiB, or a quotation mark is not closed.`;

export async function* recordsOf<T>(
  bytes: AsyncIterable<Uint8Array>,
  parse: Parse<T>,
): AsyncGenerator<RawRecord<T>> {
  const place = { text: '', at: 0, line: 1, skipping: false };
  for await (const { text, last } of textOf(bytes)) {
    place.text = place.text.slice(place.at) + text;
    place.at = 0;
    if (place.skipping && !passLine(place)) continue;
    place.skipping = false;
    for (;;) {
      const { line } = place;
      const found = next(place, parse, last);
      if (found === undefined) break;
      if ('mistake' in found) yield { line, mistake: found.mistake };
      else if (found.value !== undefined) yield { line, value: found.value };
    }
  }
}

interface Place {
  text: string;
  at: number;
  line: number;
  /** The rest of this line is part of a record that was too long. */
  skipping: boolean;
}

/** undefined: more text is needed. */
function next<T>(
  place: Place,
  parse: Parse<T>,
  last: boolean,
): { value: T | undefined } | { mistake: string } | undefined {
  const { text, at } = place;
  if (at >= text.length) return undefined;
  const parsed = parse(text, at, last);
  if (parsed.kind === 'more' && text.length - at <= LONGEST && !last) return undefined;
  if (parsed.kind === 'record' && parsed.end - at <= LONGEST) {
    const whole = text.slice(at, parsed.end);
    advance(place, parsed.end);
    if (whole.includes(REPLACEMENT)) return { mistake: 'The record is not UTF-8.' };
    return { value: parsed.value };
  }
  // It ends where its first line does, and what follows is read as what it is.
  place.skipping = !passLine(place);
  return { mistake: parsed.kind === 'mistake' ? parsed.sentence : TOO_LONG };
}

/** False: the line does not end in this text. */
function passLine(place: Place): boolean {
  const end = place.text.indexOf('\n', place.at);
  advance(place, end < 0 ? place.text.length : end + 1);
  return end >= 0;
}

function advance(place: Place, to: number): void {
  const { text } = place;
  for (let at = text.indexOf('\n', place.at); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
    place.line += 1;
  }
  place.at = to;
}

/** UTF-8 with or without a mark of its order. */
async function* textOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<{ text: string; last: boolean }> {
  const decoder = new TextDecoder();
  let first = true;
  for await (const chunk of bytes) {
    if (first && /^(fffe|feff)/.test(Buffer.from(chunk.subarray(0, 2)).toString('hex'))) {
      throw new UsageMistake('The file is UTF-16; save it as UTF-8.');
    }
    first = false;
    yield { text: decoder.decode(chunk, { stream: true }), last: false };
  }
  yield { text: decoder.decode(), last: true };
}
