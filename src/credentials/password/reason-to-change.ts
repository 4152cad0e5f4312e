// A password that was presented correctly, held against what is known today (PASSWORD_CHECK_AT_SIGN_IN).
import type { Account } from '../../accounts/accounts.ts';
import type { PasswordChecking } from './checking.ts';
import type { Candidate } from './matching.ts';
import type { ChangeReason } from './passwords.ts';

export type SignInCheck = 'off' | 'breached' | 'rules';

export function createReasonToChange(checking: PasswordChecking, check: SignInCheck) {
  return async (account: Account, candidate: Candidate): Promise<ChangeReason | undefined> => {
    if (check === 'off') return undefined;
    if (check === 'rules' && (await checking.refusalFor(account, candidate)) !== undefined) return 'rules';
    return (await checking.isBreached(account, candidate)) ? 'breached' : undefined;
  };
}
