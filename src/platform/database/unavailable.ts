// Which errors mean that PostgreSQL is away, and not that we have made a mistake.
import { AppError } from '../errors.ts';

/** True when the error means that the database cannot be reached or is going down: a 503, not a bug. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AppError) return error.code === 'database_unavailable';
  const { code, syscall } = error as Error & { code?: unknown; syscall?: unknown };
  if (typeof code === 'string') {
    if (isExhausted(error) || UNAVAILABLE_SQLSTATES.has(code) || /^08[0-9A-Z]{3}$/.test(code)) return true;
    if (UNREACHABLE_CODES.has(code)) return true;
    // The socket file of a stopped server; any other ENOENT is about a file of ours.
    if (code === 'ENOENT' || code === 'EACCES') return syscall === 'connect';
  }
  return UNAVAILABLE_MESSAGES.some((message) => error.message.includes(message));
}

/** It answers, and cannot do what was asked until somebody makes room: its disk is full, say. */
export function isExhausted(error: unknown): boolean {
  return error instanceof Error && EXHAUSTED_SQLSTATES.has((error as Error & { code?: string }).code ?? '');
}

const EXHAUSTED_SQLSTATES: ReadonlySet<string> = new Set([
  '53100', // disk_full
  '53200', // out_of_memory
]);

const UNAVAILABLE_SQLSTATES: ReadonlySet<string> = new Set([
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '53300', // too_many_connections
  '25006', // read_only_sql_transaction: we reach a standby during a failover
]);

const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

// pg and knex give these no code.
const UNAVAILABLE_MESSAGES: readonly string[] = [
  'Connection terminated',
  'Connection ended unexpectedly',
  'Client has encountered a connection error',
  'Client was closed and is not queryable',
  'timeout expired',
  'timeout exceeded when trying to connect',
  'Timeout acquiring a connection',
  'Query read timeout',
];
