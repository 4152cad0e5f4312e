// How sure a sign-in must be and what it still lacks: asked by the prompts of every authorization, by the account pages
// and by the management API, answered by one policy.
import type { FactorSummary } from '../credentials/schema.ts';
import type { AccountId } from '../lib/ids.ts';
import { isAtLeast, type Proof, proofsIn, strengthOf } from '../lib/strength.ts';
import type { Db } from '../platform/database/postgres.ts';
import { forgetSetByMail, readFacts } from './facts.ts';
import { isMet, missingProof, type PolicySettings, requirementOf } from './policy.ts';
import type { AccountFacts, Ask, Missing, Obstacle, Requirement } from './schema.ts';

export { isUnmeetable } from './policy.ts';
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
  /** Whether a session with this `amr` is as strong as its account demands. For account pages and the account's own API. */
  isEnough(accountId: AccountId, amr: readonly string[]): Promise<boolean>;
  /** A sign-in is complete. */
  completed(accountId: AccountId, proofs: readonly Proof[]): Promise<void>;
}

export interface AssuranceDeps {
  db: Db;
  factorsOf: (accountId: AccountId) => Promise<FactorSummary>;
  /** In the order in which they are asked. */
  obstacles: readonly Obstacle[];
  settings: PolicySettings;
}

export function createAssurance({ db, factorsOf, obstacles, settings }: AssuranceDeps): Assurance {
  async function factsOf(accountId: AccountId): Promise<AccountFacts> {
    const [facts, factors] = await Promise.all([readFacts(db, accountId), factorsOf(accountId)]);
    return { ...(facts ?? NOBODY), factors };
  }

  return {
    requiredFor: async (accountId, ask) => requirementOf(await factsOf(accountId), ask, settings),

    async missing(accountId, proofs, ask) {
      const facts = await factsOf(accountId);
      const proof = missingProof(facts, proofs, requirementOf(facts, ask, settings), settings);
      if (proof !== undefined) return proof;
      for (const { name, isMissing } of obstacles) {
        if (await isMissing(accountId, proofs)) return { prompt: name };
      }
      return undefined;
    },

    async isEnough(accountId, amr) {
      return isMet(proofsIn(amr, 0), requirementOf(await factsOf(accountId), {}, settings));
    },

    async completed(accountId, proofs) {
      if (isAtLeast(strengthOf(proofs), 'mfa')) await forgetSetByMail(db, accountId);
    },
  };
}

/** Whoever is gone in this very moment: what follows finds that out. */
const NOBODY = { admin: false, passwordSetByMail: false, roles: [], organizations: [] };
