// How sure a sign-in must be and what it still lacks: asked by the prompts of every authorization, by the account pages
// and by the management API, answered by one policy.
import type { FactorSummary } from '../credentials/schema.ts';
import { type AccountId, parseId } from '../lib/ids.ts';
import type { SessionLife } from '../lib/session-life.ts';
import { isAtLeast, type Proof, proofsIn, strengthOf } from '../lib/strength.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { forgetSetByMail, readFacts } from './facts.ts';
import { isMet, missingProof, type PolicySettings, requirementOf, youngEnough } from './policy.ts';
import type { AccountFacts, Ask, Missing, Obstacle, Requirement } from './schema.ts';

export { isUnmeetable, toldFor } from './policy.ts';
export {
  type Ask,
  type Missing,
  type Obstacle,
  type ObstacleName,
  obstacleNames,
  type Requirement,
} from './schema.ts';

export interface Assurance {
  /** What this account needs here. */
  requiredFor(accountId: AccountId, ask: Ask): Promise<Requirement>;
  /** The next thing that a sign-in still lacks; undefined when nothing does. */
  missing(accountId: AccountId, proofs: readonly Proof[], ask: Ask): Promise<Missing | undefined>;
  /** Whether a session with this `amr`, begun at `at`, is as strong and as young as its account demands. For account pages and the account's own API. */
  isEnough(accountId: AccountId, amr: readonly string[], at?: Date): Promise<boolean>;
  /** What the account's roles and organizations allow its sessions at most. */
  lifeFor(accountId: string): Promise<Readonly<SessionLife>>;
  /** A sign-in is complete. */
  completed(accountId: AccountId, proofs: readonly Proof[]): Promise<void>;
}

export interface AssuranceDeps {
  db: Db;
  factorsOf: (accountId: AccountId) => Promise<FactorSummary>;
  /** In the order in which they are asked. */
  obstacles: readonly Obstacle[];
  clock: Clock;
  settings: PolicySettings;
}

export function createAssurance({ db, factorsOf, obstacles, clock, settings }: AssuranceDeps): Assurance {
  async function factsOf(accountId: AccountId): Promise<AccountFacts> {
    const [facts, factors] = await Promise.all([readFacts(db, accountId), factorsOf(accountId)]);
    return { ...(facts ?? NOBODY), factors };
  }

  return {
    requiredFor: async (accountId, ask) => requirementOf(await factsOf(accountId), ask, settings),

    async missing(accountId, given, ask) {
      const facts = await factsOf(accountId);
      const now = clock.now();
      const proofs = youngEnough(given, facts, ask, now);
      const proof = missingProof(facts, proofs, requirementOf(facts, ask, settings), settings, now);
      if (proof !== undefined) return proof;
      for (const { name, isMissing } of obstacles) {
        if (await isMissing(accountId, proofs)) return { prompt: name };
      }
      return undefined;
    },

    async isEnough(accountId, amr, at = clock.now()) {
      const facts = await factsOf(accountId);
      const proofs = youngEnough(proofsIn(amr, at.getTime()), facts, {}, clock.now());
      return isMet(proofs, requirementOf(facts, {}, settings));
    },

    async lifeFor(accountId) {
      const id = parseId('acc', accountId);
      return ((id && (await readFacts(db, id))) ?? NOBODY).life;
    },

    async completed(accountId, proofs) {
      if (isAtLeast(strengthOf(proofs), 'mfa')) await forgetSetByMail(db, accountId);
    },
  };
}

/** Whoever is gone in this very moment: what follows finds that out. */
const NOBODY = {
  admin: false,
  passwordSetByMail: false,
  roles: [],
  organizations: [],
  life: { sessionIdleSeconds: null, sessionAbsoluteSeconds: null },
};
