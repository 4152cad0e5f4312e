// Builds what factors are made of, once: the factors of an account, and the door of each method.
import type { Job } from '../../platform/jobs/jobs.ts';
import type { Presented, Verification } from '../schema.ts';
import { createCodeDoor } from './attempts.ts';
import type { FactorDeps } from './deps.ts';
import { createFactors, type Factors } from './factors.ts';
import { createPasskeys, relyingPartyOf } from './passkeys.ts';
import { createChallenges } from './passkeys-challenge.ts';
import { createNewcomerPasskeys } from './passkeys-newcomer.ts';
import { createPasskeySignIn } from './passkeys-sign-in.ts';
import { createTotp } from './totp.ts';

/** What factors need beside what every way to sign in does. */
export type FactorDoorDeps = Omit<
  FactorDeps,
  'postgres' | 'audit' | 'clock' | 'accounts' | 'lockout' | 'endAccountState'
> & { issuer: string };

type Doors = {
  readonly [M in Exclude<keyof Presented, 'password'>]: (proof: Presented[M]) => Promise<Verification>;
};

export function createFactorDoors(deps: FactorDeps & { issuer: string }): {
  factors: Factors;
  doors: Doors;
  jobs: () => Job[];
} {
  const totp = createTotp(deps);
  const challenges = createChallenges({ db: deps.postgres.db, clock: deps.clock, key: deps.oneTimeKey });
  const passkeyDeps = {
    ...deps,
    challenges,
    relyingParty: relyingPartyOf(deps.issuer, deps.productName),
  };
  const codes = createCodeDoor({ ...deps, totp });
  return {
    factors: createFactors({
      ...deps,
      totp,
      passkeys: createPasskeys(passkeyDeps),
      newcomers: createNewcomerPasskeys(passkeyDeps),
    }),
    doors: {
      totp: codes.totp,
      'recovery-code': codes.recoveryCode,
      'mail-code': codes.mailCode,
      'sms-code': codes.smsCode,
      passkey: createPasskeySignIn(passkeyDeps),
    },
    jobs: challenges.jobs,
  };
}
