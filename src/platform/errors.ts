// AppError, made from the table in vocabulary/errors.ts. Thrown for failures; outcomes a caller must handle are return values.
import { type ErrorCode, errors } from '../vocabulary/errors.ts';

export interface ErrorDetails {
  /** Per-field messages, safe to show; the key is the path of the field. */
  fields?: Record<string, string>;
  /** Seconds after which a retry makes sense; sent as Retry-After. */
  retryAfterSeconds?: number;
  [safe: string]: unknown;
}

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails, cause: unknown) {
    super(errors[code].sentence, cause === undefined ? undefined : { cause });
    this.name = 'AppError';
    this.code = code;
    this.status = errors[code].status;
    this.details = details;
  }
}

/** `throw failure('client_not_found', { id })`: message and details are safe to show, the cause goes to the log only. */
export function failure(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown): AppError {
  return new AppError(code, details, cause);
}
