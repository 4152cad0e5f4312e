// The challenges that passkeys sign: made without a write, so that a flood of sign-in pages leaves no rows; each says for
// what, for whom and in which sign-in or session it was made, and is spent by the first answer to it.
import { timingSafeEqual } from 'node:crypto';
import type { AccountId } from '../../lib/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { inBatches } from '../../platform/jobs/batches.ts';
import type { Job } from '../../platform/jobs/jobs.ts';
import { hashToken, keyedHash, randomToken } from '../../platform/secrets/tokens.ts';

/** What a challenge is good for; an answer for anything else does not match it. */
export interface ChallengeUse {
  readonly purpose: 'register' | 'newcomer' | 'sign-in';
  /** null: of whoever answers it. */
  readonly accountId: AccountId | null;
  /** The uid of the sign-in, or the public id of the session. */
  readonly binding: string;
}

export interface Challenges {
  make(use: ChallengeUse): string;
  /** One conditional statement; false for what was not made here for this use, is over, or was answered before. */
  spend(challenge: string, use: ChallengeUse): Promise<boolean>;
  jobs(): Job[];
}

export const CHALLENGE_SECONDS = 5 * 60;
/** WebAuthn §13.4.3 asks for 16 and more. */
const RANDOM_BYTES = 24;

export function createChallenges(deps: { db: Db; clock: Clock; key: Buffer }): Challenges {
  const { db, clock } = deps;
  // Lengths in front, so that no two uses read the same.
  const sign = (text: string, { purpose, accountId, binding }: ChallengeUse) =>
    keyedHash(deps.key, JSON.stringify(['passkey-challenge', purpose, accountId, binding, text]));

  return {
    make(use) {
      const endsAt = clock.now().getTime() + CHALLENGE_SECONDS * 1000;
      const text = `${randomToken(RANDOM_BYTES)}.${endsAt.toString(36)}`;
      // WebAuthn counts bytes; the browser sends them back in base64url.
      return Buffer.from(`${text}.${sign(text, use).toString('base64url')}`).toString('base64url');
    },
    async spend(challenge, use) {
      const [random = '', end = '', signature = ''] = Buffer.from(challenge, 'base64url')
        .toString()
        .split('.');
      const endsAt = Number.parseInt(end, 36);
      const expected = sign(`${random}.${end}`, use);
      const given = Buffer.from(signature, 'base64url');
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
      if (!(endsAt > clock.now().getTime())) return false;
      const rows = await db('spent_challenges')
        .insert({ challenge_hash: hashToken(`${random}.${end}`), expires_at: new Date(endsAt) })
        .onConflict('challenge_hash')
        .ignore()
        .returning('challenge_hash');
      return rows.length > 0;
    },
    jobs: () => [
      {
        name: 'spent-challenges-expiry',
        everySeconds: 3600,
        async run(signal) {
          await inBatches((limit) => deleteExpired(db, clock.now(), limit), signal);
        },
      },
    ],
  };
}

async function deleteExpired(db: Db, now: Date, limit: number): Promise<number> {
  const over = db('spent_challenges')
    .select('challenge_hash')
    .where('expires_at', '<', now)
    .orderBy('expires_at')
    .limit(limit)
    .forUpdate()
    .skipLocked();
  return db('spent_challenges').whereIn('challenge_hash', over).delete();
}
