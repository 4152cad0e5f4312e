// What about an account wants its owner's attention: a table of conditions, each with the page where it is taken care of. Pure.
import type { Account } from '../accounts/accounts.ts';
import { type FactorSummary, FEW_RECOVERY_CODES } from '../credentials/schema.ts';

export interface AccountFacts {
  readonly account: Account;
  readonly factors: FactorSummary;
  /** How many API keys work now and end within two weeks. */
  readonly endingKeys: number;
  /** Something was added shortly before the account was recovered, and nobody has said since that it is theirs. */
  readonly review: boolean;
}

export interface Attention {
  /** Its sentences are `account.attention.<name>` and `account.attention.<name>.text`. */
  readonly name: string;
  /** A warning is something that may go wrong; advice makes good better. */
  readonly kind: 'warning' | 'advice';
  readonly icon: string;
  readonly href: string;
  isDue(facts: AccountFacts): boolean;
}

/** In the order in which they are shown. */
export const attentions: readonly Attention[] = [
  {
    name: 'deletion',
    kind: 'warning',
    icon: 'trash',
    href: '/account/data',
    isDue: ({ account }) => account.deleteAt !== null,
  },
  {
    name: 'review',
    kind: 'warning',
    icon: 'shield',
    href: '/account/security/review',
    isDue: ({ review }) => review,
  },
  {
    name: 'factorDisabled',
    kind: 'warning',
    icon: 'warning',
    href: '/account/security',
    isDue: ({ factors }) => factors.usable.length < factors.kinds.length,
  },
  {
    name: 'noRecoveryCodes',
    kind: 'warning',
    icon: 'warning',
    href: '/account/security/recovery-codes',
    isDue: ({ factors }) => hasFactor(factors) && factors.recoveryCodesLeft === 0,
  },
  {
    name: 'fewRecoveryCodes',
    kind: 'advice',
    icon: 'key',
    href: '/account/security/recovery-codes',
    isDue: ({ factors: { recoveryCodesLeft: left, ...factors } }) =>
      hasFactor(factors) && left > 0 && left < FEW_RECOVERY_CODES,
  },
  {
    name: 'emailUnverified',
    kind: 'warning',
    icon: 'mail',
    href: '/account/email',
    isDue: ({ account }) => account.email !== null && !account.emailVerified,
  },
  {
    name: 'keyEnding',
    kind: 'warning',
    icon: 'key',
    href: '/account/keys',
    isDue: ({ endingKeys }) => endingKeys > 0,
  },
  {
    name: 'noSecondFactor',
    kind: 'advice',
    icon: 'shield',
    href: '/account/security',
    isDue: ({ factors }) => !hasFactor(factors),
  },
];

function hasFactor({ kinds }: Pick<FactorSummary, 'kinds'>): boolean {
  return kinds.length > 0;
}
