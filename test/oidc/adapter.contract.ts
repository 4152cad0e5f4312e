// What every store of engine state must do, whatever it is built on: one suite, run once for each of them.
import { randomUUID } from 'node:crypto';
import { type Adapter, errors } from 'oidc-provider';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelName } from '../../src/oidc/adapter/models.ts';
import { revocation, sessions } from './adapter.ends.ts';
import { inEngineRequest } from './engine-request.ts';
import {
  consumable,
  HOUR,
  type Make,
  names,
  type StoreUnderTest,
  stored,
  thing,
} from './store-under-test.ts';

export function adapterContract(name: string, subject: () => StoreUnderTest): void {
  const adapter = (model: ModelName): Adapter => {
    const made = subject().store.factory;
    // The engine takes a class or a function; ours is a function.
    return (made as (name: string) => Adapter)(model);
  };

  describe(`the adapter over ${name}`, () => {
    roundTrips(subject, adapter);
    singleUse(adapter);
    revocation(subject, adapter);
    sessions(subject, adapter);
    replays(subject);
    cleanUp(subject, adapter);
    atRest(subject, adapter);
    ledger(subject, adapter);
    refreshGrace(adapter);
  });
}

function roundTrips(subject: () => StoreUnderTest, adapter: Make): void {
  describe('keeps what it was given', () => {
    it.each(stored)('%s: an open payload, field by field', async (model) => {
      const [id, payload] = thing(model, {
        later: { added: [1, 'two', null, { three: true }] },
        ü: '€ 日本\u0000',
      });
      await adapter(model).upsert(id, payload, HOUR);

      expect(await adapter(model).find(id)).toEqual(payload);
    });

    it.each(stored)('%s: the last payload as a whole', async (model) => {
      const [id, payload] = thing(model, { scope: 'first', extra: { old: true } });
      const { extra: _, ...rest } = payload;
      await adapter(model).upsert(id, payload, HOUR);
      await adapter(model).upsert(id, { ...rest, scope: 'second' }, HOUR);

      expect(await adapter(model).find(id)).toEqual({ ...rest, scope: 'second' });
    });

    it.each(stored)('%s: nothing for an id that is not there', async (model) => {
      expect(await adapter(model).find(randomUUID())).toBeUndefined();
      expect(await adapter(model).findByUid(randomUUID())).toBeUndefined();
      expect(await adapter(model).findByUserCode(randomUUID())).toBeUndefined();
    });

    it.each(stored)('%s: nothing past its end, though the row may still be there', async (model) => {
      const [id, payload] = thing(model, { userCode: code() });
      await adapter(model).upsert(id, payload, HOUR);
      await subject().expire(model, id);

      expect(await adapter(model).find(id)).toBeUndefined();
      expect(await adapter(model).findByUid(payload.uid ?? id)).toBeUndefined();
      expect(await adapter(model).findByUserCode(payload.userCode ?? id)).toBeUndefined();
    });

    it.each(stored)('%s: is gone after destroy, which may be called again', async (model) => {
      const [id, payload] = thing(model);
      await adapter(model).upsert(id, payload, HOUR);
      await adapter(model).destroy(id);
      await adapter(model).destroy(id);

      expect(await adapter(model).find(id)).toBeUndefined();
      expect(await subject().isStored(model, id)).toBe(false);
    });

    it('one id of two models is two things', async () => {
      const [id, payload] = thing('AccessToken');
      await adapter('AccessToken').upsert(id, payload, HOUR);

      expect(await adapter('RefreshToken').find(id)).toBeUndefined();
      await adapter('RefreshToken').destroy(id);
      expect(await adapter('AccessToken').find(id)).toEqual(payload);
    });

    it('a copy: changing what was found changes nothing', async () => {
      const [id, payload] = thing('AccessToken', { extra: { list: [1] } });
      await adapter('AccessToken').upsert(id, payload, HOUR);
      const found = await adapter('AccessToken').find(id);
      Object.assign(found?.extra ?? {}, { list: [2] });

      expect(await adapter('AccessToken').find(id)).toEqual(payload);
    });

    it('a device code, by the code that a person types', async () => {
      const [id, payload] = thing('DeviceCode', { userCode: code() });
      await adapter('DeviceCode').upsert(id, payload, HOUR);
      await adapter('DeviceCode').upsert(id, { ...payload, inFlight: true }, HOUR);

      const found = await adapter('DeviceCode').findByUserCode(payload.userCode ?? '');
      expect(found).toEqual({ ...payload, inFlight: true });
    });
  });
}

function singleUse(adapter: Make): void {
  describe('lets a thing be used once', () => {
    it.each(consumable)('%s: one of fifty parallel uses wins, the others throw', async (model) => {
      const [id, payload] = thing(model);
      await adapter(model).upsert(id, payload, HOUR);
      const uses = await Promise.allSettled(Array.from({ length: 50 }, () => adapter(model).consume(id)));
      const refused = uses.filter((use) => use.status === 'rejected').map(({ reason }) => reason);

      expect(refused.length).toBe(49);
      const expected =
        model === 'PushedAuthorizationRequest' ? errors.InvalidRequestUri : errors.InvalidGrant;
      for (const reason of refused) expect(reason).toBeInstanceOf(expected);
    });

    it.each(consumable)('%s: stays used, and is shown as used, when it is saved again', async (model) => {
      const [id, payload] = thing(model);
      await adapter(model).upsert(id, payload, HOUR);
      await adapter(model).consume(id);
      await adapter(model).upsert(id, { ...payload, scope: 'again' }, HOUR);

      const found = await adapter(model).find(id);
      expect(found?.scope).toBe('again');
      expect(Math.abs(Date.now() / 1000 - Number(found?.consumed))).toBeLessThan(5);
      await expect(adapter(model).consume(id)).rejects.toThrow();
    });

    it.each(consumable)('%s: what is not there cannot be used', async (model) => {
      await expect(adapter(model).consume(randomUUID())).rejects.toThrow(errors.OIDCProviderError);
    });
  });
}

function replays(subject: () => StoreUnderTest): void {
  describe('detects replays', () => {
    it('one of fifty parallel first uses is the first, the others are answered false', async () => {
      const id = randomUUID();
      const answers = await Promise.all(Array.from({ length: 50 }, () => subject().store.unseen(id, 60)));

      expect(answers.filter(Boolean).length).toBe(1);
    });

    it('forgets an id after its time, whether the row is removed or not', async () => {
      const id = randomUUID();
      await subject().store.unseen(id, 60);
      await subject().expire('ReplayDetection', id);

      expect(await subject().store.unseen(id, 60)).toBe(true);
      expect(await subject().store.unseen(id, 60)).toBe(false);
    });
  });
}

function cleanUp(subject: () => StoreUnderTest, adapter: Make): void {
  describe('removes what expired', () => {
    const each = async (model: ModelName, expired: boolean) => {
      const [id, payload] = thing(model);
      await adapter(model).upsert(id, payload, HOUR);
      if (expired) await subject().expire(model, id);
      return { model, id };
    };

    it('in batches, of every model, and leaves the living alone', async () => {
      const living = await Promise.all(names.map((model) => each(model, false)));
      const expired = await Promise.all([...names, ...names, ...names].map((model) => each(model, true)));
      const removed = await subject().store.removeExpired(2);

      const rows = expired.filter(({ model }) => !subject().goByThemselves?.includes(model));
      expect(removed).toBeGreaterThanOrEqual(rows.length);
      for (const { model, id } of expired) expect(await subject().isStored(model, id), model).toBe(false);
      for (const { model, id } of living) expect(await adapter(model).find(id), model).toBeDefined();
      expect(await subject().store.removeExpired(2)).toBe(0);
    });

    it('on several nodes at once, while others write, each row counted once', async () => {
      const expired = await Promise.all(Array.from({ length: 60 }, () => each('AccessToken', true)));
      const busy = Promise.all(Array.from({ length: 40 }, () => each('AccessToken', false)));
      const removed = await Promise.all([7, 3, 5].map((size) => subject().store.removeExpired(size)));
      await busy;
      const rest = await subject().store.removeExpired(100);

      expect(removed.reduce((sum, count) => sum + count, rest)).toBe(expired.length);
    });
  });
}

function atRest(subject: () => StoreUnderTest, adapter: Make): void {
  describe('treats as absent', () => {
    it.each(stored)('%s: what somebody changed behind its back', async (model) => {
      const [id, payload] = thing(model);
      await adapter(model).upsert(id, payload, HOUR);
      await subject().damage(model, id);

      expect(await adapter(model).find(id)).toBeUndefined();
    });

    it.each(stored)('%s: what somebody moved under another id', async (model) => {
      const [from, to] = [thing(model), thing(model)];
      for (const entry of [from, to]) await adapter(model).upsert(...entry, HOUR);
      await subject().copy(model, from[0], to[0]);

      expect(await adapter(model).find(from[0])).toEqual(from[1]);
      expect(await adapter(model).find(to[0])).toBeUndefined();
    });
  });
}

function ledger(subject: () => StoreUnderTest, adapter: Make): void {
  describe('writes a change and its event together', () => {
    const changes: [ModelName, string][] = [
      ['Session', 'session.started'],
      ['Grant', 'grant.created'],
      ['RefreshToken', 'token.issued'],
      ['AccessToken', 'token.issued'],
      ['ClientCredentials', 'token.issued'],
    ];

    it.each(changes)('%s: one event of the type %s', async (model, type) => {
      const before = await subject().eventTypes();
      await adapter(model).upsert(...thing(model), HOUR);

      expect((await subject().eventTypes()).slice(before.length)).toEqual([type]);
    });

    it.each(changes)('%s: no row when the ledger takes no event', async (model) => {
      const [id, payload] = thing(model);
      await subject().withoutLedger(async () => {
        await expect(adapter(model).upsert(id, payload, HOUR)).rejects.toThrow();
      });

      expect(await subject().isStored(model, id)).toBe(false);
    });

    it('keeps a grant that cannot be revoked in the ledger', async () => {
      const [id, payload] = thing('Grant');
      await adapter('Grant').upsert(id, payload, HOUR);
      await subject().withoutLedger(async () => {
        await expect(adapter('Grant').destroy(id)).rejects.toThrow();
      });

      expect(await adapter('Grant').find(id)).toEqual(payload);
    });

    it('a session starts once, however often it is saved', async () => {
      const [id, payload] = thing('Session');
      const before = await subject().eventTypes();
      for (const acr of ['one', 'two']) await adapter('Session').upsert(id, { ...payload, acr }, HOUR);

      expect((await subject().eventTypes()).slice(before.length)).toEqual(['session.started']);
    });
  });
}

function refreshGrace(adapter: Make): void {
  describe('within the grace after a rotation', () => {
    const rotated: { id: string } = { id: '' };
    beforeAll(async () => {
      const [id, payload] = thing('RefreshToken');
      rotated.id = id;
      await adapter('RefreshToken').upsert(id, payload, HOUR);
      await adapter('RefreshToken').consume(id);
    });
    const find = (clientAuthMethod: string, route: string) =>
      inEngineRequest({ route, client: { clientId: 'app', clientAuthMethod } }, () =>
        adapter('RefreshToken').find(rotated.id),
      );

    it('refuses the old token of a public client without naming it used, so that nothing else ends', async () => {
      await expect(find('none', 'token')).rejects.toThrow(errors.InvalidGrant);
    });

    it('shows the old token of a confidential client as used, so that its family ends', async () => {
      expect((await find('client_secret_basic', 'token'))?.consumed).toEqual(expect.any(Number));
    });

    it('lets a public client revoke its old token', async () => {
      expect((await find('none', 'revocation'))?.consumed).toEqual(expect.any(Number));
    });
  });
}

function code(): string {
  return randomUUID().slice(0, 8).toUpperCase();
}
