// Browsers that are known again: a new one is told of, and one that was remembered serves only while nothing has changed.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createDevices } from '../../src/credentials/credentials.ts';
import type { AccountId } from '../../src/lib/ids.ts';
import { randomToken } from '../../src/platform/secrets/tokens.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, from, operator, PASSWORD } from './world.ts';

describe('browsers of an account', () => {
  const database = useDatabase();
  let people = 0;

  async function build(rememberedDays = 30) {
    const world = createWorld(database.postgres);
    const devices = createDevices({
      ...world,
      postgres: database.postgres,
      deviceKey: randomBytes(32),
      secure: true,
      settings: { rememberedDays },
    });
    people += 1;
    const account = await world.accounts.create({ email: `devices${people}@example.com` }, operator);
    await world.credentials.setPassword(account.id, PASSWORD, operator);
    const by = { kind: 'account', id: account.id } as const;
    return {
      ...world,
      devices,
      id: account.id,
      by,
      /** Signs in with a browser that is remembered from then on. */
      async remembered(cookie = randomToken()) {
        const { deviceId } = await devices.recognise(cookie, account.id);
        await devices.remember(account.id, deviceId, by);
        return { cookie, deviceId };
      },
    };
  }

  const eventsOf = async (accountId: AccountId) =>
    (await database.db('audit_events').where({ account_id: accountId, type: 'device.new' })).length;

  it('tells of a browser that the account was never signed in with, but not of its first', async () => {
    const { devices, id } = await build();
    const [first, second] = [randomToken(), randomToken()];
    expect(await devices.recognise(first, id)).toMatchObject({ isNew: false, remembered: false });
    expect(await devices.recognise(first, id)).toMatchObject({ isNew: false });
    expect(await eventsOf(id)).toBe(0);
    const added = await devices.recognise(second, id);
    expect(added.isNew).toBe(true);
    expect(await devices.recognise(second, id)).toMatchObject({ isNew: false, deviceId: added.deviceId });
    expect(await eventsOf(id)).toBe(1);
  });

  it('knows a browser for each account by itself, and keeps no cookie', async () => {
    const [one, other] = [await build(), await build()];
    const { cookie } = await one.remembered();
    expect(await one.devices.isRemembered(cookie, one.id)).toBe(true);
    expect(await one.devices.isRemembered(cookie, other.id)).toBe(false);
    expect(await one.devices.isRemembered(randomToken(), one.id)).toBe(false);
    expect(await one.devices.isRemembered(undefined, one.id)).toBe(false);
    const rows = await database.db('account_devices').where({ account_id: one.id });
    expect(JSON.stringify(rows)).not.toContain(cookie);
  });

  it('remembers for as long as is set, and not at all where that is 0', async () => {
    const { devices, remembered, id, clock } = await build();
    const { cookie } = await remembered();
    clock.pass(29 * 24 * 3600);
    expect(await devices.isRemembered(cookie, id)).toBe(true);
    clock.pass(2 * 24 * 3600);
    expect(await devices.isRemembered(cookie, id)).toBe(false);
    const never = await build(0);
    const { cookie: other } = await never.remembered();
    expect(await never.devices.isRemembered(other, never.id)).toBe(false);
  });

  it.each<{ what: string; change: (world: Awaited<ReturnType<typeof build>>) => Promise<unknown> }>([
    {
      what: 'the password',
      change: ({ credentials, id }) =>
        credentials.setPassword(id, 'another meadow under nine lanterns', operator, undefined, {
          keepSessions: true,
        }),
    },
    {
      what: 'the mail address',
      change: ({ accounts, id }) => accounts.change(id, { email: `moved-${id}@example.com` }, operator),
    },
    {
      what: 'the phone number',
      change: ({ id }) => database.db('accounts').where({ id }).update({ phone_number: '+43660123' }),
    },
    {
      what: 'the second factors',
      change: ({ id }) =>
        database
          .db('factors')
          .insert({ id: `fac_${id}`, account_id: id, kind: 'totp', name: 'App', created_at: new Date() }),
    },
    {
      what: 'the standing of the account',
      change: ({ accounts, id }) => accounts.suspend(id, null, operator),
    },
  ])('remembers no more when $what has changed', async ({ change }) => {
    const world = await build();
    const { cookie } = await world.remembered();
    expect(await world.devices.list(world.id)).toHaveLength(1);
    await change(world);
    expect(await world.devices.isRemembered(cookie, world.id)).toBe(false);
    expect(await world.devices.list(world.id)).toEqual([]);
  });

  it('remembers on when nothing of that has changed', async () => {
    const { devices, remembered, accounts, id } = await build();
    const { cookie } = await remembered();
    await accounts.change(id, { name: 'Ada King' }, operator);
    expect(await devices.isRemembered(cookie, id)).toBe(true);
  });

  it('lists what is remembered with where it was seen last, and marks this one', async () => {
    const { devices, remembered, id } = await build();
    const here = await from('192.0.2.7', () => remembered());
    await from('192.0.2.9', () => remembered());
    const list = await devices.list(id, here.cookie);
    expect(list.map(({ address, isThis }) => [address, isThis])).toEqual([
      ['192.0.2.9', false],
      ['192.0.2.7', true],
    ]);
  });

  it('forgets one, or all, of this account alone, and the ledger has it', async () => {
    const [one, other] = [await build(), await build()];
    const [first, second, third] = [await one.remembered(), await one.remembered(), await one.remembered()];
    const elsewhere = await other.remembered();
    await one.devices.forget(other.id, first.deviceId, one.by);
    expect(await one.devices.isRemembered(first.cookie, one.id)).toBe(true);
    await one.devices.forget(one.id, first.deviceId, one.by);
    await one.devices.forget(one.id, 'dev_none', one.by);
    expect(await one.devices.isRemembered(first.cookie, one.id)).toBe(false);
    expect(await one.devices.isRemembered(second.cookie, one.id)).toBe(true);
    expect(await one.devices.forgetAll(undefined, one.id, one.by)).toBe(2);
    expect(await one.devices.isRemembered(third.cookie, one.id)).toBe(false);
    expect(await other.devices.isRemembered(elsewhere.cookie, other.id)).toBe(true);
    const told = await database.db('audit_events').where({ account_id: one.id, type: 'device.forgotten' });
    expect(told.map(({ details }) => details)).toEqual([{}, { count: 2 }]);
    // Known all the same: signing in with it again is nothing new.
    expect(await one.devices.recognise(first.cookie, one.id)).toMatchObject({ isNew: false });
  });

  it('gives a browser one cookie for this host alone, which scripts do not see', async () => {
    const { devices } = await build();
    const set: string[] = [];
    const response = { appendHeader: (_name: string, value: string) => set.push(value) };
    const request = (cookie: string) => ({ headers: { cookie } }) as IncomingMessage;
    const value = devices.cookie.renew(request(''), response as unknown as ServerResponse);
    expect(set[0]).toMatch(
      /^__Host-gatehouse_device=[\w-]{43}; Path=\/; Max-Age=31536000; HttpOnly; SameSite=Lax; Secure$/,
    );
    const again = request(`a=b; __Host-gatehouse_device=${value}`);
    expect(devices.cookie.read(again)).toBe(value);
    expect(devices.cookie.renew(again, response as unknown as ServerResponse)).toBe(value);
    expect(devices.cookie.read(request('__Host-gatehouse_device=short'))).toBeUndefined();
  });

  it('forgets a browser a year after its last sign-in', async () => {
    const { devices, clock, remembered, id } = await build();
    await remembered();
    clock.pass(366 * 24 * 3600);
    for (const job of devices.jobs()) await job.run();
    expect(await database.db('account_devices').where({ account_id: id })).toEqual([]);
  });
});
