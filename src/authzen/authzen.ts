// OpenID AuthZEN Authorization API 1.0: decisions and searches, from the same facts that tokens are made of.
import type { Access, Resources } from '../access/access.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Seal } from '../platform/secrets/seal.ts';
import { belongs } from './candidates.ts';
import { type AsRegistered, createEvaluations } from './evaluations.ts';
import type { DecisionAnswer, Evaluation, Evaluations, EvaluationsAnswer } from './schema.ts';
import { createSearches, type Searches } from './searches.ts';
import { type Bound, createSubjects } from './subjects.ts';

/** `bound`: the organization of a caller that is bound to one; it learns of nothing else. */
export interface Authzen extends Searches {
  evaluate(question: Evaluation, bound: Bound): Promise<DecisionAnswer>;
  /** Throws request_invalid when there are no evaluations, and no whole question in their place. */
  evaluateAll(question: Evaluations, bound: Bound): Promise<EvaluationsAnswer>;
}

export interface AuthzenDeps {
  db: Db;
  clock: Clock;
  /** For the tokens of pages. */
  seal: Seal;
  access: Pick<Access, 'effectiveOf'>;
  accounts: Pick<Accounts, 'findByIdentifier'>;
  organizations: Pick<Organizations, 'known' | 'findBySlug'>;
  resources: Pick<Resources, 'known' | 'ofType'>;
}

export function createAuthzen(deps: AuthzenDeps): Authzen {
  const { db, resources } = deps;
  const subjects = createSubjects({ ...deps, belongs: (...question) => belongs(db, ...question) });
  const asRegistered: AsRegistered = async ({ type, id, properties }, organizationId) => {
    const registered = await resources.known({ organizationId, type, id });
    return { type, id, properties: { ...properties, ...registered } };
  };
  return {
    ...createEvaluations({ subjects, asRegistered }),
    ...createSearches({ ...deps, subjects, asRegistered }),
  };
}
