// What can be metered: three meters that are always there, and those that operators register.
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { EventType } from '../vocabulary/events.ts';
import { builtInMeters, type Meter } from './schema.ts';
import { deleteMeter, insertMeter, isMeterInUse, lockMeter, selectMeters } from './store.ts';

interface MetersDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'poll'>;
  clock: Clock;
}

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
const isBuiltIn = (name: string) => Object.hasOwn(builtInMeters, name);

export interface Meters {
  listMeters(): Promise<Meter[]>;
  /** Throws meter_taken, request_invalid. */
  addMeter(input: { name: string; sentence: string }, by: Actor): Promise<Meter>;
  /** Throws meter_not_found, meter_in_use, meter_protected. */
  removeMeter(name: string, by: Actor): Promise<void>;
}

export function createMeters(deps: MetersDeps): Meters {
  const { postgres, audit, changes, clock } = deps;

  async function commit(
    type: Extract<EventType, `meter.${string}`>,
    name: string,
    by: Actor,
    run: (trx: Db) => Promise<void>,
  ): Promise<void> {
    await postgres.transaction(async (trx) => {
      await run(trx);
      await audit.record(trx, { type, actor: by, outcome: 'success', target: { kind: 'meter', id: name } });
      await changes.bump(trx, 'budgets', `meter:${name}`);
    });
    await changes.poll().catch(() => undefined);
  }

  return {
    async listMeters() {
      const builtIn = Object.entries(builtInMeters).map(([name, sentence]) => ({
        name,
        sentence,
        builtIn: true,
      }));
      const registered = await selectMeters(postgres.db);
      return [...builtIn, ...registered.map((meter) => ({ ...meter, builtIn: false }))];
    },
    async addMeter({ name, sentence }, by) {
      if (!NAME.test(name)) {
        const told = 'Up to 63 lower-case letters, digits, dashes and underscores, a letter first.';
        throw failure('request_invalid', { fields: { name: told } });
      }
      if (isBuiltIn(name)) throw failure('meter_taken');
      await commit('meter.created', name, by, async (trx) => {
        if (!(await insertMeter(trx, { name, sentence }, clock.now()))) throw failure('meter_taken');
      });
      return { name, sentence, builtIn: false };
    },
    async removeMeter(name, by) {
      if (isBuiltIn(name)) throw failure('meter_protected');
      await commit('meter.deleted', name, by, async (trx) => {
        if (!(await lockMeter(trx, name))) throw failure('meter_not_found');
        if (await isMeterInUse(trx, name)) throw failure('meter_in_use');
        await deleteMeter(trx, name);
      });
    },
  };
}
