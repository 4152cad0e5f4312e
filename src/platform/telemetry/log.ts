// The log: one line per happening on standard output, with the origin of the request and without secrets.
import pino from 'pino';
import { currentOrigin } from '../origin.ts';
import { redact, redactText } from './redact.ts';

/**
 * `clean`: the message and the fields are words, numbers and ids of our own making, as in the request log. They are not
 * looked through, and written together with the next ones, which makes such a line cost a fifth.
 */
type Line = (message: string, fields?: object, known?: 'clean') => void;

export interface Log {
  debug: Line;
  info: Line;
  warn: Line;
  error: Line;
}

export interface LogSettings {
  level: string;
  /** `text` is for a person at a terminal, `json` for everything else. */
  format: 'json' | 'text';
}

type Level = keyof Log;
interface Sink {
  write(line: string): void;
}

/** `sink` is standard output unless a test wants to read along; it gets every line at once and by itself. */
export function createLog(settings: LogSettings, sink?: Sink): Log {
  const out = sink === undefined ? gathering(pino.destination({ fd: 1, sync: true })) : atOnce(sink);
  const spell = settings.format === 'text' ? textLine : jsonLine;
  const logger = pino(
    {
      level: settings.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: named },
    },
    settings.format === 'text' ? textSink(out) : out,
  );
  const line =
    (level: Level): Line =>
    (message, fields, known) => {
      if (!logger.isLevelEnabled(level)) return;
      if (known === 'clean') {
        const time = new Date().toISOString();
        out.later(spell(withOriginFields({ level, time, ...fields, msg: message })));
      } else logger[level](lineFields(fields), redactText(message));
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

interface PatientSink extends Sink {
  later(line: string): void;
}

function atOnce(sink: Sink): PatientSink {
  return { write: (line) => sink.write(line), later: (line) => sink.write(line) };
}

const GATHERED_MILLISECONDS = 50;
const GATHERED_LENGTH = 16_384;

/** Keeps lines that may be written a moment later until then, or until a line comes that is written at once. */
function gathering(out: Sink): PatientSink {
  let lines = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lines === '') return;
    const text = lines;
    lines = '';
    out.write(text);
  };
  process.once('exit', flush);
  return {
    write(line) {
      flush();
      out.write(line);
    },
    later(line) {
      lines += line;
      if (lines.length >= GATHERED_LENGTH) flush();
      else timer ??= setTimeout(flush, GATHERED_MILLISECONDS);
    },
  };
}

function jsonLine(fields: Record<string, unknown>): string {
  return `${JSON.stringify(fields)}\n`;
}

function named(level: string): { level: string } {
  return { level };
}

// `log.error('…', error)` is a slip that must not lose the error; pino's own words must not be overwritten by a field.
function lineFields(fields: object | undefined): object {
  const safe = redact(fields instanceof Error ? { error: fields } : { ...fields }) as Record<string, unknown>;
  for (const word of ['level', 'time', 'msg']) {
    if (word in safe) {
      safe[`${word}_`] = safe[word];
      delete safe[word];
    }
  }
  return withOriginFields(safe);
}

function withOriginFields(fields: Record<string, unknown>): Record<string, unknown> {
  const { requestId, address } = currentOrigin();
  if (requestId !== null) fields.requestId ??= requestId;
  if (address !== null) fields.address ??= address;
  return fields;
}

const COLOURS: Record<string, string> = { debug: '90', info: '36', warn: '33', error: '31' };

function textSink(out: Sink): Sink {
  return { write: (json) => out.write(textLine(JSON.parse(json) as Record<string, unknown>)) };
}

function textLine({ level, time, msg, ...fields }: Record<string, unknown>): string {
  const word = String(level);
  const colour = process.stdout.isTTY ? COLOURS[word] : undefined;
  const label = word.toUpperCase().padEnd(5);
  const shown = colour === undefined ? label : `\u001b[${colour}m${label}\u001b[0m`;
  const rest = Object.entries(fields).map(([key, value]) => ` ${plain(key)}=${textValue(value)}`);
  return `${String(time).slice(11, 19)} ${shown} ${plain(String(msg))}${rest.join('')}${stackOf(fields)}\n`;
}

function textValue(value: unknown): string {
  if (typeof value === 'string' && /^[\w./:@-]+$/.test(value)) return value;
  const text = JSON.stringify(value, (key, item) => (key === 'stack' ? undefined : item));
  return plain(text ?? 'undefined');
}

/** Stacks on lines of their own: the one thing that is unreadable inside a line. */
function stackOf(fields: Record<string, unknown>): string {
  const stacks = Object.values(fields).map((value) =>
    typeof value === 'object' && value !== null && 'stack' in value
      ? `\n${plain(String(value.stack), '\n')}`
      : '',
  );
  return stacks.join('');
}

// A text from outside must not draw on the terminal or begin a line of its own.
function plain(text: string, keep = ''): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (char) => (keep.includes(char) ? char : ' '));
}
