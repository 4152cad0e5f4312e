// Whether anybody has a budget, and which meters there are: from memory as long as changes are heard of, so that a key
// without budgets costs no statement.

import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import { type Batch, createBatch } from '../platform/database/batch.ts';
import type { Db } from '../platform/database/postgres.ts';
import { createKnown } from '../platform/known/known.ts';
import { scopeKey } from './admit.ts';
import { type BudgetScope, builtInMeters, type ScopeKind, scopeKinds } from './schema.ts';
import { kindsWithBudgets, scopesWithBudgets, selectMeters } from './store.ts';

export interface KnownBudgets {
  hasAny(scopes: readonly BudgetScope[]): Promise<boolean>;
  /** The first of them that is no meter. */
  unknownMeter(names: readonly string[]): Promise<string | undefined>;
}

/** Beyond it this node may have missed a budget: then the database is asked, and without it nothing is let through. */
const MAXIMUM_SILENCE_MILLISECONDS = 5_000;
const MAXIMUM_SCOPES = 200_000;
const EVERYTHING = 'everything';

export function createKnownBudgets(deps: {
  db: Db;
  changes: Pick<Changes, 'on' | 'silence'>;
  clock: Clock;
}): KnownBudgets {
  const { db, changes, clock } = deps;
  const freshness = { clock, silence: changes.silence, maximumSilence: MAXIMUM_SILENCE_MILLISECONDS };
  const looked = lookTogether(db);
  const scopes = createKnown<boolean>({
    ...freshness,
    maximumEntries: MAXIMUM_SCOPES,
    load: (key) => looked.run(scopeOf(key)),
  });
  const kinds = createKnown<ReadonlySet<ScopeKind>>({
    ...freshness,
    load: async () => new Set(await kindsWithBudgets(db, scopeKinds)),
  });
  const meters = createKnown<ReadonlySet<string>>({
    ...freshness,
    load: async () => new Set((await selectMeters(db)).map(({ name }) => name)),
  });
  changes.on('budgets', (keys) => {
    scopes.expire(keys);
    kinds.expire(undefined);
    meters.expire(undefined);
  });

  return {
    async hasAny(asked) {
      const present = await kinds.get(EVERYTHING);
      for (const scope of asked) {
        if (present?.has(scope.kind) === true && (await scopes.get(scopeKey(scope)))) return true;
      }
      return false;
    },
    async unknownMeter(names) {
      const registered = names.filter((name) => !Object.hasOwn(builtInMeters, name));
      if (registered.length === 0) return undefined;
      const present = await meters.get(EVERYTHING);
      return registered.find((name) => present?.has(name) !== true);
    },
  };
}

function lookTogether(db: Db): Batch<BudgetScope, boolean> {
  return createBatch({
    inFlight: 2,
    companyMilliseconds: 1,
    async run(scopes) {
      const present = new Set((await scopesWithBudgets(db, scopes)).map(scopeKey));
      return scopes.map((scope) => present.has(scopeKey(scope)));
    },
  });
}

function scopeOf(key: string): BudgetScope {
  const at = key.indexOf(':');
  // `as`: scopeKey made the text.
  return { kind: key.slice(0, at) as ScopeKind, id: key.slice(at + 1) };
}
