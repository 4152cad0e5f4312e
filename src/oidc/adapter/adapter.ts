// The engine's storage contract (seven methods a model), answered from PostgreSQL and Redis through one table of models.
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';
import { inBatches } from '../../platform/jobs/batches.ts';
import { grantAdapter } from './grants.ts';
import { createTransientsHome } from './home.ts';
import { isModelName, type ModelName, models } from './models.ts';
import { createRedisRows } from './redis-rows.ts';
import { sessionAdapter } from './sessions.ts';
import { createReplays, createSpent } from './spent.ts';
import type { StateDeps } from './statement.ts';
import { createTokenRows } from './token-rows.ts';
import { tokenAdapter } from './tokens.ts';
import { createTransientRows } from './transients.ts';

export interface FoundToken {
  readonly model: string;
  readonly payload: AdapterPayload;
  /** It was exchanged for another one. */
  readonly consumed: boolean;
}

export interface StateStore {
  readonly factory: AdapterFactory;
  /** An access or refresh token, whichever it is, without the engine; not one that expired. */
  findToken(id: string): Promise<FoundToken | undefined>;
  /** To be awaited before the first request. */
  start(): Promise<void>;
  /** RFC 9449 §11.1: false when this id was seen before. */
  unseen(id: string, lifetimeSeconds: number): Promise<boolean>;
  /** Deletes expired rows in batches; returns how many went. */
  removeExpired(batchSize: number, signal?: AbortSignal): Promise<number>;
}

export function createStateStore(deps: StateDeps, clientAdapter: Adapter): StateStore {
  const { db, sealing } = deps;
  const fast = deps.fast && createRedisRows(deps.fast.redis);
  const home = deps.fast && createTransientsHome({ db, ...deps.fast });
  const stored = createTokenRows(db, 'oidc_transients');
  const rows = {
    oidc_tokens: createTokenRows(db, 'oidc_tokens'),
    oidc_transients:
      deps.fast && fast && home
        ? createTransientRows({
            rows: stored,
            fast,
            spent: createSpent(db),
            home,
            longestSeconds: deps.fast.longestSeconds,
          })
        : stored,
  };
  const isFirst = createReplays(db);

  function adapterFor(name: ModelName): Adapter {
    const { table } = models[name];
    if (table === 'oidc_sessions') return sessions;
    if (table === 'oidc_grants') return grants;
    if (table === 'oidc_replays') return replayAdapter;
    return tokenAdapter(name, rows[table], deps);
  }
  // Made here and not when the engine first asks for them: that is within a request, to which their statements would count.
  const sessions = sessionAdapter(deps);
  const grants = grantAdapter(deps);

  return {
    factory(name) {
      if (name === 'Client') return clientAdapter;
      if (!isModelName(name)) throw new Error(`the engine asked for an unknown model: ${name}`);
      return adapterFor(name);
    },

    async findToken(id) {
      const row = await rows.oidc_tokens.findAny(sealing.idHash(id));
      const payload = row && sealing.open(row.model, row.idHash, row.payload);
      return payload && { model: row.model, payload, consumed: row.consumedAt !== null };
    },

    start: async () => home?.start(),

    async unseen(id, lifetimeSeconds) {
      const idHash = sealing.idHash(id);
      // A replay is refused without PostgreSQL; that something is new, only PostgreSQL can say.
      const answer = await fast?.mayBeNew(idHash, lifetimeSeconds);
      return answer?.value === false ? false : isFirst(idHash, lifetimeSeconds);
    },

    async removeExpired(batchSize, signal) {
      let removed = 0;
      for (const table of tables) removed += await removeExpiredFrom(table);
      return removed;

      function removeExpiredFrom(table: string): Promise<number> {
        const removeSome = async (limit: number): Promise<number> => {
          const result = await db.raw(
            `delete from ${table} where ctid = any(array(
               select ctid from ${table} where expires_at <= now() order by expires_at limit ?
               for update skip locked))`,
            [limit],
          );
          return result.rowCount ?? 0;
        };
        return inBatches(removeSome, signal, batchSize);
      }
    },
  };
}

const tables: readonly string[] = [
  ...new Set<string>(Object.values(models).map((model) => model.table)),
  'oidc_spent',
];

// The engine reads ReplayDetection through `unique`, which replays.ts answers from `unseen`; nothing else may touch it.
const replayAdapter: Adapter = {
  upsert: refuse,
  find: refuse,
  findByUid: refuse,
  findByUserCode: refuse,
  consume: refuse,
  destroy: refuse,
  revokeByGrantId: refuse,
};

async function refuse(): Promise<never> {
  throw new Error('ReplayDetection is insert-if-absent and goes through StateStore.unseen');
}
