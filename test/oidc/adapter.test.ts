// The contract of engine state, run over PostgreSQL; and what rests in its tables: hashes, and nothing that opens anything.
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { Adapter } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import { createStateStore } from '../../src/oidc/adapter/adapter.ts';
import { type ModelName, models } from '../../src/oidc/adapter/models.ts';
import { createSealing } from '../../src/oidc/adapter/sealing.ts';
import type { EndedParticipant } from '../../src/oidc/adapter/session-clients.ts';
import { noClientAdapter } from '../../src/oidc/client-source.ts';
import { createEngineState } from '../../src/oidc/engine-state.ts';
import { useDatabase } from '../support/database.ts';
import { adapterContract } from './adapter.contract.ts';
import type { StoreUnderTest } from './store-under-test.ts';

const { db } = useDatabase();
const stateKey = randomBytes(32);
const sealing = createSealing(stateKey);

const sha256 = (text: string) => createHash('sha256').update(text).digest();
const row = (model: ModelName, id: string) => (model === 'Grant' ? { id } : { id_hash: sha256(id) });
const rows = (model: ModelName, id: string) => db(models[model].table).where(row(model, id));

const told: EndedParticipant[] = [];
const subject: StoreUnderTest = {
  db,
  store: createStateStore(
    { db, sealing, refreshGraceSeconds: 10, sessionAbsoluteSeconds: 7 * 86_400 },
    noClientAdapter,
  ),
  state: createEngineState({
    db,
    sealing,
    cutoffs: { raise: async () => {} },
    now: () => new Date(),
    tellEnded: async (_trx, participants) => {
      told.push(...participants);
    },
    forgetClient: async () => {},
  }),
  told,
  async expire(model, id) {
    await rows(model, id).update({ expires_at: db.raw(`now() - interval '1 second'`) });
  },
  async damage(model, id) {
    const last = 'octet_length(payload) - 1';
    await rows(model, id).update({
      payload: db.raw(`set_byte(payload, ${last}, get_byte(payload, ${last}) # 1)`),
    });
  },
  async copy(model, from, to) {
    await rows(model, to).update({ payload: rows(model, from).select('payload') });
  },
  isStored: async (model, id) => (await rows(model, id).select(db.raw('1'))).length === 1,
  eventTypes: () => db('audit_events').orderBy('sequence').pluck('type'),
  async withoutLedger(run) {
    await db.raw('alter table audit_events add constraint closed check (false) not valid');
    try {
      await run();
    } finally {
      await db.raw('alter table audit_events drop constraint closed');
    }
  },
};

adapterContract('PostgreSQL', () => subject);

describe('what rests in the tables', () => {
  const adapter = (model: ModelName) => (subject.store.factory as (name: string) => Adapter)(model);

  it('is the hash of an id, and for a user code, which could be guessed from one, a keyed hash', async () => {
    const [id, userCode] = [randomUUID(), 'WDJB-MJHT'];
    await adapter('DeviceCode').upsert(id, { kind: 'DeviceCode', jti: id, userCode }, 60);
    const [stored] = await rows('DeviceCode', id).select('user_code_hash', 'payload');

    expect(stored.user_code_hash).not.toEqual(sha256(userCode));
    expect(stored.user_code_hash).toEqual(
      createHmac('sha256', stateKey).update(`user_code:${userCode}`).digest(),
    );
    expect(stored.payload.includes(id)).toBe(false);
    expect(stored.payload.includes(userCode)).toBe(false);
  });

  it('differs for the same payload under two keys and at two times', async () => {
    const id = randomUUID();
    const bytes = async () => (await rows('AccessToken', id).select('payload'))[0].payload.toString('hex');
    const payload = { kind: 'AccessToken', jti: id };
    await adapter('AccessToken').upsert(id, payload, 60);
    const first = await bytes();
    await adapter('AccessToken').upsert(id, payload, 60);

    expect(await bytes()).not.toBe(first);
    const stranger = createSealing(randomBytes(32));
    expect(stranger.open('AccessToken', sha256(id), Buffer.from(first, 'hex'))).toBeUndefined();
  });
});
