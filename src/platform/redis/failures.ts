// Which errors mean that Redis is away or refuses its work, and which are mistakes of the caller.

/** Our own limit of time has passed. */
export class Late extends Error {
  override readonly name = 'Late';
}

export const SILENCE = 'there was no answer in time';

// Redis answers, but does not do its work: full, read-only, loading, without permission, without a master.
const REFUSALS = new Set(
  `OOM READONLY LOADING MISCONF NOPERM NOAUTH WRONGPASS MASTERDOWN CLUSTERDOWN TRYAGAIN NOREPLICAS BUSY UNKILLABLE
  MOVED ASK`.split(/\s+/),
);

// ioredis gives these no code.
const LOST_NAMES = new Set(['Late', 'MaxRetriesPerRequestError', 'AbortError', 'ClusterAllFailedError']);
const LOST_MESSAGES = [
  'Connection is closed',
  "Stream isn't writeable",
  "Cluster isn't ready",
  'Command timed out',
  'Socket timeout',
  'Too many Cluster redirections',
  'All sentinels are unreachable',
];

export function saysAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError') return REFUSALS.has(firstWord(error.message));
  if (LOST_NAMES.has(error.name)) return true;
  const { syscall } = error as Error & { syscall?: unknown };
  return typeof syscall === 'string' || LOST_MESSAGES.some((text) => error.message.startsWith(text));
}

/** For the log: what a reply says may quote a command with its values, so only its first word is taken. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'ReplyError') return firstWord(error.message);
  return error.message === 'Command timed out' ? SILENCE : error.message;
}

function firstWord(text: string): string {
  return text.split(' ', 1)[0] ?? '';
}
