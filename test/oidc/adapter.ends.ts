// The part of the contract of engine state that is about ends: revocation, sessions, and what a late request may not undo.
import { randomUUID } from 'node:crypto';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import type { EngineState } from '../../src/oidc/engine-state.ts';
import { inEngineRequest } from './engine-request.ts';
import { grantable, HOUR, type Make, names, type StoreUnderTest, thing } from './store-under-test.ts';

export function revocation(subject: () => StoreUnderTest, adapter: Make): void {
  describe('revokes', () => {
    it.each(grantable)('%s: everything of that model and grant, and nothing else', async (model) => {
      const grantId = randomUUID();
      const mine = [thing(model, { grantId }), thing(model, { grantId })];
      const other = thing(model, { grantId: randomUUID() });
      const sibling = model === 'AccessToken' ? 'RefreshToken' : 'AccessToken';
      const otherModel = thing(sibling, { grantId });
      for (const [id, payload] of [...mine, other]) await adapter(model).upsert(id, payload, HOUR);
      await adapter(sibling).upsert(...otherModel, HOUR);
      await adapter(model).revokeByGrantId(grantId);

      for (const [id] of mine) expect(await adapter(model).find(id)).toBeUndefined();
      expect(await adapter(model).find(other[0])).toEqual(other[1]);
      expect(await adapter(sibling).find(otherModel[0])).toEqual(otherModel[1]);
    });

    it.each(grantable)('%s: nothing at all without a grant id', async (model) => {
      const [id, { grantId: _, ...payload }] = thing(model);
      await adapter(model).upsert(id, payload, HOUR);
      // The engine was seen to call it so (node-oidc-provider #1431).
      await adapter(model).revokeByGrantId(undefined as unknown as string);
      await adapter(model).revokeByGrantId('');

      expect(await adapter(model).find(id)).toEqual(payload);
    });

    it('C5 everything of an account: sessions, grants, tokens and codes, and nothing of another one', async () => {
      const [gone, stays] = [randomUUID(), randomUUID()];
      const made = names
        .filter((model) => !['ClientCredentials', 'InitialAccessToken'].includes(model))
        .flatMap((model) =>
          [gone, stays].map((accountId) => ({ model, entry: thing(model, { accountId }) })),
        );
      for (const { model, entry } of made) await adapter(model).upsert(...entry, HOUR);
      // An account id is a brand on a string.
      await subject().state.endAccount(subject().db, gone as Parameters<EngineState['endAccount']>[1]);

      for (const { model, entry } of made) {
        const expected = entry[1].accountId === gone ? undefined : entry[1];
        expect(await adapter(model).find(entry[0]), model).toEqual(expected);
      }
    });

    it('C5 a request that read a grant before it was revoked does not bring it back', async () => {
      const [id, payload] = thing('Grant');
      await adapter('Grant').upsert(id, payload, HOUR);
      const grants = adapter('Grant');
      await inEngineRequest({}, async () => {
        await grants.find(id);
        await adapter('Grant').destroy(id);
        await grants.upsert(id, payload, HOUR);
      });

      expect(await adapter('Grant').find(id)).toBeUndefined();
    });
  });
}

export function sessions(subject: () => StoreUnderTest, adapter: Make): void {
  const signedIn = async () => {
    const accountId = `acc_${randomUUID()}`;
    const [id, payload] = thing('Session', { accountId });
    await adapter('Session').upsert(id, payload, HOUR);
    const list = () => subject().state.listSessions({ accountId }, null, 10);
    return { accountId, id, payload, uid: payload.uid ?? '', list };
  };
  const rename = (adapterOfSession: Adapter, from: string, to: string, payload: AdapterPayload) =>
    inEngineRequest({ session: { oldId: from, ...payload } }, async () => {
      await adapterOfSession.find(from);
      await adapterOfSession.destroy(from);
      await adapterOfSession.upsert(to, { ...payload, jti: to }, HOUR);
    });

  describe('keeps sessions', () => {
    it('found by cookie, by uid and by account', async () => {
      const { id, payload, uid, accountId, list } = await signedIn();

      expect(await adapter('Session').find(id)).toEqual(payload);
      expect(await adapter('Session').findByUid(uid)).toEqual(payload);
      expect((await list()).map((session) => session.accountId)).toEqual([accountId]);
    });

    it('as one row when the cookie gets a new id, and the old id is dead', async () => {
      const { id, payload, uid, list } = await signedIn();
      await rename(adapter('Session'), id, `${id}-new`, payload);

      expect(await adapter('Session').find(id)).toBeUndefined();
      expect(await adapter('Session').find(`${id}-new`)).toEqual({ ...payload, jti: `${id}-new` });
      expect((await adapter('Session').findByUid(uid))?.jti).toBe(`${id}-new`);
      expect((await list()).length).toBe(1);
    });

    it('from a request that began before the rename: it neither takes the row back nor writes into it', async () => {
      const { id, payload } = await signedIn();
      const late = adapter('Session');
      await inEngineRequest({ session: { accountId: payload.accountId ?? '' } }, async () => {
        await late.find(id);
        await rename(adapter('Session'), id, `${id}-new`, payload);
        await late.upsert(id, { ...payload, acr: 'stale' }, HOUR);
      });

      expect(await adapter('Session').find(id)).toBeUndefined();
      expect(await adapter('Session').find(`${id}-new`)).toEqual({ ...payload, jti: `${id}-new` });
    });

    it('C5 dead after their end, also when a request that read them before saves them again', async () => {
      const { id, payload, list } = await signedIn();
      const late = adapter('Session');
      await inEngineRequest({ session: { accountId: payload.accountId ?? '' } }, async () => {
        await late.find(id);
        const [session] = await list();
        await subject().state.endSession(subject().db, session?.id ?? '');
        await late.upsert(id, payload, HOUR);
        await late.upsert(id, payload, HOUR);
      });

      expect(await adapter('Session').find(id)).toBeUndefined();
      expect(await list()).toEqual([]);
    });

    it('and ends with a session what was granted in it, except what was meant to stay', async () => {
      const [ends, stays] = [thing('Grant'), thing('Grant')];
      const accountId = `acc_${randomUUID()}`;
      const authorizations = {
        web: { sid: 'sid-web', grantId: ends[0] },
        phone: { sid: 'sid-phone', grantId: stays[0], persistsLogout: true as const },
      };
      const [id, payload] = thing('Session', { accountId, authorizations });
      const token = thing('RefreshToken', { grantId: ends[0] });
      await adapter('Session').upsert(id, payload, HOUR);
      for (const grant of [ends, stays]) await adapter('Grant').upsert(...grant, HOUR);
      await adapter('RefreshToken').upsert(...token, HOUR);
      const [session] = await subject().state.listSessions({ accountId }, null, 10);
      await subject().state.endSession(subject().db, session?.id ?? '');
      const told = subject().told.filter((one) => one.accountId === accountId);

      expect(told.map(({ clientId, sid }) => [clientId, sid])).toEqual([
        ['web', 'sid-web'],
        ['phone', 'sid-phone'],
      ]);
      expect(await adapter('Grant').find(ends[0])).toBeUndefined();
      expect(await adapter('RefreshToken').find(token[0])).toBeUndefined();
      expect(await adapter('Grant').find(stays[0])).toEqual(stays[1]);
    });
  });
}
