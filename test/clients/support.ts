// The registries of one node on a test database, and a clock that a test moves; two nodes share the database.
import { createApis } from '../../src/apis/apis.ts';
import { createAudit } from '../../src/audit/audit.ts';
import type { Actor, NewEvent } from '../../src/audit/schema.ts';
import { clientsUseApi, createClients } from '../../src/clients/clients.ts';
import { createChanges } from '../../src/platform/changes.ts';
import type { Db, Postgres } from '../../src/platform/database/postgres.ts';
import { createVault } from '../../src/platform/secrets/vault.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createSigningKeys } from '../../src/signing-keys/signing-keys.ts';

export const operator: Actor = { kind: 'operator', id: 'test' };

export interface TestClock {
  now(): Date;
  advance(seconds: number): void;
}

export function createTestClock(): TestClock {
  let time = Date.parse('2026-03-01T12:00:00Z');
  return {
    now: () => new Date(time),
    advance(seconds) {
      time += seconds * 1000;
    },
  };
}

export const settings = { publishDelaySeconds: 300, retainRetiredSeconds: 7200, rotateAfterDays: 90 };

export function createNode(postgres: Postgres, clock: TestClock) {
  const changes = createChanges({ db: postgres.db, log: silentLog });
  const audit = createAudit({ postgres, log: silentLog, clock });
  const ended: string[] = [];
  const apis = createApis({ postgres, audit, changes, clock, isUsed: clientsUseApi });
  const clients = createClients({
    postgres,
    audit,
    changes,
    clock,
    apis,
    secretKey: Buffer.alloc(32, 7),
    endClientState: async (_trx, clientId) => void ended.push(clientId),
  });
  const vault = createVault(Buffer.alloc(32, 9));
  const signingKeys = createSigningKeys({ postgres, vault, audit, changes, clock, settings });
  return { postgres, changes, audit, apis, clients, signingKeys, ended };
}

export type TestNode = ReturnType<typeof createNode>;

/** Event types about one target, in the order they happened. */
export async function eventsOf(
  db: Db,
  targetId: string,
): Promise<{ type: NewEvent['type']; actor_kind: string }[]> {
  return db('audit_events').select('type', 'actor_kind').where({ target_id: targetId }).orderBy('sequence');
}

/** The code of the failure with which a promise rejects, or 'fulfilled'. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return 'fulfilled';
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}
