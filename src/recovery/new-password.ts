// What the pages on which somebody chooses a password share: the rules beside the field, and what was wrong with it.
import type { PasswordLimits } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { AppError } from '../platform/errors.ts';

export interface PasswordRules {
  limitsFor(accountId: AccountId): Promise<PasswordLimits>;
}

/** The sentence beside the field; undefined when it is not about the password. */
export function fieldErrorOf(error: AppError): string | undefined {
  return error.code.startsWith('password_') ? `error.${error.code}` : undefined;
}
