// The request log: one line for each answered request, made of words, numbers and ids of ours and of nothing that came in.
import type { Log } from './log.ts';
import { type TimedPart, type Timings, timedParts } from './timings.ts';

export type RequestLogChoice = 'all' | 'errors' | 'slow' | 'none';

export interface AnsweredRequest {
  readonly method: string;
  /** The pattern and not the path, which may hold an id; never the query. */
  readonly route: string;
  readonly status: number;
  /** `ok`, the code of OAuth or of the problem, or `refused` and `failed` where there is no code. */
  readonly outcome: string;
  readonly milliseconds: number;
  readonly timings: Timings;
  readonly clientId: string | null;
  readonly accountId: string | null;
  readonly traceId: string | null;
  /** The id that a stranger sent along: for finding a request, never for believing it. */
  readonly callerRequestId: string | null;
}

export type RequestLog = (request: AnsweredRequest) => void;

const SLOW_MILLISECONDS = 1000;
/** Asked every few seconds by machines, and told of only when it is not well. */
const PROBES: readonly string[] = ['/healthz', '/readyz'];

/** Each choice writes less than the one before it: `slow` what failed or took a second, `errors` also what was refused. */
export function createRequestLog(which: RequestLogChoice, log: Pick<Log, 'info'>): RequestLog {
  if (which === 'none') return () => {};
  return (request) => {
    if (isWanted(which, request)) log.info('answered', lineOf(request), 'clean');
  };
}

function isWanted(
  which: RequestLogChoice,
  { status, outcome, milliseconds, route }: AnsweredRequest,
): boolean {
  if (status >= 500 || milliseconds >= SLOW_MILLISECONDS) return true;
  if (which === 'slow') return false;
  if (outcome !== 'ok') return true;
  return which === 'all' && !PROBES.includes(route);
}

const FIELDS: Readonly<Record<TimedPart, string>> = {
  database: 'databaseMilliseconds',
  redis: 'redisMilliseconds',
  hashing: 'hashingMilliseconds',
  signing: 'signingMilliseconds',
  outgoing: 'outgoingMilliseconds',
};

function lineOf(request: AnsweredRequest): Record<string, unknown> {
  const { method, route, status, outcome, timings } = request;
  const line: Record<string, unknown> = { method, route, status, outcome };
  line.milliseconds = rounded(request.milliseconds);
  for (const part of timedParts) {
    if (timings.count(part) > 0) line[FIELDS[part]] = rounded(timings.milliseconds(part));
  }
  if (request.clientId !== null) line.clientId = request.clientId;
  if (request.accountId !== null) line.accountId = request.accountId;
  if (request.traceId !== null) line.traceId = request.traceId;
  if (request.callerRequestId !== null) line.callerRequestId = request.callerRequestId;
  return line;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
