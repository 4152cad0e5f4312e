// CSV as RFC 4180 has it, with the separator that the header uses.
import type { Parse, Parsed } from './records.ts';

const separators = [',', ';', '\t'];

export function separatorOf(header: string): string {
  const count = (separator: string) => header.split(separator).length;
  return separators.reduce((best, one) => (count(one) > count(best) ? one : best));
}

/** The separator is that of the first line that is read. */
export function csvParser(): Parse<string[]> {
  let separator: string | undefined;
  return (text, at, last) => {
    if (separator === undefined) {
      const end = text.indexOf('\n', at);
      if (end < 0 && !last) return { kind: 'more' };
      separator = separatorOf(end < 0 ? text.slice(at) : text.slice(at, end));
    }
    return parseRecord(text, at, { separator, last });
  };
}

function parseRecord(
  text: string,
  start: number,
  { separator, last }: { separator: string; last: boolean },
): Parsed<string[]> {
  const fields: string[] = [];
  let at = start;
  let lineEnd = text.indexOf('\n', start);
  for (;;) {
    if (text[at] === '"') {
      const closed = closingQuote(text, at + 1);
      // Whether a quotation mark at the end of the text is doubled, what follows it tells.
      if (closed < 0 || (closed === text.length - 1 && !last)) return { kind: 'more' };
      fields.push(text.slice(at + 1, closed).replaceAll('""', '"'));
      at = closed + 1;
      if (lineEnd >= 0 && lineEnd < at) lineEnd = text.indexOf('\n', at);
    } else {
      const [separated, end] = [text.indexOf(separator, at), lineEnd < 0 ? text.length : lineEnd];
      if (lineEnd < 0 && !last && separated < 0) return { kind: 'more' };
      const fieldEnd = separated < 0 || separated > end ? end : separated;
      fields.push(withoutReturn(text, at, fieldEnd, fieldEnd === end));
      at = fieldEnd;
    }
    if (text[at] === separator) {
      at += 1;
      continue;
    }
    const end = endOfRecord(text, at, last);
    if (end === 'more') return { kind: 'more' };
    if (end !== undefined) return record(fields, end);
    return { kind: 'mistake', sentence: 'After a closing quotation mark there is no separator.' };
  }
}

/** Where the next one begins; undefined: this one does not end here. */
function endOfRecord(text: string, at: number, last: boolean): number | 'more' | undefined {
  const newline = text[at] === '\r' ? at + 1 : at;
  if (newline >= text.length) return last ? text.length : 'more';
  return text[newline] === '\n' ? newline + 1 : undefined;
}

/** Doubled ones are text. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

function withoutReturn(text: string, from: number, to: number, endsLine: boolean): string {
  return text.slice(from, endsLine && to > from && text[to - 1] === '\r' ? to - 1 : to);
}

function record(fields: string[], end: number): Parsed<string[]> {
  const isEmpty = fields.length === 1 && fields[0] === '';
  return { kind: 'record', value: isEmpty ? undefined : fields, end };
}
