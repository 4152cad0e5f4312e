// What an operator is told when the database of DATABASE_URL cannot be used at a start: a sentence with a remedy.
import type { ErrorCode } from '../../vocabulary/errors.ts';
import { type AppError, failure } from '../errors.ts';
import { isDatabaseUnavailable } from './unavailable.ts';

/** By SQLSTATE. */
const REFUSALS: Readonly<Record<string, ErrorCode>> = {
  '28P01': 'database_login_refused', // invalid_password
  '28000': 'database_login_refused', // invalid_authorization_specification: no such role, or pg_hba.conf says no
  '3D000': 'database_missing', // invalid_catalog_name
  '42501': 'database_not_allowed', // insufficient_privilege
};

/** The error itself when it is about something else. Names the server, never the password. */
export function startErrorOf(error: unknown, url: string): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  const { host, pathname } = new URL(url);
  const where = { server: host, database: decodeURIComponent(pathname.slice(1)) };
  const refusal = typeof code === 'string' ? REFUSALS[code] : undefined;
  if (refusal !== undefined) return failure(refusal, { ...where, reason: error.message }, error);
  return isDatabaseUnavailable(error) || isNoPostgres(error) ? unreachable(error, where) : error;
}

function unreachable(error: Error, where: object): AppError {
  const { code } = error as { code?: unknown };
  return failure(
    'database_unreachable',
    { ...where, reason: typeof code === 'string' ? code : error.message },
    error,
  );
}

/** Something listens there and speaks another protocol, or insists on TLS, or has none. */
function isNoPostgres(error: Error): boolean {
  return /SSL|certificate|received invalid response|SASL/.test(error.message);
}
