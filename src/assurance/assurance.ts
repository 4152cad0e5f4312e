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

/** An account as it was found at one look; for one request, as the next one looks anew. */
export interface Look {
  readonly factors: FactorSummary;
  readonly life: Readonly<SessionLife>;
  required(ask: Ask): Requirement;
  missing(proofs: readonly Proof[], ask: Ask): Promise<Missing | undefined>;
  isEnough(amr: readonly string[], at?: Date): boolean;
}

export interface Assurance {
  /** For whoever asks more than one of these questions, so that they are answered of the same moment. */
  look(accountId: AccountId): Promise<Look>;
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

  async function look(accountId: AccountId): Promise<Look> {
    const facts = await factsOf(accountId);
    const required = (ask: Ask) => requirementOf(facts, ask, settings);
    return {
      factors: facts.factors,
      life: facts.life,
      required,

      async missing(given, ask) {
        const now = clock.now();
        const proofs = youngEnough(given, facts, ask, now);
        const proof = missingProof(facts, proofs, required(ask), settings, now);
        if (proof !== undefined) return proof;
        for (const { name, isMissing } of obstacles) {
          if (await isMissing(accountId, proofs)) return { prompt: name };
        }
        return undefined;
      },

      isEnough(amr, at = clock.now()) {
        const proofs = youngEnough(proofsIn(amr, at.getTime()), facts, {}, clock.now());
        return isMet(proofs, required({}));
      },
    };
  }

  return {
    look,
    requiredFor: async (accountId, ask) => (await look(accountId)).required(ask),
    missing: async (accountId, proofs, ask) => (await look(accountId)).missing(proofs, ask),
    isEnough: async (accountId, amr, at) => (await look(accountId)).isEnough(amr, at),

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
