// Client secrets: several active at once for rotation with overlap, shown once, kept as keyed hashes.
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Actor } from '../audit/schema.ts';
import { type ClientSecretId, newId, parseId } from '../lib/ids.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { randomToken } from '../platform/secrets/tokens.ts';
import type { EventType } from '../vocabulary/events.ts';
import { usesSecret } from './metadata.ts';
import type { Client, ClientGuard } from './schema.ts';
import {
  countActiveSecrets,
  endSecretsAt,
  insertSecret,
  retireSecret,
  type SecretHash,
} from './secret-store.ts';

export interface NewSecret {
  expiresAt?: Date | null;
  /** When the secrets active now end: the overlap in which both are taken. Now or earlier ends them at once. */
  retireOthersAt?: Date | null;
}

export const MAXIMUM_ACTIVE_SECRETS = 5;
const LABEL = Buffer.from('client-secret:');

interface Deps {
  clock: Clock;
  secretKey: Buffer;
  commit<T>(db: Db | undefined, run: (trx: Db) => Promise<T>): Promise<T>;
  lock(trx: Db, id: string, guard?: ClientGuard): Promise<Client>;
  tell(trx: Db, type: EventType, client: Client, by: Actor, details: Record<string, unknown>): Promise<void>;
}

export function createSecrets(deps: Deps) {
  const { clock } = deps;
  // Compared when there is no secret to compare with; random, so that nothing can match it.
  const nothing = randomBytes(32);
  // A client secret has 256 random bits, so one keyed hash is enough (ASVS 6.5.2), and a plain one over a key of fixed
  // length is ten times as fast as an HMAC object made for each request.
  const hashOf = (secret: string) =>
    hash('sha256', Buffer.concat([deps.secretKey, LABEL, Buffer.from(secret)]), 'buffer');

  async function insert(trx: Db, client: Client, expiresAt: Date | null) {
    const secret = `ghcs_${randomToken()}`;
    const id = newId('sec');
    const createdAt = clock.now();
    await insertSecret(trx, { id, clientId: client.id, hash: hashOf(secret), createdAt, expiresAt });
    return { secretId: id, secret };
  }

  return {
    insert,

    add(
      clientId: string,
      input: NewSecret,
      by: Actor,
      guard?: ClientGuard,
    ): Promise<{ secretId: ClientSecretId; secret: string }> {
      return deps.commit(undefined, async (trx) => {
        const client = await deps.lock(trx, clientId, guard);
        const now = clock.now();
        const expiresAt = input.expiresAt ?? null;
        if (!usesSecret(client)) throw refused('id', 'this client does not authenticate with a secret');
        if (expiresAt !== null && expiresAt <= now) throw refused('expiresAt', 'must be in the future');
        const endsAt = input.retireOthersAt ?? null;
        const ended = endsAt === null ? [] : await endSecretsAt(trx, client.id, endsAt, now);
        if (ended.length > 0) {
          await deps.tell(trx, 'client-secret.retired', client, by, { secretIds: ended, at: endsAt });
        }
        // The client row is locked: two secrets added at once are counted one after the other.
        if ((await countActiveSecrets(trx, client.id, now)) >= MAXIMUM_ACTIVE_SECRETS) {
          throw failure('client_secret_limit');
        }
        const added = await insert(trx, client, expiresAt);
        await deps.tell(trx, 'client-secret.created', client, by, { secretId: added.secretId, expiresAt });
        return added;
      });
    },

    retire(clientId: string, secretId: string, by: Actor, guard?: ClientGuard): Promise<void> {
      return deps.commit(undefined, async (trx) => {
        const client = await deps.lock(trx, clientId, guard);
        const id = parseId('sec', secretId);
        if (id === undefined || !(await retireSecret(trx, client.id, id, clock.now()))) {
          throw failure('client_secret_not_found');
        }
        await deps.tell(trx, 'client-secret.retired', client, by, { secretIds: [id] });
      });
    },

    /** Always the same number of comparisons, so that time tells neither whether there is a client nor which secret it was. */
    matches(hashes: readonly SecretHash[], presented: string): boolean {
      const hash = hashOf(presented);
      const now = clock.now().getTime();
      let matched = false;
      for (let index = 0; index < MAXIMUM_ACTIVE_SECRETS; index += 1) {
        const candidate = hashes[index];
        const equal = timingSafeEqual(hash, candidate?.hash ?? nothing);
        const live =
          candidate !== undefined && (candidate.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) > now;
        matched = (equal && live) || matched;
      }
      return matched;
    },
  };
}

function refused(field: string, problem: string) {
  return failure('client_metadata_invalid', { fields: { [field]: problem } });
}
