// The pepper under which keys are hashed, in versions: a new one takes over key by key, as each is used again.
import type { Actor, Audit } from '../../audit/audit.ts';
import type { Changes } from '../../platform/changes.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import type { Peppers } from '../../platform/secrets/peppers.ts';
import { countByPepper } from '../store.ts';

export interface PepperView {
  readonly version: number;
  readonly newest: boolean;
  /** How many secrets of keys are hashed under it. */
  readonly secrets: number;
}

export interface PepperRotation {
  /** A new version for what is hashed from now on; versions that nothing is hashed under are dropped. */
  rotatePepper(by: Actor): Promise<PepperView[]>;
  listPeppers(): Promise<PepperView[]>;
}

export function createPepperRotation(deps: {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'poll'>;
  peppers: Peppers;
}): PepperRotation {
  const { postgres, peppers, changes } = deps;

  async function listPeppers(): Promise<PepperView[]> {
    await peppers.load();
    const counts = await countByPepper(postgres.db);
    return peppers.versions().map((version) => ({
      version,
      newest: version === peppers.newest(),
      secrets: counts.get(version) ?? 0,
    }));
  }

  /** A node that has not heard yet hashes under the version before, so that one stays in any case. */
  async function removeUnused(trx: Db, newest: number): Promise<number[]> {
    const counts = await countByPepper(trx);
    const unused = peppers.versions().filter((version) => version < newest - 1 && !counts.has(version));
    for (const version of unused) await peppers.remove(trx, version);
    return unused;
  }

  return {
    listPeppers,

    async rotatePepper(by) {
      await peppers.load();
      await postgres.transaction(async (trx) => {
        const version = await peppers.add(trx);
        const removed = await removeUnused(trx, version);
        const target = { kind: 'server-secret', id: 'api-key' };
        const details = { version, removed };
        await deps.audit.record(trx, {
          type: 'api-key-pepper.rotated',
          actor: by,
          outcome: 'success',
          target,
          details,
        });
        // About no one key: every node looks all of them up again, and reads the peppers.
        await changes.bump(trx, 'api-keys');
      });
      await changes.poll().catch(() => undefined);
      return listPeppers();
    },
  };
}
